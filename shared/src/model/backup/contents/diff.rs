//! The differences between two backups: objects deleted, created, changed.
//!
//! An object is changed when its value is another one. Revisions are no help: a restore writes every key anew, with low
//! revisions, and the value stays.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::source::Snapshot;
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::node;
use crate::model::snapshot::{LiveKey, Problem};

/// Resources that come, go and change all the time by themselves.
const HEARTBEATS: [&str; 4] = ["events", "leases", "masterleases", "peerserverleases"];
/// cilium's, in its own etcd.
const CILIUM_HEARTBEAT: &str = "cilium/.heartbeat";
/// How the summary calls a Node of which nothing but the status was rewritten.
const NODE_STATUS: &str = "nodes (status)";

/// What to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiffOptions {
    /// List heartbeats one by one, as any other object, instead of summing them up.
    pub heartbeats: bool,
}

/// The difference. In JSON:
///
/// ```text
/// {
///   "from": {"revision": 300, "keys": 226, "lineage": "UID or null"}, "to": {…},
///   "sameLineage": true, false, or null where either has none,
///   "gone": [{"object": "secrets/billing/s1", "resource": "secrets", "group": "", "namespace": "billing", "name": "s1"}],
///   "new": […], "changed": […],
///   "counts": [{"resource": "secrets", "group": "", "namespace": "billing" or null, "gone": 15, "new": 0, "changed": 0}],
///   "heartbeats": [{"resource": "events", "gone": 0, "new": 3, "changed": 1}],
///   "leasesLost": 0, "leasesGained": 0
/// }
/// ```
///
/// Lists are sorted by the keys of etcd, counts by resource, group and namespace. `leasesLost` counts the keys that are in
/// both and have a lease in the first only: after a restore, all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The first backup.
    pub from: Side,
    /// The second one.
    pub to: Side,
    /// Whether both are of one cluster.
    pub same_lineage: Option<bool>,
    /// In the first only.
    pub gone: Vec<ObjectName>,
    /// In the second only.
    pub new: Vec<ObjectName>,
    /// In both, with another value.
    pub changed: Vec<ObjectName>,
    /// The three lists counted.
    pub counts: Vec<Count>,
    /// What is not in these lists because it happens all the time.
    pub heartbeats: Vec<HeartbeatCount>,
    /// Keys in both that had a lease and have none.
    pub leases_lost: u64,
    /// Keys in both that had no lease and have one.
    pub leases_gained: u64,
}

/// One of the two backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// etcd's revision.
    pub revision: i64,
    /// Live keys.
    pub keys: u64,
    /// UID of namespace `kube-system`.
    pub lineage: Option<String>,
}

/// An object by its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ObjectName {
    /// As an operator types it, and `export` takes it.
    pub object: String,
    /// `secrets`; for what is not Kubernetes its folder.
    pub resource: String,
    /// `apps`; empty for the core group.
    pub group: String,
    /// Where it is namespaced.
    pub namespace: Option<String>,
    /// Its own name; for what is not Kubernetes the key.
    pub name: String,
}

/// Differences of one resource in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// `secrets`.
    pub resource: String,
    /// `apps`; empty for the core group.
    pub group: String,
    /// None for cluster-scoped objects.
    pub namespace: Option<String>,
    /// How many.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Heartbeats of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeartbeatCount {
    /// `events`, `leases`, `nodes (status)`, …
    pub resource: String,
    /// How many.
    #[serde(flatten)]
    pub tally: Tally,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// In the first only.
    pub gone: u64,
    /// In the second only.
    pub new: u64,
    /// In both, with another value.
    pub changed: u64,
}

#[derive(Clone, Copy)]
enum Change {
    Gone,
    New,
    Changed,
}

impl Tally {
    const fn add(&mut self, change: Change) {
        match change {
            Change::Gone => self.gone += 1,
            Change::New => self.new += 1,
            Change::Changed => self.changed += 1,
        }
    }
}

impl Diff {
    /// Compares two snapshots. Values are read of those keys only that are in both with values of the same length, of what is
    /// encrypted, and of Nodes.
    ///
    /// # Errors
    /// When either database cannot be read.
    pub fn between(from: Snapshot<'_>, to: Snapshot<'_>, options: DiffOptions) -> Result<Self, Problem> {
        let (from_side, to_side) = (Side::of(from)?, Side::of(to)?);
        let same_lineage = from_side
            .lineage
            .as_ref()
            .zip(to_side.lineage.as_ref())
            .map(|(from, to)| from == to);
        let mut found = Found {
            options,
            ..Found::default()
        };

        let (mut olds, mut news) = (from.content.keys.iter().peekable(), to.content.keys.iter().peekable());
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key.cmp(&new.key),
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            match (old, new) {
                (Some(old), None) => found.take(&ObjectKey::parse(&old.key), Change::Gone),
                (None, Some(new)) => found.take(&ObjectKey::parse(&new.key), Change::New),
                (Some(old), Some(new)) => found.compare(from, old, to, new)?,
                (None, None) => {}
            }
        }
        Ok(Self {
            from: from_side,
            to: to_side,
            same_lineage,
            gone: found.gone,
            new: found.new,
            changed: found.changed,
            counts: found.counts.into_iter().map(Count::of).collect(),
            heartbeats: found
                .heartbeats
                .into_iter()
                .map(|(resource, tally)| HeartbeatCount { resource, tally })
                .collect(),
            leases_lost: found.leases_lost,
            leases_gained: found.leases_gained,
        })
    }

    /// Whether there is no difference but heartbeats.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.changed.is_empty()
    }
}

