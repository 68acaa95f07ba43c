//! `run`: checks all, orders all, and follows until the API serves.

use runbook_kit::model::shell::quoted;
use std::time::Duration;

use crate::rules::follow::EtcdSeen;
use crate::rules::preflight;
use crate::rules::restore::command_name;
use crate::usecases::queue::{cancel, commands};
use crate::usecases::run_record::{self, Ordered, RunRecord};
use runbook_kit::cli::confirm::StrongConsentArgs;
use runbook_kit::cli::output::steps::{self, Step};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::cli::values;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::chain;
use runbook_kit::failure::{AnyFailure, Failure, with_repeating};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::model::units;
use runbook_kit::ports::{PutMode, StoreError, StoreErrorKind};
use runbook_kit::usecases::pin;
use serde::Serialize;

use crate::commands::plan::{self, Blocked, Planned, is_text};
use crate::context::Context;
use crate::usecases::agree::agree;
use crate::usecases::armed::{Armed, Command};
use crate::usecases::choose::{Choice, WantedArgs};
use crate::usecases::follow::{Followable, Followed, Hands, Limits, Stopped, follow};
use crate::usecases::observe::age::AgeArgs;
use crate::usecases::observe::kubelets::{self, Kubelets};
use crate::usecases::observe::observer::Observer;
use crate::usecases::observe::survey::{Beside, Survey, Target, Wish, survey};
use crate::usecases::order::{Done, order};

/// Restore every etcd cluster from its newest good backup, and follow until the API serves
///
/// Checks everything first and shows the plan; pins the backups that it restores. main must have a good backup; of any other etcd cluster the newest sound one is taken where none is good, and where
/// none is sound it is seeded anew: kube-apiserver does not start while one is missing. Interrupt it at any time: what is queued then is told with the command that removes it, a restore goes on by itself,
/// and the same command looks on where it stands. An etcd that is not proven dead is restored over only when the cluster's name is typed, or given by --confirm; so is
/// a backup restored that is older than --max-age.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore run --yes\n  \
    kubectl etcd-restore run --backup main=2026-11-22T15:18 --fresh events --yes")]
pub struct Args {
    #[command(flatten)]
    wanted: WantedArgs,
    #[command(flatten)]
    age: AgeArgs,
    /// Etcd cluster to seed anew, empty, instead of restoring it, such as events
    #[arg(long, value_delimiter = ',', value_name = "ETCD,…")]
    fresh: Vec<String>,
    #[command(flatten)]
    consent: StrongConsentArgs,
    /// Forget a run that is under way, and order everything anew
    #[arg(long)]
    anew: bool,
    /// Leave the command queued where etcd-manager has not taken it in time
    #[arg(long)]
    leave_queued: bool,
    /// How long etcd-manager may leave a command untouched; then it is removed, unless etcd is proven to have no members
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = values::wait)]
    take_timeout: Duration,
    /// How long one restore may take
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = values::wait)]
    restore_timeout: Duration,
    /// How long the API may take until it is ready
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = values::wait)]
    api_timeout: Duration,
    /// How long to wait for kubelets to renew their Leases; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "45s", value_parser = values::wait)]
    workers_timeout: Duration,
    #[command(flatten)]
    access: EtcdAccess,
}

/// The whole, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(flatten)]
    planned: Planned<'a>,
    /// Whether the plan was carried out.
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    followed: Option<&'a Followed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<&'a Kubelets>,
    /// The commands that come next.
    next: Vec<Step>,
}

/// A run was left unfinished long ago.
#[derive(Debug, thiserror::Error)]
#[error("a run begun {age} ago ({started}) was never seen to end, and nothing was changed")]
struct Stale {
    age: String,
    started: jiff::Timestamp,
}

impl Failure for Stale {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some("pass --anew to forget it; `kubectl etcd-restore status` shows where the cluster stands".to_owned())
    }
}

/// Somebody else began at the same time.
#[derive(Debug, thiserror::Error)]
#[error("somebody else has just begun a run of this cluster: nothing was changed")]
struct OtherRun;

impl Failure for OtherRun {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some("repeat the command: it goes on with theirs".to_owned())
    }
}

