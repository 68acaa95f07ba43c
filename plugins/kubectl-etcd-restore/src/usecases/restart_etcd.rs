//! Restarts etcd-manager: stops its containers one by one, and waits until kubelet has started each again.

use std::time::Duration;

use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::cli::ui::Ui;
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::ports::{HostError, Hosts};
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::rules::host_facts::{self, Container};
use crate::rules::machines::Role;
use crate::rules::restart_etcd::{self, Action, Plan, Queue, Step, Unknown};
use crate::usecases::hosts::{self, scripts};
use crate::usecases::queue;

/// How long kubelet may take to start a container again.
const BACK: Duration = Duration::from_secs(90);
/// Polling interval.
const TICK: Duration = Duration::from_secs(2);

/// The result of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// Stopped and started again.
    Restarted,
    /// Stopped, and not started again in time; with the reason, where one was found.
    NotBack(Duration, Option<String>),
    Failed(HostError),
}

impl StepResult {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::NotBack(..) => "stopped",
            Self::Failed(_) => "failed",
        }
    }

    pub fn reason(&self) -> String {
        match self {
            Self::Restarted => "started again by kubelet".to_owned(),
            Self::NotBack(waited, None) => format!("not started again by kubelet within {} s", waited.as_secs()),
            Self::NotBack(waited, Some(why)) => {
                format!("not started again by kubelet within {} s: {why}", waited.as_secs())
            }
            Self::Failed(error) => error.kind.to_string(),
        }
    }
}

/// Numbers of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    restarted: usize,
    not_back: usize,
    failed: usize,
}

impl Outcome {
    /// Adds results.
    pub fn add(&mut self, results: &[Option<StepResult>]) {
        for result in results.iter().flatten() {
            match result {
                StepResult::Restarted => self.restarted += 1,
                StepResult::NotBack(..) => self.not_back += 1,
                StepResult::Failed(_) => self.failed += 1,
            }
        }
    }

    /// # Errors
    /// Where a step failed, or the leader may have been missed.
    pub fn judged(self, leader_missed: bool) -> Result<(), CommandError> {
        if self.not_back == 0 && self.failed == 0 && !leader_missed {
            return Ok(());
        }
        let missed = if leader_missed {
            "; the leader may be one that does not answer"
        } else {
            ""
        };
        let message = format!(
            "{} restarted, {} stopped and not back, {} failed{missed}",
            self.restarted, self.not_back, self.failed
        );
        let error = match self.restarted + self.not_back {
            0 => CommandError::failed(message),
            _ => CommandError::after_change(message),
        };
        Err(error.hint(if self.not_back > 0 {
            "remove what the reason names, and check that kubelet runs there: `kubectl etcd-restore restart-kubelet`, `kubectl etcd-restore logs etcd`"
        } else {
            "fix what the rows show and repeat the command; `kubectl etcd-restore status` shows whether the command was taken"
        }))
    }
}

/// One result for each step of the plan; `None` where nothing was to be done. A failed host does not stop the others.
pub async fn apply(
    plan: &Plan,
    known: &[String],
    hosts: &dyn Hosts,
    limit: Duration,
    ui: &Ui,
    consent: &Consent,
) -> Vec<Option<StepResult>> {
    let mut results = Vec::new();
    for step in &plan.steps {
        if step.action != Action::Stop {
            let blind = step.action == Action::NoRuntime;
            results.push(blind.then(|| StepResult::Failed(hosts::no_runtime(&step.machine, &step.reason))));
            continue;
        }
        let label = step.machine.label();
        ui.note(&format!("{label}: stopping etcd-manager of {}", plan.etcd));
        let result = restart(&plan.etcd, step, known, hosts, limit, ui, consent).await;
        let result = result.unwrap_or_else(StepResult::Failed);
        ui.note(&format!("{label}: {}", result.reason()));
        results.push(Some(result));
    }
    results
}

