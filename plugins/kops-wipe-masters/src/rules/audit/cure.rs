//! The smallest fix: a wipe only if nothing less helps.

use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::etcd_manager::FIRST_TO_REPLACE;
use runbook_kit::model::shell::ShellScript;
use serde::Serialize;

use super::facts::{Etcd, Facts, attached_to};
use super::findings::{Finding, Kind};

/// What has to be done, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// Nothing was found.
    Nothing,
    /// Volumes and instances are fine; fix the findings.
    #[serde(rename = "mend")]
    Fix,
    /// etcd has quorum: fix one member at a time.
    #[serde(rename = "mend-members")]
    FixMembers,
    /// No quorum, but the data of enough members exists.
    #[serde(rename = "mount-again")]
    Remount,
    /// `main` has quorum, another etcd cluster cannot regain it: restore only that one.
    RestoreOne,
    /// Quorum is lost: wipe, rebuild, restore.
    Wipe,
    /// Already wiped: rebuild, restore.
    Rebuild,
    /// Quorum is lost, and there is nothing to restore.
    KeepEverything,
}

/// The fix, and why it is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmallestCure {
    pub cure: Cure,
    pub why: String,
    /// The next command.
    pub command: Option<ShellScript>,
}

/// The members of an etcd cluster, as far as AWS shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    pub etcd: String,
    pub members: usize,
    /// Members whose volume is on a running master of their own.
    pub mounted: usize,
    /// Members that have a volume.
    pub with_data: usize,
}

impl QuorumStatus {
    pub fn of(facts: &Facts, etcd: &Etcd) -> Self {
        let name = etcd.name();
        let mut status = Self {
            etcd: name.to_owned(),
            members: 0,
            mounted: 0,
            with_data: 0,
        };
        let mut used: Vec<&str> = Vec::new();
        for member in etcd.member_names(facts) {
            status.members += 1;
            let volumes: Vec<_> = facts.volumes_of(name).filter(|(_, of)| *of == member).collect();
            status.with_data += usize::from(!volumes.is_empty());
            // Of two members on one instance only one runs.
            let mut on = volumes.iter().flat_map(|(volume, _)| attached_to(volume));
            let runs = on.find(|id| !used.contains(id) && facts.running().any(|instance| instance.id == *id));
            if let Some(instance) = runs {
                used.push(instance);
                status.mounted += 1;
            }
        }
        status
    }

    pub const fn quorum(&self) -> usize {
        self.members / 2 + 1
    }

    pub const fn has_quorum(&self) -> bool {
        self.mounted >= self.quorum()
    }
}

