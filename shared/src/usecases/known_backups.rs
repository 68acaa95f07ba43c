//! What was read of backups: no command fetches one twice, and what was learned of one helps the next command to judge.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::catalog::Backup;
use crate::model::backup::goodness::{Facts, note};
use crate::model::backup::meta::BackupMeta;
use crate::model::snapshot::Content;
use crate::model::store_url::StoreUrl;
use crate::ports::{BackupNotes, ReadSnapshot};

/// One backup that was read.
pub struct Examined {
    /// What its goodness is judged by.
    pub facts: Facts,
    /// Its meta, where it could be read.
    pub meta: Option<BackupMeta>,
    /// The snapshot; `None` where there is no data to read.
    pub snapshot: Option<ReadSnapshot>,
}

impl Examined {
    /// What the snapshot holds, where it could be decoded.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        self.snapshot.as_ref().and_then(|snapshot| snapshot.content.as_ref())
    }

    /// Whether nothing is damaged.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.facts.problems.is_empty()
    }
}

/// What was read of backups, by this command and by earlier ones.
#[derive(Default)]
pub struct KnownBackups {
    /// What this command has read.
    facts: Mutex<HashMap<StoreUrl, Facts>>,
    /// The unpacked snapshots of some of them, for whoever shows or restores them next.
    held: Mutex<HashMap<StoreUrl, Examined>>,
    /// What earlier commands have read.
    notes: Option<Box<dyn BackupNotes>>,
}

impl KnownBackups {
    /// With what earlier commands have learned.
    #[must_use]
    pub fn with_notes(notes: Box<dyn BackupNotes>) -> Self {
        Self {
            notes: Some(notes),
            ..Self::default()
        }
    }

    /// What this command knows of a backup.
    #[must_use]
    pub fn get(&self, backup: &Backup) -> Option<Facts> {
        locked(&self.facts).get(&backup.folder).cloned()
    }

    /// What an earlier command has read of the very same content. Enough to judge others by, and never enough to act on the
    /// backup itself.
    #[must_use]
    pub fn remembered(&self, backup: &Backup) -> Option<Facts> {
        let key = key(backup)?;
        let note = self.notes.as_ref()?.read(&key)?;
        note::read(&key, &backup.name, &note)
    }

    /// Learns the facts of a backup that was read.
    pub fn learn(&self, backup: &Backup, facts: &Facts) {
        locked(&self.facts).insert(backup.folder.clone(), facts.clone());
        let note = || {
            let key = key(backup)?;
            let text = note::write(&key, facts)?;
            Some((self.notes.as_ref()?, key, text))
        };
        if let Some((notes, key, text)) = note() {
            notes.write(&key, &text);
        }
    }

    /// Keeps a snapshot that was unpacked to judge a backup. Of each lineage the newest is kept: that is the one which will be
    /// chosen, if any.
    pub fn hold(&self, backup: &Backup, examined: Examined) {
        if !examined.verifies() || examined.facts.empty() {
            return;
        }
        let base = backup.folder.parent();
        let mut held = locked(&self.held);
        let rival = held.iter().find_map(|(folder, other)| {
            let same = folder.parent() == base && other.facts.lineage == examined.facts.lineage;
            same.then(|| (folder.clone(), other.facts.name.clone()))
        });
        match rival {
            Some((_, newer)) if newer > examined.facts.name => return,
            Some((folder, _)) => drop(held.remove(&folder)),
            None => {}
        }
        held.insert(backup.folder.clone(), examined);
    }

    /// The unpacked snapshot of a backup, once.
    #[must_use]
    pub fn take(&self, backup: &Backup) -> Option<Examined> {
        locked(&self.held).remove(&backup.folder)
    }

    /// Lets all unpacked snapshots go, for their room on the disk; `false` where there are none.
    pub fn let_go(&self) -> bool {
        let held = std::mem::take(&mut *locked(&self.held));
        !held.is_empty()
    }
}

fn key(backup: &Backup) -> Option<String> {
    Some(note::key(
        &backup.data().to_string(),
        backup.data_tag.as_deref()?,
        backup.data_size?,
    ))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is done while it is locked that could leave it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
