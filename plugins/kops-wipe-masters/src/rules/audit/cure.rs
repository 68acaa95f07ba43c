//! The smallest fix: a wipe only if nothing less helps.

use runbook_kit::cli::output::steps::Step as NextStep;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::etcd_manager::FIRST_TO_REPLACE;
use runbook_kit::model::fleet::Volume;
use runbook_kit::model::ladder::Rung;
use runbook_kit::model::salvage::{OldVolume, Place};
use runbook_kit::model::shell::{ShellCommand, ShellScript};
use serde::Serialize;

use super::facts::{Etcd, Facts, attached_to};
use super::findings::{Finding, Kind};
use super::ladder::{Step, ladder};
use super::quorum::QuorumStatus;
use super::situation::situation;
use crate::rules::read_volume::{self, Owner, Reader};

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
    /// etcd is full.
    #[serde(rename = "space")]
    Space,
    /// New certificates: replace one master after the other.
    #[serde(rename = "certificates")]
    Certificates,
    /// No quorum, but the data of enough members exists.
    #[serde(rename = "mount-again")]
    Remount,
    /// `main` has quorum, another etcd cluster cannot regain it: restore only that one.
    RestoreOne,
    /// Quorum of `main` is lost, and all masters run: save the newest data, and restore without a wipe.
    Restore,
    /// Quorum is lost, and not all masters run: wipe, rebuild, restore.
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
    /// All rungs, the lowest first.
    pub ladder: Vec<Step>,
    /// How a volume of main that no master uses is read without changing it.
    pub read_steps: Vec<NextStep>,
}