impl Side {
    fn of(snapshot: Snapshot<'_>) -> Result<Self, Problem> {
        Ok(Self {
            revision: snapshot.content.revision,
            keys: snapshot.content.keys.len() as u64,
            lineage: snapshot.lineage()?,
        })
    }
}

/// Resource, group, namespace.
type Place = (String, String, Option<String>);

impl Count {
    fn of(((resource, group, namespace), tally): (Place, Tally)) -> Self {
        Self {
            resource,
            group,
            namespace,
            tally,
        }
    }
}

#[derive(Default)]
struct Found {
    options: DiffOptions,
    gone: Vec<ObjectName>,
    new: Vec<ObjectName>,
    changed: Vec<ObjectName>,
    counts: BTreeMap<Place, Tally>,
    heartbeats: BTreeMap<String, Tally>,
    leases_lost: u64,
    leases_gained: u64,
}

impl Found {
    fn take(&mut self, key: &ObjectKey<'_>, change: Change) {
        if !self.options.heartbeats && is_heartbeat(key) {
            self.heartbeats.entry(key.resource.to_owned()).or_default().add(change);
            return;
        }
        let name = ObjectName {
            object: key.to_string(),
            resource: key.resource.to_owned(),
            group: key.group.to_owned(),
            namespace: key.namespace.map(str::to_owned),
            name: key.name.clone().into_owned(),
        };
        let place = (name.resource.clone(), name.group.clone(), name.namespace.clone());
        self.counts.entry(place).or_default().add(change);
        match change {
            Change::Gone => self.gone.push(name),
            Change::New => self.new.push(name),
            Change::Changed => self.changed.push(name),
        }
    }

    fn compare(&mut self, from: Snapshot<'_>, old: &LiveKey, to: Snapshot<'_>, new: &LiveKey) -> Result<(), Problem> {
        self.leases_lost += u64::from(old.lease != 0 && new.lease == 0);
        self.leases_gained += u64::from(old.lease == 0 && new.lease != 0);
        let key = ObjectKey::parse(&new.key);
        if key.is("nodes") {
            let (old, new) = (from.value(old)?, to.value(new)?);
            if old == new {
                return Ok(());
            }
            if !self.options.heartbeats && node::same_but_for_status(&old, &new) {
                self.heartbeats
                    .entry(NODE_STATUS.to_owned())
                    .or_default()
                    .add(Change::Changed);
                return Ok(());
            }
        } else {
            // The same object encrypted once more is other bytes, and of another length under another key.
            let may_be_same = old.encrypted || new.encrypted || old.value.length == new.value.length;
            if may_be_same && from.value(old)? == to.value(new)? {
                return Ok(());
            }
        }
        self.take(&key, Change::Changed);
        Ok(())
    }
}

