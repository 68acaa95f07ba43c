//! The difference between a backup and the living cluster that the API shows.
//!
//! The API is asked for the version in which an object is stored: in another one every object looks different. Objects come
//! page by page and are compared with what the backup has under the key that they are stored at; of those that are the
//! same only that is kept.
//!
//! An object is changed when a field differs. Resource versions are no help: after a restore every object has another one,
//! and one of before the restore may come again. See [`judge`] for fields that the API server adds by itself.

pub mod judge;
pub mod plan;
mod stored;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_plans;

use serde::Serialize;

pub use self::judge::Verdict;
use self::judge::What;
pub use self::plan::{Listing, Plan, Survey};
pub use self::stored::{ResourceName, Stored};
use super::diff::{self, Changed, Count, Found, HeartbeatCount, ObjectName, Side};
use crate::model::kubernetes::key::ObjectKey;
use crate::model::snapshot::Problem;

/// The difference. In JSON:
///
/// ```text
/// {
///   "from": {"revision": 300, "keys": 226, "lineage": "UID or null"},
///   "live": {"server": "https://…", "lineage": "UID or null"},
///   "sameLineage": true, false, or null where either is not known,
///   "gone": […], "new": […], "changed": […], "counts": […], "heartbeats": […]      as of two backups
///   "defaulted": 0, "defaultedFields": […]                  the second one only with fields
///   "notCompared": [{"resource": "secrets", "group": "", "objects": 12, "reason": "refused", "why": "…"}]
/// }
/// ```
///
/// Lists are sorted by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveDiff {
    /// The backup.
    pub from: Side,
    /// The cluster.
    pub live: LiveSide,
    /// Whether the cluster is the one of the backup.
    pub same_lineage: Option<bool>,
    /// In the backup, not in the cluster.
    pub gone: Vec<ObjectName>,
    /// In the cluster, not in the backup.
    pub new: Vec<ObjectName>,
    /// In both, and different.
    pub changed: Vec<Changed>,
    /// The three lists counted.
    pub counts: Vec<Count>,
    /// What is not in these lists because it happens all the time.
    pub heartbeats: Vec<HeartbeatCount>,
    /// Objects to which the API server adds fields when it reads them, and which nobody has written since.
    pub defaulted: u64,
    /// Those with the fields, where fields were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub defaulted_fields: Vec<Changed>,
    /// What could not be compared, or not wholly.
    pub not_compared: Vec<NotCompared>,
}

/// The living cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LiveSide {
    /// The API server's URL.
    pub server: String,
    /// UID of namespace `kube-system`.
    pub lineage: Option<String>,
}

/// What was not compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCompared {
    /// Why, for programs.
    pub reason: Reason,
    /// `secrets`.
    pub resource: String,
    /// `apps`; empty for the core group.
    pub group: String,
    /// How many of them the backup has.
    pub objects: u64,
    /// Why, for people.
    pub why: String,
}

/// Why something was not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The API refused to list it, or failed to.
    Refused,
    /// The server of this group does not answer.
    Unavailable,
    /// It is there, but encrypted in the backup, and no key for it is at hand.
    Encrypted,
    /// It is stored in a version that the API does not serve, and compared by its metadata only.
    VersionNotServed,
    /// It cannot be decoded.
    Undecodable,
    /// It is stored in etcd and not served by the API.
    NotServed,
    /// It is served by the API and not stored in etcd.
    NotStored,
    /// It is kept in another etcd cluster.
    OtherEtcd,
    /// It is no object of Kubernetes.
    NotKubernetes,
}

impl Reason {
    /// Whether the comparison lacks something that it should have: the command then ends with a failure.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Refused | Self::Unavailable)
    }
}

/// Collects the verdicts on all objects.
pub struct Outcome<'a> {
    stored: &'a Stored<'a>,
    found: Found,
    seen: Vec<bool>,
    defaulted: u64,
    defaulted_fields: Vec<Changed>,
    not_compared: Vec<NotCompared>,
}

