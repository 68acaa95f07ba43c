//! The bare command: shows the plan, and with consent carries it out.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args as ClapArgs;
use jiff::SignedDuration;
use runbook_kit::backups::catalog;
use runbook_kit::backups::discover::{self, Discovered};
use runbook_kit::backups::pinning;
use runbook_kit::confirm::{self, Consent, StrongConsentArgs};
use runbook_kit::domain::check::{Check, Severity};
use runbook_kit::domain::kops::duration;
use runbook_kit::domain::kops::identity::Origin;
use runbook_kit::domain::kops::instance_group::Role;
use runbook_kit::domain::store_url::StoreUrl;
use runbook_kit::domain::wipe::expected::{self, Expected};
use runbook_kit::domain::wipe::whereabouts::{Rest, whereabouts};
use runbook_kit::domain::wipe::{Kind, select};
use runbook_kit::error::{AnyFailure, Failure, UsageError};
use runbook_kit::exit::Exit;
use runbook_kit::kops_state::instance_groups::instance_groups;
use runbook_kit::output::{self, Format};
use runbook_kit::ports::fleet::{FleetError, FleetErrorKind};
use runbook_kit::ui::{self, Ui, Verdict};

use crate::alive::{self, AliveArgs};
use crate::apply::{self, Pace, Record};
use crate::context::Context;
use crate::interlock::{self, InterlockArgs};
use crate::journal::{self, Desk, Journal, Newest};
use crate::look;
use crate::plan::{self, EtcdVolumes, Facts, Plan};
use crate::report::{self, Report};
use crate::steps::Thing;

/// How to wipe.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    pub consent: StrongConsentArgs,
    /// Only what is in the plan with this digest; what remains of it is accepted, too
    #[arg(long, value_name = "DIGEST")]
    pub plan: Option<String>,
    /// What becomes of the etcd volumes
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub etcd_volumes: EtcdVolumes,
    #[command(flatten)]
    pub interlock: InterlockArgs,
    #[command(flatten)]
    pub alive: AliveArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// How fast.
#[derive(Clone, Copy, Debug, ClapArgs)]
#[command(next_help_heading = "Waiting")]
pub struct PaceArgs {
    /// How long to wait for AWS until all is done
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = wait)]
    pub timeout: Duration,
    /// From one look at AWS to the next
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = wait)]
    pub poll: Duration,
}

fn wait(text: &str) -> Result<Duration, String> {
    let time: SignedDuration = duration::parse(text).map_err(|error| error.to_string())?;
    Duration::try_from(time).map_err(|error| error.to_string())
}

/// It must be named by somebody who means it.
pub fn explicit_name(context: &Context) -> Result<String, AnyFailure> {
    const HINT: &str = "pass --name or set KOPS_CLUSTER_NAME";
    // `--name` and its variable need no kubeconfig; whatever else would name it does not count here.
    match context.session.name() {
        Ok(Some(chosen)) => match chosen.origin {
            Origin::Flag | Origin::Environment(_) => Ok(chosen.value),
            Origin::KubectlContext(_) | Origin::KopsSettings(_) => {
                let message = format!("{} is never taken as the cluster to wipe", chosen.origin);
                Err(UsageError::new(message).hint(HINT).into())
            }
        },
        Ok(None) | Err(_) => Err(UsageError::new("no cluster is named").hint(HINT).into()),
    }
}

/// What belongs to the run beside the plan.
struct Prepared {
    plan: Plan,
    pins: Vec<pinning::Pin>,
    lost: Option<String>,
    state: StoreUrl,
    journals: StoreUrl,
    before: Option<Newest>,
    instance_groups: Vec<String>,
    kops_version: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    if session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let reversible = args.etcd_volumes == EtcdVolumes::Quarantine;
    args.interlock.require_reversible(reversible)?;
    let name = explicit_name(context)?;
    let prepared = prepare(&args, &name, context).await?;
    let plan = &prepared.plan;
    report::show(&session.ui, session.format, plan)?;

