//! Follows what was ordered until every etcd serves and the API is ready. It owns nothing: it can be left at any time.

use std::ops::ControlFlow;
use std::time::Duration;

use runbook_kit::backups::run_record::RunRecord;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::confirm::Consent;
use runbook_kit::domain::restore::follow::{EtcdSeen, Follow, Restart, Seen, State};
use runbook_kit::error::{AnyFailure, Failure};
use runbook_kit::exit::Exit;
use runbook_kit::ui::chain;
use serde::Serialize;
use tokio::time::Instant;

use crate::choose::Choice;
use crate::context::Context;
use crate::hosts::{self, Role};
use crate::logs;
use crate::restart_etcd;
use crate::sight::eyes::{ApiSeen, Eyes, Look};
use crate::sight::survey::Target;

/// So often in a row the API must say that it is ready.
const IN_A_ROW: u32 = 3;

/// How long each step may take.
pub struct Limits {
    pub take: Duration,
    pub restore: Duration,
    pub api: Duration,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    pub etcds: Vec<FollowedEtcd>,
    /// `ready`; `answers` where it does not know us; `not-asked`.
    pub api: &'static str,
    /// What could not be seen.
    pub unseen: Vec<String>,
}

/// One etcd cluster at the end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedEtcd {
    pub etcd: String,
    pub state: State,
    pub backup: Option<String>,
    pub new_backup: Option<String>,
}

impl Followed {
    /// For a person.
    pub fn summary(&self) -> String {
        let mut text = "\n".to_owned();
        for one in &self.etcds {
            let from = match &one.backup {
                Some(backup) => format!("restored from {backup}"),
                None => "seeded anew".to_owned(),
            };
            let state = match one.state {
                State::Serving => "it serves".to_owned(),
                _ => "whether it serves could not be seen".to_owned(),
            };
            text.push_str(&format!("{}: {from}, {state}\n", one.etcd));
        }
        text.push_str(&format!("API: {}\n", self.api));
        for unseen in &self.unseen {
            text.push_str(&format!("out of sight: {unseen}\n"));
        }
        text
    }
}

/// It did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// etcd-manager tries it for ever.
    #[error("{etcd} loops: {says}{line}")]
    Loops {
        etcd: String,
        says: &'static str,
        line: String,
        way_out: &'static str,
    },
    /// The command went, and the etcd that served before still does.
    #[error("{etcd}: the command was removed before etcd-manager took it: somebody cancelled it")]
    Cancelled { etcd: String },
    /// Too long in one state.
    #[error("{etcd}: waited {seconds} s for {what}")]
    TooLong {
        etcd: String,
        seconds: u64,
        what: &'static str,
        hint: String,
    },
    /// The API does not come.
    #[error("every etcd is restored, and the API was not ready within {seconds} s: {last}")]
    ApiNotReady {
        cluster: String,
        seconds: u64,
        last: String,
    },
}

impl Failure for NotDone {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Loops { way_out, .. } => (*way_out).to_owned(),
            Self::Cancelled { .. } => "look who did: then `kubectl etcd-restore run --anew --yes`".to_owned(),
            Self::TooLong { hint, .. } => hint.clone(),
            Self::ApiNotReady { cluster, .. } => format!(
                "look into the logs of the API servers, `kubectl etcd-restore logs kube-apiserver --name {cluster}`, and restart the \
                 masters' kubelets, `kubectl etcd-restore restart-kubelet --name {cluster} --yes`; then the same `run` again looks on"
            ),
        })
    }
}

/// Restarts the leader of an etcd cluster, where the user has given a way to the hosts.
pub struct Hands<'a> {
    pub ssh: &'a SshArgs,
    pub consent: &'a Consent,
    /// The etcd clusters that were alive when the user agreed: no other is touched.
    pub alive: Vec<String>,
}

/// Why the eyes are closed for a moment.
enum Pause {
    Ended(Result<Followed, NotDone>),
    Restart(String),
}

struct Track {
    etcd: String,
    follow: Follow,
    /// Since when it is in its state. Of our own: a clock that is set must not end a wait.
    since: Instant,
    fresh: bool,
    skipped: bool,
    told_restart: bool,
    restarted: bool,
    /// Its created marker was seen to be gone.
    marker_gone: bool,
}

