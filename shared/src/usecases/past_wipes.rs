//! Past wipes of a cluster: their journals, and the volumes in quarantine.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::fleet::wipe::quarantine;
use crate::model::fleet::{Volume, VolumeState, etcds};
use crate::model::shell::ShellCommand;
use crate::model::store_url::StoreUrl;
use crate::ports::fleet::{Fleet, FleetError};
use crate::usecases::wipe_journal::StoredJournal;

/// A volume in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedVolume {
    /// `vol-…`.
    pub id: String,
    /// Its former etcd clusters and members: `main/a`.
    pub members: Vec<String>,
    /// Its zone.
    pub zone: String,
}

/// The volumes of one wipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The ID of the wipe, from the volumes' tag.
    pub run: Option<String>,
    /// When that wipe began; `None` without its journal.
    pub began: Option<Timestamp>,
    /// Its volumes, sorted by id.
    pub volumes: Vec<QuarantinedVolume>,
}

/// All wipes of a cluster.
#[derive(Clone, Debug, Default)]
pub struct PastWipes {
    /// The newest journal.
    pub newest: Option<StoredJournal>,
    /// Of the newest wipe first.
    pub quarantines: Vec<Quarantine>,
}

/// The volumes of a cluster in quarantine, without those being deleted.
///
/// # Errors
/// If AWS fails.
pub async fn quarantined(fleet: &dyn Fleet, cluster: &str) -> Result<Vec<Volume>, FleetError> {
    let mut volumes = fleet.volumes_tagged(quarantine::MARK, cluster).await?;
    volumes.retain(|volume| !matches!(volume.state, VolumeState::Deleted | VolumeState::Deleting));
    Ok(volumes)
}

/// The former members of a volume in quarantine: `main/a`.
#[must_use]
pub fn members_of(volume: &Volume) -> Vec<String> {
    let tags = quarantine::originals(&volume.tags);
    etcds(&tags)
        .into_iter()
        .map(|(etcd, value)| format!("{etcd}/{}", value.split('/').next().unwrap_or_default()))
        .collect()
}

/// When the first run of this wipe began.
#[must_use]
pub fn began(journals: &[StoredJournal], run: &str) -> Option<Timestamp> {
    let of_run = journals.iter().filter(|journal| journal.entry.first == run);
    of_run.map(|journal| journal.entry.started).min()
}

impl PastWipes {
    /// From all journals, in their order, and the volumes in quarantine.
    #[must_use]
    pub fn of(journals: &[StoredJournal], quarantined: &[Volume]) -> Self {
        let mut by_run: BTreeMap<Option<&String>, Vec<QuarantinedVolume>> = BTreeMap::new();
        for volume in quarantined {
            by_run
                .entry(volume.tags.get(quarantine::RUN_TAG))
                .or_default()
                .push(QuarantinedVolume {
                    id: volume.id.clone(),
                    members: members_of(volume),
                    zone: volume.zone.clone(),
                });
        }
        let quarantines = by_run.into_iter().map(|(run, mut volumes)| {
            volumes.sort_by(|a, b| a.id.cmp(&b.id));
            Quarantine {
                began: run.and_then(|run| began(journals, run)),
                run: run.cloned(),
                volumes,
            }
        });
        let mut quarantines: Vec<Quarantine> = quarantines.collect();
        quarantines.sort_by(|a, b| (b.began, &b.run).cmp(&(a.began, &a.run)));
        Self {
            newest: journals.last().cloned(),
            quarantines,
        }
    }

    /// The volume of this member, `main/a`, from the newest wipe that has one.
    #[must_use]
    pub fn volume_of(&self, member: &str) -> Option<(&QuarantinedVolume, &Quarantine)> {
        self.quarantines.iter().find_map(|of_wipe| {
            let mut volumes = of_wipe.volumes.iter();
            let volume = volumes.find(|volume| volume.members.iter().any(|of| of == member))?;
            Some((volume, of_wipe))
        })
    }

    /// The number of volumes in quarantine.
    #[must_use]
    pub fn count(&self) -> usize {
        self.quarantines.iter().map(|of_wipe| of_wipe.volumes.len()).sum()
    }

    /// Lowercase fragments; empty without wipes.
    #[must_use]
    pub fn summary(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(newest) = &self.newest {
            let (entry, at) = (&newest.entry, &newest.at);
            words.push(match entry.finished {
                Some(finished) => format!("the control plane was wiped at {finished:.0} by {} ({at})", entry.by),
                None => format!(
                    "a wipe started by {} at {:.0} was interrupted ({at})",
                    entry.by, entry.started
                ),
            });
        }
        for of_wipe in &self.quarantines {
            let since = match of_wipe.began {
                Some(began) => format!(" since the wipe of {began:.0}"),
                None => String::new(),
            };
            let volumes: Vec<String> = of_wipe
                .volumes
                .iter()
                .map(|volume| format!("{} ({})", volume.id, volume.members.join(" ")))
                .collect();
            let count = match volumes.len() {
                1 => "1 volume is".to_owned(),
                several => format!("{several} volumes are"),
            };
            words.push(format!("{count} in quarantine{since}: {}", volumes.join(", ")));
        }
        words
    }