    if !args.consent.yes {
        journal::remember(context.notebook.as_ref(), plan);
        return plan_only(&prepared, context);
    }
    let blockers: Vec<&Check> = plan.blockers().collect();
    if let Some(first) = blockers.first() {
        let refused = Refused::of(blockers.len(), first);
        finish(&prepared, None, false, context)?;
        return Err(refused.into());
    }
    if let Some(digest) = &args.plan {
        only_what_was_shown(digest, &prepared, context).await?;
    }
    if plan.is_empty() {
        session.ui.note("nothing is left to wipe");
        close(prepared, context).await?;
        return Ok(Exit::Done);
    }
    let Some(consent) = confirm::strong(&args.consent, &name, &question(&prepared))? else {
        return plan_only(&prepared, context);
    };
    carry_out(prepared, &args, context, &consent).await
}

fn question(prepared: &Prepared) -> String {
    let plan = &prepared.plan;
    let lost = match &prepared.lost {
        Some(lost) => format!("; {lost}"),
        None => "; there is no good backup".to_owned(),
    };
    format!(
        "\nThe control plane of {} in account {} goes: {} groups, {} instances, {} volumes ({}){lost}.",
        plan.cluster,
        plan.account,
        plan.auto_scaling_groups.len(),
        plan.instances.len(),
        plan.volumes.len(),
        plan.etcd_volumes.word()
    )
}

fn plan_only(prepared: &Prepared, context: &Context) -> Result<Exit, AnyFailure> {
    let (plan, ui) = (&prepared.plan, &context.session.ui);
    finish(prepared, None, false, context)?;
    if !plan.is_empty() {
        if let Some(lost) = &prepared.lost {
            ui.note(lost);
        }
        match plan.blockers().count() {
            0 => ui.note(&format!(
                "nothing was changed; to do exactly this: --yes --plan {}",
                plan.digest
            )),
            1 => ui.note("nothing was changed; one check refuses"),
            several => ui.note(&format!("nothing was changed; {several} checks refuse")),
        }
    }
    Ok(Exit::Done)
}

/// Reads everything, changes nothing.
async fn prepare(args: &Args, name: &str, context: &Context) -> Result<Prepared, AnyFailure> {
    let session = &context.session;
    let state = session.required_state()?;
    let found = discover::cluster(session.objects(), &state, name).await?;
    for note in &found.notes {
        session.ui.note(&format!("note: {note}"));
    }
    let region = found.spec.as_ref().and_then(|spec| spec.region.clone());
    let fleet = context.fleet.as_ref();
    session.ui.note("asking AWS for what it has of the cluster");
    let caller = fleet
        .caller()
        .await
        .map_err(|error| NotAsked::of(error, region.clone()))?;
    let inventory = look::inventory(fleet, name)
        .await
        .map_err(|error| NotAsked::of(error, region.clone()))?;
    let selection = select(name, &inventory);
    let stored = instance_groups(session.objects(), &state, name).await?;
    let mut checks = Vec::new();
    checks.extend(unreadable(&stored));
    if found.spec.is_none() {
        let message =
            "no spec of the cluster could be read: region, members and instance groups are not compared with it";
        checks.push(Check::found("spec", Severity::Warn, message));
    }
    let expected = Expected {
        groups: stored.into_iter().filter_map(|group| group.read.ok()).collect(),
        etcds: found
            .spec
            .as_ref()
            .map(|spec| spec.etcd_clusters.clone())
            .unwrap_or_default(),
    };
    let mut rest = Rest::default();
    if selection.is_empty() {
        rest.quarantined = look::quarantined(fleet, name).await?.len();
        if inventory.groups.is_empty() && inventory.instances.is_empty() && inventory.volumes.is_empty() {
            rest.networks = fleet.networks_of(name).await?.len();
        }
    }
    checks.extend(whereabouts(&caller, region.as_deref(), &inventory, &selection, rest));
    let (mut pins, mut lost, mut backups) = (Vec::new(), None, Vec::new());
    if !selection.is_empty() {
        checks.extend(expected::compare(name, &selection, &expected));
        let looked = guard(args, name, &state, &found, context).await?;
        checks.extend(looked.checks);
        (pins, lost, backups) = (looked.pins, looked.lost, looked.backups);
    }
    let journals = journal::folder(&state, name);
    let before = journal::newest(session.objects(), &journals).await?;
    let masters = expected.groups.iter().filter(|group| group.role == Role::ControlPlane);
    let instance_groups = masters.map(|group| group.name.clone()).collect();
    Ok(Prepared {
        plan: plan::plan(Facts {
            cluster: name,
            state_store: &state.to_string(),
            caller,
            selection,
            etcd_volumes: args.etcd_volumes,
            backups,
            checks,
        }),
        pins,
        lost,
        journals,
        before,
        instance_groups,
        kops_version: kops_version(context, &state, name).await,
        state,
    })
}

