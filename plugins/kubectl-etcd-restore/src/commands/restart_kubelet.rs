//! `restart-kubelet`: restarts kubelet, and API servers that kept running through a restore.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::cli::ui::{Ui, Verdict};
use runbook_kit::cli::values;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::ports::{HostError, Hosts};
use serde::Serialize;

use crate::context::Context;
use crate::rules::host_facts::{Container, HostFacts, Runtime};
use crate::rules::machines::{Machine, Role};
use crate::usecases::api_log;
use crate::usecases::hosts::{self, scripts};
use crate::usecases::observe::ready;

/// Workers that are restarted in parallel; the control plane is restarted one by one.
const WORKERS_AT_ONCE: usize = 8;

/// Restart kubelet on the control plane, and kube-apiserver where it kept running through a restore
///
/// A restore resets etcd's revisions, so processes that kept running have stale caches. Restarting kubelet does not restart a running API server;
/// its container is stopped if it is older than the etcd on the same host. Then wait until the API is ready.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore restart-kubelet --name k8s.example.com --yes\n  \
    kubectl etcd-restore restart-kubelet --workers --name k8s.example.com --ssh-jump bastion.example.com --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: ConsentArgs,
    /// Restart kubelet on the workers instead of the control plane
    #[arg(long)]
    workers: bool,
    /// When to restart kube-apiserver: auto (if it is older than the etcd on its host), always or never
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "WHEN",
        conflicts_with = "workers"
    )]
    api_server: ApiServerWhen,
    /// How often in a row the API must be ready
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    ready_times: u32,
    /// Timeout for the API to become ready; 0 does not wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::duration_or_zero)]
    ready_timeout: Duration,
    #[command(flatten)]
    ssh: SshArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ApiServerWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// What is to be done on one host.
#[derive(Clone, Debug)]
struct Step {
    machine: Machine,
    /// The container to stop before kubelet is restarted.
    api_server: Option<(Container, Runtime)>,
    api_word: &'static str,
    reason: String,
    skipped: Option<Skipped>,
}

/// Why nothing is done on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipped {
    Unreachable,
    /// No tool there shows whether a kube-apiserver kept running.
    NoRuntime,
}

impl Skipped {
    const fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoRuntime => "no-runtime",
        }
    }
}

/// One host.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepRow {
    host: String,
    instance: Option<String>,
    role: &'static str,
    /// `restart`, `unreachable` or `no-runtime`; with --yes `restarted` or `failed`.
    kubelet: &'static str,
    /// `restart`, `leave`, `none` or `unknown`; with --yes `restarted`.
    api_server: &'static str,
    reason: String,
}

