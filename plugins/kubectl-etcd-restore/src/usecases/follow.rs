//! Follows the restores until every etcd serves and the API is ready. It changes nothing by itself and can be stopped at any time.

mod error;
mod left_out;
mod track;

pub use error::FollowError;
pub use track::Limits;

use std::ops::ControlFlow;

use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::consent::Consent;
use runbook_kit::failure::chain;
use runbook_kit::model::shell::quoted;
use serde::Serialize;
use tokio::time::Instant;

use crate::context::Context;
use crate::rules::follow::{EtcdSeen, Restart, RestoreProof, Seen, State};
use crate::rules::machines::Role;
use crate::rules::observation::{ApiSeen, News};
use crate::rules::preflight::{ClusterFacts, Wanted};
use crate::usecases::observe::observer::Observer;
use crate::usecases::queued_commands::QueuedCommands;
use crate::usecases::run_record::RunRecord;
use crate::usecases::target::Target;
use crate::usecases::{api_log, hosts, restart_etcd};
use track::Track;

/// How often in a row the API must be ready.
const READY_IN_A_ROW: u32 = 3;

/// The result.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Followed {
    pub etcds: Vec<FollowedEtcd>,
    /// `ready`; `answers` where the credentials are not valid; `not-asked`.
    pub api: &'static str,
    /// What was not checked.
    pub unseen: Vec<String>,
}

/// The result for one etcd cluster.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedEtcd {
    pub etcd: String,
    pub state: State,
    pub backup: Option<String>,
    pub new_backup: Option<String>,
    /// The proof of the restore; `null` where it was seeded anew.
    pub seen_by: Option<RestoreProof>,
}

impl Followed {
    /// As text.
    pub fn summary(&self) -> String {
        let mut text = "\n".to_owned();
        for one in &self.etcds {
            let from = match (&one.backup, one.seen_by) {
                (Some(backup), Some(_)) => format!("restored from {backup}"),
                (Some(backup), None) => format!("not confirmed to be restored from {backup}"),
                (None, _) => "seeded anew".to_owned(),
            };
            let state = match one.state {
                State::Serving => "it serves".to_owned(),
                _ => "not checked whether it serves".to_owned(),
            };
            text.push_str(&format!("{}: {from}, {state}\n", one.etcd));
        }
        text.push_str(&format!("API: {}\n", self.api));
        for unseen in &self.unseen {
            text.push_str(&format!("not checked: {unseen}\n"));
        }
        text
    }
}

/// Access to the hosts, to restart etcd-manager's leader; only where the user has named hosts.
pub struct HostAccess<'a> {
    pub ssh: &'a SshArgs,
    pub consent: &'a Consent,
    /// The etcd clusters that were alive when the user confirmed: only these are restarted.
    pub alive: Vec<String>,
}

/// Following stopped before everything served.
pub struct Stopped {
    pub why: FollowError,
    /// The etcd clusters that have no members, by etcd-manager's log.
    pub no_members: Vec<String>,
}

/// What is followed, and how.
pub struct FollowRequest<'a> {
    pub targets: &'a [Target<'a>],
    pub facts: &'a ClusterFacts,
    pub record: &'a RunRecord,
    pub limits: Limits,
    pub host_access: Option<HostAccess<'a>>,
    /// The queued commands, updated by each observation.
    pub queued_commands: &'a QueuedCommands<'a>,
}

/// Why observing is interrupted.
enum Pause {
    Ended(Result<Followed, FollowError>),
    Restart(String),
}

/// Follows the restores to their end.
///
/// # Errors
/// [`Stopped`].
pub async fn follow(observer: &Observer<'_>, what: &FollowRequest<'_>, context: &Context) -> Result<Followed, Stopped> {
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
            .filter(|track| track.follow.has_no_members())
            .map(|track| track.etcd.clone())
            .collect(),
    })
}

