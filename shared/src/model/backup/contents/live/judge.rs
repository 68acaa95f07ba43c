//! Compares one object of the cluster with the backup.
//!
//! An API server may show more than is stored: fields that its version defaults when it reads, and that nobody has written yet. Such an
//! object is not changed. It is told by all of these: every difference is a field that the API adds, or an empty one that it leaves out;
//! none is in the metadata; and nobody has written the object since, which `metadata.managedFields` tell, with the time and the fields of
//! every writer. Where an object has none of these, the resource version does, unless it may be one of another history: where the cluster
//! is another one.

use serde_json::Value as Json;

use super::plan::Listing;
use super::stored::Stored;
use super::{LiveSide, Reason};
use crate::model::backup::contents::diff::fields::{self, FieldOptions};
use crate::model::backup::contents::diff::{self, Changed, ObjectName};
use crate::model::kubernetes::fields_diff::{BOOKKEEPING, FieldChange, compare};
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::whole::Whole;
use crate::model::snapshot::{LiveKey, Problem};

/// What an object of the cluster is.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The backup does not have it: the key that it would be stored at.
    New(Vec<u8>),
    /// The backup has it at this index.
    Known(usize, What),
}

/// How an object of the cluster and of the backup compare.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// No difference.
    Same,
    /// None but what the API server adds when it reads; the fields where they were asked for.
    Defaulted(Option<Box<Changed>>),
    /// A Node of which nothing but the status differs.
    NodeStatus,
    /// A difference.
    Changed(Box<Changed>),
    /// There is a list of its own for the version in which it is stored.
    Later,
    /// Not wholly compared; the difference where that much shows one.
    Part(Reason, String, Option<Box<Changed>>),
}

/// Compares objects of one listing.
pub struct Judge<'a> {
    stored: &'a Stored<'a>,
    listing: &'a Listing,
    same_lineage: Option<bool>,
}