/// Something was done, and the next step failed.
#[derive(Debug, thiserror::Error)]
#[error("{done}, and then {etcd} failed: {reason}")]
struct Half {
    done: String,
    etcd: String,
    reason: String,
    cure: Option<String>,
}

impl Half {
    /// What failed before anything was written fails as it is. `pinned` were so just now.
    fn of(record: &RunRecord, noted: bool, pinned: &[String], etcd: &str, error: AnyFailure) -> AnyFailure {
        let ordered = record.orders.iter().filter(|order| order.ordered);
        let ordered: Vec<&str> = ordered.map(|order| order.etcd.as_str()).collect();
        let done = if !ordered.is_empty() {
            format!("ordered the restore of {}", ordered.join(" and "))
        } else if !pinned.is_empty() {
            format!("pinned {} and ordered nothing", pinned.join(" and "))
        } else if noted {
            "noted that a run begins and ordered nothing".to_owned()
        } else {
            return error;
        };
        Self {
            done,
            etcd: etcd.to_owned(),
            reason: chain(error.as_ref()),
            cure: error.hint(),
        }
        .into()
    }
}

impl Failure for Half {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(with_repeating(self.cure.clone(), "goes on where it stopped"))
    }
}

/// Runs `run`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    if session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    if args.consent.yes {
        named_by_the_user(context)?;
    }
    let catalogs = session.catalogs().await?;
    session.require_own_place(args.consent.yes)?;
    let beside = Beside::find(context).await?;
    let wish = Wish {
        wanted: &args.wanted,
        fresh: &args.fresh,
        access: &args.access,
        max_age: args.age.max_age,
        resume: !args.anew,
        one_by_one: false,
        beside: &beside,
    };
    let survey = survey(&wish, &catalogs, context).await?;
    if is_text(session.format) {
        plan::show(&survey, context)?;
    }
    if let Some(record) = &survey.record {
        let age = session.now().duration_since(record.started);
        if age > preflight::ADOPTED_FOR {
            return Err(Stale {
                age: units::age(age),
                started: record.started,
            }
            .into());
        }
        session
            .ui
            .note(&format!("going on with the run that began at {:.0}", record.started));
    }
    // Where all is ordered already there is nothing left to refuse: looking on is safe.
    let all_ordered = survey.targets.iter().all(|target| target.ordered.is_some());
    if let Some(blocked) = Blocked::of(&survey).filter(|_| !all_ordered) {
        return Err(blocked.into());
    }
    let Some(consent) = agree(&args.consent, &survey, args.age.max_age, session.now())? else {
        finish(&Report::planned(&survey), context)?;
        session.ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };

    let mut record = begin(&survey, &args, context, &consent).await?;
    let armed = Armed::new(context, &survey.facts.cluster);
    let mut pinned = Vec::new();
    for target in &survey.targets {
        pinned.extend(keep(target, &survey, context, &consent).await);
    }
    for target in &survey.targets {
        let ordered = carry_out(target, &mut record, &survey, context, &consent).await;
        if let Some(order) = record.of(&target.catalog.store.etcd).filter(|order| order.ordered)
            && let (Some(name), Some(backup), None) = (&order.command, &order.backup, &target.ordered)
        {
            armed.queued(Command {
                etcd: order.etcd.clone(),
                name: name.clone(),
                backup: backup.clone(),
            });
        }
        if let Err(error) = ordered {
            let (noted, etcd) = (survey.record_at.is_some(), &target.catalog.store.etcd);
            return Err(Half::of(&record, noted, &pinned, etcd, error));
        }
    }
    let status = context.command(&["status", "--watch"], &survey.facts.cluster);
    session.ui.note(&format!(
        "$ {status}   (Ctrl-C is safe: a restore goes on by itself, and what is still queued is told)"
    ));
    let observer = Observer::open(context, &catalogs, &beside.catalogs, &args.access).await;
    // A way to the hosts that was given is used; none is looked for: most restores need no hand on a master.
    let ssh = SshArgs {
        host: args.access.host.clone(),
        ssh_user: args.access.ssh_user.clone(),
        ssh_jump: args.access.ssh_jump.clone(),
        ..SshArgs::default()
    };
    let what = Followable {
        targets: &survey.targets,
        facts: &survey.facts,
        record: &record,
        limits: Limits {
            take: args.take_timeout,
            restore: args.restore_timeout,
            api: args.api_timeout,
        },
        hands: (!ssh.host.is_empty()).then(|| Hands {
            ssh: &ssh,
            consent: &consent,
            alive: survey.alive().into_iter().map(str::to_owned).collect(),
        }),
        armed: &armed,
    };
    let followed = match follow(&observer, &what, context).await {
        Ok(followed) => followed,
        Err(stopped) => {
            let aftermath = Aftermath {
                survey: &survey,
                armed: &armed,
                leave_queued: args.leave_queued,
                context,
                consent: &consent,
            };
            aftermath.of(&stopped, record.clone()).await;
            return Err(stopped.why.into());
        }
    };
    drop(armed.disarm());
    let workers = kubelets::wait(&observer, args.workers_timeout, context).await;
    if let Some(at) = &survey.record_at
        && let Err(error) = run_record::remove(session.objects(), at, &consent).await
    {
        // All is restored: that is no failure, but somebody should know why this run seems to go on.
        session
            .ui
            .warn(&format!("the note of this run stays: {}", chain(&error)));
    }
    let report = Report {
        next: next_steps(&survey, workers.as_ref()),
        applied: true,
        followed: Some(&followed),
        workers: workers.as_ref(),
        ..Report::planned(&survey)
    };
    finish(&report, context)?;
    Ok(Exit::Done)
}

