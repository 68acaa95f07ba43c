//! `restart-etcd`: restarts etcd-manager, so that it reads the queue.

use std::time::Duration;

use runbook_kit::cli::confirm::{self, StrongConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::cli::ui::Verdict;
use runbook_kit::cli::values;
use runbook_kit::exit::Exit;
use runbook_kit::failure::chain;
use runbook_kit::failure::{AnyFailure, CommandError};
use serde::Serialize;

use crate::context::Context;
use crate::rules::machines::Role;
use crate::rules::restart_etcd::{self as rules, Action, Plan, Step};
use crate::usecases::hosts;
use crate::usecases::restart_etcd as apply;

/// Restart etcd-manager, so that its leader reads the queue
///
/// A running etcd-manager reads commands only after a change of its leader. The leader is the healthy peer with the lowest id, so stopping its
/// container is enough; kubelet starts it again. If a command is queued, the restart wipes and restores etcd; if etcd serves, the restart interrupts
/// it. In both cases the cluster's name has to be confirmed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore restart-etcd --etcd main --name k8s.example.com\n  \
    kubectl etcd-restore restart-etcd --etcd main --host 10.0.0.7 --host 10.0.0.8 --all --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: StrongConsentArgs,
    /// Restart every member instead of only the leader, one by one, lowest id first
    #[arg(long)]
    all: bool,
    /// Timeout for kubelet to start a container again
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = values::duration)]
    timeout: Duration,
    #[command(flatten)]
    ssh: SshArgs,
}

/// One host of one etcd cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepRow {
    etcd: String,
    host: String,
    instance: Option<String>,
    /// etcd-manager's peer id; the lowest healthy one leads.
    member: Option<String>,
    runtime: Option<&'static str>,
    container: Option<String>,
    /// Whether etcd's client port is listened on there.
    serves: Option<bool>,
    /// `stop`, `leave`, `missing`, `no-runtime` or `unreachable`; with --yes `restarted`, `stopped` (not started again in time) or `failed`.
    action: &'static str,
    reason: String,
}

impl StepRow {
    fn of(etcd: &str, step: &Step, action: &'static str, reason: &str) -> Self {
        Self {
            etcd: etcd.to_owned(),
            host: step.machine.host.clone(),
            instance: step.machine.instance.clone(),
            member: step.member.clone(),
            runtime: step.runtime.map(|runtime| runtime.program()),
            container: step.container.as_ref().map(|container| container.id.clone()),
            serves: step.serves,
            action,
            reason: reason.to_owned(),
        }
    }
}

impl Row for StepRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("HOST"),
            wide("INSTANCE"),
            column("MEMBER"),
            wide("RUNTIME"),
            wide("CONTAINER"),
            column("SERVES"),
            column("ACTION"),
            column("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let action = match self.action {
            "stop" | "stopped" | "missing" => Verdict::Doubtful,
            "failed" | "unreachable" | "no-runtime" => Verdict::Bad,
            "restarted" => Verdict::Good,
            _ => Verdict::Plain,
        };
        let serves = self.serves.map_or("?", |serves| if serves { "yes" } else { "no" });
        // As long as the runtimes' own tools show it.
        let short = |id: &String| id.chars().take(13).collect::<String>();
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.host),
            Cell::text_or_dash(self.instance.clone()),
            Cell::text_or_dash(self.member.clone()),
            Cell::text_or_dash(self.runtime),
            Cell::text_or_dash(self.container.as_ref().map(short)),
            Cell::text(serves),
            Cell::verdict(action, self.action),
            Cell::text(&self.reason),
        ]
    }

    fn name(&self) -> String {
        self.host.clone()
    }
}

/// Runs `restart-etcd`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let cluster = context.explicit_name().await?;
    let hosts = context.hosts(&args.ssh)?;
    let (queues, known) = apply::queues(context).await;
    let machines = hosts::find(&args.ssh, &[Role::Master], context).await?;
    let seen = hosts::inspect(&machines, hosts.as_ref()).await;
    for error in seen.iter().filter_map(|seen| seen.as_ref().err()) {
        ui.warn(&chain(error));
        if let Some(hint) = error.hint() {
            ui.note(&format!("hint:  {hint}"));
        }
    }
    if let [Err(error), rest @ ..] = seen.as_slice()
        && rest.iter().all(Result::is_err)
    {
        return Err(CommandError::failed(format!("no host answers: {error}"))
            .hint("check that `ssh HOST` works; see the lines above")
            .into());
    }
    let plans: Vec<Plan> = queues
        .into_iter()
        .map(|selected| Plan {
            members: selected.members,
            ..rules::plan(selected.etcd, selected.queue, &machines, &seen, &known, args.all)
        })
        .collect();
    for line in plans.iter().flat_map(Plan::warnings) {
        ui.warn(&line);
    }
    let rows = |plans: &[Plan]| -> Vec<StepRow> {
        let of = |plan: &Plan| {
            let row = |step: &Step| StepRow::of(&plan.etcd, step, step.action.word(), &step.reason);
            plan.steps.iter().map(row).collect::<Vec<_>>()
        };
        plans.iter().flat_map(of).collect()
    };
    let blocked = plans.iter().find_map(|plan| plan.unknown.clone());
    let stops = plans
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter(|step| step.action == Action::Stop)
        .count();
    let consent = match &blocked {
        Some(_) => None,
        None if stops == 0 => None,
        None => {
            let wipes: Vec<String> = plans.iter().filter_map(Plan::danger).collect();
            if wipes.is_empty() {
                confirm::plain(args.consent.yes)
            } else {
                confirm::strong(&args.consent, &cluster, &wipes.join("\n"))?
            }
        }
    };
    let Some(consent) = consent else {
        output::rows(ui, session.format, &rows(&plans), "No hosts")?;
        if let Some(unknown) = blocked {
            return Err(apply::unknown_leader(&unknown).into());
        }
        match stops {
            0 => return Err(apply::nothing_to_stop(&plans).into()),
            _ => ui.note("nothing was changed; pass --yes to do it"),
        }
        return Ok(Exit::Done);
    };
    let mut done = Vec::new();
    let mut outcome = apply::Outcome::default();
    for plan in &plans {
        let results = apply::apply(plan, &known, hosts.as_ref(), args.timeout, ui, &consent).await;
        outcome.add(&results);
        for (step, result) in plan.steps.iter().zip(results) {
            match result {
                Some(result) => done.push(StepRow::of(&plan.etcd, step, result.word(), &result.reason())),
                None => done.push(StepRow::of(&plan.etcd, step, step.action.word(), &step.reason)),
            }
        }
    }
    output::rows(ui, session.format, &done, "No hosts")?;
    outcome.judged(plans.iter().any(Plan::may_miss_leader))?;
    ui.note("next: `kubectl etcd-restore status --watch`, or `kubectl etcd-restore logs etcd`");
    Ok(Exit::Done)
}
