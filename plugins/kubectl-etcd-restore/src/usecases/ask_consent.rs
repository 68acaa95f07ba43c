//! The confirmation before etcd is overwritten: the cluster's name, where etcd is not proven dead or the backup is old.

use crate::rules::preflight::{self, EtcdFacts};
use jiff::{SignedDuration, Timestamp};
use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::liveness::Liveness;

use crate::usecases::observe::age;
use crate::usecases::observe::survey::Survey;

/// Asks for the confirmation that the risk requires. `None` means that only the plan is to be shown.
pub fn ask_consent(
    args: &StrongConsentArgs,
    survey: &Survey<'_>,
    max_age: SignedDuration,
    now: Timestamp,
) -> Result<Option<Consent>, AnyFailure> {
    let mut reasons: Vec<String> = survey.at_risk().into_iter().map(at_risk).collect();
    let targets = survey.targets.iter().filter(|target| target.submitted.is_none());
    reasons.extend(targets.filter_map(|target| age::too_old(target, max_age, now)));
    if reasons.is_empty() {
        return Ok(confirm::plain(args.yes));
    }
    if survey.facts.cluster.is_empty() {
        return Err(
            CommandError::usage(format!("{} No cluster is named", reasons.join(" ")))
                .hint("pass --name to confirm the cluster")
                .into(),
        );
    }
    Ok(confirm::strong(args, &survey.facts.cluster, &reasons.join("\n"))?)
}

/// Whether it is alive, why, and what is lost.
fn at_risk(etcd: &EtcdFacts) -> String {
    let (name, lost) = (&etcd.etcd, preflight::lost(etcd));
    match &etcd.liveness {
        Liveness::Alive { why, .. } => format!("etcd {name} IS ALIVE: {why}; {lost}."),
        Liveness::Dead(why) | Liveness::Unknown { why, .. } => format!("etcd {name} MAY BE ALIVE: {why}; {lost}."),
    }
}