impl<'a> Report<'a> {
    fn planned(survey: &'a Survey<'_>) -> Self {
        Self {
            planned: Planned::of(survey),
            applied: false,
            followed: None,
            workers: None,
            next: Vec::new(),
        }
    }
}

/// What wipes an etcd does not go by a kubectl context: that is too easily another cluster's.
pub fn named_by_the_user(context: &Context) -> Result<(), AnyFailure> {
    if context.session.stores.store.is_empty() {
        context.explicit_name()?;
    }
    Ok(())
}

/// What is left to be done where following was stopped.
struct Aftermath<'a> {
    survey: &'a Survey<'a>,
    armed: &'a Armed<'a>,
    leave_queued: bool,
    context: &'a Context,
    consent: &'a Consent,
}

impl Aftermath<'_> {
    /// Removes what this run has queued and etcd-manager has not taken in time, but where nothing can be lost by it; tells of what stays; and
    /// notes what holds no more, so that the same command orders it anew.
    async fn of(&self, stopped: &Stopped, mut record: RunRecord) {
        let ui = &self.context.session.ui;
        let before = record.clone();
        for command in self.armed.disarm() {
            let target = self.survey.targets.iter();
            let target = target
                .filter(|target| target.catalog.store.etcd == command.etcd)
                .find(|_| record.has_command(&command.etcd, &command.name));
            let own = record.of(&command.etcd).is_some_and(|order| order.own);
            let mut facts = self.survey.facts.etcds.iter();
            let life = facts.find(|facts| facts.etcd == command.etcd).map(|facts| &facts.life);
            let dead = matches!(life, Some(Liveness::Dead(_))) || stopped.no_members.contains(&command.etcd);
            if let (Some(target), true, true, false, false) =
                (target, stopped.why.untaken(), own, dead, self.leave_queued)
            {
                match self.remove(target, &command).await {
                    Ok(true) => {
                        record.forget(&command.etcd, &command.name);
                        ui.warn(&format!(
                            "{}: removed command {}: a leader that comes later would have wiped etcd unasked; the same command orders it anew",
                            command.etcd, command.name
                        ));
                        continue;
                    }
                    Ok(false) => {
                        ui.warn(&format!(
                            "{}: command {} went while it was about to be removed: look what became of it by `kubectl etcd-restore status`",
                            command.etcd, command.name
                        ));
                        continue;
                    }
                    Err(error) => {
                        let (etcd, name) = (&command.etcd, &command.name);
                        ui.warn(&format!("{etcd}: removing {name}: {}", chain(&error)));
                        if error.may_have_happened() {
                            self.armed.tell_maybe(&command);
                            continue;
                        }
                    }
                }
            }
            self.armed.tell(&command);
        }
        if let Some(etcd) = stopped.why.removed()
            && let Some(command) = record.of(etcd).and_then(|order| order.command.clone())
        {
            record.forget(etcd, &command);
        }
        if record != before
            && let Some(at) = &self.survey.record_at
            && let Err(error) = self.note(at, &record).await
        {
            ui.warn(&format!(
                "{}; begin the next run with --anew, else it takes what was removed for carried out",
                chain(&error)
            ));
        }
    }

    async fn remove(&self, target: &Target<'_>, command: &Command) -> Result<bool, StoreError> {
        let objects = self.context.session.objects();
        let queued = commands(objects, target.catalog).await?;
        match queued.iter().find(|found| found.name == command.name) {
            Some(found) => cancel(objects, found, self.consent).await,
            None => Ok(false),
        }
    }

    async fn note(&self, at: &StoreUrl, record: &RunRecord) -> Result<(), StoreError> {
        let objects = self.context.session.objects();
        if record.orders.is_empty() {
            run_record::remove(objects, at, self.consent).await
        } else {
            run_record::write(objects, at, record, PutMode::Replace, self.consent).await
        }
    }
}

