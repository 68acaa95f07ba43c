//! What a living etcd says of itself.

use std::collections::BTreeSet;

use runbook_kit::model::check::Severity;
use runbook_kit::model::etcd_manager::{EtcdVersion, peer_id};
use runbook_kit::model::shell::{ShellCommand, ShellScript};
use runbook_kit::model::units;
use runbook_kit::ports::etcd_members::AlarmKind;

use super::{Finding, Kind, finding};
use crate::rules::audit::facts::{Etcd, Facts};
use crate::rules::audit::observed::EtcdSeen;

/// From here on an upgrade to 3.6 is safe. Source: etcd-io/etcd issue 20967, `CHANGELOG/CHANGELOG-3.5.md`.
const SAFE_TO_UPGRADE: EtcdVersion = EtcdVersion::new(3, 5, 26);
/// Of the quota, in percent.
const NEARLY_FULL: u64 = 80;

pub(super) fn etcd(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    zombies(facts, etcd, found);
    let Some(seen) = facts.observed.etcds.get(etcd.name()) else {
        return;
    };
    leader(facts, etcd, seen, found);
    alarms(facts, etcd, seen, found);
    members(facts, etcd, seen, found);
    versions(facts, etcd, seen, found);
}

fn of(facts: &Facts, etcd: &Etcd, command: &str) -> ShellCommand {
    facts.of_cluster(command).option("--etcd", etcd.name())
}

fn leader(facts: &Facts, etcd: &Etcd, seen: &EtcdSeen, found: &mut Vec<Finding>) {
    if seen.has_leader() || seen.answering().next().is_none() {
        return;
    }
    let names: Vec<String> = seen.answering().map(|(member, _)| member.shown()).collect();
    let about = Finding {
        what: format!(
            "{} of {} members answer ({}), and none knows a leader",
            names.len(),
            seen.members.len(),
            names.join(", ")
        ),
        objects: names,
        causes: "it has no quorum: the API can neither read nor write, and no backup is made".to_owned(),
        ..finding(Kind::EtcdNoLeader, Severity::Block, etcd)
    };
    let script = ShellScript::from(of(facts, etcd, "kubectl etcd-restore member list"))
        .then(of(facts, etcd, "kubectl etcd-restore logs").arg("--no-follow"));
    found.push(about.fix(script).note(
        "the members that answer hold data that may be newer than the newest backup: save it before you restore, with `kubectl etcd-backups take`",
    ));
}

fn alarms(facts: &Facts, etcd: &Etcd, seen: &EtcdSeen, found: &mut Vec<Finding>) {
    let space = of(facts, etcd, "kubectl etcd-restore space");
    let full = seen.alarmed(AlarmKind::NoSpace);
    if !full.is_empty() {
        let about = Finding {
            what: format!("alarm NOSPACE of {}: {}", full.join(", "), sizes(seen)),
            objects: full,
            causes:
                "etcd refuses every write: nothing in the cluster can be changed; a wipe would bring the same data back"
                    .to_owned(),
            ..finding(Kind::EtcdNoSpace, Severity::Block, etcd)
        };
        found.push(about.fix(space).note("it shows what fills etcd, and the steps"));
    } else {
        let nearly: Vec<String> = seen
            .answering()
            .filter(|(_, status)| {
                status
                    .quota
                    .is_some_and(|quota| quota > 0 && status.db_size / NEARLY_FULL >= quota / 100)
            })
            .map(|(member, _)| member.shown())
            .collect();
        if !nearly.is_empty() {
            let about = Finding {
                what: format!("the database of {} is nearly full: {}", nearly.join(", "), sizes(seen)),
                objects: nearly,
                causes: "at its quota etcd refuses every write".to_owned(),
                ..finding(Kind::EtcdNearlyFull, Severity::Warn, etcd)
            };
            found.push(about.fix(space).note("it shows what fills etcd, and the steps"));
        }
    }
    for name in seen.alarmed(AlarmKind::Corrupt) {
        let about = Finding {
            objects: vec![name.clone()],
            what: format!("alarm CORRUPT of member {name}: its data differs from the others'"),
            causes: "it answers differently, and the cluster refuses writes; with a majority that is sound the member is replaced from it"
                .to_owned(),
            ..finding(Kind::EtcdCorrupt, Severity::Block, etcd)
        };
        found.push(
            about
                .fix(of(facts, etcd, "kubectl etcd-restore member replace").arg(&name))
                .note(
                    "it shows the plan: save the data first, stop that master, and give it an empty volume afterwards",
                ),
        );
    }
}

