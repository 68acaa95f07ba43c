//! The age of the chosen backups, and the newer ones that are skipped.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::kops::duration;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::{Backup, Catalog};

use crate::usecases::choose::Choice;
use crate::usecases::target::Target;

/// The flag for the age of backups.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct AgeArgs {
    /// Require confirmation by cluster name if a chosen backup is older
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse)]
    pub max_age: SignedDuration,
}

fn parse(text: &str) -> Result<SignedDuration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// The backup that is restored, and its age.
pub fn of<'a>(target: &Target<'a>, now: Timestamp) -> Option<(&'a Backup, SignedDuration)> {
    match &target.choice {
        Choice::Backup { backup, .. } => Some((backup, now.duration_since(backup.name.created()))),
        _ => None,
    }
}

/// The newer complete backups, newest first, with the reason where it is known.
pub fn passed_over(catalog: &Catalog, backup: &Backup, reasons: &[String]) -> Vec<String> {
    let newer = catalog
        .complete()
        .rev()
        .filter(|other| other.name.created() > backup.name.created());
    let told = newer.map(|other| {
        let name = other.name.as_str();
        let reason = reasons.iter().find(|reason| reason.starts_with(name));
        reason
            .cloned()
            .unwrap_or_else(|| format!("{name}: newer than the chosen one"))
    });
    told.collect()
}

/// The newer backups that are skipped for a target.
pub fn skipped_of(target: &Target<'_>) -> Vec<String> {
    match &target.choice {
        Choice::Backup {
            backup,
            passed_over: reasons,
            ..
        } => passed_over(target.catalog, backup, reasons),
        _ => Vec::new(),
    }
}

/// The check of the plan.
pub fn check(target: &Target<'_>, max_age: SignedDuration, now: Timestamp) -> Option<Check> {
    let (_, age) = of(target, now)?;
    Some(judge(age, skipped_of(target).len(), max_age).of(target.catalog.store.etcd.clone()))
}

fn judge(age: SignedDuration, passed_over: usize, max_age: SignedDuration) -> Check {
    const NAME: &str = "age";
    let skipped = match passed_over {
        0 => "no newer backup".to_owned(),
        1 => "1 newer backup skipped".to_owned(),
        several => format!("{several} newer backups skipped"),
    };
    let shown = units::age(age);
    if age <= max_age {
        return Check::passed(NAME, format!("{shown} old; {skipped}"));
    }
    let limit = units::age(max_age);
    Check::found(
        NAME,
        Severity::Warn,
        format!("{shown} old, older than {limit} (--max-age): confirmation by cluster name required; {skipped}"),
    )
    .cure("compare the newer backups with `kubectl etcd-backups list` and `diff`; raise --max-age to skip the confirmation")
}

/// Why the confirmation is required, where the backup is too old.
pub fn too_old(target: &Target<'_>, max_age: SignedDuration, now: Timestamp) -> Option<String> {
    let (backup, age) = of(target, now).filter(|(_, age)| *age > max_age)?;
    let skipped = match skipped_of(target).len() {
        0 => String::new(),
        count => format!(", and {count} newer skipped"),
    };
    Some(format!(
        "etcd {}: {} is {} old, older than {} (--max-age){skipped}.",
        target.catalog.store.etcd,
        backup.name,
        units::age(age),
        units::age(max_age)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_told_and_an_old_one_warns() {
        let (minute, day) = (SignedDuration::from_mins(1), SignedDuration::from_hours(24));
        let young = judge(minute, 0, day);
        assert!(young.ok);
        assert_eq!(young.message, "60s old; no newer backup");
        assert!(judge(day, 1, day).message.ends_with("old; 1 newer backup skipped"));
        let old = judge(day + minute, 3, day);
        assert_eq!((old.ok, old.severity), (false, Severity::Warn));
        assert!(
            old.message.contains("older than 24h (--max-age)") && old.message.ends_with("3 newer backups skipped"),
            "{old:?}"
        );
    }
}