async fn follow_all(
    observer: &Observer<'_>,
    tracks: &mut [Track],
    what: &FollowRequest<'_>,
    context: &Context,
) -> Result<Followed, FollowError> {
    let (limits, host_access) = (&what.limits, what.host_access.as_ref());
    let cluster = what.facts.cluster.clone();
    let ui = &context.session.ui;
    let (mut ready_in_a_row, mut api_answers) = (0, 0);
    let mut api_since: Option<Instant> = None;
    let mut api_before: Option<&'static str> = None;
    let mut held_up_before: Vec<String> = Vec::new();
    loop {
        let pause = observer
            .watch(|news| {
                let now = context.session.now();
                for (track, seen) in tracks.iter_mut().zip(&news.etcds) {
                    let Some(seen) = seen else { continue };
                    if let Ok(store) = &seen.store
                        && store.commands.is_empty()
                    {
                        what.queued_commands.remove(&track.etcd);
                    }
                    for said in track.step(seen, now) {
                        ui.note(&format!("{now:.0}  {said}"));
                    }
                    if let Some(failed) = track.failed(seen, limits) {
                        return ControlFlow::Break(Pause::Ended(Err(failed)));
                    }
                    let can_restart = host_access.is_some_and(|host_access| host_access.alive.contains(&track.etcd));
                    if can_restart && !track.restarted && track.follow.restart(seen) == Restart::Leader {
                        track.restarted = true;
                        return ControlFlow::Break(Pause::Restart(track.etcd.clone()));
                    }
                }
                let Some(api) = &news.api else {
                    return ControlFlow::Continue(());
                };
                if api_before != Some(api.name()) {
                    ui.note(&format!("{now:.0}  API: {}", api.describe()));
                    api_before = Some(api.name());
                }
                let asked_again = std::mem::replace(&mut api_answers, news.api_answers) != news.api_answers;
                let all_done = tracks
                    .iter()
                    .zip(&news.etcds)
                    .all(|(track, seen)| seen.as_ref().is_some_and(|seen| track.done(seen, api)));
                if !all_done {
                    ready_in_a_row = 0;
                    api_since = None;
                    return ControlFlow::Continue(());
                }
                let others = news.etcds.get(tracks.len()..).unwrap_or_default();
                let held_up = match api {
                    ApiSeen::Ready | ApiSeen::Alive(_) | ApiSeen::Elsewhere(_) => Vec::new(),
                    _ => left_out::blocking(&what.facts.left_out, others),
                };
                if held_up != held_up_before {
                    for one in &held_up {
                        ui.warn(&format!("kube-apiserver waits: {one}"));
                    }
                    held_up_before.clone_from(&held_up);
                }
                let since = *api_since.get_or_insert_with(Instant::now);
                match api {
                    ApiSeen::Ready | ApiSeen::Alive(_) => ready_in_a_row += u32::from(asked_again),
                    ApiSeen::NotAsked(_) => return ControlFlow::Break(Pause::Ended(Ok(end(tracks, news, api)))),
                    ApiSeen::Silent(_) | ApiSeen::Answers(_) | ApiSeen::Elsewhere(_) => ready_in_a_row = 0,
                }
                if ready_in_a_row >= READY_IN_A_ROW {
                    return ControlFlow::Break(Pause::Ended(Ok(end(tracks, news, api))));
                }
                if since.elapsed() > limits.api {
                    return ControlFlow::Break(Pause::Ended(Err(FollowError::ApiNotReady {
                        cluster: cluster.clone(),
                        seconds: limits.api.as_secs(),
                        last: api.describe(),
                        held_up,
                    })));
                }
                ControlFlow::Continue(())
            })
            .await;
        match (pause, host_access) {
            (Pause::Ended(ended), host_access) => {
                if let (Err(FollowError::ApiNotReady { .. }), Some(host_access)) = (&ended, host_access) {
                    last_lines(host_access, context).await;
                }
                return ended;
            }
            (Pause::Restart(etcd), Some(host_access)) => {
                ui.note(&format!(
                    "$ kubectl etcd-restore restart-etcd --etcd {} --yes",
                    quoted(&etcd)
                ));
                // It can still be restarted manually: following continues.
                if let Err(error) =
                    restart_etcd::restart_leader(&etcd, host_access.ssh, context, host_access.consent).await
                {
                    ui.failure_of(&format!("restarting etcd-manager of {etcd}"), error.as_ref());
                }
            }
            (Pause::Restart(_), None) => {}
        }
    }
}

/// Shows the last log lines of the API servers, where the user has named hosts. Failures are warnings.
async fn last_lines(host_access: &HostAccess<'_>, context: &Context) {
    let ui = &context.session.ui;
    let roles = [Role::Master, Role::ApiServer];
    match (
        context.hosts(host_access.ssh),
        hosts::find(host_access.ssh, &roles, context).await,
    ) {
        (Ok(hosts), Ok(machines)) => api_log::show_last_lines(machines.iter(), hosts.as_ref(), ui).await,
        (Err(error), _) => ui.warn(&chain(&error)),
        (_, Err(error)) => ui.warn(&chain(error.as_ref())),
    }
}

fn end(tracks: &[Track], news: &News, api: &ApiSeen) -> Followed {
    let mut unseen: Vec<String> = Vec::new();
    for (track, seen) in tracks.iter().zip(&news.etcds) {
        if let Some(Seen {
            etcd: EtcdSeen::NotAsked(why),
            ..
        }) = seen
        {
            unseen.push(format!("etcd {}: {why}", track.etcd));
        }
    }
    unseen.extend(api.unseen());
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
        api: api.name(),
        unseen,
    }
}