impl Row for StepRow {
    fn columns() -> Vec<Column> {
        vec![
            column("HOST"),
            wide("INSTANCE"),
            column("ROLE"),
            column("KUBELET"),
            column("API SERVER"),
            column("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let kubelet = match self.kubelet {
            "unreachable" | "no-runtime" | "failed" => Verdict::Bad,
            "restarted" => Verdict::Good,
            _ => Verdict::Plain,
        };
        vec![
            Cell::text(&self.host),
            Cell::text_or_dash(self.instance.clone()),
            Cell::text(self.role),
            Cell::verdict(kubelet, self.kubelet),
            Cell::text(self.api_server),
            Cell::text(&self.reason),
        ]
    }

    fn name(&self) -> String {
        self.host.clone()
    }
}

/// Runs `restart-kubelet`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let hosts = context.hosts(&args.ssh)?;
    let roles: &[Role] = if args.workers {
        &[Role::Worker]
    } else {
        &[Role::Master, Role::ApiServer]
    };
    let machines = hosts::find(&args.ssh, roles, context).await?;
    let seen = hosts::inspect(&machines, hosts.as_ref()).await;
    for error in seen.iter().filter_map(|seen| seen.as_ref().err()) {
        ui.warn(&chain(error));
        if let Some(hint) = error.hint() {
            ui.note(&format!("hint:  {hint}"));
        }
    }
    let steps: Vec<Step> = machines
        .iter()
        .zip(&seen)
        .map(|(machine, seen)| plan(machine, seen, args.api_server))
        .collect();
    let planned = |step: &Step| row(step, step.skipped.map_or("restart", Skipped::word), step.api_word);
    let Some(consent) = confirm::plain(args.consent.yes) else {
        let rows: Vec<StepRow> = steps.iter().map(planned).collect();
        output::rows(ui, session.format, &rows, "No hosts")?;
        ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    let at_once = if args.workers { WORKERS_AT_ONCE } else { 1 };
    let results: Vec<Result<(), HostError>> = stream::iter(&steps)
        .map(|step| restart(step, hosts.as_ref(), ui, &consent))
        .buffered(at_once)
        .collect()
        .await;
    let rows: Vec<StepRow> = steps
        .iter()
        .zip(&results)
        .map(|(step, result)| match result {
            _ if step.skipped.is_some() => planned(step),
            Ok(()) => row(
                step,
                "restarted",
                if step.api_server.is_some() {
                    "restarted"
                } else {
                    step.api_word
                },
            ),
            Err(error) => StepRow {
                reason: error.kind.to_string(),
                ..row(step, "failed", step.api_word)
            },
        })
        .collect();
    output::rows(ui, session.format, &rows, "No hosts")?;
    let done = rows.iter().filter(|row| row.kubelet == "restarted").count();
    let waited = if done == 0 || args.workers || args.ready_timeout.is_zero() {
        Ok(())
    } else {
        wait_for_the_api(&args, &steps, hosts.as_ref(), context).await
    };
    if done < rows.len() {
        let blind = steps.iter().any(|step| step.skipped == Some(Skipped::NoRuntime));
        let message = format!("{done} of {} kubelets were restarted", rows.len());
        let error = match done {
            0 => CommandError::failed(message),
            _ => CommandError::after_change(message),
        };
        let mut hint =
            "fix what the rows show, then repeat the command, with --host for the hosts that are left".to_owned();
        if blind {
            hint.push_str("; --api-server never restarts only kubelet and leaves a running kube-apiserver as it is");
        }
        return Err(error.hint(hint).into());
    }
    waited?;
    ui.note(if args.workers {
        "next: `kubectl etcd-restore cleanup workers` shows which kubelets renew their Lease"
    } else {
        "next: `kubectl etcd-restore cleanup workers`, then `kubectl masterleases list`"
    });
    Ok(Exit::Done)
}

fn row(step: &Step, kubelet: &'static str, api_server: &'static str) -> StepRow {
    StepRow {
        host: step.machine.host.clone(),
        instance: step.machine.instance.clone(),
        role: step.machine.role.word(),
        kubelet,
        api_server,
        reason: step.reason.clone(),
    }
}

/// What to do on a host.
fn plan(machine: &Machine, seen: &Result<HostFacts, HostError>, when: ApiServerWhen) -> Step {
    let mut step = Step {
        machine: machine.clone(),
        api_server: None,
        api_word: "none",
        reason: String::new(),
        skipped: None,
    };
    let facts = match seen {
        Ok(facts) => facts,
        Err(error) => {
            step.skipped = Some(Skipped::Unreachable);
            step.reason = error.kind.to_string();
            return step;
        }
    };
    let wanted = machine.role != Role::Worker && when != ApiServerWhen::Never;
    let Some((container, runtime)) = facts.api_server().zip(facts.runtime) else {
        if machine.role == Role::Worker {
            return step;
        }
        let blind = match facts.runtime {
            None => Some(facts.no_runtime()),
            Some(runtime) if !facts.api_server_ages.is_empty() => Some(format!(
                "kube-apiserver runs there, but {} shows no container of it",
                runtime.program()
            )),
            Some(_) => None,
        };
        match blind {
            None => step.reason = "no kube-apiserver runs there yet".to_owned(),
            Some(why) => {
                step.api_word = "unknown";
                // Restarting only kubelet does not help an API server that kept running.
                step.skipped = wanted.then_some(Skipped::NoRuntime);
                step.reason = why;
            }
        }
        return step;
    };
    let (restart, reason) = match (when, facts.api_server_outlived_etcd()) {
        _ if machine.role == Role::Worker => (false, ""),
        (ApiServerWhen::Always, _) => (true, "requested"),
        (ApiServerWhen::Never, _) => (false, "not requested"),
        (ApiServerWhen::Auto, Some(true)) => (
            true,
            "it is older than the etcd on this host: it kept running through a restore",
        ),
        (ApiServerWhen::Auto, Some(false)) => (false, "it is younger than the etcd on this host"),
        // No etcd runs beside an API server of a group of its own.
        (ApiServerWhen::Auto, None) if machine.role == Role::ApiServer => {
            (true, "there is no etcd on this host to compare its age with")
        }
        (ApiServerWhen::Auto, None) => (true, "not known whether it kept running through a restore"),
    };
    step.reason = reason.to_owned();
    step.api_word = if restart { "restart" } else { "leave" };
    step.api_server = restart.then(|| (container.clone(), runtime));
    step
}

async fn restart(step: &Step, hosts: &dyn Hosts, ui: &Ui, consent: &Consent) -> Result<(), HostError> {
    if step.skipped.is_some() {
        return Ok(());
    }
    let label = step.machine.label();
    let warned = |error: HostError| {
        ui.warn(&chain(&error));
        error
    };
    if let Some((container, runtime)) = &step.api_server {
        ui.note(&format!("{label}: stop {}", container.name));
        let stopped = hosts::stop(&step.machine, container, *runtime, hosts, consent).await;
        if stopped.map_err(warned)? {
            ui.note(&format!("{label}: {}", hosts::killed(container)));
        }
    }
    let script = scripts::restart_kubelet();
    ui.note(&format!("{label}: {}", script.what));
    match hosts.change(&step.machine.host, &script, &|_| {}, consent).await {
        Ok(ended) if ended.code == 0 => Ok(()),
        Ok(ended) => Err(warned(hosts::failed(&step.machine, &script, &ended))),
        Err(error) => Err(warned(error)),
    }
}

async fn wait_for_the_api(args: &Args, steps: &[Step], hosts: &dyn Hosts, context: &Context) -> Result<(), AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let name = session.name()?.map(|name| name.value).unwrap_or_default();
    let api = match context.cluster_api(&name, Duration::from_secs(5)).await {
        Ok(api) => api,
        Err(error) => {
            ui.warn(&format!("the API was not checked: {}", chain(&error)));
            return Ok(());
        }
    };
    ui.note(&format!(
        "waiting up to {} s until {} is ready {} times in a row",
        args.ready_timeout.as_secs(),
        api.server(),
        args.ready_times
    ));
    let told = |words: &str| ui.note(&format!("API: {words}"));
    let waited = ready::wait(api.as_ref(), args.ready_times, args.ready_timeout, &told).await;
    let Err(never) = waited else {
        return Ok(());
    };
    let reached = steps.iter().filter(|step| step.skipped != Some(Skipped::Unreachable));
    api_log::show_last_lines(reached.map(|step| &step.machine), hosts, ui).await;
    Err(never.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rules::host_facts as facts;

    fn machine(role: Role) -> Machine {
        Machine {
            host: "h".to_owned(),
            instance: None,
            role,
            members: BTreeMap::new(),
        }
    }

    fn seen(api: u64, etcd: Option<u64>) -> Result<HostFacts, HostError> {
        let etcd = etcd.map_or_else(String::new, |age| format!("{age} /opt/etcd-v3.5.30/etcd"));
        let text = format!(
            "@docker\nabc kube-apiserver kube-apiserver-i-0\n@processes\n{api} /usr/local/bin/kube-apiserver --x\n{etcd}"
        );
        Ok(facts::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>()))
    }

