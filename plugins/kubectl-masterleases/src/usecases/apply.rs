//! Deletes what the plan says: one transaction per key, which fails if an API server has rewritten the key.

use runbook_kit::model::shell::quoted;
use std::path::PathBuf;

use crate::rules::verdict::Verdict;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::kubernetes::masterlease::FOLDER;
use runbook_kit::ports::{EtcdError, EtcdErrorKind, EtcdKv};

use crate::rules::plan::Plan;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Deleted by this command.
    pub deleted: Vec<String>,
    /// Rewritten or deleted by others since they were read, and left as they are.
    pub skipped: Vec<String>,
}

/// It stopped before the end.
#[derive(Debug, thiserror::Error)]
#[error("pruning stopped at {at}: {}{reason}", what_was_done(.outcome, .in_doubt))]
pub struct Stopped {
    /// What was deleted until then.
    pub outcome: Outcome,
    /// The key at which it stopped.
    pub at: String,
    /// Whether this key may have been deleted.
    pub in_doubt: bool,
    /// The file with the deleted values.
    pub undo_file: PathBuf,
    pub reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// etcd did not respond, or refused.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// The last live key was deleted or expired meanwhile.
    #[error("no masterlease is live any longer")]
    NoneLive,
}

fn what_was_done(outcome: &Outcome, in_doubt: &bool) -> String {
    let deleted = if outcome.deleted.is_empty() {
        "nothing was deleted".to_owned()
    } else {
        format!("deleted {}", outcome.deleted.join(", "))
    };
    if *in_doubt {
        format!("{deleted}, and this one may or may not have been deleted; ")
    } else {
        format!("{deleted}; ")
    }
}