/// Follows.
///
/// # Errors
/// [`NotDone`].
pub async fn follow(
    eyes: &Eyes<'_>,
    targets: &[Target<'_>],
    record: &RunRecord,
    limits: &Limits,
    hands: Option<&Hands<'_>>,
    context: &Context,
) -> Result<Followed, AnyFailure> {
    let ui = &context.session.ui;
    let mut tracks: Vec<Track> = targets.iter().map(|target| Track::of(target, record)).collect();
    let cluster = targets
        .first()
        .map(|target| target.catalog.store.cluster.clone())
        .unwrap_or_default();
    let mut ready_in_a_row = 0;
    let mut api_since: Option<Instant> = None;
    let mut api_before: Option<&'static str> = None;
    loop {
        let pause = eyes
            .watch(|look| {
                let now = context.session.now();
                for (track, seen) in tracks.iter_mut().zip(&look.etcds) {
                    for said in track.step(seen, now) {
                        ui.note(&format!("{now:.0}  {said}"));
                    }
                    if let Some(failed) = track.failed(seen, limits) {
                        return ControlFlow::Break(Pause::Ended(Err(failed)));
                    }
                    let handy = hands.is_some_and(|hands| hands.alive.contains(&track.etcd));
                    if handy && !track.restarted && track.follow.restart(seen) == Restart::Leader {
                        track.restarted = true;
                        return ControlFlow::Break(Pause::Restart(track.etcd.clone()));
                    }
                }
                if api_before != Some(look.api.name()) {
                    ui.note(&format!("{now:.0}  API: {}", look.api.says()));
                    api_before = Some(look.api.name());
                }
                let all_done = tracks
                    .iter()
                    .zip(&look.etcds)
                    .all(|(track, seen)| track.done(seen, &look.api));
                if !all_done {
                    ready_in_a_row = 0;
                    api_since = None;
                    return ControlFlow::Continue(());
                }
                let since = *api_since.get_or_insert_with(Instant::now);
                match &look.api {
                    ApiSeen::Ready | ApiSeen::Alive(_) => ready_in_a_row += 1,
                    ApiSeen::NotAsked(_) => return ControlFlow::Break(Pause::Ended(Ok(end(&tracks, look)))),
                    ApiSeen::Silent(_) | ApiSeen::Answers(_) | ApiSeen::Elsewhere(_) => ready_in_a_row = 0,
                }
                if ready_in_a_row >= IN_A_ROW {
                    return ControlFlow::Break(Pause::Ended(Ok(end(&tracks, look))));
                }
                if since.elapsed() > limits.api {
                    return ControlFlow::Break(Pause::Ended(Err(NotDone::ApiNotReady {
                        cluster: cluster.clone(),
                        seconds: limits.api.as_secs(),
                        last: look.api.says(),
                    })));
                }
                ControlFlow::Continue(())
            })
            .await;
        match (pause, hands) {
            (Pause::Ended(ended), hands) => {
                if let (Err(NotDone::ApiNotReady { .. }), Some(hands)) = (&ended, hands) {
                    last_lines(hands, context).await;
                }
                return Ok(ended?);
            }
            (Pause::Restart(etcd), Some(hands)) => {
                ui.note(&format!("$ kubectl etcd-restore restart-etcd --etcd {etcd} --yes"));
                // What could not be restarted can be by hand: following goes on.
                if let Err(error) = restart_etcd::restart_leader(&etcd, hands.ssh, context, hands.consent).await {
                    ui.failure_of(&format!("restarting etcd-manager of {etcd}"), error.as_ref());
                }
            }
            (Pause::Restart(_), None) => {}
        }
    }
}

/// What the API servers said last, where the user has given a way to them. What cannot be read is told and does not matter.
async fn last_lines(hands: &Hands<'_>, context: &Context) {
    let ui = &context.session.ui;
    let roles = [Role::Master, Role::ApiServer];
    match (context.hosts(hands.ssh), hosts::find(hands.ssh, &roles, context).await) {
        (Ok(hosts), Ok(machines)) => logs::last_of_the_api(machines.iter(), hosts.as_ref(), ui).await,
        (Err(error), _) => ui.warn(&chain(&error)),
        (_, Err(error)) => ui.warn(&chain(error.as_ref())),
    }
}

fn end(tracks: &[Track], look: &Look) -> Followed {
    let mut unseen: Vec<String> = Vec::new();
    for (track, seen) in tracks.iter().zip(&look.etcds) {
        if let EtcdSeen::NotAsked(why) = &seen.etcd {
            unseen.push(format!("etcd {}: {why}", track.etcd));
        }
    }
    unseen.extend(look.api.unseen());
    Followed {
        etcds: tracks
            .iter()
            .filter(|track| !track.skipped)
            .map(|track| FollowedEtcd {
                etcd: track.etcd.clone(),
                state: track.follow.state,
                backup: track.follow.backup.clone(),
                new_backup: track.follow.new_backup.clone(),
            })
            .collect(),
        api: look.api.name(),
        unseen,
    }
}

impl Track {
    fn of(target: &Target<'_>, record: &RunRecord) -> Self {
        let etcd = target.catalog.store.etcd.clone();
        let ordered = record.of(&etcd);
        let command = ordered.and_then(|ordered| ordered.command.as_deref());
        let backup = ordered.and_then(|ordered| ordered.backup.as_deref());
        Self {
            follow: command.map_or_else(Follow::default, |command| Follow::of_command(command, backup)),
            fresh: matches!(target.choice, Choice::Fresh),
            skipped: matches!(target.choice, Choice::Nothing(_)),
            since: Instant::now(),
            told_restart: false,
            restarted: false,
            marker_gone: false,
            etcd,
        }
    }

    /// Takes a look in, and gives what is to be said.
    fn step(&mut self, seen: &Seen, now: jiff::Timestamp) -> Vec<String> {
        let next = self.follow.step(seen, now);
        let mut said = Vec::new();
        if next.state != self.follow.state {
            self.since = Instant::now();
            let from = self.follow.backup.as_ref().or(next.backup.as_ref());
            let what = from.map(|backup| format!(" ({backup})")).unwrap_or_default();
            let waits = if next.state == State::Serving {
                String::new()
            } else {
                format!("; waiting for {}", next.waits_for())
            };
            said.push(format!("{}: {}{what}{waits}", self.etcd, next.state.name()));
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
                self.etcd, self.etcd
            ));
        }
        said
    }

    /// Whether nothing more can be waited for.
    fn done(&self, seen: &Seen, api: &ApiSeen) -> bool {
        let out_of_sight = matches!(seen.etcd, EtcdSeen::NotAsked(_));
        if self.skipped {
            return true;
        }
        let seeded = || self.marker_gone && seen.store.as_ref().is_ok_and(|store| store.created);
        match self.follow.state {
            State::Serving => !self.fresh || seeded() || seen.store.as_ref().is_ok_and(|store| store.created),
            // The API's own readiness tells of main; nobody tells of the others.
            State::Restored => out_of_sight && (seen.api_ready.is_none() || matches!(api, ApiSeen::NotAsked(_))),
            State::Idle => self.fresh && out_of_sight && seeded(),
            _ => false,
        }
    }

    fn failed(&self, seen: &Seen, limits: &Limits) -> Option<NotDone> {
        if self.skipped {
            return None;
        }
        let etcd = self.etcd.clone();
        if let Some(cause) = &self.follow.cause {
            return Some(NotDone::Loops {
                etcd,
                says: cause.cause.says(),
                line: cause.line.as_ref().map(|line| format!(" ({line})")).unwrap_or_default(),
                way_out: cause.cause.way_out(),
            });
        }
        if self.follow.cancelled {
            return Some(NotDone::Cancelled { etcd });
        }
        let waited = self.since.elapsed();
        let (limit, hint) = match self.follow.state {
            State::Queued if self.follow.restart(seen) == Restart::Leader => (
                limits.take,
                format!("restart etcd-manager's leader: `kubectl etcd-restore restart-etcd --etcd {etcd}`; then the same `run` again"),
            ),
            State::Queued => (
                limits.take,
                "check that every master runs its etcd-manager (`kubectl etcd-restore logs`): fewer than the spec's members, or a broken \
                 command in the queue, and nothing happens; `kubectl etcd-restore cancel` takes the command back"
                    .to_owned(),
            ),
            State::Restoring => (
                limits.restore,
                "look into the log (`kubectl etcd-restore logs`): a backup that cannot be restored is tried for ever; a command that stays \
                 after the restore means that the masters may not delete it (s3:DeleteObject on control/)"
                    .to_owned(),
            ),
            State::Restored => (
                limits.restore,
                "look into the log (`kubectl etcd-restore logs`); if the command was cancelled by hand, order it anew: `run --anew`"
                    .to_owned(),
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
        (waited > limit).then(|| NotDone::TooLong {
            etcd,
            seconds: limit.as_secs(),
            what: self.follow.waits_for(),
            hint,
        })
    }
}
