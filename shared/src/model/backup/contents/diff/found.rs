//! What is collected while two states are compared.

use std::collections::BTreeMap;

use serde::Serialize;

use super::fields::FieldDifference;
use crate::model::kubernetes::key::ObjectKey;

/// Resources that come, go and change all the time by themselves.
const HEARTBEATS: [&str; 4] = ["events", "leases", "masterleases", "peerserverleases"];
/// cilium's, in its own etcd.
const CILIUM_HEARTBEAT: &str = "cilium/.heartbeat";
/// How the summary calls a Node of which nothing but the status was rewritten.
const NODE_STATUS: &str = "nodes (status)";

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

impl ObjectName {
    /// The object that a key names.
    #[must_use]
    pub fn of(key: &ObjectKey<'_>) -> Self {
        Self {
            object: key.to_string(),
            resource: key.resource.to_owned(),
            group: key.group.to_owned(),
            namespace: key.namespace.map(str::to_owned),
            name: key.name.clone().into_owned(),
        }
    }
}

/// An object that is in both states and differs. In JSON the object's names, and where fields were asked for:
///
/// ```text
/// "fields": [{"pointer": "/spec/replicas", "old": 3, "new": 5}], "unread": "why the fields are not known"
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Which object.
    #[serde(flatten)]
    pub name: ObjectName,
    /// Which of its fields; none where nobody asked, or they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<FieldDifference>>,
    /// Why not all fields are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

impl Changed {
    /// Of which nobody asked the fields.
    #[must_use]
    pub const fn plain(name: ObjectName) -> Self {
        Self {
            name,
            fields: None,
            unread: None,
        }
    }
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

/// Objects gone, new and changed. Heartbeats are counted only, unless they were asked for.
#[derive(Debug, Default)]
pub(in crate::model::backup::contents) struct Found {
    pub heartbeats: bool,
    pub gone: Vec<ObjectName>,
    pub new: Vec<ObjectName>,
    pub changed: Vec<Changed>,
    summed_up: BTreeMap<String, Tally>,
}

impl Found {
    pub fn new(heartbeats: bool) -> Self {
        Self {
            heartbeats,
            ..Self::default()
        }
    }

    pub fn take_gone(&mut self, key: &ObjectKey<'_>) {
        if !self.sum_up(key, Change::Gone) {
            self.gone.push(ObjectName::of(key));
        }
    }

    pub fn take_new(&mut self, key: &ObjectKey<'_>) {
        if !self.sum_up(key, Change::New) {
            self.new.push(ObjectName::of(key));
        }
    }

    /// `changed` is called where the object is listed.
    pub fn take_changed<E>(
        &mut self,
        key: &ObjectKey<'_>,
        changed: impl FnOnce(ObjectName) -> Result<Changed, E>,
    ) -> Result<(), E> {
        if !self.sum_up(key, Change::Changed) {
            self.changed.push(changed(ObjectName::of(key))?);
        }
        Ok(())
    }

    /// A Node of which nothing but the status differs.
    pub fn take_node_status(&mut self) {
        self.summed_up
            .entry(NODE_STATUS.to_owned())
            .or_default()
            .add(Change::Changed);
    }

    fn sum_up(&mut self, key: &ObjectKey<'_>, change: Change) -> bool {
        let summed = !self.heartbeats && is_heartbeat(key);
        if summed {
            self.summed_up.entry(key.resource.to_owned()).or_default().add(change);
        }
        summed
    }

    /// The lists counted, by resource, group and namespace.
    pub fn counts(&self) -> Vec<Count> {
        let gone = self.gone.iter().map(|name| (name, Change::Gone));
        let new = self.new.iter().map(|name| (name, Change::New));
        let changed = self.changed.iter().map(|one| (&one.name, Change::Changed));
        let mut counts: BTreeMap<_, Tally> = BTreeMap::new();
        for (name, change) in gone.chain(new).chain(changed) {
            let place = (&name.resource, &name.group, &name.namespace);
            counts.entry(place).or_default().add(change);
        }
        let count = |((resource, group, namespace), tally): ((&String, &String, &Option<String>), Tally)| Count {
            resource: resource.clone(),
            group: group.clone(),
            namespace: namespace.clone(),
            tally,
        };
        counts.into_iter().map(count).collect()
    }

    /// The heartbeats counted, by resource.
    pub fn heartbeat_counts(&self) -> Vec<HeartbeatCount> {
        let count = |(resource, tally): (&String, &Tally)| HeartbeatCount {
            resource: resource.clone(),
            tally: *tally,
        };
        self.summed_up.iter().map(count).collect()
    }
}

/// Whether it is created, deleted and changed all the time by components.
#[must_use]
pub fn is_heartbeat(key: &ObjectKey<'_>) -> bool {
    HEARTBEATS.iter().any(|resource| key.is(resource)) || (!key.is_kubernetes() && key.name == CILIUM_HEARTBEAT)
}
