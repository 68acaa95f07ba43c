//! `queue`: queues a restore.

use crate::rules::preflight::LeftOut;
use runbook_kit::cli::confirm::StrongConsentArgs;
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::chain;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::quoted;
use serde::Serialize;

use crate::commands::plan::{self, is_text};
use crate::context::Context;
use crate::usecases::ask_consent::ask_consent;
use crate::usecases::choose::{Choice, WantedArgs};
use crate::usecases::observe::age::AgeArgs;
use crate::usecases::observe::left_out::OtherEtcds;
use crate::usecases::observe::survey::{Survey, SurveyRequest, survey};
use crate::usecases::submit::{Done, submit};
use crate::usecases::target::Target;

/// Queue the restore of a backup for etcd-manager, without waiting for it
///
/// Runs the checks of `plan`, then writes the same command as `etcd-manager-ctl restore-backup`. If etcd has no members, the leader takes it within
/// half a minute; otherwise after a restart of the leader. The cluster's name has to be confirmed if etcd is not proven dead, or if the backup is
/// older than --max-age.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore queue main=latest-good --yes\n  \
    kubectl etcd-restore queue 2026-11-22T15:18 --etcd main --yes")]
pub struct Args {
    /// Backup name, unique prefix, latest or latest-good, with ETCD= in front for one etcd cluster
    #[arg(value_name = "[ETCD=]BACKUP")]
    backup: BackupRef,
    /// With latest and latest-good: newest backup not after this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Accept a backup of main that is intact, but fails sanity checks: empty, without workloads, or of another cluster
    #[arg(long)]
    even_if_poor: bool,
    #[command(flatten)]
    age: AgeArgs,
    #[command(flatten)]
    consent: StrongConsentArgs,
    #[command(flatten)]
    access: EtcdAccess,
}

/// What was or will be queued.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueRow {
    cluster: String,
    etcd: String,
    backup: Option<String>,
    /// `queued`, `already-queued` or `planned`.
    state: &'static str,
    command: Option<String>,
    at: Option<String>,
}

impl Row for QueueRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("BACKUP"),
            column("STATE"),
            column("COMMAND"),
            wide("AT"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.etcd),
            Cell::text_or_dash(self.backup.clone()),
            if self.state == "planned" {
                Cell::text(self.state)
            } else {
                Cell::verdict(Verdict::Good, self.state)
            },
            Cell::text_or_dash(self.command.clone()),
            Cell::text_or_dash(self.at.clone()),
        ]
    }

    fn name(&self) -> String {
        self.command.clone().unwrap_or_default()
    }
}

/// Runs `queue`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    if args.consent.yes {
        context.explicit_cluster().await?;
    }
    let mut catalogs = session.catalogs().await?;
    session.require_own_place(args.consent.yes)?;
    let mut others = OtherEtcds::find(context).await?;
    // Where one etcd cluster is named, the others are not changed, but reported if they wait for a restore.
    if let Some(etcd) = &args.backup.etcd
        && catalogs.iter().any(|catalog| catalog.store.etcd == *etcd)
    {
        let (asked, rest) = catalogs.into_iter().partition(|catalog| catalog.store.etcd == *etcd);
        catalogs = asked;
        others.catalogs.extend::<Vec<_>>(rest);
    }
    let wanted = WantedArgs {
        backup: vec![args.backup.clone()],
        at: args.at.clone(),
        even_if_poor: args.even_if_poor,
    };
    let request = SurveyRequest {
        wanted: &wanted,
        fresh: &[],
        access: &args.access,
        max_age: args.age.max_age,
        resume: false,
        one_by_one: true,
        others: &others,
    };
    let survey = survey(&request, &catalogs, context).await?;
    if is_text(session.format) {
        plan::show(&survey, context)?;
    }
    if let Some(blocked) = plan::blocked(&survey) {
        return Err(blocked.into());
    }
    let Some(consent) = ask_consent(&args.consent, &survey, args.age.max_age, session.now())? else {
        let rows: Vec<QueueRow> = survey.targets.iter().map(|target| row(target, None, &survey)).collect();
        finish(&rows, context)?;
        session.ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    let mut rows: Vec<QueueRow> = Vec::new();
    for target in &survey.targets {
        match submit(target, None, context, &consent).await {
            Ok(done) => rows.push(row(target, Some(done), &survey)),
            Err(error) => {
                let done: Vec<&str> = rows.iter().filter_map(|row| row.command.as_deref()).collect();
                if done.is_empty() {
                    return Err(error);
                }
                let (done, etcd) = (done.join(" and "), &target.catalog.store.etcd);
                let message = format!("queued {done}, then {etcd} failed: {}", chain(error.as_ref()));
                return Err(CommandError::after_change(message)
                    .hint("repeat the command to resume; `kubectl etcd-restore commands` shows what is queued")
                    .into());
            }
        }
    }
    finish(&rows, context)?;
    for target in &survey.targets {
        report_next(target, &survey, context);
    }
    for one in &survey.facts.left_out {
        report_left_out(one, &survey, context);
    }
    Ok(Exit::Done)
}

