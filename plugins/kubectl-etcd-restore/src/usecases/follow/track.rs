//! One etcd cluster while it is followed: its progress, and when it took too long.

use std::time::Duration;

use runbook_kit::model::shell::quoted;
use tokio::time::Instant;

use super::error::FollowError;
use crate::rules::follow::{EtcdSeen, Follow, Restart, Seen, State, Submitted};
use crate::rules::observation::ApiSeen;
use crate::usecases::choose::Choice;
use crate::usecases::run_record::RunRecord;
use crate::usecases::target::Target;

/// A command that is gone while etcd does not respond on any port was removed: a restored etcd is in quarantine before its command is deleted.
const REMOVED_AFTER: Duration = Duration::from_secs(60);

/// Timeouts of the steps.
pub struct Limits {
    pub take: Duration,
    pub restore: Duration,
    pub api: Duration,
}

pub struct Track {
    pub etcd: String,
    pub follow: Follow,
    /// Since when it is in its state, by a monotonic clock.
    since: Instant,
    fresh: bool,
    pub skipped: bool,
    reported_restart: bool,
    pub restarted: bool,
    /// Its created marker was removed, or has changed.
    marker_gone: bool,
    reported_proof: bool,
}

impl Track {
    pub fn of(target: &Target<'_>, record: &RunRecord, empty: bool) -> Self {
        let etcd = target.catalog.store.etcd.clone();
        let submitted = record.of(&etcd);
        let follow = submitted.and_then(|submitted| {
            Some(Follow::of_command(&Submitted {
                command: submitted.command.as_deref()?,
                backup: submitted.backup.as_deref(),
                served: submitted.served(),
                newest: Some(submitted.newest.as_deref()),
                no_members: submitted.no_members,
                empty,
            }))
        });
        let before = target.submitted.as_ref().map(|submitted| &submitted.created);
        Self {
            follow: follow.unwrap_or_default(),
            fresh: matches!(target.choice, Choice::Fresh(_)),
            skipped: matches!(target.choice, Choice::Nothing(_) | Choice::Leave(_)),
            since: Instant::now(),
            reported_restart: false,
            restarted: false,
            // A new run has just removed it.
            marker_gone: before.is_none_or(|before| *before != target.created),
            reported_proof: false,
            etcd,
        }
    }

    /// Takes an observation, and gives the lines to print.
    pub fn step(&mut self, seen: &Seen, now: jiff::Timestamp) -> Vec<String> {
        let next = self.follow.step(seen, now);
        let mut said = Vec::new();
        if next.state != self.follow.state {
            self.since = Instant::now();
            let from = self.follow.backup.as_ref().or(next.backup.as_ref());
            let what = from.map(|backup| format!(" ({backup})")).unwrap_or_default();
            let unsure = next.state == State::Serving && next.command.is_some() && next.restored.is_none();
            let waits = if unsure {
                "; restore not confirmed yet".to_owned()
            } else if next.state == State::Serving {
                String::new()
            } else {
                format!("; waiting for {}", next.waits_for())
            };
            said.push(format!("{}: {}{what}{waits}", self.etcd, next.state.name()));
        }
        if let (Some(sign), false) = (next.restored, self.reported_proof) {
            self.reported_proof = true;
            said.push(format!("{}: restore confirmed: {}", self.etcd, sign.describe()));
        }
        if next.problem != self.follow.problem
            && let Some(problem) = &next.problem
        {
            said.push(format!("{}: {problem}", self.etcd));
        }
        self.follow = next;
        if let Ok(store) = &seen.store {
            self.marker_gone |= !store.created;
        }
        if !self.reported_restart && self.follow.restart(seen) == Restart::Leader {
            self.reported_restart = true;
            said.push(format!(
                "{}: etcd has members, so the command is read only after a restart of etcd-manager's leader. Restart it now: \
                 kubectl etcd-restore restart-etcd --etcd {}",
                self.etcd,
                quoted(&self.etcd)
            ));
        }
        said
    }

    /// Whether there is nothing left to wait for.
    pub fn done(&self, seen: &Seen, api: &ApiSeen) -> bool {
        let not_checked = matches!(seen.etcd, EtcdSeen::NotAsked(_));
        if self.skipped {
            return true;
        }
        let seeded = || self.marker_gone && seen.store.as_ref().is_ok_and(|store| store.created);
        match self.follow.state {
            State::Serving if self.fresh => seeded(),
            State::Serving => self.follow.restored.is_some(),
            // The API's readiness proves main only.
            State::Restored => not_checked && (seen.api_ready.is_none() || matches!(api, ApiSeen::NotAsked(_))),
            State::Idle => self.fresh && not_checked && seeded(),
            _ => false,
        }
    }

    pub fn failed(&self, seen: &Seen, limits: &Limits) -> Option<FollowError> {
        if self.skipped {
            return None;
        }
        let etcd = self.etcd.clone();
        if let Some(cause) = &self.follow.cause {
            return Some(FollowError::Loops {
                etcd,
                says: cause.cause.describe(),
                line: cause.line.as_ref().map(|line| format!(" ({line})")).unwrap_or_default(),
                way_out: cause.cause.fix(),
            });
        }
        if self.follow.cancelled {
            return Some(FollowError::Cancelled { etcd });
        }
        let waited = self.since.elapsed();
        if !self.fresh {
            let (limit, removed) = match (self.follow.state, &seen.etcd) {
                (State::Gone, EtcdSeen::Silent(_)) if !self.follow.taken() => (REMOVED_AFTER.min(limits.take), true),
                (State::Gone, _) => (limits.restore, false),
                (State::Serving, _) if self.follow.restored.is_none() => (limits.restore, false),
                _ => (Duration::MAX, false),
            };
            let seconds = limit.as_secs();
            if waited > limit {
                return Some(match removed {
                    true => FollowError::Removed { etcd, seconds },
                    false => FollowError::NotSeen { etcd, seconds },
                });
            }
        }
        let untaken = self.follow.state == State::Queued;
        let (limit, hint) = match self.follow.state {
            State::Queued if self.follow.restart(seen) == Restart::Leader => (
                limits.take,
                format!("restart etcd-manager's leader: `kubectl etcd-restore restart-etcd --etcd {}`; then repeat `run`", quoted(&etcd)),
            ),
            State::Queued => (
                limits.take,
                "check that etcd-manager runs on every control plane instance (`kubectl etcd-restore logs`): with fewer than the spec's \
                 members, or with a broken command in the queue, no command is taken"
                    .to_owned(),
            ),
            State::Restoring => (
                limits.restore,
                "check the log (`kubectl etcd-restore logs`): a backup that cannot be restored is retried forever; a command that stays \
                 after the restore means that the masters are not allowed to delete it (s3:DeleteObject on control/)"
                    .to_owned(),
            ),
            State::Restored => (
                limits.restore,
                "check the log (`kubectl etcd-restore logs`); `run --anew` queues the restore again".to_owned(),
            ),
            State::Waiting if self.fresh => (
                limits.take,
                "check that etcd-manager runs on every control plane instance (`kubectl etcd-restore logs`)".to_owned(),
            ),
            State::Waiting | State::Idle if !self.fresh => {
                (limits.take, "no command is queued: queue it again with `kubectl etcd-restore run --anew --yes`".to_owned())
            }
            _ => return None,
        };
        (waited > limit).then(|| FollowError::TooLong {
            etcd,
            seconds: limit.as_secs(),
            what: self.follow.waits_for(),
            hint,
            untaken,
        })
    }
}