/// The smallest fix for the findings.
pub fn smallest(facts: &Facts, findings: &[Finding]) -> SmallestCure {
    let next = |command: &str| Some(facts.of_cluster(command).into());
    if findings.is_empty() {
        return SmallestCure {
            cure: Cure::Nothing,
            why: "no problems found in volumes, control files and backups, as far as AWS and the state store show"
                .to_owned(),
            command: next("kubectl etcd-restore logs"),
        };
    }
    if facts.selection.is_empty() {
        return SmallestCure {
            cure: Cure::Rebuild,
            why: rebuild(facts),
            command: Some(facts.kops_update().into()),
        };
    }
    if !findings.iter().any(|found| found.finding.is_about_machines()) {
        return SmallestCure {
            cure: Cure::Fix,
            why: "do not wipe: every member is mounted by its own running master; run the commands above".to_owned(),
            command: None,
        };
    }
    let statuses: Vec<QuorumStatus> = facts
        .etcds
        .iter()
        .map(|etcd| QuorumStatus::of(facts, etcd))
        // Without known members nothing can be said.
        .filter(|status| status.members > 0)
        .collect();
    let without: Vec<&QuorumStatus> = statuses.iter().filter(|status| !status.has_quorum()).collect();
    if without.is_empty() {
        return SmallestCure {
            cure: Cure::FixMembers,
            why: format!(
                "do not wipe: {}. Fix one member at a time with the commands above; {}",
                counts(&statuses.iter().collect::<Vec<_>>(), "has quorum"),
                replacement(facts)
            ),
            command: next("kubectl etcd-restore status"),
        };
    }
    let can_come_back = without.iter().all(|status| status.with_data >= status.quorum());
    if can_come_back {
        return SmallestCure {
            cure: Cure::Remount,
            why: format!(
                "{}, but the volumes of enough members exist: first try to mount them with the commands above; wipe only if that fails",
                counts(&without, "has no quorum")
            ),
            command: next("kubectl etcd-restore status"),
        };
    }
    if let Some(other) = without.iter().find(|status| status.with_data < status.quorum())
        && without.iter().all(|status| status.etcd != MAIN)
    {
        return SmallestCure {
            cure: Cure::RestoreOne,
            why: format!(
                "do not wipe: etcd {MAIN} has quorum, and {}. Fix its volumes with the commands above, then restore only this etcd cluster",
                counts(&without, "has none")
            ),
            command: Some(
                facts
                    .of_cluster("kubectl etcd-restore run")
                    .option("--etcd", &other.etcd)
                    .into(),
            ),
        };
    }
    let why = counts(&without, "cannot regain quorum");
    let backup = facts
        .etcds
        .iter()
        .any(|etcd| etcd.name() == MAIN && etcd.state.best.is_ok());
    let manager = findings.iter().any(|found| {
        matches!(found.finding, Kind::EtcdManager | Kind::ControlFile)
            && found.etcd.as_deref() == Some(MAIN)
            && found.severity == runbook_kit::model::check::Severity::Block
    });
    if !backup {
        return SmallestCure {
            cure: Cure::KeepEverything,
            why: format!(
                "{why}, and there is no good backup of main: delete nothing; the remaining volumes hold the only copy of the data"
            ),
            command: next("kubectl etcd-backups list"),
        };
    }
    let first = if manager {
        "; first fix what the restore needs, with the commands above"
    } else {
        ""
    };
    SmallestCure {
        cure: Cure::Wipe,
        why: format!("{why}: restore it from a backup{first}"),
        command: next("kops-wipe-masters"),
    }
}

/// The control plane is gone, by a wipe or otherwise.
fn rebuild(facts: &Facts) -> String {
    const NEXT: &str = "rebuild it with kops, then restore";
    let by = match &facts.past_wipes.newest {
        Some(newest) => match newest.entry.finished {
            Some(finished) => format!("the control plane was wiped at {finished}"),
            None => format!(
                "a wipe of the control plane, started at {}, was interrupted: repeat it first",
                newest.entry.started
            ),
        },
        None => "the control plane no longer exists".to_owned(),
    };
    let Some(restore) = facts.past_wipes.restore_command(&facts.cluster, &facts.state) else {
        return format!("{by}: {NEXT}");
    };
    let volumes = match facts.past_wipes.count() {
        1 => "1 etcd volume is in quarantine".to_owned(),
        several => format!("{several} etcd volumes are in quarantine"),
    };
    format!("{by}, and {volumes} with their data: {NEXT}; or undo the quarantine: `{restore}`")
}

/// `etcd main has quorum (2 of 3 members are mounted)`.
fn counts(statuses: &[&QuorumStatus], what: &str) -> String {
    let each: Vec<String> = statuses
        .iter()
        .map(|status| {
            format!(
                "etcd {} {what} ({} of {} members are mounted)",
                status.etcd, status.mounted, status.members
            )
        })
        .collect();
    each.join(", ")
}

/// Whether etcd-manager replaces an empty member by itself.
fn replacement(facts: &Facts) -> String {
    let known = || facts.etcds.iter().filter(|etcd| !etcd.member_names(facts).is_empty());
    if known().all(|etcd| etcd.replaces_itself(facts)) {
        return "etcd-manager replaces an empty member while the others keep quorum".to_owned();
    }
    if known().any(|etcd| etcd.member_names(facts).len() < 3) {
        return "with fewer than three members etcd-manager replaces none: take a backup first".to_owned();
    }
    format!(
        "first remove an empty member from etcd by hand (`etcdctl member remove`): only etcd-manager {FIRST_TO_REPLACE} and newer \
         replaces it"
    )
}
