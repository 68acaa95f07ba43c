//! The differences between two backups: objects deleted, created, changed.
//!
//! An object is changed when its value is another one. Revisions are no help: a restore writes every key anew, with low
//! revisions, and the value stays.

pub mod fields;
mod found;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde::Serialize;

use self::fields::FieldOptions;
pub(in crate::model::backup::contents) use self::found::Found;
pub use self::found::{Changed, Count, HeartbeatCount, ObjectName, Tally, is_heartbeat};
use super::source::Snapshot;
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::node;
use crate::model::kubernetes::value::Value;
use crate::model::kubernetes::whole::{Whole, whole};
use crate::model::snapshot::{LiveKey, Problem};

/// Which keys to compare: called with each key, and what it means.
pub type Wanted<'a> = &'a (dyn Fn(&[u8], &ObjectKey<'_>) -> bool + Sync);

/// What to compare and to list.
#[derive(Clone, Copy, Default)]
pub struct DiffOptions<'a> {
    /// List heartbeats one by one, as any other object, instead of summing them up.
    pub heartbeats: bool,
    /// Tell which fields of a changed object differ.
    pub fields: bool,
    /// With fields: also `metadata.managedFields`.
    pub managed_fields: bool,
    /// Which objects; all where it is `None`.
    pub wanted: Option<Wanted<'a>>,
}

impl DiffOptions<'_> {
    pub(super) fn wants(&self, raw: &[u8], key: &ObjectKey<'_>) -> bool {
        self.wanted.is_none_or(|wanted| wanted(raw, key))
    }
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
/// both and have a lease in the first only: after a restore, all of them. With fields each element of `changed` has them, too:
/// see [`Changed`].
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub changed: Vec<Changed>,
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

impl Diff {
    /// Compares two snapshots. Values are read of those keys only that are in both with values of the same length, of what is
    /// encrypted, of Nodes, and where fields are asked for.
    ///
    /// # Errors
    /// When either database cannot be read.
    pub fn between(from: Snapshot<'_>, to: Snapshot<'_>, options: DiffOptions<'_>) -> Result<Self, Problem> {
        let (from_side, to_side) = (Side::of(from)?, Side::of(to)?);
        let same_lineage = same_lineage(from_side.lineage.as_deref(), to_side.lineage.as_deref());
        let mut comparing = Comparing {
            from,
            to,
            options,
            found: Found::new(options.heartbeats),
            leases_lost: 0,
            leases_gained: 0,
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
            comparing.take(old, new)?;
        }
        let found = comparing.found;
        Ok(Self {
            from: from_side,
            to: to_side,
            same_lineage,
            counts: found.counts(),
            heartbeats: found.heartbeat_counts(),
            gone: found.gone,
            new: found.new,
            changed: found.changed,
            leases_lost: comparing.leases_lost,
            leases_gained: comparing.leases_gained,
        })
    }

    /// Whether there is no difference but heartbeats.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.changed.is_empty()
    }
}

impl Side {
    pub(super) fn of(snapshot: Snapshot<'_>) -> Result<Self, Problem> {
        Ok(Self {
            revision: snapshot.content.revision,
            keys: snapshot.content.keys.len() as u64,
            lineage: snapshot.lineage()?,
        })
    }
}

/// Whether two UIDs of `kube-system` are one cluster's; `None` where either has none.
pub(super) fn same_lineage(one: Option<&str>, other: Option<&str>) -> Option<bool> {
    one.zip(other).map(|(one, other)| one == other)
}

struct Comparing<'a> {
    from: Snapshot<'a>,
    to: Snapshot<'a>,
    options: DiffOptions<'a>,
    found: Found,
    leases_lost: u64,
    leases_gained: u64,
}

impl Comparing<'_> {
    fn take(&mut self, old: Option<&LiveKey>, new: Option<&LiveKey>) -> Result<(), Problem> {
        let Some(raw) = old.or(new).map(|live| &live.key) else {
            return Ok(());
        };
        let key = ObjectKey::parse(raw);
        match (old, new) {
            _ if !self.options.wants(raw, &key) => {}
            (Some(_), None) => self.found.take_gone(&key),
            (None, _) => self.found.take_new(&key),
            (Some(old), Some(new)) => self.compare(&key, old, new)?,
        }
        Ok(())
    }

    fn compare(&mut self, key: &ObjectKey<'_>, old: &LiveKey, new: &LiveKey) -> Result<(), Problem> {
        self.leases_lost += u64::from(old.lease != 0 && new.lease == 0);
        self.leases_gained += u64::from(old.lease == 0 && new.lease != 0);
        if key.is("nodes") {
            let (old, new) = (self.from.value(old)?, self.to.value(new)?);
            if old == new {
                return Ok(());
            }
            if !self.options.heartbeats && node::same_but_for_status(&old, &new) {
                self.found.take_node_status();
                return Ok(());
            }
        } else {
            // The same object encrypted once more is other bytes, and of another length under another key.
            let may_be_same = old.encrypted || new.encrypted || old.value.length == new.value.length;
            if may_be_same && self.from.value(old)? == self.to.value(new)? {
                return Ok(());
            }
        }
        let (from, to, options) = (self.from, self.to, self.options);
        self.found.take_changed(key, |name| {
            if !options.fields {
                return Ok(Changed::plain(name));
            }
            Ok(changed(
                name,
                read(from, old)?,
                read(to, new)?,
                key.is("secrets"),
                options,
            ))
        })
    }
}

/// Why an object cannot be read.
pub(super) struct Unread {
    /// For lack of a key.
    pub encrypted: bool,
    pub why: String,
}

/// Decrypts and decodes an object.
pub(super) fn read(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Result<Whole, Unread>, Problem> {
    let value = match snapshot.decrypted(live)? {
        Ok(value) => value,
        Err(error) => {
            return Ok(Err(Unread {
                encrypted: true,
                why: error.to_string(),
            }));
        }
    };
    let object = Value::decode(&value).and_then(|value| whole(&value, None));
    Ok(object.map_err(|error| Unread {
        encrypted: false,
        why: error.to_string(),
    }))
}

/// A changed object with its fields, as far as they can be read.
fn changed(
    name: ObjectName,
    old: Result<Whole, Unread>,
    new: Result<Whole, Unread>,
    secret: bool,
    options: DiffOptions<'_>,
) -> Changed {
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(unread), _) | (_, Err(unread)) => {
            return Changed {
                unread: Some(unread.why),
                ..Changed::plain(name)
            };
        }
    };
    let options = FieldOptions {
        secret,
        managed_fields: options.managed_fields,
    };
    let unknown = old.unknown.iter().chain(&new.unknown).next();
    Changed {
        name,
        fields: Some(fields::differences(&old.object, &new.object, options)),
        unread: unknown.map(|field| format!("not every field is known: {field}")),
    }
}
