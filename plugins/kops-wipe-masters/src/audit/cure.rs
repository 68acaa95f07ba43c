//! The smallest cure: a wipe only where nothing less helps. Pure.

use runbook_kit::domain::goodness::MAIN;
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
    Mend,
    /// Quorum is there: mend one member at a time.
    MendMembers,
    /// No quorum, but enough members' data is there to have it again.
    MountAgain,
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
    /// What comes next.
    pub command: Option<String>,
}

/// How an etcd cluster stands, as far as AWS can show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub etcd: String,
    pub members: usize,
    /// Members whose volume is on a running master that has no second one of this etcd cluster.
    pub mounted: usize,
    /// Members that have a volume anywhere.
    pub with_data: usize,
}

impl Standing {
    pub fn of(facts: &Facts, etcd: &Etcd) -> Self {
        let name = etcd.name();
        let mut standing = Self {
            etcd: name.to_owned(),
            members: 0,
            mounted: 0,
            with_data: 0,
        };
        let mut used: Vec<&str> = Vec::new();
        for member in etcd.member_names(facts) {
            standing.members += 1;
            let volumes: Vec<_> = facts.volumes_of(name).filter(|(_, of)| *of == member).collect();
            standing.with_data += usize::from(!volumes.is_empty());
            // Two members on one instance are one that runs.
            let mut on = volumes.iter().flat_map(|(volume, _)| attached_to(volume));
            let runs = on.find(|id| !used.contains(id) && facts.running().any(|instance| instance.id == *id));
            if let Some(instance) = runs {
                used.push(instance);
                standing.mounted += 1;
            }
        }
        standing
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
    let cluster = &facts.cluster;
    if findings.is_empty() {
        return SmallestCure {
            cure: Cure::Nothing,
            why: "nothing is wrong with the masters' volumes, the control files or the backups, as far as AWS and the state store show it".to_owned(),
            command: Some(format!("kubectl etcd-restore logs --name {cluster}")),
        };
    }
    if facts.selection.is_empty() {
        return SmallestCure {
            cure: Cure::Rebuild,
            why: rebuild(facts),
            command: Some(format!("kops update cluster --name {cluster} --yes")),
        };
    }
    if !findings.iter().any(|found| found.finding.of_machines()) {
        return SmallestCure {
            cure: Cure::Mend,
            why: "every member is mounted by a running master of its own: do not wipe, run the commands above"
                .to_owned(),
            command: None,
        };
    }
    let standings: Vec<Standing> = facts
        .etcds
        .iter()
        .map(|etcd| Standing::of(facts, etcd))
        // Of one whose members nobody names nothing can be said.
        .filter(|standing| standing.members > 0)
        .collect();
    let without: Vec<&Standing> = standings.iter().filter(|standing| !standing.has_quorum()).collect();
    if without.is_empty() {
        return SmallestCure {
            cure: Cure::MendMembers,
            why: format!(
                "do not wipe: {}. Mend one member at a time, by the commands above; {}",
                told(&standings.iter().collect::<Vec<_>>(), "keeps its quorum"),
                replaced(&standings)
            ),
            command: Some(format!("kubectl etcd-restore status --name {cluster}")),
        };
    }
    let can_come_back = without.iter().all(|standing| standing.with_data >= standing.quorum());
    if can_come_back {
        return SmallestCure {
            cure: Cure::MountAgain,
            why: format!(
                "{}, but the volumes of enough members are there: try to get them mounted first, by the commands above; wipe if that fails",
                told(&without, "has no quorum")
            ),
            command: Some(format!("kubectl etcd-restore status --name {cluster}")),
        };
    }
    if let Some(other) = without.iter().find(|standing| standing.with_data < standing.quorum())
        && without.iter().all(|standing| standing.etcd != MAIN)
    {
        return SmallestCure {
            cure: Cure::RestoreOne,
            why: format!(
                "do not wipe: etcd {MAIN} keeps its quorum, and {}. Mend its volumes by the commands above, then restore it alone",
                told(&without, "has none")
            ),
            command: Some(format!(
                "kubectl etcd-restore run --name {cluster} --etcd {}",
                other.etcd
            )),
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
            && found.severity == runbook_kit::domain::check::Severity::Block
    });
    if !backup {
        return SmallestCure {
            cure: Cure::KeepEverything,
            why: format!(
                "{why}, and there is no good backup of main: delete nothing; the volumes that are left hold the only data there is"
            ),
            command: Some(format!("kubectl etcd-backups list --name {cluster}")),
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
        command: Some(format!("kops-wipe-masters --name {cluster}")),
    }
}

/// The control plane is gone: by a wipe of ours, or otherwise.
fn rebuild(facts: &Facts) -> String {
    const NEXT: &str = "let kops make it anew, then restore";
    let by = match &facts.after.newest {
        Some(newest) => match newest.entry.finished {
            Some(finished) => format!("the masters were wiped at {finished}"),
            None => format!(
                "a wipe begun at {} took the control plane, and did not come to its end: repeat it first",
                newest.entry.started
            ),
        },
        None => "the control plane is gone already".to_owned(),
    };
    let Some(back) = facts.after.way_back(&facts.cluster, &facts.state) else {
        return format!("{by}: {NEXT}");
    };
    let held = match facts.after.count() {
        1 => "1 etcd volume is in quarantine".to_owned(),
        several => format!("{several} etcd volumes are in quarantine"),
    };
    format!(
        "{by}, and {held}, so no data of theirs is gone: {NEXT}; `{back}` takes the wipe of the volumes back instead"
    )
}

/// `etcd main keeps its quorum (2 of 3 members are mounted)`.
fn told(standings: &[&Standing], what: &str) -> String {
    let each: Vec<String> = standings
        .iter()
        .map(|standing| {
            format!(
                "etcd {} {what} ({} of {} members are mounted)",
                standing.etcd, standing.mounted, standing.members
            )
        })
        .collect();
    each.join(", ")
}

/// Source: kubernetes-sigs/etcd-manager `pkg/controller`: it removes a member that stays away and adds an empty one.
fn replaced(standings: &[Standing]) -> &'static str {
    if standings.iter().all(|standing| standing.members >= 3) {
        "one that comes up empty is replaced by etcd-manager itself, while the others keep quorum"
    } else {
        "a cluster of fewer than three members cannot replace one by itself: take a backup before you touch it"
    }
}