/// Notes that a run begins, before anything is ordered. One of two who begin at the same time is told so.
async fn begin(
    survey: &Survey<'_>,
    args: &Args,
    context: &Context,
    consent: &Consent,
) -> Result<RunRecord, AnyFailure> {
    if let Some(record) = &survey.record {
        return Ok(record.clone());
    }
    let record = RunRecord::begin(context.session.now(), &survey.masters);
    let Some(at) = &survey.record_at else {
        context
            .session
            .ui
            .note("no state store is named: a run that is interrupted cannot be gone on with, follow it by `status`");
        return Ok(record);
    };
    if let Some((void, _)) = &survey.void {
        // One of two who begin at the same time removes it; the other is told by the next write.
        run_record::discard(context.session.objects(), at, void, consent).await?;
    }
    let mode = if args.anew { PutMode::Replace } else { PutMode::Create };
    match run_record::write(context.session.objects(), at, &record, mode, consent).await {
        Ok(()) => Ok(record),
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => Err(OtherRun.into()),
        Err(error) => Err(error.into()),
    }
}

/// Pins what is to be restored: retention must not take it away while etcd-manager reads it, or when it has to be restored once more.
/// That helps, and is no condition. Gives what it pinned.
async fn keep(target: &Target<'_>, survey: &Survey<'_>, context: &Context, consent: &Consent) -> Option<String> {
    let session = &context.session;
    let Choice::Backup { backup, .. } = &target.choice else {
        return None;
    };
    if target.ordered.is_some() {
        return None;
    }
    let etcd = &target.catalog.store.etcd;
    // Without a state store there is no place for it.
    let pin = pin::plan_pin(target.catalog, backup).ok()??;
    session.ui.note(&format!(
        "$ kubectl etcd-backups pin {}={} --name {} --yes",
        quoted(etcd),
        backup.name,
        quoted(&survey.facts.cluster)
    ));
    if let Err(error) = pin::pin(session.objects(), &pin, consent).await {
        session.ui.warn(&format!(
            "{etcd}: {} could not be pinned: {}",
            backup.name,
            chain(&error)
        ));
        return None;
    }
    Some(format!("{etcd}={}", backup.name))
}

