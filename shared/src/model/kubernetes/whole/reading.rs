//! What the parts of one object share while it is read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::path::Path;
use super::special::Fault;
use super::table::Table;
use crate::model::kubernetes::value::ValueError;

/// How many unknown fields are named; of the rest the number.
const NAMED: usize = 50;

/// What the parts of one object share.
pub struct Reading {
    pub table: &'static Table,
    /// Becomes `metadata.resourceVersion`.
    pub revision: Option<i64>,
    pub json_by: JsonBy,
    unknown: RefCell<Unknown>,
    problem: RefCell<Option<ValueError>>,
}

/// How JSON in an object is handed on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum JsonBy {
    /// While it is read, see [`super::streamed`].
    Streaming,
    /// As a tree of it, see [`super::json`].
    Tree,
}

#[derive(Default)]
struct Unknown {
    named: BTreeSet<String>,
    more: usize,
}

impl Reading {
    pub fn new(table: &'static Table, revision: Option<i64>, json_by: JsonBy) -> Self {
        Self {
            table,
            revision,
            json_by,
            unknown: RefCell::default(),
            problem: RefCell::default(),
        }
    }

    /// The unknown fields, sorted.
    pub fn unknown(self) -> Vec<String> {
        let Unknown { named, more } = self.unknown.into_inner();
        let more = (more > 0).then(|| format!("and {more} more"));
        named.into_iter().chain(more).collect()
    }

    /// Why serialising failed; `None` where the serializer did.
    pub fn problem(&self) -> Option<ValueError> {
        self.problem.take()
    }

    /// Remembers what is wrong, and gives the serializer's error that ends its work.
    pub fn fail<E: serde::ser::Error>(&self, problem: impl Into<ValueError>) -> E {
        let problem = problem.into();
        let error = E::custom(&problem);
        self.problem.replace(Some(problem));
        error
    }

    /// A value that its type does not allow.
    pub fn field_fails<E: serde::ser::Error>(&self, path: &Path<'_>, why: impl ToString) -> E {
        self.fail(ValueError::Field {
            path: path.to_string(),
            why: why.to_string(),
        })
    }

    /// A special value that cannot be shown.
    pub fn special_fails<E: serde::ser::Error>(&self, path: &Path<'_>, fault: Fault) -> E {
        match fault {
            Fault::Protobuf(error) => self.fail(error),
            Fault::Value(why) => self.field_fails(path, why),
        }
    }

    /// Notes a field that the table does not have.
    pub fn is_unknown(&self, path: &Path<'_>, number: u32) {
        let mut unknown = self.unknown.borrow_mut();
        if unknown.named.len() < NAMED {
            let text = match path.to_string() {
                path if path.is_empty() => format!("field {number}"),
                path => format!("{path}: field {number}"),
            };
            unknown.named.insert(text);
        } else {
            unknown.more += 1;
        }
    }
}

/// What is shown in an object beside the fields of its message.
#[derive(Clone, Copy)]
pub enum Beside<'a> {
    Nothing,
    /// `apiVersion` and `kind`.
    Type(&'a str, &'a str),
    /// `resourceVersion`, which etcd holds beside the value.
    Revision(i64),
}