fn unreadable<T>(stored: &[runbook_kit::kops_state::Stored<T>]) -> Vec<Check> {
    let broken = stored
        .iter()
        .filter_map(|stored| Some((&stored.at, stored.read.as_ref().err()?)));
    broken
        .map(|(at, why)| Check::found("instance-groups", Severity::Warn, format!("{at} cannot be read: {why}")))
        .collect()
}

/// Whether it is dead, and whether there is something to come back from.
async fn guard(
    args: &Args,
    name: &str,
    state: &StoreUrl,
    found: &Discovered,
    context: &Context,
) -> Result<interlock::Interlock, AnyFailure> {
    let session = &context.session;
    let now = session.now();
    let catalogs = match session.cluster.store.is_empty() {
        true => catalog::read(session.objects(), &found.stores, now).await?,
        false => session.catalogs().await?,
    };
    let config_base = match &found.spec {
        Some(spec) => spec
            .config_base_in(state)
            .map_err(|error| UsageError::new(format!("configBase: {error}")))?,
        None => state.join(name),
    };
    let alive = alive::look(context, name, &args.alive.access, &catalogs).await;
    let facts = interlock::look(session, &catalogs, &config_base).await?;
    let reversible = args.etcd_volumes == EtcdVolumes::Quarantine;
    let mut interlock = interlock::judge(&facts, &args.interlock, reversible, now);
    let mut checks = alive::judge(&alive, args.alive.even_if_alive, now);
    checks.append(&mut interlock.checks);
    interlock.checks = checks;
    Ok(interlock)
}

/// What kops wrote of itself when it last updated the cluster.
async fn kops_version(context: &Context, state: &StoreUrl, name: &str) -> Option<String> {
    let file = state.join(name).join("kops-version.txt");
    let content = context.session.objects().get(&file, 1024).await.ok()?;
    let text = String::from_utf8(content).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `--plan DIGEST`: the very same plan, or what remains of it.
async fn only_what_was_shown(digest: &str, prepared: &Prepared, context: &Context) -> Result<(), AnyFailure> {
    if digest == prepared.plan.digest {
        return Ok(());
    }
    let Some(shown) = journal::shown(desk(context), &prepared.journals, digest).await? else {
        return Err(AnotherPlan {
            wanted: digest.to_owned(),
            now: prepared.plan.digest.clone(),
            new: Vec::new(),
        }
        .into());
    };
    let new = plan::not_shown(&prepared.plan, &shown);
    match new.is_empty() {
        true => Ok(()),
        false => Err(AnotherPlan {
            wanted: digest.to_owned(),
            now: prepared.plan.digest.clone(),
            new,
        }
        .into()),
    }
}

fn desk(context: &Context) -> Desk<'_> {
    Desk {
        objects: context.session.objects(),
        notebook: context.notebook.as_ref(),
        clock: context.session.clock.as_ref(),
    }
}

async fn carry_out(prepared: Prepared, args: &Args, context: &Context, consent: &Consent) -> Result<Exit, AnyFailure> {
    let Prepared {
        plan, pins, journals, ..
    } = &prepared;
    let (session, ui) = (&context.session, &context.session.ui);
    let before = journal::newest(session.objects(), journals).await?;
    let journal = Journal::begin(desk(context), journals.clone(), plan, before).await?;
    if journal.goes_on() {
        ui.note("going on with a run that did not come to its end");
    }
    ui.note(&format!("this run is recorded in {}", journal.at()));
    if let Some(copy) = journal.copy() {
        ui.detail(&format!("and in {}", copy.display()));
    }
    for pin in pins {
        pinning::pin(session.objects(), pin, consent).await?;
        ui.note(&format!("pinned backup {} in {}", pin.name, pin.to));
    }
    let first = journal.first().to_owned();
    let mut screen = Screen {
        ui,
        names: plan.names(),
        journal,
    };
    for pin in pins {
        screen.journal.add(&format!("pinned {} in {}", pin.name, pin.to));
    }
    let pace = Pace {
        poll: args.pace.poll,
        timeout: args.pace.timeout,
    };
    let mut interrupted = Interrupted { ui, armed: true };
    let ended = apply::apply(plan, context.fleet.as_ref(), &first, pace, &mut screen, consent).await;
    interrupted.armed = false;
    if let Err(stopped) = ended {
        screen.journal.add(&stopped.to_string());
        // Told once more; whether it is written is no concern of the failure's.
        let _ = screen.journal.keep().await;
        return Err((*stopped).into());
    }
    verify(plan, context).await?;
    screen.journal.add("AWS was asked again: nothing of the plan is left");
    screen.journal.finish().await;
    if screen.journal.is_silent() {
        ui.warn(&format!("{} could not be written to the end", screen.journal.at()));
    }
    let at = screen.journal.at().to_string();
    finish(&prepared, Some(at), true, context)?;
    warn_of_kops(&prepared, context).await;
    Ok(Exit::Done)
}