/// Orders what is not ordered yet, and notes it before and after. Both operators of one run name the command by the run's own time, so that
/// it is queued once.
async fn carry_out(
    target: &Target<'_>,
    record: &mut RunRecord,
    survey: &Survey<'_>,
    context: &Context,
    consent: &Consent,
) -> Result<(), AnyFailure> {
    let session = &context.session;
    let etcd = &target.catalog.store.etcd;
    if let Some(ordered) = &target.ordered {
        let what = ordered.command.as_deref().unwrap_or("its seeding");
        session.ui.note(&format!(
            "{etcd}: {what} is ordered already and is queued no more: looking on"
        ));
        return Ok(());
    }
    let backup = match &target.choice {
        Choice::Backup { backup, .. } => Some(backup.name.to_string()),
        // Ordered already: it was told above.
        Choice::Gone(_) => return Ok(()),
        Choice::Fresh(_) => None,
        // What blocks was told by the plan.
        Choice::Leave(_) | Choice::Nothing(_) => return Ok(()),
    };
    match &backup {
        Some(backup) => session.ui.note(&format!(
            "$ kubectl etcd-restore queue {}={backup} --name {} --yes",
            quoted(etcd),
            quoted(&survey.facts.cluster)
        )),
        None => session.ui.note(&format!("{etcd} is to be seeded anew")),
    }
    let time = record.started;
    let mut noted = Ordered {
        etcd: etcd.clone(),
        command: backup.is_some().then(|| command_name(time)),
        backup,
        ordered: false,
        own: true,
        created: target.created.clone(),
        served: match &target.seen {
            EtcdSeen::Serving(answer) => Some(format!("{:x}", answer.cluster)),
            _ => None,
        },
        newest: target.catalog.latest().map(|backup| backup.name.to_string()),
        no_members: target.no_members.is_some(),
    };
    // What is gone on with is this run's own where its record says so.
    if let (Some(queued), Some(before)) = (&target.queued, record.of(etcd))
        && before.command.as_ref() == Some(&queued.name)
    {
        noted.own = before.own;
    } else if target.queued.is_some() {
        noted.own = false;
    }
    note(record, noted.clone(), survey, context, consent).await?;
    match order(target, Some(time), context, consent).await? {
        Done::Queued(queued) => noted.command = Some(queued.name),
        Done::Adopted(name) => {
            if target.queued.is_none() {
                noted.own = false;
            }
            noted.command = Some(name);
        }
        Done::MarkerRemoved | Done::Nothing => {}
    }
    noted.ordered = true;
    note(record, noted, survey, context, consent).await
}

async fn note(
    record: &mut RunRecord,
    ordered: Ordered,
    survey: &Survey<'_>,
    context: &Context,
    consent: &Consent,
) -> Result<(), AnyFailure> {
    record.note(ordered);
    if let Some(at) = &survey.record_at {
        run_record::write(context.session.objects(), at, record, PutMode::Replace, consent).await?;
    }
    Ok(())
}

fn next_steps(survey: &Survey<'_>, workers: Option<&Kubelets>) -> Vec<Step> {
    let name = quoted(&survey.facts.cluster);
    let mut next = Vec::new();
    if !survey.facts.alive().is_empty() {
        next.push(
            Step::new(format!("kubectl etcd-restore restart-kubelet --name {name}"))
                .when("API servers that kept running remember what is no more"),
        );
    }
    next.extend([
        Step::new(format!("kubectl masterleases prune --name {name}")).when("remove API servers that no longer exist"),
        Step::new(format!("kubectl etcd-restore cleanup nodes --name {name}")).when("Nodes without an instance"),
        Step::new(format!("kubectl etcd-restore cleanup events --name {name}")).when("events that would never expire"),
    ]);
    if workers.is_some_and(|workers| !workers.silent.is_empty()) {
        next.push(
            Step::new(format!("kops rolling-update cluster --name {name} --force --yes"))
                .when("kubelets that do not come back"),
        );
    }
    next
}

fn finish(report: &Report<'_>, context: &Context) -> Result<(), AnyFailure> {
    let session = &context.session;
    match session.format {
        Format::Json | Format::Yaml => output::structured(&session.ui, session.format, report)?,
        Format::Name | Format::Prometheus => {}
        Format::Table | Format::Wide if report.applied => {
            let mut text = String::new();
            if let Some(followed) = report.followed {
                text.push_str(&followed.summary());
            }
            if let Some(workers) = report.workers {
                text.push_str(&workers.summary());
            }
            text.push_str(&steps::next(&report.next));
            session.ui.result(&text)?;
        }
        Format::Table | Format::Wide => {}
    }
    Ok(())
}
