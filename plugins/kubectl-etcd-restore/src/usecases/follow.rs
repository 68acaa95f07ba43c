//! Follows what was ordered until every etcd serves and the API is ready. It owns nothing: it can be left at any time.

use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::quoted;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::rules::follow::{EtcdSeen, Follow, Ordered, Restart, Seen, Sign, State};
use crate::rules::preflight::{ClusterFacts, LeftOut, Wanted};
use crate::usecases::run_record::RunRecord;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::failure::chain;
use runbook_kit::model::backup::goodness::MAIN;
use serde::Serialize;
use tokio::time::Instant;

use crate::commands::logs;
use crate::commands::restart_etcd;
use crate::context::Context;
use crate::usecases::armed::Armed;
use crate::usecases::choose::Choice;
use crate::usecases::hosts::{self, Role};
use crate::usecases::observe::observer::{ApiSeen, Look, Observer};
use crate::usecases::observe::survey::Target;

/// So often in a row the API must say that it is ready.
const IN_A_ROW: u32 = 3;
/// A command that is gone while nobody answers on any port of etcd was removed: a restore is in quarantine before its command goes.
const REMOVED_AFTER: Duration = Duration::from_secs(60);

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
    /// By what it was seen to be restored; `null` where it was seeded anew.
    pub seen_by: Option<Sign>,
}

impl Followed {
    /// For a person.
    pub fn summary(&self) -> String {
        let mut text = "\n".to_owned();
        for one in &self.etcds {
            let from = match (&one.backup, one.seen_by) {
                (Some(backup), Some(_)) => format!("restored from {backup}"),
                (Some(backup), None) => format!("not seen to be restored from {backup}"),
                (None, _) => "seeded anew".to_owned(),
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
    #[error("{etcd}: the command was removed and etcd did not restore: the etcd that served before still does")]
    Cancelled { etcd: String },
    /// The command went, and nobody answers.
    #[error(
        "{etcd}: the command was removed and etcd did not restore: nobody answered for {seconds} s, not even on the quarantine port"
    )]
    Removed { etcd: String, seconds: u64 },
    /// The command went, and nothing tells that it was carried out.
    #[error("{etcd}: the command is gone, and in {seconds} s etcd was not seen to be restored")]
    NotSeen { etcd: String, seconds: u64 },
    /// Too long in one state.
    #[error("{etcd}: waited {seconds} s for {what}")]
    TooLong {
        etcd: String,
        seconds: u64,
        what: &'static str,
        hint: String,
        /// Whether the command lies there untouched.
        untaken: bool,
    },
    /// The API does not come.
    #[error("every etcd is restored, and the API was not ready within {seconds} s: {last}{}", each(.held_up))]
    ApiNotReady {
        cluster: String,
        seconds: u64,
        last: String,
        /// Etcd clusters that were left out and hold it up.
        held_up: Vec<String>,
    },
}

fn each(by: &[String]) -> String {
    by.iter().map(|one| format!("; {one}")).collect()
}

impl NotDone {
    /// Whether its command was removed: what the run has noted of it holds no more.
    pub fn removed(&self) -> Option<&str> {
        match self {
            Self::Cancelled { etcd } | Self::Removed { etcd, .. } => Some(etcd),
            _ => None,
        }
    }

    /// Whether etcd-manager left a command untouched for too long.
    pub const fn untaken(&self) -> bool {
        matches!(self, Self::TooLong { untaken: true, .. })
    }
}

impl Failure for NotDone {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Loops { way_out, .. } => (*way_out).to_owned(),
            Self::Cancelled { .. } | Self::Removed { .. } => {
                "look who removed it; the same command orders it anew".to_owned()
            }
            Self::NotSeen { etcd, .. } => format!(
                "look into its log, `kubectl etcd-restore logs etcd --etcd {}`, and at what it holds; the same command looks on, and \
                 with --anew it orders the restore anew",
                quoted(etcd)
            ),
            Self::TooLong { hint, .. } => hint.clone(),
            Self::ApiNotReady { cluster, held_up, .. } => format!(
                "{}look into the logs of the API servers, `kubectl etcd-restore logs kube-apiserver --name {name}`, and restart the \
                 masters' kubelets, `kubectl etcd-restore restart-kubelet --name {name} --yes`; then the same `run` again looks on",
                if held_up.is_empty() {
                    ""
                } else {
                    "restore what holds it up, or have it seeded anew: the same `run` without --etcd; else "
                },
                name = quoted(cluster)
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

/// It was stopped.
pub struct Stopped {
    pub why: NotDone,
    /// The etcd clusters of which etcd-manager said that they have no members.
    pub no_members: Vec<String>,
}

/// What is followed, and how.
pub struct Followable<'a> {
    pub targets: &'a [Target<'a>],
    pub facts: &'a ClusterFacts,
    pub record: &'a RunRecord,
    pub limits: Limits,
    pub hands: Option<Hands<'a>>,
    /// The commands that are queued: kept as they are at each look.
    pub armed: &'a Armed<'a>,
}

/// Why the observer are closed for a moment.
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
    /// Its created marker was seen to be gone, or is another than when it was ordered.
    marker_gone: bool,
    told_sign: bool,
}

