//! What we decode out of a snapshot against what the API server said of the same objects.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::kubernetes::value::Value as Stored;
use runbook_kit::model::kubernetes::whole::{Whole, whole, write_json};
use runbook_kit::model::snapshot;
use serde_json::Value;

/// What API servers keep for themselves and do not serve.
const UNSERVED: [&str; 4] = [
    "/registry/masterleases/",
    "/registry/peerserverleases/",
    "/registry/ranges/",
    "compact_rev_key",
];

/// An object of a snapshot.
pub struct Decoded {
    pub key: String,
    pub object: Value,
    /// `events.v1`, say: kind and version that it is stored at.
    pub kind: String,
}

/// Every object of a snapshot that API servers serve, decoded; panics over what is not whole.
pub fn decode(mut db: Vec<u8>) -> Vec<Decoded> {
    // The SHA-256 behind the pages.
    db.truncate(db.len() / 512 * 512);
    let reading = snapshot::read(&db).unwrap();
    let content = reading.content.expect("the snapshot is sound");
    let mut objects = Vec::new();
    for live in &content.keys {
        let key = String::from_utf8(live.key.clone()).unwrap();
        let bytes = live.value(&db).unwrap();
        if key == "compact_rev_key" {
            continue;
        }
        let value = Stored::decode(&bytes).unwrap();
        let Whole { object, unknown } =
            whole(&value, Some(live.mod_revision)).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(unknown.is_empty(), "{key}: {unknown:?}");
        let mut written = Vec::new();
        assert!(
            write_json(&value, Some(live.mod_revision), &mut written)
                .unwrap()
                .is_empty()
        );
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), object, "{key}");
        if UNSERVED.iter().any(|prefix| key.starts_with(prefix)) {
            continue;
        }
        let text = |name: &str| object[name].as_str().unwrap().to_owned();
        objects.push(Decoded {
            kind: format!("{} {}", text("apiVersion"), text("kind")),
            key,
            object,
        });
    }
    objects
}

/// Compares them with what `served` says of each, and yields how many of each kind are the same; panics over all that
/// differ.
pub fn compare(objects: &[Decoded], served: impl Fn(&Decoded) -> Option<Value>) -> BTreeMap<String, usize> {
    let mut same = BTreeMap::new();
    let mut different = BTreeSet::new();
    for decoded in objects {
        let Some(served) = served(decoded) else { continue };
        // Leases and the like are written again meanwhile.
        if served["metadata"]["resourceVersion"] != decoded.object["metadata"]["resourceVersion"] {
            continue;
        }
        let found = differences(&decoded.object, &served, "");
        if found.is_empty() {
            *same.entry(decoded.kind.clone()).or_insert(0) += 1;
        } else {
            different.insert(format!("{}:\n  {}", decoded.key, found.join("\n  ")));
        }
    }
    assert!(
        different.is_empty(),
        "{} objects are not decoded as the API server shows them:\n{}",
        different.len(),
        different.into_iter().take(40).collect::<Vec<_>>().join("\n")
    );
    same
}

/// The JSON pointers at which two values differ, and how.
fn differences(ours: &Value, theirs: &Value, at: &str) -> Vec<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let compare = |name: &&String| match (a.get(*name), b.get(*name)) {
                (Some(a), Some(b)) => differences(a, b, &format!("{at}/{name}")),
                (a, b) => vec![format!("{at}/{name}: ours {a:?}, theirs {b:?}")],
            };
            names.iter().flat_map(compare).collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs
                .flat_map(|(index, (a, b))| differences(a, b, &format!("{at}/{index}")))
                .collect()
        }
        (a, b) if a == b => Vec::new(),
        (a, b) => vec![format!("{at}: ours {a}, theirs {b}")],
    }
}