/// AWS is asked again, as if for a new plan.
async fn verify(plan: &Plan, context: &Context) -> Result<(), AnyFailure> {
    let asked = look::inventory(context.fleet.as_ref(), &plan.cluster).await;
    let inventory = asked.map_err(|error| NotVerified(ui::chain(&error)))?;
    let left = select(&plan.cluster, &inventory);
    let groups = left.groups.iter().map(|group| format!("group {}", group.thing.name));
    let instances = left
        .instances
        .iter()
        .map(|instance| format!("instance {}", instance.thing.id));
    let volumes = left.volumes.iter().map(|volume| format!("volume {}", volume.thing.id));
    let left: Vec<String> = groups.chain(instances).chain(volumes).collect();
    match left.is_empty() {
        true => Ok(()),
        false => Err(Appeared(left.join(", ")).into()),
    }
}

/// Nothing is left, but an earlier run never said so.
async fn close(prepared: Prepared, context: &Context) -> Result<(), AnyFailure> {
    if prepared.before.as_ref().is_some_and(|before| !before.is_finished()) {
        let begun = Journal::begin(
            desk(context),
            prepared.journals.clone(),
            &prepared.plan,
            prepared.before,
        );
        let mut journal = begun.await?;
        journal.add("nothing of it is left");
        journal.finish().await;
    }
    let at = None;
    let report = Report {
        plan: &prepared.plan,
        applied: true,
        journal: at,
        next_steps: next_steps(&prepared.plan, &prepared.state, &prepared.instance_groups),
    };
    report::structured(&context.session.ui, context.session.format, &report)?;
    tell_next(&report, context)
}

fn finish(prepared: &Prepared, journal: Option<String>, applied: bool, context: &Context) -> Result<(), AnyFailure> {
    let next_steps = match applied || prepared.plan.is_empty() {
        true => next_steps(&prepared.plan, &prepared.state, &prepared.instance_groups),
        false => Vec::new(),
    };
    let report = Report {
        plan: &prepared.plan,
        applied,
        journal,
        next_steps,
    };
    report::structured(&context.session.ui, context.session.format, &report)?;
    if applied && report::is_text(context.session.format) {
        let plan = &prepared.plan;
        let volumes = match plan.etcd_volumes {
            EtcdVolumes::Quarantine => "in quarantine",
            EtcdVolumes::SnapshotThenDelete => "deleted, a snapshot of each was taken",
            EtcdVolumes::Delete => "deleted",
        };
        let done = Verdict::Good.paint("the control plane is wiped");
        context.session.ui.result(&format!(
            "\n{done}: {} groups deleted, {} instances terminated, {} volumes {volumes}\n",
            plan.auto_scaling_groups.len(),
            plan.instances.len(),
            plan.volumes.len()
        ))?;
    }
    tell_next(&report, context)
}

fn tell_next(report: &Report<'_>, context: &Context) -> Result<(), AnyFailure> {
    if report::is_text(context.session.format) && !report.next_steps.is_empty() {
        let steps: String = report.next_steps.iter().map(|step| format!("  {step}\n")).collect();
        context.session.ui.result(&format!("\nNext:\n{steps}"))?;
    }
    Ok(())
}

/// The commands of the runbook that come after this one.
fn next_steps(plan: &Plan, state: &StoreUrl, instance_groups: &[String]) -> Vec<String> {
    let cluster = &plan.cluster;
    let by = format!("--name {cluster} --state {state}");
    let groups: Vec<&str> = instance_groups.iter().map(String::as_str).collect();
    let edit = groups
        .into_iter()
        .map(|group| format!("kops edit ig {group} {by}  # if another machine type is wanted"));
    edit.chain([
        format!("kops update cluster {by} --yes"),
        format!("kubectl etcd-restore run {by} --yes"),
    ])
    .collect()
}

