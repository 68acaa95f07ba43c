//! What a restore will delete in a running etcd: compares the keys and revisions of the backup with those of etcd.
//!
//! Values are not compared: a key with another revision than in the backup was written since. That works only if etcd has the same history as the
//! backup. A restore resets the revisions: if etcd was restored or seeded since, only the names of keys can be compared.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::slice::Iter;

use serde::Serialize;

use runbook_kit::model::backup::contents::diff::is_heartbeat;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::snapshot::{Content, LiveKey};

/// How many resources are named.
const NAMED: usize = 4;

/// The differences between a backup and etcd, from the backup's point of view as in `etcd-backups diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataLoss {
    /// The backup's revision.
    pub backup_revision: i64,
    /// etcd's revision when it was read.
    pub living_revision: i64,
    /// Whether all its keys were read. If not, the numbers are minimums.
    pub complete: bool,
    /// Whether etcd has the same history as the backup; if not, the changes are unknown.
    pub same_history: bool,
    /// All objects but the heartbeats.
    #[serde(flatten)]
    pub total: LossCount,
    /// The same by resource, sorted.
    pub resources: Vec<ResourceLoss>,
    /// Objects that change all the time: events, leases, Nodes (whose status is updated every few minutes), …
    pub heartbeats: Vec<ResourceLoss>,
}

/// How many objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LossCount {
    /// Only in the backup: deleted since, and back after the restore.
    pub gone: u64,
    /// Only in etcd: created since, and lost by the restore.
    pub new: u64,
    /// In both, and changed since: reverted by the restore. `None` where that is unknown.
    pub changed: Option<u64>,
}

/// How many objects of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLoss {
    /// As kubectl names it: `deployments`, `certificates.cert-manager.io`.
    pub resource: String,
    #[serde(flatten)]
    pub count: LossCount,
}

impl DataLoss {
    /// Whether only heartbeats differ.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total.gone == 0 && self.total.new == 0 && self.total.changed.unwrap_or_default() == 0
    }

    /// As text.
    #[must_use]
    pub fn describe(&self) -> String {
        let at_least = if self.complete { "" } else { "at least " };
        let mut parts = Vec::new();
        let mut say = |number: u64, fate: &str, of: fn(&LossCount) -> u64| {
            if number > 0 {
                let objects = if number == 1 { "object" } else { "objects" };
                parts.push(format!("{at_least}{number} {objects} {fate}{}", self.most(of)));
            }
        };
        say(self.total.new, "created since then will be lost", |count| count.new);
        say(
            self.total.changed.unwrap_or_default(),
            "changed since then will be reverted",
            |count| count.changed.unwrap_or_default(),
        );
        say(self.total.gone, "deleted since then will reappear", |count| count.gone);
        if parts.is_empty() {
            parts.push(if self.complete {
                "no object was created or deleted since then".to_owned()
            } else {
                "none of the keys read was created or deleted since then".to_owned()
            });
        }
        if !self.same_history {
            parts.push("changes are unknown: etcd was restored or seeded after this backup".to_owned());
        }
        parts.join(", ")
    }

    /// The resources with the most changes.
    fn most(&self, of: fn(&LossCount) -> u64) -> String {
        let mut hit: Vec<(&str, u64)> = self
            .resources
            .iter()
            .map(|one| (one.resource.as_str(), of(&one.count)))
            .filter(|(_, number)| *number > 0)
            .collect();
        hit.sort_by_key(|(resource, number)| (std::cmp::Reverse(*number), *resource));
        let mut named: Vec<String> = hit
            .iter()
            .take(NAMED)
            .map(|(resource, number)| format!("{number} {resource}"))
            .collect();
        if hit.len() > NAMED {
            named.push(format!("{} more resources", hit.len() - NAMED));
        }
        format!(" ({})", named.join(", "))
    }
}

#[derive(Clone, Copy)]
enum Change {
    Gone,
    New,
    Changed,
}