impl<'a> Outcome<'a> {
    /// Nothing compared yet.
    #[must_use]
    pub fn new(stored: &'a Stored<'a>) -> Self {
        Self {
            stored,
            found: Found::new(stored.options.heartbeats),
            seen: vec![false; stored.snapshot.content.keys.len()],
            defaulted: 0,
            defaulted_fields: Vec::new(),
            not_compared: Vec::new(),
        }
    }

    /// Takes the verdicts on all objects of a listing that came to its end.
    pub fn listed(&mut self, listing: &Listing, verdicts: Vec<Verdict>) {
        let mut parts: [(Reason, u64, Option<String>); 3] = [
            (Reason::Encrypted, 0, None),
            (Reason::VersionNotServed, 0, None),
            (Reason::Undecodable, 0, None),
        ];
        for verdict in verdicts {
            let (at, what) = match verdict {
                Verdict::New(raw) => {
                    self.found.take_new(&ObjectKey::parse(&raw));
                    continue;
                }
                Verdict::Known(at, what) => (at, what),
            };
            if let Some(seen) = self.seen.get_mut(at) {
                *seen = true;
            }
            match what {
                What::Same | What::Later => {}
                What::NodeStatus => self.found.take_node_status(),
                What::Defaulted(changed) => {
                    self.defaulted += 1;
                    self.defaulted_fields.extend(changed.map(|changed| *changed));
                }
                What::Changed(changed) => self.take_changed(at, *changed),
                What::Part(reason, why, changed) => {
                    if let Some(part) = parts.iter_mut().find(|part| part.0 == reason) {
                        part.1 += 1;
                        part.2.get_or_insert(why);
                    }
                    if let Some(changed) = changed {
                        self.take_changed(at, *changed);
                    }
                }
            }
        }
        for (reason, objects, why) in parts {
            self.not_compared
                .extend(why.map(|why| listing.name.not_compared(reason, objects, why)));
        }
        if listing.tells_gone {
            self.gone(&listing.name);
        }
    }

    fn take_changed(&mut self, at: usize, changed: Changed) {
        if let Some(live) = self.stored.snapshot.content.keys.get(at) {
            let taken: Result<(), std::convert::Infallible> =
                self.found.take_changed(&ObjectKey::parse(&live.key), |_| Ok(changed));
            let Ok(()) = taken;
        }
    }

    /// No object of this resource, but those that were seen, is in the cluster.
    pub fn gone(&mut self, name: &ResourceName) {
        let unseen = |at: &&usize| !self.seen.get(**at).copied().unwrap_or_default();
        let gone: Vec<usize> = self.stored.keys_of(name).iter().filter(unseen).copied().collect();
        for live in gone
            .into_iter()
            .filter_map(|at| self.stored.snapshot.content.keys.get(at))
        {
            self.found.take_gone(&ObjectKey::parse(&live.key));
        }
    }

    /// Something is not compared.
    pub fn not_compared(&mut self, what: NotCompared) {
        self.not_compared.push(what);
    }

    /// The difference.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn end(mut self, live: LiveSide) -> Result<LiveDiff, Problem> {
        let from = Side::of(self.stored.snapshot)?;
        self.found.gone.sort();
        self.found.new.sort();
        self.found.changed.sort_by(|a, b| a.name.cmp(&b.name));
        self.defaulted_fields.sort_by(|a, b| a.name.cmp(&b.name));
        self.not_compared.sort();
        Ok(LiveDiff {
            same_lineage: diff::same_lineage(from.lineage.as_deref(), live.lineage.as_deref()),
            from,
            live,
            counts: self.found.counts(),
            heartbeats: self.found.heartbeat_counts(),
            gone: self.found.gone,
            new: self.found.new,
            changed: self.found.changed,
            defaulted: self.defaulted,
            defaulted_fields: self.defaulted_fields,
            not_compared: self.not_compared,
        })
    }
}

impl LiveDiff {
    /// Whether there is no difference but heartbeats.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.changed.is_empty()
    }

    /// Whether something could not be compared that should have been.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.not_compared.iter().any(|one| one.reason.is_failure())
    }
}
