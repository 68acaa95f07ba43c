//! `run`: checks everything, queues all restores, and follows until the API serves.

use std::time::Duration;

use runbook_kit::cli::confirm::StrongConsentArgs;
use runbook_kit::cli::output::steps::{self, Step};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::cli::values;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::shell::quoted;
use runbook_kit::model::units;
use serde::Serialize;

use crate::commands::plan::{self, Planned, is_text};
use crate::context::Context;
use crate::rules::preflight;
use crate::usecases::ask_consent::ask_consent;
use crate::usecases::choose::WantedArgs;
use crate::usecases::follow::{FollowRequest, Followed, HostAccess, Limits, follow};
use crate::usecases::observe::age::AgeArgs;
use crate::usecases::observe::kubelets::{self, Kubelets};
use crate::usecases::observe::left_out::OtherEtcds;
use crate::usecases::observe::observer::Observer;
use crate::usecases::observe::survey::{Survey, SurveyRequest, survey};
use crate::usecases::queued_commands::{Command, QueuedCommands};
use crate::usecases::run::{begin, half_done, pin_backup, queue_restore};
use crate::usecases::run_record;
use crate::usecases::stop_run::Aftermath;

/// Restore every etcd cluster from its newest good backup, and wait until the API serves
///
/// Runs all checks and shows the plan first, and pins the backups that it restores. main needs a good backup. Any other etcd cluster gets its newest
/// good backup, else its newest intact one, else it is seeded anew: kube-apiserver does not start while an etcd is missing.
///
/// It can be interrupted at any time: queued commands are listed with the command that removes them, a running restore continues, and the same
/// command resumes. The cluster's name has to be confirmed, by typing it or with --confirm, if an etcd is not proven dead, or if a backup is older
/// than --max-age.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore run --yes\n  \
    kubectl etcd-restore run --backup main=2026-11-22T15:18 --fresh events --yes")]
pub struct Args {
    #[command(flatten)]
    wanted: WantedArgs,
    #[command(flatten)]
    age: AgeArgs,
    /// Etcd cluster to seed anew (empty) instead of restoring it, such as events
    #[arg(long, value_delimiter = ',', value_name = "ETCD,…")]
    fresh: Vec<String>,
    #[command(flatten)]
    consent: StrongConsentArgs,
    /// Discard an unfinished run, and queue everything again
    #[arg(long)]
    anew: bool,
    /// Keep a command queued if etcd-manager does not take it in time
    #[arg(long)]
    leave_queued: bool,
    /// Timeout for etcd-manager to take a command; then it is removed, unless etcd is proven to have no members
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = values::wait)]
    take_timeout: Duration,
    /// Timeout for each restore
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = values::wait)]
    restore_timeout: Duration,
    /// Timeout for the API to become ready
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = values::wait)]
    api_timeout: Duration,
    /// Timeout for kubelets to renew their Leases; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "45s", value_parser = values::wait)]
    workers_timeout: Duration,
    #[command(flatten)]
    access: EtcdAccess,
}

/// JSON and YAML output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(flatten)]
    planned: Planned<'a>,
    /// Whether the plan was applied.
    applied: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    followed: Option<&'a Followed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<&'a Kubelets>,
    /// The commands that come next.
    next: Vec<Step>,
}