impl<'a> Judge<'a> {
    /// For the objects of this listing, from the cluster `live`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn new(stored: &'a Stored<'a>, listing: &'a Listing, live: &LiveSide) -> Result<Self, Problem> {
        let lineage = stored.snapshot.lineage()?;
        Ok(Self {
            stored,
            listing,
            same_lineage: lineage.zip(live.lineage.as_ref()).map(|(from, live)| from == *live),
        })
    }

    /// Compares one object; `None` for one that is not wanted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn judge(&self, live: &Json) -> Result<Option<Verdict>, Problem> {
        let text = |pointer: &str| {
            live.pointer(pointer)
                .and_then(Json::as_str)
                .filter(|text| !text.is_empty())
        };
        let Some(name) = text("/metadata/name") else {
            return Ok(None);
        };
        let raw = self
            .stored
            .raw_key(&self.listing.name, text("/metadata/namespace"), name);
        if !self.stored.wants(&raw) {
            return Ok(None);
        }
        let Some((at, key)) = self.known(&raw) else {
            return Ok(self.listing.tells_gone.then_some(Verdict::New(raw)));
        };
        Ok(Some(Verdict::Known(at, self.compare(key, live)?)))
    }

    fn known(&self, raw: &[u8]) -> Option<(usize, &'a LiveKey)> {
        let at = self.stored.find(raw)?;
        Some((at, self.stored.snapshot.content.keys.get(at)?))
    }

    fn compare(&self, key: &LiveKey, live: &Json) -> Result<What, Problem> {
        let stored = match diff::read(self.stored.snapshot, key)? {
            Ok(stored) => stored,
            Err(_) if !self.listing.tells_gone => return Ok(What::Later),
            Err(unread) => {
                let reason = if unread.encrypted {
                    Reason::Encrypted
                } else {
                    Reason::Undecodable
                };
                return Ok(What::Part(reason, unread.why, None));
            }
        };
        let version = stored
            .object
            .get("apiVersion")
            .and_then(Json::as_str)
            .unwrap_or_default();
        if version == self.listing.resource.api_version() {
            return Ok(self.compare_whole(key, &stored, live));
        }
        if self.listing.others.contains(version) || !self.listing.tells_gone {
            return Ok(What::Later);
        }
        let why = format!("stored as {version}, which the API does not serve: only the metadata is compared");
        Ok(self.compare_metadata(key, &stored, live, why))
    }

    fn compare_whole(&self, key: &LiveKey, stored: &Whole, live: &Json) -> What {
        let differences = different(&stored.object, live);
        let object = ObjectKey::parse(&key.key);
        if differences.is_empty() {
            return What::Same;
        }
        if self.is_unwritten(key, &stored.object, live) && differences.iter().all(is_added_by_reading) {
            let fields = self.stored.options.fields;
            return What::Defaulted(fields.then(|| Box::new(self.changed(&object, &stored.object, live))));
        }
        let is_status =
            |change: &FieldChange<'_>| change.pointer == "/status" || change.pointer.starts_with("/status/");
        if object.is("nodes") && !self.stored.options.heartbeats && differences.iter().all(is_status) {
            return What::NodeStatus;
        }
        let mut changed = self.changed(&object, &stored.object, live);
        if self.stored.options.fields {
            changed.unread = stored
                .unknown
                .first()
                .map(|field| format!("not every field is known: {field}"));
        }
        What::Changed(Box::new(changed))
    }

    fn compare_metadata(&self, key: &LiveKey, stored: &Whole, live: &Json, why: String) -> What {
        let metadata = |object: &Json| serde_json::json!({ "metadata": object["metadata"] });
        let (old, new) = (metadata(&stored.object), metadata(live));
        let changed = (!different(&old, &new).is_empty()).then(|| {
            let mut changed = self.changed(&ObjectKey::parse(&key.key), &old, &new);
            changed.unread = self.stored.options.fields.then(|| why.clone());
            Box::new(changed)
        });
        What::Part(Reason::VersionNotServed, why, changed)
    }

    fn changed(&self, key: &ObjectKey<'_>, stored: &Json, live: &Json) -> Changed {
        let options = self.stored.options;
        let name = ObjectName::of(key);
        if !options.fields {
            return Changed::plain(name);
        }
        let secret = key.is("secrets");
        let shown = FieldOptions {
            secret,
            managed_fields: options.managed_fields,
        };
        let mut fields = fields::differences(stored, live, shown);
        fields.retain(|field| !is_null(field.old.as_ref()) || !is_null(field.new.as_ref()));
        Changed {
            fields: Some(fields),
            ..Changed::plain(name)
        }
    }

    /// Whether nobody has written the object since the backup.
    fn is_unwritten(&self, key: &LiveKey, stored: &Json, live: &Json) -> bool {
        let managers = |object: &Json| {
            let fields = object.pointer("/metadata/managedFields");
            fields
                .filter(|fields| fields.as_array().is_some_and(|list| !list.is_empty()))
                .cloned()
        };
        match (managers(stored), managers(live)) {
            (Some(stored), Some(live)) => stored == live,
            (None, None) => {
                let version = live.pointer("/metadata/resourceVersion").and_then(Json::as_str);
                self.same_lineage == Some(true) && version == Some(key.mod_revision.to_string().as_str())
            }
            _ => false,
        }
    }
}

fn is_null(side: Option<&fields::Shown>) -> bool {
    side.is_none_or(|side| *side == fields::Shown::Whole(Json::Null))
}

/// The differences that count. Some versions of the API write `null` where others write nothing.
fn different<'v>(stored: &'v Json, live: &'v Json) -> Vec<FieldChange<'v>> {
    let mut found = compare(stored, live, &BOOKKEEPING);
    let nothing = |side: Option<&Json>| side.is_none_or(Json::is_null);
    found.retain(|change| !(nothing(change.old) && nothing(change.new)));
    found
}

/// A field that is only in the cluster, or an empty one that is only in the backup; none of the metadata.
fn is_added_by_reading(change: &FieldChange<'_>) -> bool {
    let in_metadata = change.pointer == "/metadata" || change.pointer.starts_with("/metadata/");
    !in_metadata && change.old.is_none_or(|old| change.new.is_none() && is_empty(old))
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Bool(flag) => !flag,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(list) => list.is_empty(),
        Json::Object(fields) => fields.values().all(is_empty),
    }
}
