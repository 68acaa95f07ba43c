//! Whether members that answer, or old volumes, may hold newer data than the backup that is to be restored, and how it is saved first.

mod take;
mod volumes;

pub use take::{attach, take};
pub use volumes::{OldVolume, Place, old_volumes};

use jiff::{SignedDuration, Timestamp};

use crate::model::backup::name::BackupName;
use crate::model::check::{Check, Severity};
use crate::model::shell::ShellCommand;
use crate::model::units;

/// The check's name.
const NAME: &str = "salvage";

/// The backup that is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restorable {
    /// Its name.
    pub name: BackupName,
    /// Its revision, where it was read.
    pub revision: Option<i64>,
    /// The time between two backups.
    pub interval: SignedDuration,
}

/// A member that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberData {
    /// Its name; its id where it has none.
    pub name: String,
    /// Its store's revision.
    pub revision: i64,
    /// Whether it has a leader.
    pub leader: bool,
}

/// What is known of one etcd cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The backup; `None` where there is no good one.
    pub backup: Option<Restorable>,
    /// The members that answer.
    pub members: Vec<MemberData>,
    /// The volumes that may hold data of it.
    pub volumes: Vec<OldVolume>,
    /// How a backup is taken: with the flags that lead to these members.
    pub take: Option<ShellCommand>,
    /// What prints how a volume in quarantine is attached and read.
    pub how_to_attach: Option<ShellCommand>,
    /// The same for one that is detached.
    pub how_to_attach_detached: Option<ShellCommand>,
}

/// The check, where something may be newer. Volumes matter only where no member answers: a member has its volume, and more.
#[must_use]
pub fn check(facts: &Facts, now: Timestamp) -> Option<Check> {
    match facts.members.is_empty() {
        false => of_members(facts, now),
        true => of_volumes(facts, now),
    }
}

fn of_members(facts: &Facts, now: Timestamp) -> Option<Check> {
    let newest = facts.members.iter().map(|member| member.revision).max()?;
    let holders: Vec<&MemberData> = facts
        .members
        .iter()
        .filter(|member| member.revision == newest)
        .collect();
    let names = list(holders.iter().map(|member| member.name.as_str()));
    let led = holders.iter().any(|member| member.leader);
    let (subject, verb) = match (holders.len(), led) {
        (1, true) => ("member", "is at"),
        (_, true) => ("members", "are at"),
        (1, false) => ("member", "stopped at"),
        (_, false) => ("members", "stopped at"),
    };
    let who = format!("{subject} {names} {verb} revision {newest}");
    let message = match &facts.backup {
        None => format!("{who}, and there is no good backup"),
        Some(backup) => {
            let (name, age) = (&backup.name, units::age(now.duration_since(backup.name.created())));
            match backup.revision {
                Some(revision) if revision == newest => return None,
                Some(revision) if revision < newest => {
                    let more = units::counted(newest.abs_diff(revision), "revision");
                    format!("{who}, {more} after {name}, which is {age} old")
                }
                Some(revision) => format!(
                    "{who}, and {name} has {revision}: etcd was restored or seeded since, or these members lag behind; what they hold may \
                     be newer"
                ),
                None => format!("{who}, and may hold newer data than {name}, which is {age} old"),
            }
        }
    };
    let cure = match &facts.take {
        Some(take) => format!("salvage first: `{take}`"),
        None => "salvage first: `kubectl etcd-backups take`".to_owned(),
    };
    Some(Check::found(NAME, Severity::Warn, message).cure(cure))
}

fn of_volumes(facts: &Facts, now: Timestamp) -> Option<Check> {
    let created = facts.backup.as_ref().map(|backup| backup.name.created());
    let may_be_newer = |volume: &&OldVolume| match (&volume.place, created) {
        (_, None) => true,
        (Place::Quarantined { since }, Some(created)) => since.is_none_or(|since| since > created),
        // One that was made since was empty then.
        (Place::Detached | Place::Attached { .. }, Some(created)) => volume.created.is_some_and(|made| made <= created),
    };
    let volumes: Vec<&OldVolume> = facts.volumes.iter().filter(may_be_newer).collect();
    let first = volumes.first()?;
    let shown = list(
        volumes
            .iter()
            .map(|volume| volume.shown())
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str),
    );
    let noun = if volumes.len() == 1 { "volume" } else { "volumes" };
    // Until when they may have been written.
    let until = volumes
        .iter()
        .map(|volume| match volume.place {
            Place::Quarantined { since } => since.unwrap_or(now),
            Place::Detached | Place::Attached { .. } => now,
        })
        .max()?;
    let (severity, than) = match &facts.backup {
        None => (Severity::Warn, "and there is no good backup".to_owned()),
        Some(backup) => {
            let gap = until.duration_since(backup.name.created());
            // The loss of less than one interval is what every restore has.
            let severity = if gap > backup.interval {
                Severity::Warn
            } else {
                Severity::Info
            };
            (
                severity,
                format!("newer than {}: up to {} of it", backup.name, units::age(gap)),
            )
        }
    };
    let message = format!("{noun} {shown} may hold data, {than}").replace("data, newer", "data newer");
    let host = volumes.iter().find_map(|volume| match &volume.place {
        Place::Attached { host, .. } => host.as_deref(),
        _ => None,
    });
    let how = match first.place {
        Place::Quarantined { .. } => &facts.how_to_attach,
        Place::Detached | Place::Attached { .. } => &facts.how_to_attach_detached,
    };
    let cure = match (&facts.take, host, how) {
        (Some(take), Some(host), _) => {
            let take = take
                .clone()
                .args(["--via", "ssh"])
                .option("--host", host)
                .arg("--data-dir");
            format!("if no etcd runs on {host}, salvage first: `{take}`")
        }
        (_, None, Some(how)) => format!("salvage first: `{how}` prints how to attach one and read it"),
        _ => format!(
            "salvage first: attach {} to an instance, and `kubectl etcd-backups take --data-dir`",
            first.id
        ),
    };
    Some(Check::found(NAME, severity, message).cure(cure))
}

/// `a`, `a and b`, `a, b and c`.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