/// Another kops than the cluster's own would change more than was lost.
async fn warn_of_kops(prepared: &Prepared, context: &Context) {
    let Some(wanted) = &prepared.kops_version else {
        return;
    };
    if let Some(local) = context.local_kops().await
        && &local != wanted
    {
        context.session.ui.warn(&format!(
            "the cluster was last updated by kops {wanted}, and here is kops {local}: another version changes more than the masters"
        ));
    }
}

/// Tells the user and the journal.
struct Screen<'a> {
    ui: &'a Ui,
    names: BTreeMap<String, String>,
    journal: Journal<'a>,
}

impl Record for Screen<'_> {
    fn line(&mut self, thing: &Thing, what: &str, done: usize, of: usize) {
        let name = self
            .names
            .get(&thing.id)
            .filter(|_| thing.kind != Kind::AutoScalingGroup);
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let text = format!("{} {}{name}: {what}", thing.kind.word(), thing.id);
        let count = match of {
            0 => String::new(),
            _ => format!("[{done}/{of}] "),
        };
        self.ui.note(&format!("{count}{text}"));
        self.journal.add(&text);
    }

    fn note(&mut self, text: &str) {
        self.ui.note(text);
        self.journal.add(text);
    }

    async fn keep(&mut self) -> Result<(), String> {
        self.journal.keep().await
    }
}

/// Speaks where the run is dropped in the middle, by Ctrl-C.
struct Interrupted<'a> {
    ui: &'a Ui,
    armed: bool,
}

impl Drop for Interrupted<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.ui.warn(
                "interrupted in the middle; AWS goes on with what it was asked; the same command goes on with the rest",
            );
        }
    }
}

/// A check refuses.
#[derive(Debug, thiserror::Error)]
#[error("refused by {}: {first}", match count { 1 => "a check".to_owned(), several => format!("{several} checks, the first") })]
pub struct Refused {
    count: usize,
    first: String,
    cure: Option<String>,
}

impl Refused {
    /// By so many, of which this is the first.
    pub fn of(count: usize, first: &Check) -> Self {
        Self {
            count,
            first: first.message.clone(),
            cure: first.cure.clone(),
        }
    }
}

impl Failure for Refused {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        self.cure.clone()
    }
}

/// The plan is another one than the one that was agreed on.
#[derive(Debug, thiserror::Error)]
#[error("the plan is not {wanted} any more but {now}{}", in_words(.new))]
struct AnotherPlan {
    wanted: String,
    now: String,
    new: Vec<String>,
}

fn in_words(new: &[String]) -> String {
    match new.is_empty() {
        true => String::new(),
        false => format!("; new in it: {}", new.join(", ")),
    }
}

impl Failure for AnotherPlan {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some("look at the plan as it is now, without --yes, and agree to that one".to_owned())
    }
}

/// All was done, and something is there.
#[derive(Debug, thiserror::Error)]
#[error("the plan was carried out, but somebody made more meanwhile: {0}")]
struct Appeared(String);

impl Failure for Appeared {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some("find out who makes masters (a `kops update` elsewhere?), then look at the plan again".to_owned())
    }
}

/// All was done, and AWS could not be asked again.
#[derive(Debug, thiserror::Error)]
#[error("the plan was carried out, but AWS could not be asked whether anything is left: {0}")]
struct NotVerified(String);

impl Failure for NotVerified {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some("run the same command again: it asks once more".to_owned())
    }
}

/// AWS could not be asked; the spec may know where.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct NotAsked {
    source: FleetError,
    region: Option<String>,
}

impl NotAsked {
    /// With the region that the spec says, where it says one.
    pub fn of(source: FleetError, region: Option<String>) -> Self {
        Self { source, region }
    }
}

impl Failure for NotAsked {
    fn hint(&self) -> Option<String> {
        match (&self.source.kind, &self.region) {
            (FleetErrorKind::NoRegion, Some(region)) => {
                Some(format!("the cluster's spec says {region}: pass --region {region}"))
            }
            _ => self.source.hint(),
        }
    }
}
