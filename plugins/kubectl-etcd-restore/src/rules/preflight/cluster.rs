//! Checks over all etcd clusters: masters, times, encryption keys.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::quoted;

use super::{ClusterFacts, ControlFact, Wanted};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::units;

/// Backups of one cluster should not be further apart.
const APART: SignedDuration = SignedDuration::from_mins(30);

/// With fewer masters than members, etcd-manager would merge the backup into the running etcd.
pub(super) fn masters(facts: &ClusterFacts) -> Check {
    const NAME: &str = "masters";
    let wanted = facts
        .etcds
        .iter()
        .filter_map(|etcd| match &etcd.spec {
            ControlFact::Valid(spec) => usize::try_from(spec.member_count).ok(),
            _ => None,
        })
        .max()
        .unwrap_or_default();
    match &facts.masters {
        Observed::Known(masters) if masters.len() >= wanted => {
            Check::passed(NAME, format!("{} run: {}", masters.len(), masters.join(", ")))
        }
        Observed::Known(masters) => Check::found(
            NAME,
            Severity::Block,
            format!("only {} of {wanted} masters run; wait for all", masters.len()),
        )
        .cure(format!(
            "wait until all run, or create them: `kops update cluster --name {} --yes`",
            quoted(&facts.cluster)
        )),
        Observed::Unknown(why) => Check::found(
            NAME,
            Severity::Warn,
            format!("could not check how many of {wanted} masters run: {why}"),
        )
        .cure(format!(
            "check that {wanted} masters run before you continue; pass --profile to have it checked in AWS"
        )),
    }
}

pub(super) fn times(facts: &ClusterFacts) -> Option<Check> {
    let mut chosen: Vec<(&str, Timestamp)> = Vec::new();
    for etcd in &facts.etcds {
        if let Wanted::Restore(backup) = &etcd.wanted {
            chosen.push((&etcd.etcd, backup.name.created()));
        }
    }
    if chosen.len() < 2 {
        return None;
    }
    let first = chosen.iter().min_by_key(|(_, time)| *time)?;
    let last = chosen.iter().max_by_key(|(_, time)| *time)?;
    let apart = last.1.duration_since(first.1);
    Some(if apart > APART {
        let message = format!("{} is {} older than {}", first.0, units::age(apart), last.0);
        Check::found("times", Severity::Warn, message).cure("choose backups of about the same time with --at")
    } else {
        Check::passed("times", format!("the backups are {} apart", units::age(apart)))
    })
}

pub(super) fn encryption(facts: &ClusterFacts) -> Option<Check> {
    const NAME: &str = "encryption";
    let mut needed: Vec<&String> = Vec::new();
    for etcd in &facts.etcds {
        if let Wanted::Restore(backup) = &etcd.wanted {
            needed.extend(&backup.encrypted_by);
        }
    }
    needed.sort();
    needed.dedup();
    if needed.is_empty() {
        return None;
    }
    Some(match &facts.encryption_keys {
        Observed::Known(known) => {
            let missing: Vec<&str> = needed
                .iter()
                .filter(|key| !known.contains(key))
                .map(|key| key.as_str())
                .collect();
            if missing.is_empty() {
                Check::passed(
                    NAME,
                    "the cluster's encryption config has every key that the backup needs",
                )
            } else {
                let message = format!(
                    "values are encrypted by {}, which the cluster's encryption config lacks",
                    missing.join(", ")
                );
                Check::found(NAME, Severity::Warn, message)
                    .cure("add the key to the encryption config (`kops create secret encryptionconfig`) before the API starts")
            }
        }
        Observed::Unknown(why) => {
            let keys: Vec<&str> = needed.iter().map(|key| key.as_str()).collect();
            let message = format!(
                "values are encrypted by {}; the cluster's encryption config could not be read: {why}",
                keys.join(", ")
            );
            Check::found(NAME, Severity::Warn, message).cure("check that the masters have these keys")
        }
    })
}
