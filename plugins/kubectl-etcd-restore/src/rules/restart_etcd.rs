//! Which containers to stop, and what that will cause.

use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::etcd_access::client_port;
use runbook_kit::model::etcd_manager::peer_id;
use runbook_kit::ports::HostError;

use crate::rules::host_facts::{Container, HostFacts, Runtime};
use crate::rules::machines::Machine;

/// The queue of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queue {
    /// The backups that the commands restore, or why they cannot be read.
    Commands(Vec<String>),
    /// The store could not be read.
    NotAsked(String),
}

/// The action on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Stop,
    Leave,
    /// No container of this etcd cluster runs there.
    Missing,
    /// No container tool works there.
    NoRuntime,
    Unreachable,
}

impl Action {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Leave => "leave",
            Self::Missing => "missing",
            Self::NoRuntime => "no-runtime",
            Self::Unreachable => "unreachable",
        }
    }
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub machine: Machine,
    /// The peer's id.
    pub member: Option<String>,
    pub runtime: Option<Runtime>,
    pub container: Option<Container>,
    pub serves: Option<bool>,
    pub action: Action,
    pub reason: String,
}

/// The plan for one etcd cluster, with its steps in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub etcd: String,
    pub queue: Queue,
    /// The members that the spec has; 0 where it was not read.
    pub members: usize,
    pub steps: Vec<Step>,
    /// Why the leader is not known.
    pub unknown: Option<Unknown>,
}

/// The hosts whose member is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("which member of etcd {etcd} runs on {} is not known, so the leader is not known", hosts.join(" and "))]
pub struct Unknown {
    pub etcd: String,
    pub hosts: Vec<String>,
}

/// Plans the restart of one etcd cluster. `seen` are the facts of each host.
pub fn plan(
    etcd: String,
    queue: Queue,
    machines: &[Machine],
    seen: &[Result<HostFacts, HostError>],
    known: &[String],
    all: bool,
) -> Plan {
    let mut steps: Vec<Step> = machines
        .iter()
        .zip(seen)
        .map(|(machine, seen)| step(&etcd, machine, seen, known))
        .collect();
    // Steps without a member id come last.
    steps.sort_by(|a, b| (a.member.is_none(), &a.member).cmp(&(b.member.is_none(), &b.member)));
    let running: Vec<&Step> = steps.iter().filter(|step| step.container.is_some()).collect();
    let nameless: Vec<String> = running
        .iter()
        .filter(|step| step.member.is_none())
        .map(|step| step.machine.label().to_owned())
        .collect();
    let unknown = (!all && running.len() > 1 && !nameless.is_empty()).then(|| Unknown {
        etcd: etcd.clone(),
        hosts: nameless,
    });
    let mut first = true;
    for step in steps.iter_mut().filter(|step| step.container.is_some()) {
        (step.action, step.reason) = match (all, first, unknown.is_some()) {
            (_, _, true) => (Action::Leave, "which member is the leader is not known".to_owned()),
            (true, ..) => (Action::Stop, "every member is restarted".to_owned()),
            (false, true, _) => (
                Action::Stop,
                "the lowest id of the responding members: the leader".to_owned(),
            ),
            (false, false, _) => (Action::Leave, "restarting the leader is enough".to_owned()),
        };
        first = false;
    }
    Plan {
        etcd,
        queue,
        members: 0,
        steps,
        unknown,
    }
}

fn step(etcd: &str, machine: &Machine, seen: &Result<HostFacts, HostError>, known: &[String]) -> Step {
    let of_volume = machine.members.get(etcd).map(|member| peer_id(etcd, member));
    let mut step = Step {
        machine: machine.clone(),
        member: of_volume,
        runtime: None,
        container: None,
        serves: None,
        action: Action::Unreachable,
        reason: String::new(),
    };
    match seen {
        Err(error) => step.reason = error.kind.to_string(),
        Ok(facts) => {
            // The host's own entry is newer than a tag.
            step.member = facts.peer(etcd).map(str::to_owned).or(step.member);
            step.runtime = facts.runtime;
            step.container = facts.etcd_manager(etcd, known).cloned();
            let port = client_port(etcd);
            step.serves = port.and_then(|port| facts.listening.as_ref().map(|ports| ports.contains(&port)));
            (step.action, step.reason) = match facts.runtime {
                None => (Action::NoRuntime, facts.no_runtime()),
                Some(runtime) => {
                    let shown = format!("{} shows no etcd-manager container of {etcd}", runtime.program());
                    (Action::Missing, shown)
                }
            };
        }
    }
    step
}

