//! Stops the containers, one after the other, and waits until kubelet has started each again.

use std::time::Duration;

use runbook_kit::cli::ui::Ui;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::ports::{HostError, Hosts};
use tokio::time::{Instant, sleep};

use crate::rules::restart_etcd::{Action, Plan, Step};
use crate::usecases::hosts::{self, scripts};

/// Between two looks.
const TICK: Duration = Duration::from_secs(2);

/// How one step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Stopped, and kubelet has started another one.
    Restarted,
    /// Stopped, and no other was seen in time.
    NotBack(Duration),
    Failed(HostError),
}

impl Stepped {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::NotBack(_) => "stopped",
            Self::Failed(_) => "failed",
        }
    }

    pub fn reason(&self) -> String {
        match self {
            Self::Restarted => "kubelet has started it again".to_owned(),
            Self::NotBack(waited) => format!("kubelet has not started it again within {} s", waited.as_secs()),
            Self::Failed(error) => error.kind.to_string(),
        }
    }
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    restarted: usize,
    not_back: usize,
    failed: usize,
}

impl Outcome {
    /// Counts these, too.
    pub fn add(&mut self, results: &[Option<Stepped>]) {
        for result in results.iter().flatten() {
            match result {
                Stepped::Restarted => self.restarted += 1,
                Stepped::NotBack(_) => self.not_back += 1,
                Stepped::Failed(_) => self.failed += 1,
            }
        }
    }

    /// Whether all went well.
    ///
    /// # Errors
    /// What did not.
    pub fn judged(self, leader_missed: bool) -> Result<(), Unfinished> {
        if self.not_back == 0 && self.failed == 0 && !leader_missed {
            return Ok(());
        }
        Err(Unfinished {
            outcome: self,
            leader_missed,
        })
    }
}

/// Not all of it was done.
#[derive(Debug, thiserror::Error)]
#[error("{} restarted, {} stopped and not back, {} failed{}", .outcome.restarted, .outcome.not_back, .outcome.failed,
    if *.leader_missed { "; the leader may be one that does not answer" } else { "" })]
pub struct Unfinished {
    outcome: Outcome,
    leader_missed: bool,
}

impl Failure for Unfinished {
    fn exit(&self) -> Exit {
        if self.outcome.restarted + self.outcome.not_back > 0 {
            Exit::FailedAfterChange
        } else {
            Exit::Failed
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            if self.outcome.not_back > 0 {
                "kubelet may not run there: `kubectl etcd-restore restart-kubelet`, and `kubectl etcd-restore logs etcd`"
            } else {
                "mend what the rows tell and repeat the command; `kubectl etcd-restore status` tells whether the \
                 command was taken"
            }
            .to_owned(),
        )
    }
}

/// One result a step of the plan; `None` where nothing was to be done. A host that fails does not stop the others.
pub async fn apply(
    plan: &Plan,
    known: &[String],
    hosts: &dyn Hosts,
    limit: Duration,
    ui: &Ui,
    consent: &Consent,
) -> Vec<Option<Stepped>> {
    let mut results = Vec::new();
    for step in &plan.steps {
        if step.action != Action::Stop {
            let blind = step.action == Action::NoRuntime;
            results.push(blind.then(|| Stepped::Failed(hosts::no_runtime(&step.machine))));
            continue;
        }
        let label = step.machine.label();
        ui.note(&format!("{label}: stopping etcd-manager of {}", plan.etcd));
        let result = restart(&plan.etcd, step, known, hosts, limit, consent).await;
        let result = result.unwrap_or_else(Stepped::Failed);
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
    consent: &Consent,
) -> Result<Stepped, HostError> {
    let (Some(container), Some(runtime)) = (&step.container, step.runtime) else {
        return Ok(Stepped::NotBack(Duration::ZERO));
    };
    let script = scripts::stop(container, runtime);
    let ended = hosts.change(&step.machine.host, &script, &|_| {}, consent).await?;
    if ended.code != 0 {
        return Err(hosts::failed(&step.machine, &script, &ended));
    }
    let begun = Instant::now();
    loop {
        // A host that is busy starting things may miss a question.
        if let Ok(facts) = hosts::look_at(&step.machine, hosts).await
            && facts
                .etcd_manager(etcd, known)
                .is_some_and(|found| found.id != container.id)
        {
            return Ok(Stepped::Restarted);
        }
        if begun.elapsed() >= limit {
            return Ok(Stepped::NotBack(limit));
        }
        sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use runbook_kit::cli::confirm;
    use runbook_kit::cli::ui::ColorWhen;
    use runbook_kit::testing::MemoryHosts;

    use super::*;
    use crate::rules::restart_etcd::{self, Queue};
    use crate::usecases::hosts::{Machine, Role, facts};

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
        let words: Vec<&str> = results.iter().flatten().map(Stepped::word).collect();
        assert_eq!(words, ["failed", "stopped", "restarted"]);
        let mut outcome = Outcome::default();
        outcome.add(&results);
        let unfinished = outcome.judged(false).unwrap_err();
        assert_eq!(unfinished.exit(), Exit::FailedAfterChange);
        assert_eq!(unfinished.to_string(), "1 restarted, 1 stopped and not back, 1 failed");
        assert_eq!(
            Outcome {
                failed: 1,
                ..Outcome::default()
            }
            .judged(false)
            .unwrap_err()
            .exit(),
            Exit::Failed
        );
    }
}