/// Whether it is created, deleted and changed all the time by components.
pub fn is_heartbeat(key: &ObjectKey<'_>) -> bool {
    HEARTBEATS.iter().any(|resource| key.is(resource)) || (!key.is_kubernetes() && key.name == CILIUM_HEARTBEAT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup::contents::testing::Fake;
    use crate::model::kubernetes::testing::{bytes_field, object_meta, unknown};

    fn node(spec: &[u8], status: &[u8]) -> Vec<u8> {
        let meta = object_meta("i-1", "", "u", 1);
        unknown(
            "v1",
            "Node",
            &[bytes_field(1, &meta), bytes_field(2, spec), bytes_field(3, status)].concat(),
        )
    }

    fn namespace(uid: &str) -> Vec<u8> {
        unknown(
            "v1",
            "Namespace",
            &bytes_field(1, &object_meta("kube-system", "", uid, 1)),
        )
    }

    fn before() -> Fake {
        Fake::of(&[
            ("/registry/configmaps/shop/same", 0, b"{1}"),
            ("/registry/configmaps/shop/same-length", 0, b"{1}"),
            ("/registry/events/shop/e1", 7, b"{1}"),
            ("/registry/leases/kube-node-lease/i-1", 0, b"{1}"),
            ("/registry/masterleases/10.0.0.1", 8, b"{1}"),
            ("/registry/minions/i-1", 0, &node(b"spec", b"a")),
            ("/registry/minions/i-2", 0, &node(b"spec", b"a")),
            ("/registry/namespaces/kube-system", 0, &namespace("uid-1")),
            ("/registry/secrets/billing/s1", 0, b"{1}"),
            ("/registry/secrets/billing/s2", 0, b"{1}"),
        ])
    }

    fn after() -> Fake {
        Fake::of(&[
            ("/registry/apps.example.com/shops/shop/new", 0, b"{1}"),
            ("/registry/configmaps/shop/same", 0, b"{1}"),
            ("/registry/configmaps/shop/same-length", 0, b"{2}"),
            ("/registry/events/shop/e2", 7, b"{1}"),
            ("/registry/leases/kube-node-lease/i-1", 0, b"{2}"),
            ("/registry/masterleases/10.0.0.1", 0, b"{1}"),
            ("/registry/minions/i-1", 0, &node(b"spec", b"b")),
            ("/registry/minions/i-2", 0, &node(b"cordoned", b"a")),
            ("/registry/namespaces/kube-system", 0, &namespace("uid-1")),
            ("/registry/secrets/billing/s1", 0, b"{1, longer}"),
        ])
    }

    fn names(list: &[ObjectName]) -> Vec<&str> {
        list.iter().map(|name| name.object.as_str()).collect()
    }

    #[test]
    fn lists_what_matters_and_sums_up_heartbeats() {
        let (before, after) = (before(), after());
        let diff = Diff::between(before.snapshot(), after.snapshot(), DiffOptions::default()).unwrap();
        assert_eq!(names(&diff.gone), ["secrets/billing/s2"]);
        assert_eq!(names(&diff.new), ["shops.apps.example.com/shop/new"]);
        assert_eq!(
            names(&diff.changed),
            ["configmaps/shop/same-length", "nodes/i-2", "secrets/billing/s1"]
        );
        assert_eq!(
            (diff.leases_lost, diff.leases_gained, diff.same_lineage),
            (1, 0, Some(true))
        );
        let rows = |rows: &[serde_json::Value]| rows.iter().map(|row| format!("{row}\n")).collect::<String>();
        let json = serde_json::to_value(&diff).unwrap();
        insta::assert_snapshot!(rows(json["counts"].as_array().unwrap()));
        insta::assert_snapshot!(rows(json["heartbeats"].as_array().unwrap()));
    }

    #[test]
    fn lists_heartbeats_when_asked() {
        let (before, after) = (before(), after());
        let diff = Diff::between(before.snapshot(), after.snapshot(), DiffOptions { heartbeats: true }).unwrap();
        assert_eq!(names(&diff.gone), ["events/shop/e1", "secrets/billing/s2"]);
        assert_eq!(
            names(&diff.changed),
            [
                "configmaps/shop/same-length",
                "leases/kube-node-lease/i-1",
                "nodes/i-1",
                "nodes/i-2",
                "secrets/billing/s1"
            ]
        );
        assert_eq!(diff.heartbeats, []);
    }

    #[test]
    fn the_other_way_round_new_and_gone_change_places() {
        let (before, after) = (before(), after());
        let there = Diff::between(before.snapshot(), after.snapshot(), DiffOptions::default()).unwrap();
        let back = Diff::between(after.snapshot(), before.snapshot(), DiffOptions::default()).unwrap();
        assert_eq!(
            (&there.gone, &there.new, &there.changed),
            (&back.new, &back.gone, &back.changed)
        );
        assert_eq!((back.leases_lost, back.leases_gained), (0, 1));
    }

    #[test]
    fn nothing_differs_from_itself() {
        let fake = before();
        let diff = Diff::between(fake.snapshot(), fake.snapshot(), DiffOptions { heartbeats: true }).unwrap();
        assert!(diff.is_empty() && diff.counts.is_empty());
    }

    #[test]
    fn another_cluster_is_told_and_an_etcd_without_namespaces_is_not() {
        let (one, other) = (namespace("uid-1"), namespace("uid-2"));
        let one = Fake::of(&[("/registry/namespaces/kube-system", 0, &one)]);
        let other = Fake::of(&[("/kubernetes.io/namespaces/kube-system", 0, &other)]);
        let none = Fake::of(&[]);
        let same = |a: &Fake, b: &Fake| {
            Diff::between(a.snapshot(), b.snapshot(), DiffOptions::default())
                .unwrap()
                .same_lineage
        };
        assert_eq!(same(&one, &one), Some(true));
        assert_eq!(same(&one, &other), Some(false));
        assert_eq!(same(&one, &none), None);
    }
}