fn finish(rows: &[QueueRow], context: &Context) -> Result<(), AnyFailure> {
    if is_text(context.session.format) {
        context.session.ui.result("\n")?;
    }
    output::rows(&context.session.ui, context.session.format, rows, "Nothing to queue")
}

fn row(target: &Target<'_>, done: Option<Done>, survey: &Survey<'_>) -> QueueRow {
    let backup = match &target.choice {
        Choice::Backup { backup, .. } => Some(backup.name.to_string()),
        _ => None,
    };
    let (state, command, at) = match done {
        Some(Done::Queued(queued)) => ("queued", Some(queued.name), Some(queued.at.to_string())),
        Some(Done::Adopted(name)) => ("already-queued", Some(name), None),
        _ => ("planned", None, None),
    };
    QueueRow {
        cluster: survey.facts.cluster.clone(),
        etcd: target.catalog.store.etcd.clone(),
        backup,
        state,
        command,
        at,
    }
}

fn report_next(target: &Target<'_>, survey: &Survey<'_>, context: &Context) {
    let etcd = &target.catalog.store.etcd;
    let ui = &context.session.ui;
    let at_risk = survey.at_risk().into_iter().find(|facts| facts.etcd == *etcd);
    if let Some(facts) = at_risk {
        let is = if facts.liveness.is_alive() {
            "is alive"
        } else {
            "may be alive"
        };
        ui.warn(&format!(
            "{etcd} {is}: the command stays queued until etcd-manager's leader is restarted (`kubectl etcd-restore restart-etcd --etcd {}`), \
             and then wipes it; `kubectl etcd-restore cancel` removes it",
            quoted(etcd)
        ));
    } else {
        ui.note(&format!("{etcd}: follow it with `kubectl etcd-restore status --watch`"));
    }
}

/// Reports an etcd cluster that still waits for a restore: the API does not start without it.
fn report_left_out(one: &LeftOut, survey: &Survey<'_>, context: &Context) {
    let ui = &context.session.ui;
    let (etcd, needed) = (&one.etcd, one.needed_by());
    let wanted = format!("{etcd}=latest-good");
    let order = context.command(&["queue", &wanted], &survey.facts.cluster).arg("--yes");
    match (one.waits(), &one.commands) {
        (Some(false), _) => {}
        (Some(true), _) => ui.warn(&format!("{etcd} still waits for a command: {needed}; next: {order}")),
        (None, Observed::Unknown(why)) => ui.warn(&format!("{etcd}: not checked whether a command is queued: {why}")),
        (None, Observed::Known(_)) => ui.warn(&format!(
            "{etcd}: no command is queued, and not checked whether it has members: {needed}; where it has none: {order}"
        )),
    }
}