/// Runs `run`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    if args.consent.yes {
        context.explicit_cluster().await?;
    }
    let catalogs = session.catalogs().await?;
    session.require_own_place(args.consent.yes)?;
    let others = OtherEtcds::find(context).await?;
    let request = SurveyRequest {
        wanted: &args.wanted,
        fresh: &args.fresh,
        access: &args.access,
        max_age: args.age.max_age,
        resume: !args.anew,
        one_by_one: false,
        others: &others,
    };
    let survey = survey(&request, &catalogs, context).await?;
    if is_text(session.format) {
        plan::show(&survey, context)?;
    }
    if let Some(record) = &survey.record {
        let age = session.now().duration_since(record.started);
        if age > preflight::ADOPTED_FOR {
            return Err(CommandError::refused(format!(
                "a run started {} ago ({}) was never completed; nothing was changed",
                units::age(age),
                record.started
            ))
            .hint("pass --anew to discard it; `kubectl etcd-restore status` shows the state of each etcd cluster")
            .into());
        }
        session
            .ui
            .note(&format!("resuming the run started at {:.0}", record.started));
    }
    // Where everything is queued already, no check can block: following changes nothing.
    let all_ordered = survey.targets.iter().all(|target| target.submitted.is_some());
    if let Some(blocked) = plan::blocked(&survey).filter(|_| !all_ordered) {
        return Err(blocked.into());
    }
    let Some(consent) = ask_consent(&args.consent, &survey, args.age.max_age, session.now())? else {
        finish(&Report::planned(&survey), context)?;
        session.ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };

    let mut record = begin(&survey, args.anew, context, &consent).await?;
    let queued_commands = QueuedCommands::new(context, &survey.facts.cluster);
    let mut pinned = Vec::new();
    for target in &survey.targets {
        pinned.extend(pin_backup(target, &survey, context, &consent).await);
    }
    for target in &survey.targets {
        let submitted = queue_restore(target, &mut record, &survey, context, &consent).await;
        if let Some(order) = record.of(&target.catalog.store.etcd).filter(|order| order.submitted)
            && let (Some(name), Some(backup), None) = (&order.command, &order.backup, &target.submitted)
        {
            queued_commands.add(Command {
                etcd: order.etcd.clone(),
                name: name.clone(),
                backup: backup.clone(),
            });
        }
        if let Err(error) = submitted {
            let (noted, etcd) = (survey.record_at.is_some(), &target.catalog.store.etcd);
            return Err(half_done(&record, noted, &pinned, etcd, error));
        }
    }
    let status = context.command(&["status", "--watch"], &survey.facts.cluster);
    session.ui.note(&format!(
        "$ {status}   (Ctrl-C is safe: a restore continues by itself, and queued commands are listed)"
    ));
    let observer = Observer::open(context, &catalogs, &others.catalogs, &args.access).await;
    // ssh is used only where hosts are given: most restores do not need it.
    let ssh = SshArgs {
        host: args.access.host.clone(),
        ssh_user: args.access.ssh_user.clone(),
        ssh_jump: args.access.ssh_jump.clone(),
        ..SshArgs::default()
    };
    let what = FollowRequest {
        targets: &survey.targets,
        facts: &survey.facts,
        record: &record,
        limits: Limits {
            take: args.take_timeout,
            restore: args.restore_timeout,
            api: args.api_timeout,
        },
        host_access: (!ssh.host.is_empty()).then(|| HostAccess {
            ssh: &ssh,
            consent: &consent,
            alive: survey.alive().into_iter().map(str::to_owned).collect(),
        }),
        queued_commands: &queued_commands,
    };
    let followed = match follow(&observer, &what, context).await {
        Ok(followed) => followed,
        Err(stopped) => {
            let aftermath = Aftermath {
                survey: &survey,
                queued_commands: &queued_commands,
                leave_queued: args.leave_queued,
                context,
                consent: &consent,
            };
            aftermath.of(&stopped, record.clone()).await;
            return Err(stopped.why.into());
        }
    };
    drop(queued_commands.take());
    let workers = kubelets::wait(&observer, args.workers_timeout, context).await;
    if let Some(at) = &survey.record_at
        && let Err(error) = run_record::remove(session.objects(), at, &consent).await
    {
        // Everything is restored, so this is a warning only: the next run will find the record.
        session
            .ui
            .warn(&format!("the record of this run was not removed: {}", chain(&error)));
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

fn next_steps(survey: &Survey<'_>, workers: Option<&Kubelets>) -> Vec<Step> {
    let name = quoted(&survey.facts.cluster);
    let mut next = Vec::new();
    if !survey.facts.alive().is_empty() {
        next.push(
            Step::new(format!("kubectl etcd-restore restart-kubelet --name {name}"))
                .when("API servers that kept running have stale caches"),
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
        Format::Name | Format::Prometheus | Format::Svg => {}
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
