//! Takes a dead member out of its etcd cluster and puts its volume into quarantine.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure, chain};
use runbook_kit::model::fleet::wipe::{quarantine, select};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{EtcdError, EtcdKv, ObjectStore, PutMode};
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::etcd_members::Members;
use runbook_kit::usecases::quarantine::hide;
use runbook_kit::usecases::{inventory, past_wipes, wipe_journal};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::rules::replace_member::{Facts, Member, MemberVolume, Step, volumes_by_member};
use crate::usecases::queue;

/// How long an election may take.
const ELECTION: Duration = Duration::from_secs(30);
/// Polling interval.
const TICK: Duration = Duration::from_millis(200);

/// What was observed.
pub struct Observed {
    pub facts: Facts,
    members: Members,
    /// Where the journal is written.
    journal: StoreUrl,
}

/// Which member of which etcd cluster.
pub struct Asked<'a> {
    pub cluster: &'a str,
    pub etcd: &'a str,
    /// Whether the volume is left as it is.
    pub keep_volume: bool,
    /// The ID of this run.
    pub run: &'a str,
}

/// Asks AWS and the state store; `members` is what etcd said.
pub async fn observe(asked: &Asked<'_>, members: Members, context: &Context) -> Result<Observed, AnyFailure> {
    let session = &context.session;
    let catalogs = session.catalogs().await?;
    let named = |catalog: &&Catalog| catalog.store.etcd == asked.etcd;
    let Some(catalog) = catalogs.iter().find(named) else {
        return Err(CommandError::usage(format!("no such etcd cluster: `{}`", asked.etcd)).into());
    };
    let state = session.required_state()?;
    let folder = wipe_journal::folder(&state, asked.cluster);
    let last = wipe_journal::newest(session.objects(), &folder).await?;
    if let Some(last) = last.filter(|last| !last.is_finished()) {
        return Err(
            CommandError::refused(format!("a wipe of {} is not finished: {}", asked.cluster, last.at))
                .hint("finish it first: repeat `kops-wipe-masters`")
                .into(),
        );
    }
    let queued = queue::commands(session.objects(), catalog).await?;
    let (volumes, quarantined) = match asked.keep_volume {
        true => (None, BTreeSet::new()),
        false => {
            let fleet = context.fleet();
            let seen = tokio::try_join!(
                inventory::inventory(fleet, asked.cluster),
                past_wipes::quarantined(fleet, asked.cluster)
            );
            let (all, hidden) = seen.map_err(|error| {
                CommandError::failed(error.to_string())
                    .hint("--keep-volume removes the member from etcd only")
                    .source(error)
            })?;
            let selection = select(asked.cluster, &all);
            let volumes = volumes_by_member(asked.etcd, asked.cluster, asked.run, &selection, &all.instances);
            let members = hidden.iter().flat_map(past_wipes::members_of);
            let own = members.filter_map(|member| Some(member.strip_prefix(asked.etcd)?.strip_prefix('/')?.to_owned()));
            (Some(volumes), own.collect())
        }
    };
    let managers = context.etcd_managers(catalog).await.transpose()?;
    let facts = Facts {
        etcd: asked.etcd.to_owned(),
        members: registered(&members),
        alarms: members.alarms.clone().unwrap_or_default(),
        queued: queued.into_iter().map(|command| command.name).collect(),
        replaces_itself: managers.is_some_and(|managers| managers.replace_empty_members(members.registered.len())),
        volumes,
        quarantined,
    };
    Ok(Observed {
        facts,
        members,
        journal: folder.join(&format!("replaced-member-{}.json", asked.run)),
    })
}

fn registered(members: &Members) -> Vec<Member> {
    let member = |registered: &runbook_kit::ports::etcd_members::EtcdMember| {
        let answering = members.answering.get(&registered.id);
        Member {
            id: registered.id,
            name: registered.name.clone(),
            peer_urls: registered.peer_urls.clone(),
            learner: registered.learner,
            answers: answering.is_some(),
            leader: answering.and_then(|one| one.status.leader),
        }
    };
    members.registered.iter().map(member).collect()
}

/// `<cluster>/backups/recovery/replaced-member-<run>.json`: what one run did, for whoever comes after. What is still to be done is
/// read from etcd and AWS, never from here.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Journal<'a> {
    run: &'a str,
    cluster: &'a str,
    etcd: &'a str,
    started: Timestamp,
    finished: Option<Timestamp>,
    /// The plan.
    steps: Vec<String>,
    /// How many of them were carried out.
    done: usize,
}

