//! The smallest cure: a wipe only where nothing less helps. Pure.

use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::etcd_manager::FIRST_TO_REPLACE;
use runbook_kit::model::shell::ShellScript;
use serde::Serialize;

use super::facts::{Etcd, Facts, attached_to};
use super::findings::{Finding, Kind};

/// How much has to be done, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// Nothing was found.
    Nothing,
    /// The machines are well; mend what was found.
    #[serde(rename = "mend")]
    Fix,
    /// Quorum is there: mend one member at a time.
    #[serde(rename = "mend-members")]
    FixMembers,
    /// No quorum, but enough members' data is there to have it again.
    #[serde(rename = "mount-again")]
    Remount,
    /// `main` has its quorum; another etcd cluster cannot have its own again: restore that one only.
    RestoreOne,
    /// Quorum cannot come back by itself: wipe, rebuild, restore.
    Wipe,
    /// It is wiped already: rebuild, restore.
    Rebuild,
    /// Quorum cannot come back, and there is nothing to restore.
    KeepEverything,
}

/// The cure, and why it is enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmallestCure {
    pub cure: Cure,
    pub why: String,
    /// What comes next, to be pasted.
    pub command: Option<ShellScript>,
}

/// How an etcd cluster stands, as far as AWS can show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    pub etcd: String,
    pub members: usize,
    /// Members whose volume is on a running master that has no second one of this etcd cluster.
    pub mounted: usize,
    /// Members that have a volume anywhere.
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
            // Two members on one instance are one that runs.
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

/// The least that helps against what was found.
pub fn smallest(facts: &Facts, findings: &[Finding]) -> SmallestCure {
    let next = |command: &str| Some(facts.of_cluster(command).into());
    if findings.is_empty() {
        return SmallestCure {
            cure: Cure::Nothing,
            why: "nothing is wrong with the masters' volumes, the control files or the backups, as far as AWS and the state store show it".to_owned(),
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
            why: "every member is mounted by a running master of its own: do not wipe, run the commands above"
                .to_owned(),
            command: None,
        };
    }
    let statuses: Vec<QuorumStatus> = facts
        .etcds
        .iter()
        .map(|etcd| QuorumStatus::of(facts, etcd))
        // Of one whose members nobody names nothing can be said.
        .filter(|status| status.members > 0)
        .collect();
    let without: Vec<&QuorumStatus> = statuses.iter().filter(|status| !status.has_quorum()).collect();
    if without.is_empty() {
        return SmallestCure {
            cure: Cure::FixMembers,
            why: format!(
                "do not wipe: {}. Mend one member at a time, by the commands above; {}",
                told(&statuses.iter().collect::<Vec<_>>(), "keeps its quorum"),
                replaced(facts)
            ),
            command: next("kubectl etcd-restore status"),
        };
    }
    let can_come_back = without.iter().all(|status| status.with_data >= status.quorum());
    if can_come_back {
        return SmallestCure {
            cure: Cure::Remount,
            why: format!(
                "{}, but the volumes of enough members are there: try to get them mounted first, by the commands above; wipe if that fails",
                told(&without, "has no quorum")
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
                "do not wipe: etcd {MAIN} keeps its quorum, and {}. Mend its volumes by the commands above, then restore it alone",
                told(&without, "has none")
            ),
            command: Some(
                facts
                    .of_cluster("kubectl etcd-restore run")
                    .option("--etcd", &other.etcd)
                    .into(),
            ),
        };
    }
    let why = told(&without, "cannot have a quorum again");
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
                "{why}, and there is no good backup of main: delete nothing; the volumes that are left hold the only data there is"
            ),
            command: next("kubectl etcd-backups list"),
        };
    }
    let first = if manager {
        "; first mend what a restore needs, by the commands above"
    } else {
        ""
    };
    SmallestCure {
        cure: Cure::Wipe,
        why: format!("{why}: it has to be restored from a backup{first}"),
        command: next("kops-wipe-masters"),
    }
}

/// The control plane is gone: by a wipe of ours, or otherwise.
fn rebuild(facts: &Facts) -> String {
    const NEXT: &str = "let kops make it anew, then restore";
    let by = match &facts.past_wipes.newest {
        Some(newest) => match newest.entry.finished {
            Some(finished) => format!("the masters were wiped at {finished}"),
            None => format!(
                "a wipe begun at {} took the control plane, and did not come to its end: repeat it first",
                newest.entry.started
            ),
        },
        None => "the control plane is gone already".to_owned(),
    };
    let Some(back) = facts.past_wipes.restore_command(&facts.cluster, &facts.state) else {
        return format!("{by}: {NEXT}");
    };
    let held = match facts.past_wipes.count() {
        1 => "1 etcd volume is in quarantine".to_owned(),
        several => format!("{several} etcd volumes are in quarantine"),
    };
    format!(
        "{by}, and {held}, so no data of theirs is gone: {NEXT}; `{back}` takes the wipe of the volumes back instead"
    )
}

/// `etcd main keeps its quorum (2 of 3 members are mounted)`.
fn told(statuses: &[&QuorumStatus], what: &str) -> String {
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

/// Whether a member that comes up empty is replaced without anybody's doing.
fn replaced(facts: &Facts) -> String {
    let known = || facts.etcds.iter().filter(|etcd| !etcd.member_names(facts).is_empty());
    if known().all(|etcd| etcd.replaces_itself(facts)) {
        return "one that comes up empty is replaced by etcd-manager itself, while the others keep quorum".to_owned();
    }
    if known().any(|etcd| etcd.member_names(facts).len() < 3) {
        return "a cluster of fewer than three members cannot replace one by itself: take a backup before you touch it"
            .to_owned();
    }
    format!(
        "one that comes up empty has to be removed from etcd by hand first (`etcdctl member remove`): no etcd-manager older than \
         {FIRST_TO_REPLACE} does it by itself"
    )
}