/// A running comparison: it gets etcd's keys one by one, sorted.
pub struct Comparing<'a> {
    backup: Peekable<Iter<'a, LiveKey>>,
    backup_revision: i64,
    living_revision: i64,
    counts: BTreeMap<String, LossCount>,
    heartbeats: BTreeMap<String, LossCount>,
    /// Keys of both that were not written since, and those that were.
    same: u64,
    written: u64,
    /// A revision was seen that an etcd with the backup's history cannot have.
    contradicted: bool,
}

impl<'a> Comparing<'a> {
    /// Starts a comparison with an etcd at `living_revision`.
    #[must_use]
    pub fn new(backup: &'a Content, living_revision: i64) -> Self {
        Self {
            backup: backup.keys.iter().peekable(),
            backup_revision: backup.revision,
            living_revision,
            counts: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            same: 0,
            written: 0,
            contradicted: living_revision < backup.revision,
        }
    }

    /// The next key of etcd, and its mod revision.
    pub fn living(&mut self, key: &[u8], mod_revision: i64) {
        while let Some(gone) = self.backup.next_if(|kept| kept.key.as_slice() < key) {
            self.take(&gone.key, Change::Gone);
        }
        match self.backup.next_if(|kept| kept.key == key) {
            Some(kept) if kept.mod_revision == mod_revision => self.same += 1,
            Some(_) => {
                self.written += 1;
                self.contradicted |= mod_revision <= self.backup_revision;
                self.take(key, Change::Changed);
            }
            None => {
                self.contradicted |= mod_revision <= self.backup_revision;
                self.take(key, Change::New);
            }
        }
    }

    /// Ends it after all keys.
    #[must_use]
    pub fn all_read(mut self) -> DataLoss {
        while let Some(gone) = self.backup.next() {
            self.take(&gone.key, Change::Gone);
        }
        self.result(true)
    }

    /// Ends it after only some of the keys.
    #[must_use]
    pub fn partly_read(self) -> DataLoss {
        self.result(false)
    }

    fn take(&mut self, key: &[u8], change: Change) {
        let key = ObjectKey::parse(key);
        // The status of a Node is updated all the time; what else has changed only its value would show.
        let heartbeat = is_heartbeat(&key) || (matches!(change, Change::Changed) && key.is("nodes"));
        let counts = if heartbeat {
            &mut self.heartbeats
        } else {
            &mut self.counts
        };
        let count = counts.entry(key.resource_label().into_owned()).or_default();
        match change {
            Change::Gone => count.gone += 1,
            Change::New => count.new += 1,
            Change::Changed => *count.changed.get_or_insert_default() += 1,
        }
    }

    fn result(self, complete: bool) -> DataLoss {
        // If every common key was written since, etcd was restored.
        let same_history = !self.contradicted && (self.same > 0 || self.written == 0);
        let told = |mut count: LossCount| {
            count.changed = same_history.then(|| count.changed.unwrap_or_default());
            count
        };
        let listed = |counts: BTreeMap<String, LossCount>| -> Vec<ResourceLoss> {
            let rows = counts.into_iter().map(|(resource, count)| ResourceLoss {
                resource,
                count: told(count),
            });
            rows.filter(|row| row.count.gone + row.count.new + row.count.changed.unwrap_or_default() > 0)
                .collect()
        };
        let resources = listed(self.counts);
        let mut total = told(LossCount::default());
        for ResourceLoss { count, .. } in &resources {
            total.gone += count.gone;
            total.new += count.new;
            total.changed = total.changed.zip(count.changed).map(|(sum, more)| sum + more);
        }
        DataLoss {
            backup_revision: self.backup_revision,
            living_revision: self.living_revision,
            complete,
            same_history,
            total,
            resources,
            heartbeats: listed(self.heartbeats),
        }
    }
}

#[cfg(test)]
#[path = "data_loss_tests.rs"]
mod tests;