impl Journal<'_> {
    async fn write(&self, objects: &dyn ObjectStore, at: &StoreUrl, consent: &Consent) -> Result<(), AnyFailure> {
        let content = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(objects.put(at, content, PutMode::Replace, consent).await?)
    }
}

/// It stopped before all was done.
#[derive(Debug, thiserror::Error)]
#[error("stopped after {done} of {all} steps: {what}: {why}")]
pub struct Stopped {
    done: usize,
    all: usize,
    /// The step that failed.
    what: String,
    why: String,
}

impl Failure for Stopped {
    fn exit(&self) -> Exit {
        // A step that failed may still have been carried out.
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(
            "repeat the command: it does what is left; `kubectl etcd-restore member list` shows the members".to_owned(),
        )
    }
}

/// Carries out the steps. `tell` gets each one before it begins.
///
/// # Errors
/// [`Stopped`] at the first step that fails; where the journal cannot be begun, nothing was changed.
pub async fn apply(
    steps: &[Step],
    asked: &Asked<'_>,
    observed: &Observed,
    context: &Context,
    tell: &(dyn Fn(&str) + Sync),
    consent: &Consent,
) -> Result<(), AnyFailure> {
    let session = &context.session;
    let texts: Vec<String> = steps.iter().map(|step| step.text(asked.etcd)).collect();
    let mut journal = Journal {
        run: asked.run,
        cluster: asked.cluster,
        etcd: asked.etcd,
        started: session.now(),
        finished: None,
        steps: texts.clone(),
        done: 0,
    };
    journal.write(session.objects(), &observed.journal, consent).await?;
    for (step, what) in steps.iter().zip(texts) {
        tell(&what);
        if let Err(why) = carry_out(step, asked, observed, context, consent).await {
            return Err(Stopped {
                done: journal.done,
                all: steps.len(),
                what,
                why,
            }
            .into());
        }
        journal.done += 1;
        journal.finished = (journal.done == steps.len()).then(|| session.now());
        if let Err(error) = journal.write(session.objects(), &observed.journal, consent).await {
            session
                .ui
                .warn(&format!("{}: {}", observed.journal, chain(error.as_ref())));
        }
    }
    Ok(())
}

async fn carry_out(
    step: &Step,
    asked: &Asked<'_>,
    observed: &Observed,
    context: &Context,
    consent: &Consent,
) -> Result<(), String> {
    let in_words = |error: EtcdError| chain(&error);
    // The member itself may be the one that answers, so one of the others is asked.
    let other = |id: u64| {
        let best = observed.members.best_but(id);
        best.map(|one| &one.etcd)
            .ok_or_else(|| "no other member answers".to_owned())
    };
    match step {
        Step::Remove(member) => other(member.id)?
            .remove_member(member.id, consent)
            .await
            .map_err(in_words),
        Step::Disarm(alarm) => {
            let etcd = other(alarm.member)?;
            until_led(etcd.as_ref(), alarm.member).await.map_err(in_words)?;
            etcd.disarm(alarm, consent).await.map_err(in_words)
        }
        Step::Quarantine(volume) => put_away(volume, asked, context, consent).await,
    }
}

/// Where the removed member was the leader, the others elect another one first.
async fn until_led(etcd: &dyn EtcdKv, removed: u64) -> Result<(), EtcdError> {
    let until = Instant::now() + ELECTION;
    loop {
        let status = etcd.status().await?;
        if status.leader.is_some_and(|leader| leader != removed) || Instant::now() >= until {
            return Ok(());
        }
        sleep(TICK).await;
    }
}

/// The volume as it is now decides: a master may have mounted it since the plan.
async fn put_away(
    planned: &MemberVolume,
    asked: &Asked<'_>,
    context: &Context,
    consent: &Consent,
) -> Result<(), String> {
    let fleet = context.fleet_change();
    let now = fleet.volumes(std::slice::from_ref(&planned.id)).await;
    let now = now.map_err(|error| chain(&error))?;
    let Some(volume) = now.first() else {
        return Err("it no longer exists".to_owned());
    };
    if let Some(attachment) = volume.attachments.first() {
        return Err(format!("it is attached to {} since", attachment.instance));
    }
    if quarantine::shadows(&volume.tags, asked.cluster, asked.run) != planned.shadows {
        return Err("its tags have changed since".to_owned());
    }
    let hidden = hide(fleet, &planned.id, Some(&planned.shadows), &planned.remove, consent).await;
    hidden.map_err(|(error, _)| chain(&error))
}
