#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::collections::BTreeMap;

use runbook_kit::ports::HostErrorKind;

use super::*;
use crate::rules::host_facts as facts;
use crate::rules::machines::Role;

fn machine(host: &str, member: Option<&str>) -> Machine {
    Machine {
        host: host.to_owned(),
        instance: None,
        role: Role::Master,
        members: member
            .map(|member| ("main".to_owned(), member.to_owned()))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
    }
}

fn seen(listening: &str) -> Result<HostFacts, HostError> {
    let text = format!("@docker\nabc etcd-manager etcd-manager-main-i-0\n@listen\n{listening}");
    Ok(facts::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>()))
}

fn down() -> Result<HostFacts, HostError> {
    Err(HostError {
        host: "x".to_owned(),
        kind: HostErrorKind::Unreachable("Connection refused".to_owned()),
    })
}

const SERVES: &str = "LISTEN 0 9 127.0.0.1:4001 *:*";
const SILENT: &str = "LISTEN 0 9 127.0.0.1:22 *:*";

fn made(machines: &[Machine], seen: &[Result<HostFacts, HostError>], queue: Queue, all: bool) -> Plan {
    plan("main".to_owned(), queue, machines, seen, &["main".to_owned()], all)
}

fn nothing() -> Queue {
    Queue::Commands(Vec::new())
}

fn done(plan: &Plan) -> Vec<(&str, Action)> {
    plan.steps
        .iter()
        .map(|step| (step.machine.host.as_str(), step.action))
        .collect()
}

#[test]
fn the_lowest_id_is_stopped_and_the_others_are_left() {
    let machines = [
        machine("one", Some("c")),
        machine("two", Some("a")),
        machine("three", Some("b")),
    ];
    let looks = [seen(SILENT), seen(SILENT), seen(SILENT)];
    let plan = made(&machines, &looks, nothing(), false);
    use Action::{Leave, Stop};
    assert_eq!(done(&plan), [("two", Stop), ("three", Leave), ("one", Leave)]);
    assert_eq!((plan.danger(), plan.may_miss_leader()), (None, false));
    let plan = made(&machines, &looks, nothing(), true);
    assert_eq!(done(&plan), [("two", Stop), ("three", Stop), ("one", Stop)]);
}

#[test]
fn a_leader_out_of_reach_is_said() {
    let machines = [
        machine("one", Some("a")),
        machine("two", Some("b")),
        machine("three", Some("c")),
    ];
    let plan = made(&machines, &[down(), seen(SILENT), seen(SILENT)], nothing(), false);
    assert_eq!(done(&plan)[..2], [("one", Action::Unreachable), ("two", Action::Stop)]);
    assert!(plan.may_miss_leader() && plan.warnings()[0].contains("stays the leader"));
    let plan = made(&machines, &[seen(SILENT), seen(SILENT), down()], nothing(), false);
    assert!(!plan.may_miss_leader());
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    let machines = [machine("one", None), machine("two", Some("a"))];
    let looks = [seen(SILENT), seen(SILENT)];
    let plan = made(&machines, &looks, nothing(), false);
    assert!(plan.unknown.as_ref().unwrap().to_string().contains("runs on one"));
    assert!(done(&plan).iter().all(|(_, action)| *action == Action::Leave));
    assert!(made(&machines, &looks, nothing(), true).unknown.is_none());
    // One master only: it leads.
    let plan = made(&machines[..1], &looks[..1], nothing(), false);
    assert_eq!((done(&plan), &plan.unknown), (vec![("one", Action::Stop)], &None));
}

#[test]
fn a_queued_command_or_a_living_etcd_is_a_danger() {
    let machines = [machine("one", Some("a"))];
    let silent = [seen(SILENT)];
    let queued = Queue::Commands(vec!["2026-11-22T15:18:01Z-000001".to_owned()]);
    let danger = made(&machines, &silent, queued, false).danger().unwrap();
    assert!(danger.contains("replaced by 2026-11-22T15:18:01Z-000001"), "{danger}");
    // One host of who knows how many proves nothing; as many as the spec has members do, and so does all that AWS has.
    assert!(
        danger.starts_with("etcd main MAY BE ALIVE: its port is closed on 1 of 1 hosts"),
        "{danger}"
    );
    assert!(
        danger.ends_with("everything after 2026-11-22T15:18:01Z is lost."),
        "{danger}"
    );
    let queued = || Queue::Commands(vec!["2026-11-22T15:18:01Z-000001".to_owned()]);
    let whole = Plan {
        members: 1,
        ..made(&machines, &silent, queued(), false)
    };
    assert!(
        whole
            .danger()
            .unwrap()
            .starts_with("etcd main is dead: its port is closed on all 1 hosts.")
    );
    let alive = made(&machines, &[seen(SERVES)], queued(), false).danger().unwrap();
    assert!(
        alive.starts_with("etcd main IS ALIVE: its port is open on one."),
        "{alive}"
    );
    let not_asked = Queue::NotAsked("access denied".to_owned());
    assert!(made(&machines, &silent, not_asked, false).danger().is_some());
    assert!(
        made(&machines, &[seen(SERVES)], nothing(), false)
            .danger()
            .unwrap()
            .contains("interrupts")
    );
    assert!(made(&machines, &[seen("unknown")], nothing(), false).danger().is_some());
}