async fn restart(
    etcd: &str,
    step: &Step,
    known: &[String],
    hosts: &dyn Hosts,
    limit: Duration,
    ui: &Ui,
    consent: &Consent,
) -> Result<StepResult, HostError> {
    let (Some(container), Some(runtime)) = (&step.container, step.runtime) else {
        return Ok(StepResult::NotBack(Duration::ZERO, None));
    };
    if hosts::stop(&step.machine, container, runtime, hosts, consent).await? {
        ui.note(&format!("{}: {}", step.machine.label(), hosts::killed(container)));
    }
    let begun = Instant::now();
    loop {
        // A busy host may fail to respond once.
        if let Ok(facts) = hosts::inspect_one(&step.machine, hosts).await
            && facts
                .etcd_manager(etcd, known)
                .is_some_and(|found| found.id != container.id)
        {
            return Ok(StepResult::Restarted);
        }
        if begun.elapsed() >= limit {
            return Ok(StepResult::NotBack(
                limit,
                why_not_back(step, container, limit, hosts).await,
            ));
        }
        sleep(TICK).await;
    }
}

/// After several ends within ten minutes kubelet waits longer each time. A host that cannot be asked has said nothing.
async fn why_not_back(step: &Step, container: &Container, limit: Duration, hosts: &dyn Hosts) -> Option<String> {
    let script = scripts::why_not_back(container, limit);
    let (lines, _) = hosts::read_lines(hosts, &step.machine.host, &script).await.ok()?;
    host_facts::why_not_back(&lines)
}

/// The queue of one etcd cluster.
pub struct EtcdQueue {
    pub etcd: String,
    pub queue: Queue,
    /// The members that the spec has; 0 where it was not read.
    pub members: usize,
}

/// The queues of the etcd clusters that the flags select, and the names of all etcd clusters. Without a readable store the names come from the
/// flags, and any queue may hold commands.
pub async fn queues(context: &Context) -> (Vec<EtcdQueue>, Vec<String>) {
    let session = &context.session;
    let mut selected = Vec::new();
    match session.catalogs().await {
        Ok(catalogs) => {
            for catalog in &catalogs {
                let queue = match queue::commands(session.objects(), catalog).await {
                    Ok(commands) => Queue::Commands(
                        commands
                            .iter()
                            .map(|found| found.backup().map_or_else(|why| why, str::to_owned))
                            .collect(),
                    ),
                    Err(error) => Queue::NotAsked(chain(&error)),
                };
                selected.push(EtcdQueue {
                    etcd: catalog.store.etcd.clone(),
                    queue,
                    members: catalog.store.members.len(),
                });
            }
        }
        Err(error) => {
            let why = chain(error.as_ref());
            let asked = &session.etcds;
            let usual = ["main".to_owned(), "events".to_owned()];
            let names = if asked.is_empty() { usual.as_slice() } else { asked };
            selected = names
                .iter()
                .map(|etcd| EtcdQueue {
                    etcd: etcd.clone(),
                    queue: Queue::NotAsked(why.clone()),
                    members: 0,
                })
                .collect();
        }
    }
    let mut known: Vec<String> = ["main", "events", "cilium", "leases"].map(str::to_owned).to_vec();
    known.extend(selected.iter().map(|one| one.etcd.clone()));
    known.sort();
    known.dedup();
    (selected, known)
}

/// Restarts the leader of one etcd cluster, with the consent given to `run`.
///
/// # Errors
/// Where no host responds, or the container is not started again.
pub async fn restart_leader(etcd: &str, ssh: &SshArgs, context: &Context, consent: &Consent) -> Result<(), AnyFailure> {
    let ui = &context.session.ui;
    let hosts = context.hosts(ssh)?;
    let (queues, known) = queues(context).await;
    let Some(selected) = queues.into_iter().find(|one| one.etcd == etcd) else {
        return Ok(());
    };
    let machines = hosts::find(ssh, &[Role::Master], context).await?;
    let seen = hosts::inspect(&machines, hosts.as_ref()).await;
    for error in seen.iter().filter_map(|seen| seen.as_ref().err()) {
        ui.warn(&chain(error));
    }
    let plan = restart_etcd::plan(selected.etcd, selected.queue, &machines, &seen, &known, false);
    if let Some(unknown) = &plan.unknown {
        return Err(unknown_leader(unknown).into());
    }
    if plan.steps.iter().all(|step| step.action != Action::Stop) {
        return Err(nothing_to_stop([&plan]).into());
    }
    let results = apply(&plan, &known, hosts.as_ref(), BACK, ui, consent).await;
    let mut outcome = Outcome::default();
    outcome.add(&results);
    outcome.judged(plan.may_miss_leader())?;
    Ok(())
}