impl Plan {
    /// Warnings.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.queue {
            Queue::NotAsked(why) => lines.push(format!(
                "not checked whether a restore of etcd {} is queued: {why}",
                self.etcd
            )),
            Queue::Commands(backups) if backups.len() > 1 => lines.push(format!(
                "{} commands are queued for etcd {}: each one wipes it again",
                backups.len(),
                self.etcd
            )),
            Queue::Commands(_) => {}
        }
        for step in self.without_runtime() {
            lines.push(format!("{}: {}", step.machine.label(), step.reason));
        }
        if self.may_miss_leader() {
            lines.push(format!(
                "a member of etcd {} with a lower id was not checked: if its etcd-manager runs, it stays the leader, \
                 and no command is read",
                self.etcd
            ));
        }
        lines
    }

    /// Whether the leader may be on a host that was not reached.
    pub fn may_miss_leader(&self) -> bool {
        let stop = self.steps.iter().position(|step| step.action == Action::Stop);
        let Some(stop) = stop else {
            return false;
        };
        let unseen = |step: &Step| matches!(step.action, Action::Unreachable | Action::NoRuntime);
        self.steps.iter().take(stop).any(unseen) || self.steps.iter().any(|step| unseen(step) && step.member.is_none())
    }

    /// The hosts that respond, but have no working container tool.
    pub fn without_runtime(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.action == Action::NoRuntime)
    }

    /// Whether it is alive, by the ports of its hosts.
    fn liveness(&self) -> String {
        if let Some(step) = self.steps.iter().find(|step| step.serves == Some(true)) {
            return format!("IS ALIVE: its port is open on {}", step.machine.label());
        }
        let silent = self.steps.iter().filter(|step| step.serves == Some(false)).count();
        // All instances in AWS, else as many as the spec has members.
        let by_aws = self.steps.iter().all(|step| step.machine.instance.is_some());
        let all = silent == self.steps.len() && (by_aws || (self.members > 0 && silent >= self.members));
        match all {
            true => format!("is dead: its port is closed on all {silent} hosts"),
            false => format!(
                "MAY BE ALIVE: its port is closed on {silent} of {} hosts",
                self.steps.len()
            ),
        }
    }

    /// The time after which everything is lost.
    fn lost(&self, backups: &[String]) -> String {
        let last = backups.last().and_then(|name| name.parse::<BackupName>().ok());
        last.map_or_else(String::new, |name| {
            format!("; everything after {} is lost", name.created())
        })
    }

    /// What the restart will cause, for the confirmation; `None` where it does no harm.
    pub fn danger(&self) -> Option<String> {
        let etcd = &self.etcd;
        if self.steps.iter().all(|step| step.action != Action::Stop) {
            return None;
        }
        match &self.queue {
            Queue::Commands(backups) if !backups.is_empty() => {
                return Some(format!(
                    "etcd {etcd} {}. The restart starts the queued restore: the current data is moved aside and replaced by {}{}.",
                    self.liveness(),
                    backups.join(", then by "),
                    self.lost(backups)
                ));
            }
            Queue::NotAsked(_) => {
                return Some(format!(
                    "etcd {etcd} {}. If a restore is queued, the restart starts it, and the current data is replaced.",
                    self.liveness()
                ));
            }
            Queue::Commands(_) => {}
        }
        let silent = self.steps.iter().all(|step| step.serves == Some(false));
        (!silent).then(|| format!("etcd {etcd} serves or may serve: the restart interrupts it."))
    }
}

#[cfg(test)]
#[path = "restart_etcd_tests.rs"]
mod tests;