    #[test]
    fn an_api_server_that_kept_running_through_a_restore_is_restarted() {
        use ApiServerWhen::{Always, Auto, Never};
        let word = |role, seen, when| plan(&machine(role), &seen, when).api_word;
        assert_eq!(word(Role::Master, seen(3600, Some(60)), Auto), "restart");
        assert_eq!(word(Role::Master, seen(30, Some(60)), Auto), "leave");
        assert_eq!(word(Role::Master, seen(30, Some(60)), Always), "restart");
        assert_eq!(word(Role::Master, seen(3600, Some(60)), Never), "leave");
        assert_eq!(word(Role::ApiServer, seen(3600, None), Auto), "restart");
        assert_eq!(word(Role::Worker, seen(3600, Some(1)), Auto), "leave");
        assert_eq!(word(Role::Worker, Ok(HostFacts::default()), Auto), "none");
    }

    #[test]
    fn what_could_not_be_looked_for_is_not_said_to_be_absent() {
        use ApiServerWhen::{Auto, Never};
        let planned = |role, text: &str, when| {
            let facts = facts::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>());
            let step = plan(&machine(role), &Ok(facts), when);
            (step.api_word, step.skipped, step.reason)
        };
        const OLD: &str = "@processes\n3600 /usr/local/bin/kube-apiserver --x";
        for text in ["", OLD, "@crictl\nnot set up"] {
            let (word, skipped, reason) = planned(Role::Master, text, Auto);
            assert_eq!((word, skipped), ("unknown", Some(Skipped::NoRuntime)), "{text}");
            assert_eq!(reason, "none of crictl, ctr and docker works there");
            assert_eq!(planned(Role::ApiServer, text, Never).1, None);
            assert_eq!(planned(Role::Worker, text, Auto).1, None);
        }
        let (word, skipped, reason) = planned(Role::Master, &format!("@ctr\n\n{OLD}"), Auto);
        assert_eq!((word, skipped), ("unknown", Some(Skipped::NoRuntime)));
        assert_eq!(reason, "kube-apiserver runs there, but ctr shows no container of it");
        let (word, skipped, reason) = planned(Role::Master, "@ctr\n", Auto);
        assert_eq!((word, skipped), ("none", None));
        assert_eq!(reason, "no kube-apiserver runs there yet");
    }
}