/// Follows.
///
/// # Errors
/// [`Stopped`], with what is known then.
pub async fn follow(observer: &Observer<'_>, what: &Followable<'_>, context: &Context) -> Result<Followed, Stopped> {
    let mut tracks = Vec::new();
    for (target, facts) in what.targets.iter().zip(&what.facts.etcds) {
        let empty = matches!(&facts.wanted, Wanted::Restore(backup) if backup.keys == 0);
        tracks.push(Track::of(target, what.record, empty));
    }
    let ended = follow_all(observer, &mut tracks, what, context).await;
    ended.map_err(|why| Stopped {
        why,
        no_members: tracks
            .iter()
            .filter(|track| track.follow.says_no_members())
            .map(|track| track.etcd.clone())
            .collect(),
    })
}

async fn follow_all(
    observer: &Observer<'_>,
    tracks: &mut [Track],
    what: &Followable<'_>,
    context: &Context,
) -> Result<Followed, NotDone> {
    let (limits, hands) = (&what.limits, what.hands.as_ref());
    let cluster = what.facts.cluster.clone();
    let ui = &context.session.ui;
    let mut ready_in_a_row = 0;
    let mut api_since: Option<Instant> = None;
    let mut api_before: Option<&'static str> = None;
    let mut held_up_before: Vec<String> = Vec::new();
    loop {
        let pause = observer
            .watch(|look| {
                let now = context.session.now();
                for (track, seen) in tracks.iter_mut().zip(&look.etcds) {
                    if let Ok(store) = &seen.store
                        && store.commands.is_empty()
                    {
                        what.armed.gone(&track.etcd);
                    }
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
                let beside = look.etcds.get(tracks.len()..).unwrap_or_default();
                let held_up = match look.api {
                    ApiSeen::Ready | ApiSeen::Alive(_) | ApiSeen::Elsewhere(_) => Vec::new(),
                    _ => holding_up(&what.facts.left_out, beside),
                };
                if held_up != held_up_before {
                    for one in &held_up {
                        ui.warn(&format!("the API waits: {one}"));
                    }
                    held_up_before.clone_from(&held_up);
                }
                let since = *api_since.get_or_insert_with(Instant::now);
                match &look.api {
                    ApiSeen::Ready | ApiSeen::Alive(_) => ready_in_a_row += 1,
                    ApiSeen::NotAsked(_) => return ControlFlow::Break(Pause::Ended(Ok(end(tracks, look)))),
                    ApiSeen::Silent(_) | ApiSeen::Answers(_) | ApiSeen::Elsewhere(_) => ready_in_a_row = 0,
                }
                if ready_in_a_row >= IN_A_ROW {
                    return ControlFlow::Break(Pause::Ended(Ok(end(tracks, look))));
                }
                if since.elapsed() > limits.api {
                    return ControlFlow::Break(Pause::Ended(Err(NotDone::ApiNotReady {
                        cluster: cluster.clone(),
                        seconds: limits.api.as_secs(),
                        last: look.api.says(),
                        held_up,
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
                return ended;
            }
            (Pause::Restart(etcd), Some(hands)) => {
                ui.note(&format!(
                    "$ kubectl etcd-restore restart-etcd --etcd {} --yes",
                    quoted(&etcd)
                ));
                // What could not be restarted can be by hand: following goes on.
                if let Err(error) = restart_etcd::restart_leader(&etcd, hands.ssh, context, hands.consent).await {
                    ui.failure_of(&format!("restarting etcd-manager of {etcd}"), error.as_ref());
                }
            }
            (Pause::Restart(_), None) => {}
        }
    }
}

/// The etcd clusters that are left out, and without which an API server does not start.
fn holding_up(left_out: &[LeftOut], seen: &[Seen]) -> Vec<String> {
    let mut found = Vec::new();
    for (one, seen) in left_out.iter().zip(seen) {
        if ![MAIN, "events"].contains(&one.etcd.as_str()) {
            continue;
        }
        let now = LeftOut {
            commands: match &seen.store {
                Ok(store) => Observed::Known(store.commands.iter().map(|command| command.name.clone()).collect()),
                Err(why) => Observed::Unknown(why.clone()),
            },
            created: seen.store.as_ref().map_or(true, |store| store.created),
            seen: seen.etcd.clone(),
            ..one.clone()
        };
        let (etcd, needed) = (&one.etcd, one.needed_by());
        found.extend(match (now.waits(), &now.commands, &now.seen) {
            (Some(true), ..) => Some(format!("etcd {etcd} has no members and no command: {needed}")),
            (_, _, EtcdSeen::Serving(answer)) if !answer.leader => {
                Some(format!("etcd {etcd} answers and has no leader: {needed}"))
            }
            (_, _, EtcdSeen::Serving(_)) => None,
            (_, Observed::Known(commands), _) if !commands.is_empty() => {
                Some(format!("etcd {etcd} is not restored yet: {needed}"))
            }
            (_, Observed::Known(_), EtcdSeen::Silent(_)) => Some(format!(
                "etcd {etcd} does not answer, and no command is queued for it: {needed}"
            )),
            (_, Observed::Known(_), EtcdSeen::NotAsked(_)) => Some(format!(
                "etcd {etcd} was not asked whether it has members, and no command is queued for it: {needed}"
            )),
            _ => None,
        });
    }
    found
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
                seen_by: track.follow.restored,
            })
            .collect(),
        api: look.api.name(),
        unseen,
    }
}

impl Track {
    fn of(target: &Target<'_>, record: &RunRecord, empty: bool) -> Self {
        let etcd = target.catalog.store.etcd.clone();
        let ordered = record.of(&etcd);
        let follow = ordered.and_then(|ordered| {
            Some(Follow::of_command(&Ordered {
                command: ordered.command.as_deref()?,
                backup: ordered.backup.as_deref(),
                served: ordered.served(),
                newest: Some(ordered.newest.as_deref()),
                no_members: ordered.no_members,
                empty,
            }))
        });
        let before = target.ordered.as_ref().map(|ordered| &ordered.created);
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
    fn step(&mut self, seen: &Seen, now: jiff::Timestamp) -> Vec<String> {
        let next = self.follow.step(seen, now);
        let mut said = Vec::new();
        if next.state != self.follow.state {
            self.since = Instant::now();
            let from = self.follow.backup.as_ref().or(next.backup.as_ref());
            let what = from.map(|backup| format!(" ({backup})")).unwrap_or_default();
            let unsure = next.state == State::Serving && next.command.is_some() && next.restored.is_none();
            let waits = if unsure {
                "; not seen to be restored yet".to_owned()
            } else if next.state == State::Serving {
                String::new()
            } else {
                format!("; waiting for {}", next.waits_for())
            };
            said.push(format!("{}: {}{what}{waits}", self.etcd, next.state.name()));
        }
        if let (Some(sign), false) = (next.restored, self.told_sign) {
            self.told_sign = true;
            said.push(format!("{}: it is restored: {}", self.etcd, sign.says()));
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
    fn done(&self, seen: &Seen, api: &ApiSeen) -> bool {
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
                    true => NotDone::Removed { etcd, seconds },
                    false => NotDone::NotSeen { etcd, seconds },
                });
            }
        }
        let untaken = self.follow.state == State::Queued;
        let (limit, hint) = match self.follow.state {
            State::Queued if self.follow.restart(seen) == Restart::Leader => (
                limits.take,
                format!("restart etcd-manager's leader: `kubectl etcd-restore restart-etcd --etcd {}`; then the same `run` again", quoted(&etcd)),
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
                 after the restore means that the masters may not delete it (s3:DeleteObject on control/)"
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
        (waited > limit).then(|| NotDone::TooLong {
            etcd,
            seconds: limit.as_secs(),
            what: self.follow.waits_for(),
            hint,
            untaken,
        })
    }
}
