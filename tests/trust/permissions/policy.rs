//! A policy as it lies beside the manifests, and what it allows.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use support::paths;

use super::calls::Call;

pub struct Policy {
    pub document: Value,
}

impl Policy {
    pub fn read(name: &str) -> Self {
        let path = paths::root()
            .join("krew-manifests/permissions")
            .join(format!("{name}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            document: serde_json::from_str(&text).unwrap(),
        }
    }

    fn statements(&self) -> impl Iterator<Item = &Value> {
        self.document["Statement"].as_array().unwrap().iter()
    }

    /// All that it names.
    pub fn actions(&self) -> BTreeSet<String> {
        self.statements()
            .flat_map(|statement| texts(&statement["Action"]))
            .collect()
    }

    /// Whether some statement allows it. What its conditions want of tags is not looked at.
    pub fn allows(&self, call: &Call, cluster: &str) -> bool {
        self.statements().any(|statement| {
            let resources = texts(&statement["Resource"]).into_iter();
            let mut resources = resources.map(|resource| resource.replace("CLUSTER", cluster));
            texts(&statement["Action"]).contains(&call.action)
                && resources.any(|resource| match resource.strip_prefix("arn:aws:s3:::") {
                    Some(pattern) => fits(pattern, &call.on),
                    None => call.on == "*",
                })
        })
    }

    /// As a user writes it: with the bucket and the cluster put in.
    pub fn filled(&self, bucket: &str, cluster: &str) -> String {
        self.document
            .to_string()
            .replace("BUCKET", bucket)
            .replace("CLUSTER", cluster)
    }

    /// The same without one action.
    pub fn without(&self, action: &str) -> Self {
        let mut document = self.document.clone();
        let statements = document["Statement"].as_array_mut().unwrap();
        for statement in statements.iter_mut() {
            let kept: Vec<String> = texts(&statement["Action"])
                .into_iter()
                .filter(|have| have != action)
                .collect();
            statement["Action"] = kept.into();
        }
        statements.retain(|statement| {
            statement["Action"]
                .as_array()
                .is_some_and(|actions| !actions.is_empty())
        });
        Self { document }
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// With `*` for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text
            .strip_prefix(head)
            .is_some_and(|text| (0..=text.len()).any(|at| text.is_char_boundary(at) && fits(rest, &text[at..]))),
    }
}