fn sizes(seen: &EtcdSeen) -> String {
    let each = seen.answering().map(|(member, status)| {
        let quota = status
            .quota
            .map(|quota| format!(" of {}", units::bytes(quota)))
            .unwrap_or_default();
        let (size, used) = (units::bytes(status.db_size), units::bytes(status.in_use));
        format!("{} {size}{quota}, {used} in use", member.shown())
    });
    each.collect::<Vec<_>>().join("; ")
}

fn members(facts: &Facts, etcd: &Etcd, seen: &EtcdSeen, found: &mut Vec<Finding>) {
    let known: BTreeSet<String> = etcd
        .member_names(facts)
        .iter()
        .map(|member| peer_id(etcd.name(), member))
        .collect();
    for member in &seen.members {
        let name = member.shown();
        let id = format!("{:x}", member.id);
        if !known.is_empty() && !member.name.is_empty() && !known.contains(&member.name) {
            let about = Finding {
                objects: vec![name.clone(), id.clone()],
                what: format!("member {name} (id {id}) is registered, and etcd-manager has no such member"),
                causes: format!(
                    "it counts for the quorum of {} and never answers; or somebody added it by hand",
                    seen.members.len()
                ),
                ..finding(Kind::EtcdMemberUnknown, Severity::Warn, etcd)
            };
            found.push(
                about
                    .fix(of(facts, etcd, "kubectl etcd-restore member replace").arg(&id))
                    .note("it shows the plan; remove it only if nobody uses it"),
            );
        } else if member.learner || member.name.is_empty() {
            let what = match member.name.is_empty() {
                true => format!("member {name} was added and never started"),
                false => format!("member {name} is a learner: it has no vote"),
            };
            let about = Finding {
                objects: vec![name.clone(), id.clone()],
                what,
                causes: "one that stays so never became a member: etcd runs with one member less than it seems"
                    .to_owned(),
                ..finding(Kind::EtcdLearner, Severity::Warn, etcd)
            };
            found.push(
                about
                    .fix(of(facts, etcd, "kubectl etcd-restore member replace").arg(&id))
                    .note("normal for a minute after a member was added: replace it only if it stays"),
            );
        }
    }
}

fn versions(facts: &Facts, etcd: &Etcd, seen: &EtcdSeen, found: &mut Vec<Finding>) {
    let versions: BTreeSet<&str> = seen.answering().map(|(_, status)| status.version.as_str()).collect();
    if versions.len() < 2 {
        return;
    }
    let each: Vec<String> = seen
        .answering()
        .map(|(member, status)| format!("{} {}", member.shown(), status.version))
        .collect();
    let about = Finding {
        objects: versions.iter().map(|version| (*version).to_owned()).collect(),
        what: format!("its members are of several versions: {}", each.join(", ")),
        causes: "an upgrade did not end: a master that was not replaced still starts the old one".to_owned(),
        ..finding(Kind::EtcdVersions, Severity::Warn, etcd)
    };
    found.push(
        about
            .fix(facts.of_cluster("kops rolling-update cluster"))
            .note("it shows which masters wait for their replacement"),
    );
}

/// etcd 3.5 before 3.5.26 may keep members that were removed, and 3.6 brings them to life.
fn zombies(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let parse = |text: &String| text.parse::<EtcdVersion>().ok();
    let Some(wanted) = facts.observed.wanted_etcd.get(etcd.name()).and_then(parse) else {
        return;
    };
    let seen = facts.observed.etcds.get(etcd.name());
    let runs: Vec<EtcdVersion> = seen
        .into_iter()
        .flat_map(EtcdSeen::answering)
        .filter_map(|(_, status)| status.version.parse().ok())
        .collect();
    // Where none answers, the newest backup tells what ran.
    let ran = etcd
        .newest
        .as_ref()
        .and_then(|newest| parse(newest.etcd_version.as_ref()?));
    let oldest = runs.into_iter().min().or(ran);
    let Some(oldest) = oldest else {
        return;
    };
    let at_risk = (oldest.major, oldest.minor) == (3, 5) && oldest < SAFE_TO_UPGRADE;
    if !at_risk || (wanted.major, wanted.minor) < (3, 6) {
        return;
    }
    let about = Finding {
        objects: vec![oldest.to_string(), wanted.to_string()],
        what: format!("etcd {oldest} is on the way to {wanted}, and is older than {SAFE_TO_UPGRADE}"),
        causes: "members that were removed long ago may come to life as voters, and etcd loses its quorum (etcd#20967)"
            .to_owned(),
        ..finding(Kind::EtcdZombies, Severity::Block, etcd)
    };
    found.push(about.fix(facts.of_cluster("kops edit cluster")).note(format!(
        "set etcdClusters[].version of {} to {SAFE_TO_UPGRADE} or a newer 3.5, replace the masters one after the other, and only then go to 3.6",
        etcd.name()
    )));
}