/// The smallest fix for the findings.
pub fn smallest(facts: &Facts, findings: &[Finding]) -> SmallestCure {
    let next = |command: &str| Some(facts.of_cluster(command).into());
    let ladder = ladder(&situation(facts, findings));
    if findings.is_empty() {
        return SmallestCure {
            cure: Cure::Nothing,
            why: "no problems found in volumes, control files and backups, as far as AWS and the state store show"
                .to_owned(),
            command: next("kubectl etcd-restore logs"),
            ladder: ladder.steps,
            read_steps: Vec::new(),
        };
    }
    if facts.selection.is_empty() {
        return SmallestCure {
            cure: Cure::Rebuild,
            why: rebuild(facts),
            command: Some(facts.kops_update().into()),
            ladder: ladder.steps,
            read_steps: Vec::new(),
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
    let told = |rung: Rung| {
        let step = ladder.steps.iter().find(|step| step.rung == rung);
        step.map(|step| step.why.clone()).unwrap_or_default()
    };
    let status = || next("kubectl etcd-restore status");
    let (cure, why, command) = match ladder.smallest {
        Some(Rung::Nothing) => (
            Cure::Fix,
            "do not wipe: every member is mounted by its own running master; run the commands above".to_owned(),
            None,
        ),
        Some(Rung::Tags | Rung::OneMember) if !without.is_empty() => (
            Cure::Remount,
            format!(
                "{}, but the volumes of enough members exist: first try to mount them with the commands above; wipe only if that fails",
                counts(&without, "has no quorum")
            ),
            status(),
        ),
        Some(Rung::Tags | Rung::OneMember) => (
            Cure::FixMembers,
            format!(
                "do not wipe: {}. Fix one member at a time with the commands above; {}",
                counts(&statuses.iter().collect::<Vec<_>>(), "has quorum"),
                replacement(facts)
            ),
            status(),
        ),
        Some(Rung::Space) => (
            Cure::Space,
            format!(
                "do not wipe: {}. A backup that is restored would be as large",
                told(Rung::Space)
            ),
            of_finding(findings, |found| found.finding == Kind::EtcdNoSpace),
        ),
        Some(Rung::Certificates) => (
            Cure::Certificates,
            format!(
                "do not wipe: {}. Replace one master after the other with the commands above: volumes and data stay",
                told(Rung::Certificates)
            ),
            of_finding(findings, |found| found.finding.is_about_certificates()),
        ),
        Some(Rung::SalvageAndRestore) => restore(facts, &without, findings, &told(Rung::SalvageAndRestore)),
        Some(Rung::WipeAndRestore) => (
            Cure::Wipe,
            format!(
                "{}: {}restore it from a backup{}",
                told(Rung::WipeAndRestore),
                save(facts)
                    .map(|command| format!("save the newest data first (`{command}`); "))
                    .unwrap_or_default(),
                first(findings)
            ),
            next("kops-wipe-masters"),
        ),
        None => (
            Cure::KeepEverything,
            format!(
                "{}: delete nothing; the remaining volumes hold the only copy of the data",
                told(Rung::SalvageAndRestore)
            ),
            next("kubectl etcd-backups list"),
        ),
    };
    SmallestCure {
        cure,
        why,
        command,
        read_steps: match ladder.smallest {
            Some(Rung::SalvageAndRestore | Rung::WipeAndRestore) | None => read_steps(facts),
            _ => Vec::new(),
        },
        ladder: ladder.steps,
    }
}

/// How the first volume of main that no running master uses is read. Only where main is lost: else its members have more.
fn read_steps(facts: &Facts) -> Vec<NextStep> {
    let is_used = |volume: &Volume| {
        let mut on = attached_to(volume);
        on.any(|id| facts.running().any(|master| master.id == id))
    };
    let mut unused = facts.volumes_of(MAIN).filter(|(volume, _)| !is_used(volume));
    let Some((volume, member)) = unused.next() else {
        return Vec::new();
    };
    let volume = OldVolume {
        id: volume.id.clone(),
        member: member.to_owned(),
        zone: volume.zone.clone(),
        created: volume.created,
        place: Place::Detached,
    };
    let readers: Vec<Reader> = facts.running().filter_map(Reader::of).collect();
    let owner = Owner {
        cluster: &facts.cluster,
        etcd: MAIN,
        region: &facts.region,
        state: facts.state.to_string(),
    };
    read_volume::steps(&volume, &owner, &readers)
}

fn of_finding(findings: &[Finding], is: impl Fn(&Finding) -> bool) -> Option<ShellScript> {
    findings
        .iter()
        .find(|found| is(found))
        .and_then(|found| found.command.clone())
}

/// Without a wipe: all masters run.
fn restore(
    facts: &Facts,
    without: &[&QuorumStatus],
    findings: &[Finding],
    why: &str,
) -> (Cure, String, Option<ShellScript>) {
    let situation = situation(facts, findings);
    let lost = |name: &str| {
        situation
            .etcds
            .iter()
            .any(|etcd| etcd.etcd == name && etcd.is_lost(situation.certificates))
    };
    let other = facts
        .etcds
        .iter()
        .map(Etcd::name)
        .find(|name| *name != MAIN && lost(name));
    if let (false, Some(other)) = (lost(MAIN), other) {
        let status: Vec<&QuorumStatus> = without.iter().copied().filter(|status| status.etcd != MAIN).collect();
        let counted = match status.is_empty() {
            true => why.to_owned(),
            false => counts(&status, "has none"),
        };
        return (
            Cure::RestoreOne,
            format!(
                "do not wipe: etcd {MAIN} has quorum, and {counted}. Fix its volumes with the commands above, then restore only this etcd cluster"
            ),
            Some(
                facts
                    .of_cluster("kubectl etcd-restore run")
                    .option("--etcd", other)
                    .into(),
            ),
        );
    }
    let mut script = ShellScript::default();
    let mut steps = Vec::new();
    if let Some(take) = save(facts) {
        script = script.then(take);
        steps.push("save the newest data: the member that is left may have more than the newest backup; where its etcd does not run, with --data-dir");
    }
    if facts.etcds.iter().any(|etcd| {
        let status = QuorumStatus::of(facts, etcd);
        status.with_data < status.members
    }) {
        script = script.then(facts.kops_update());
        steps.push("make empty volumes for the lost members, and wait until their masters mount them");
    }
    script = script.then(facts.of_cluster("kubectl etcd-restore run"));
    steps.push("restore, without a wipe: the masters of all members run");
    (
        Cure::Restore,
        format!("do not wipe: {why}. {}{}", capital(&steps.join("; ")), first(findings)),
        Some(script),
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|letter| letter.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Saves what a member of main that is left has, by way of its master.
fn save(facts: &Facts) -> Option<ShellCommand> {
    let main = facts.etcds.iter().find(|etcd| etcd.name() == MAIN)?;
    let mut on = facts
        .volumes_of(main.name())
        .flat_map(|(volume, _)| attached_to(volume));
    let master = on.find_map(|id| facts.running().find(|master| master.id == id))?;
    let host = master.private_ips.first().map_or(master.id.as_str(), String::as_str);
    let take = facts.of_cluster("kubectl etcd-backups take").option("--etcd", MAIN);
    Some(take.args(["--via", "ssh", "--host", host]))
}

/// What a restore needs beforehand.
fn first(findings: &[Finding]) -> &'static str {
    let manager = findings.iter().any(|found| {
        matches!(found.finding, Kind::EtcdManager | Kind::ControlFile)
            && found.etcd.as_deref() == Some(MAIN)
            && found.severity == runbook_kit::model::check::Severity::Block
    });
    match manager {
        true => "; first fix what the restore needs, with the commands above",
        false => "",
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
        return "with fewer than three members etcd-manager replaces none by itself: take a backup first".to_owned();
    }
    format!(
        "first remove the dead member from etcd (`kubectl etcd-restore member replace`): only etcd-manager {FIRST_TO_REPLACE} and newer \
         does it by itself"
    )
}
