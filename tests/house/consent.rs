//! What changes something takes a `Consent`.

use std::collections::BTreeSet;

use crate::none;
use crate::source::sources;

/// The verbs of each port that change something outside of this machine.
const WRITING: &[(&str, &[&str])] = &[
    ("ObjectStore", &["put", "put_file", "copy", "delete", "delete_if"]),
    ("EtcdKv", &["delete_spans", "delete_if_unchanged", "put_if_absent"]),
    ("EtcdMembers", &["compact", "defragment", "remove_member", "disarm"]),
    ("ClusterApi", &["delete_node"]),
    ("ClusterObjects", &["create", "patch", "delete"]),
    ("Hosts", &["change"]),
    (
        "FleetChange",
        &[
            "delete_group",
            "terminate",
            "keep_volume",
            "tag",
            "untag",
            "snapshot",
            "delete_volume",
        ],
    ),
];

/// A new verb that begins so belongs in the table.
const SOUNDS_LIKE_WRITING: &[&str] = &[
    "put",
    "copy",
    "delete",
    "change",
    "create",
    "update",
    "patch",
    "apply",
    "terminate",
    "remove",
    "tag",
    "untag",
    "set_",
];

#[test]
fn every_verb_that_changes_something_takes_a_consent() {
    let mut missing: BTreeSet<(&str, &str)> = WRITING
        .iter()
        .flat_map(|(port, verbs)| verbs.iter().map(move |verb| (*port, *verb)))
        .collect();
    let mut violations = Vec::new();
    let all = sources();
    for source in all.iter().filter(|source| source.is("shared/src/ports")) {
        for (port, method, signature) in source.trait_methods() {
            let is_listed = missing.remove(&(port, method));
            let takes_consent = signature.contains(": &Consent");
            if is_listed != takes_consent {
                violations.push(format!("{}: {port}::{method}{signature}", source.path));
            }
            if !is_listed && SOUNDS_LIKE_WRITING.iter().any(|start| method.starts_with(start)) {
                violations.push(format!("{}: {port}::{method} is not in the table", source.path));
            }
        }
    }
    violations.extend(
        missing
            .iter()
            .map(|(port, verb)| format!("{port}::{verb} is in no port")),
    );
    none(&violations);
}
