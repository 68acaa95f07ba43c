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

/// A command that is gone while nobody answers on any port of etcd was removed: a restore is in quarantine before its command goes.
const REMOVED_AFTER: Duration = Duration::from_secs(60);

/// How long each step may take.
pub struct Limits {
    pub take: Duration,
    pub restore: Duration,
    pub api: Duration,
}

pub struct Track {
    pub etcd: String,
    pub follow: Follow,
    /// Since when it is in its state. Of our own: a clock that is set must not end a wait.
    since: Instant,
    fresh: bool,
    pub skipped: bool,
    told_restart: bool,
    pub restarted: bool,
    /// Its created marker was seen to be gone, or is another than when it was ordered.
    marker_gone: bool,
    told_sign: bool,
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
            told_restart: false,
            restarted: false,
            // What was ordered just now was ordered by removing it.
            marker_gone: before.is_none_or(|before| *before != target.created),
            told_sign: false,
            etcd,
        }
    }

    /// Takes a look in, and gives what is to be said.
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
        if let (Some(sign), false) = (next.restored, self.told_sign) {
            self.told_sign = true;
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
        if !self.told_restart && self.follow.restart(seen) == Restart::Leader {
            self.told_restart = true;
            said.push(format!(
                "{}: etcd has members, so only a new leader of etcd-manager reads the command. Restart it now: \
                 kubectl etcd-restore restart-etcd --etcd {}",
                self.etcd,
                quoted(&self.etcd)
            ));
        }
        said
    }

    /// Whether nothing more can be waited for.
    pub fn done(&self, seen: &Seen, api: &ApiSeen) -> bool {
        let out_of_sight = matches!(seen.etcd, EtcdSeen::NotAsked(_));
        if self.skipped {
            return true;
        }
        let seeded = || self.marker_gone && seen.store.as_ref().is_ok_and(|store| store.created);
        match self.follow.state {
            State::Serving if self.fresh => seeded(),
            State::Serving => self.follow.restored.is_some(),
            // The API's own readiness tells of main; nobody tells of the others.
            State::Restored => out_of_sight && (seen.api_ready.is_none() || matches!(api, ApiSeen::NotAsked(_))),
            State::Idle => self.fresh && out_of_sight && seeded(),
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
                "check that every master runs its etcd-manager (`kubectl etcd-restore logs`): fewer than the spec's members, or a broken \
                 command in the queue, and nothing happens"
                    .to_owned(),
            ),
            State::Restoring => (
                limits.restore,
                "look into the log (`kubectl etcd-restore logs`): a backup that cannot be restored is tried for ever; a command that stays \
                 after the restore means that the masters are not allowed to delete it (s3:DeleteObject on control/)"
                    .to_owned(),
            ),
            State::Restored => (
                limits.restore,
                "look into the log (`kubectl etcd-restore logs`); `run --anew` orders it anew".to_owned(),
            ),
            State::Waiting if self.fresh => (
                limits.take,
                "check that every master runs its etcd-manager (`kubectl etcd-restore logs`)".to_owned(),
            ),
            State::Waiting | State::Idle if !self.fresh => {
                (limits.take, "no command is queued: order it anew by `kubectl etcd-restore run --anew --yes`".to_owned())
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
