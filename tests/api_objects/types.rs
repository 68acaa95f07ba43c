//! The committed field table, as the generator reads it: from its text, by code of its own.

use std::collections::HashMap;

/// A type's fields by their names in JSON; empty for those that are no object.
#[derive(Default)]
pub struct Types {
    kinds: HashMap<(String, String), String>,
    fields: HashMap<String, Vec<Field>>,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub held: Held,
    /// `string`, `bool`, `int`, `double`, `bytes` or a type's name.
    pub of: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    One,
    List,
    Map,
}

impl Types {
    pub fn read() -> Self {
        let path = support::paths::root().join("shared/src/model/kubernetes/whole/table/kinds.txt");
        let text = std::fs::read_to_string(path).unwrap();
        let mut types = Self::default();
        let mut last = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "kind" => {
                    types
                        .kinds
                        .insert((words[1].to_owned(), words[2].to_owned()), words[3].to_owned());
                }
                "type" => last = words[1].to_owned(),
                "special" | "list" => {}
                _ => {
                    let shape = words[2].trim_start_matches(['=', '?', '0', '*']);
                    let (held, of) = match (shape.strip_prefix("[]"), shape.strip_prefix("{}")) {
                        (Some(of), _) => (Held::List, of),
                        (_, Some(of)) => (Held::Map, of),
                        _ => (Held::One, shape),
                    };
                    types.fields.entry(last.clone()).or_default().push(Field {
                        name: words[1].to_owned(),
                        held,
                        of: of.to_owned(),
                    });
                }
            }
        }
        types
    }

    /// The type of a kind.
    pub fn kind(&self, api_version: &str, kind: &str) -> Option<&str> {
        let key = (api_version.to_owned(), kind.to_owned());
        self.kinds.get(&key).map(String::as_str)
    }

    /// What JSON shows of a type, those of inlined types among them; `None` for a type that is no object.
    pub fn fields(&self, of: &str) -> Option<Vec<Field>> {
        let mut all = Vec::new();
        for field in self.fields.get(of)? {
            match field.name.as_str() {
                "<" => all.extend(self.fields(&field.of).unwrap_or_default()),
                "!" => {}
                _ => all.push(field.clone()),
            }
        }
        Some(all)
    }

    pub fn field(&self, of: &str, name: &str) -> Option<Field> {
        self.fields(of)?.into_iter().find(|field| field.name == name)
    }
}