    /// The command that undoes the newest quarantine; `None` without one.
    #[must_use]
    pub fn restore_command(&self, cluster: &str, state: &StoreUrl) -> Option<ShellCommand> {
        let newest = self.quarantines.first()?;
        let command = ShellCommand::new("kops-wipe-masters")
            .args(["restore-volumes", "--name", cluster, "--state"])
            .arg(state.to_string());
        let run = newest.run.as_ref().filter(|_| self.quarantines.len() > 1);
        Some(match run {
            Some(run) => command.arg("--run").arg(run),
            None => command,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usecases::wipe_journal::Entry;

    /// As an older version wrote it.
    fn journal(number: u32, first: &str, started: &str, finished: Option<&str>) -> StoredJournal {
        let finished = finished.map_or("null".to_owned(), |time| format!("\"{time}\""));
        let text = format!(
            r#"{{"run":"{first}-{number}","first":"{first}","cluster":"c","account":"1","region":"r","by":"arn:x","started":"{started}",
            "updated":"{started}","finished":{finished},"digest":"d","deeds":["quarantine vol-1"],"plan":{{}},"log":[]}}"#
        );
        let entry: Entry = serde_json::from_str(&text).unwrap();
        StoredJournal {
            number,
            at: format!("s3://state/c/backups/recovery/wipe-{number:04}.json")
                .parse()
                .unwrap(),
            entry,
        }
    }

    fn volume(id: &str, run: &str, member: &str) -> Volume {
        let tags = [
            (quarantine::MARK, "c".to_owned()),
            (quarantine::RUN_TAG, run.to_owned()),
            ("kops-recovery/was/k8s.io/etcd/main", format!("{member}/a,b")),
        ];
        Volume {
            id: id.to_owned(),
            tags: tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            ..Volume::default()
        }
    }

    #[test]
    fn generations_are_kept_apart_by_wipe_newest_first() {
        let journals = [
            journal(1, "old", "2026-11-22T10:00:00Z", None),
            journal(2, "old", "2026-11-22T10:20:00Z", Some("2026-11-22T10:30:00Z")),
            journal(3, "new", "2026-11-22T18:00:00Z", Some("2026-11-22T18:10:00Z")),
        ];
        let volumes = [
            volume("vol-1", "old", "a"),
            volume("vol-2", "old", "b"),
            volume("vol-4", "new", "b"),
            volume("vol-3", "new", "a"),
            volume("vol-9", "lost", "a"),
        ];
        let after = PastWipes::of(&journals, &volumes);
        let told: Vec<(&str, Option<String>, usize)> = after
            .quarantines
            .iter()
            .map(|one| {
                let began = one.began.map(|began| began.to_string());
                (one.run.as_deref().unwrap(), began, one.volumes.len())
            })
            .collect();
        assert_eq!(
            told,
            [
                ("new", Some("2026-11-22T18:00:00Z".into()), 2),
                ("old", Some("2026-11-22T10:00:00Z".into()), 2),
                ("lost", None, 1),
            ]
        );
        let (volume, of) = after.volume_of("main/a").unwrap();
        assert_eq!((volume.id.as_str(), of.run.as_deref()), ("vol-3", Some("new")));
        assert!(after.volume_of("main/c").is_none() && after.volume_of("events/a").is_none());
        assert_eq!(after.count(), 5);
        let words = after.summary();
        assert!(
            words[0].starts_with("the control plane was wiped at 2026-11-22T18:10:00Z by arn:x"),
            "{words:?}"
        );
        assert_eq!(
            words[1],
            "2 volumes are in quarantine since the wipe of 2026-11-22T18:00:00Z: vol-3 (main/a), vol-4 (main/b)"
        );
        let state = "s3://state".parse().unwrap();
        assert_eq!(
            after.restore_command("c", &state).unwrap().to_string(),
            "kops-wipe-masters restore-volumes --name c --state s3://state --run new"
        );
    }

    #[test]
    fn an_interrupted_wipe_and_an_empty_quarantine_are_reported() {
        let after = PastWipes::of(&[journal(1, "a", "2026-11-22T10:00:00Z", None)], &[]);
        assert_eq!(
            after.summary(),
            [
                "a wipe started by arn:x at 2026-11-22T10:00:00Z was interrupted (s3://state/c/backups/recovery/wipe-0001.json)"
            ]
        );
        let state = "s3://state".parse().unwrap();
        assert!(after.restore_command("c", &state).is_none());
        assert!(PastWipes::of(&[], &[]).summary().is_empty());
        let one = PastWipes::of(&[], &[volume("vol-1", "a", "a")]);
        assert_eq!(
            one.restore_command("c", &state).unwrap().to_string(),
            "kops-wipe-masters restore-volumes --name c --state s3://state"
        );
    }
}