impl Failure for Stopped {
    fn exit(&self) -> Exit {
        match self.reason {
            _ if !self.outcome.deleted.is_empty() || self.in_doubt => Exit::FailedAfterChange,
            Reason::NoneLive => Exit::Refused,
            Reason::Etcd(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        if self.exit() == Exit::FailedAfterChange {
            let file = self.undo_file.display().to_string();
            let file = quoted(&file);
            return Some(format!(
                "repeat the command to delete the rest, or run `kubectl masterleases undo {file}` to restore the deleted keys"
            ));
        }
        match &self.reason {
            Reason::Etcd(error) => error.hint(),
            Reason::NoneLive => Some("run `kubectl masterleases list`".to_owned()),
        }
    }
}

/// Deletes what the plan says, in its order. The values must have been saved in `undo_file`.
///
/// # Errors
/// [`Stopped`], with what was deleted until then.
pub async fn apply(
    plan: &Plan,
    etcd: &dyn EtcdKv,
    prefix: &str,
    undo_file: PathBuf,
    consent: &Consent,
) -> Result<Outcome, Box<Stopped>> {
    let mut outcome = Outcome::default();
    for lease in &plan.delete {
        let stopped = |outcome: &Outcome, in_doubt, reason| {
            Box::new(Stopped {
                outcome: outcome.clone(),
                at: lease.name.clone(),
                in_doubt,
                undo_file: undo_file.clone(),
                reason,
            })
        };
        if plan.requires_live {
            match any_live(plan, etcd, prefix).await {
                Ok(true) => {}
                Ok(false) => return Err(stopped(&outcome, false, Reason::NoneLive)),
                Err(error) => return Err(stopped(&outcome, false, error.into())),
            }
        }
        match etcd
            .delete_if_unchanged(&lease.stored.key, lease.stored.mod_revision, consent)
            .await
        {
            Ok(true) => outcome.deleted.push(lease.name.clone()),
            Ok(false) => outcome.skipped.push(lease.name.clone()),
            Err(error) => return Err(stopped(&outcome, may_have_happened(&error.kind), error.into())),
        }
    }
    Ok(outcome)
}

/// Whether a key that was live still has a lease, or else any key: an API server has written it within the last 15 s.
async fn any_live(plan: &Plan, etcd: &dyn EtcdKv, prefix: &str) -> Result<bool, EtcdError> {
    let known = plan
        .keep
        .iter()
        .filter(|(lease, _)| lease.judgement.verdict == Verdict::Live);
    for (lease, _) in known {
        if etcd.get(&lease.stored.key).await?.is_some_and(|key| key.lease != 0) {
            return Ok(true);
        }
    }
    let range = etcd.range(format!("{prefix}{FOLDER}").as_bytes()).await?;
    Ok(range.keys.iter().any(|key| key.lease != 0))
}

/// Whether etcd may have applied a request that failed with this error.
const fn may_have_happened(kind: &EtcdErrorKind) -> bool {
    matches!(
        kind,
        EtcdErrorKind::Lost | EtcdErrorKind::Timeout { .. } | EtcdErrorKind::NoLeader | EtcdErrorKind::Other(_)
    )
}

#[cfg(test)]
mod tests {
    use runbook_kit::cli::confirm;
    use runbook_kit::testing::{Interference, MemoryEtcd};

    use super::*;
    use crate::rules::plan::plan;
    use crate::usecases::plan_tests::leases;

    fn etcd() -> MemoryEtcd {
        let etcd = MemoryEtcd::default();
        for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            etcd.masterlease(ip, 0);
        }
        etcd.masterlease("10.0.0.57", 7);
        etcd
    }

    async fn prune(etcd: &MemoryEtcd) -> Result<Outcome, Box<Stopped>> {
        let plan = plan(&leases(etcd, 12).await, &[]).unwrap();
        let consent = confirm::plain(true).unwrap();
        apply(&plan, etcd, "/registry", "undo.json".into(), &consent).await
    }

    fn key(ip: &str) -> String {
        format!("/registry/masterleases/{ip}")
    }

    #[tokio::test(start_paused = true)]
    async fn the_stale_ones_are_deleted() {
        let etcd = etcd();
        let outcome = prune(&etcd).await.unwrap();
        assert_eq!(outcome.deleted, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(etcd.keys(), [key("10.0.0.57")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rewritten_key_is_kept() {
        let etcd = etcd();
        etcd.before_deletes([Interference::None, Interference::Rewrite(key("10.0.0.2"))]);
        let outcome = prune(&etcd).await.unwrap();
        assert_eq!(
            (outcome.deleted.len(), outcome.skipped),
            (2, vec!["10.0.0.2".to_owned()])
        );
        assert_eq!(etcd.keys(), [key("10.0.0.2"), key("10.0.0.57")]);
    }

    #[tokio::test(start_paused = true)]
    async fn stops_when_the_last_live_key_expires() {
        let etcd = etcd();
        etcd.before_deletes([Interference::Expire(vec![key("10.0.0.57")])]);
        let stopped = prune(&etcd).await.unwrap_err();
        assert!(matches!(stopped.reason, Reason::NoneLive));
        assert_eq!(
            (stopped.exit(), stopped.outcome.deleted.len()),
            (Exit::FailedAfterChange, 1)
        );
        assert_eq!(etcd.keys(), [key("10.0.0.2"), key("10.0.0.3")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_connection_reports_what_was_deleted() {
        let etcd = etcd();
        etcd.before_deletes([Interference::None, Interference::LoseAnswer]);
        let stopped = prune(&etcd).await.unwrap_err();
        assert_eq!(stopped.exit(), Exit::FailedAfterChange);
        let text = stopped.to_string();
        assert!(
            text.contains("stopped at 10.0.0.2: deleted 10.0.0.1, and this one may or may not have been deleted"),
            "{text}"
        );
        assert!(stopped.hint().unwrap().contains("undo undo.json"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_first_deletion_is_an_ordinary_failure() {
        let etcd = etcd();
        etcd.before_deletes([Interference::Fail(EtcdErrorKind::Denied("no".into()))]);
        let stopped = prune(&etcd).await.unwrap_err();
        assert_eq!(stopped.exit(), Exit::Failed);
        assert!(stopped.to_string().contains("nothing was deleted"), "{stopped}");
        assert_eq!(etcd.keys().len(), 4);
    }
}