/// Why there is nothing to stop: no container runs, or whether one runs is not known.
pub fn nothing_to_stop<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> CommandError {
    let blind: Vec<&Step> = plans.into_iter().flat_map(Plan::without_runtime).collect();
    let mut reasons: Vec<&str> = blind.iter().map(|step| step.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let mut hosts: Vec<String> = blind.iter().map(|step| step.machine.label().to_owned()).collect();
    hosts.sort();
    hosts.dedup();
    if hosts.is_empty() {
        return CommandError::failed("no etcd-manager container runs on the hosts that answer")
            .hint("check that kubelet runs there: `kubectl etcd-restore restart-kubelet`");
    }
    CommandError::failed(format!(
        "whether an etcd-manager container runs on {} is not known: {}",
        hosts.join(" and "),
        reasons.join("; ")
    ))
    .hint("find out which runtime runs the containers there, and put its tool on the PATH: crictl, ctr or docker")
}

/// Which member leads is not known.
pub fn unknown_leader(unknown: &Unknown) -> CommandError {
    CommandError::refused(unknown.to_string())
        .hint("pass --all to restart each member in turn, or omit --host so that AWS tells the members")
}

#[cfg(test)]
mod tests {
    use runbook_kit::cli::confirm;
    use runbook_kit::cli::ui::ColorWhen;
    use runbook_kit::testing::MemoryHosts;

    use runbook_kit::exit::Exit;
    use runbook_kit::failure::Failure;

    use super::*;
    use crate::rules::host_facts as facts;
    use crate::rules::machines::Machine;

    const LOOK: &str = "look at the containers";

    fn shows(id: &str) -> Vec<String> {
        vec!["@docker".to_owned(), format!("{id} etcd-manager etcd-manager-main-i-0")]
    }

    fn answer(hosts: &MemoryHosts, host: &str, id: &str) {
        let lines = shows(id);
        hosts.answer(host, LOOK, &lines.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_or_stays_away_does_not_stop_the_others() {
        let hosts = MemoryHosts::default();
        let machines: Vec<Machine> = ["one", "two", "three"]
            .iter()
            .map(|host| Machine {
                host: (*host).to_owned(),
                instance: None,
                role: Role::Master,
                members: std::collections::BTreeMap::new(),
            })
            .collect();
        hosts.answer("one", "stop etcd-manager", &[], 1);
        hosts.answer("two", "stop etcd-manager", &[], 0);
        answer(&hosts, "two", "old");
        hosts.answer("three", "stop etcd-manager", &[], 0);
        answer(&hosts, "three", "old");
        answer(&hosts, "three", "new");
        let known = vec!["main".to_owned()];
        let seen: Vec<_> = machines.iter().map(|_| Ok(facts::parse(&shows("old")))).collect();
        let plan = restart_etcd::plan(
            "main".to_owned(),
            Queue::Commands(vec![]),
            &machines,
            &seen,
            &known,
            true,
        );
        let ui = Ui::new(true, false, ColorWhen::Never);
        let consent = confirm::plain(true).unwrap();
        let results = apply(&plan, &known, &hosts, Duration::from_secs(90), &ui, &consent).await;
        let words: Vec<&str> = results.iter().flatten().map(StepResult::word).collect();
        assert_eq!(words, ["failed", "stopped", "restarted"]);
        let mut outcome = Outcome::default();
        outcome.add(&results);
        let unfinished = outcome.judged(false).unwrap_err();
        assert_eq!(Failure::exit(&unfinished), Exit::FailedAfterChange);
        assert_eq!(unfinished.to_string(), "1 restarted, 1 stopped and not back, 1 failed");
        let failed = Outcome {
            failed: 1,
            ..Outcome::default()
        };
        assert_eq!(Failure::exit(&failed.judged(false).unwrap_err()), Exit::Failed);
    }
}
