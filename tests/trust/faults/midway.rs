//! Commands that change something, cut off at each of their changes in turn: whoever says that nothing was changed is right, and
//! the same command once more does the rest.

use harness::{Fault, Proxy, Rule, S3};

use crate::commands::{ROWS, Row};
use crate::place::{Lines, Place};
use crate::work::all_at_once;
use crate::world::World;

/// What changes S3 or AWS.
const CHANGING: [&str; 9] = [
    "etcd-backups pin",
    "etcd-backups unpin",
    "etcd-backups take",
    "etcd-restore run",
    "etcd-restore queue",
    "etcd-restore cancel",
    "kops-wipe-masters --yes",
    "kops-wipe-masters restore-volumes",
    "kops-wipe-masters purge-volumes",
];

/// From the change after `passed` others on every change meets `fault`. Gives what is wrong; `None` where there are no more changes.
fn cut_off(world: &World, row: &'static Row, fault: &Fault, passed: usize, right: &[String]) -> Option<Vec<String>> {
    let place = Place::new(world, row);
    let before = place.state();
    // One for both, so that changes are counted together.
    let proxy = Proxy::start_tls(&world.moto, &world.ca).unwrap();
    proxy.inject(Rule {
        changes: true,
        ..Rule::always("", "", fault.clone()).after(passed)
    });
    let lines = Lines {
        s3: proxy.endpoint(),
        ec2: proxy.endpoint(),
        ..Lines::straight(world, row)
    };
    let ended = place.command(&lines).run().unwrap();
    let after = place.state();
    if proxy.requests().iter().filter(|request| request.is_change()).count() <= passed {
        return None;
    }
    let at = format!("{} / {fault:?} after {passed} changes", row.name);
    let mut wrong = Vec::new();
    let mut tell = |what: &str, stderr: &str| wrong.push(format!("{at}: {what}\n{stderr}"));
    match ended.exit_code() {
        Some(0) if after != right => tell("a success that is none", &ended.stderr),
        Some(0) => {}
        Some(1) if after != before => tell("it says that nothing was changed", &ended.stderr),
        Some(1) => {}
        Some(4) if !ended.stderr.contains("hint:") => tell("it does not say how to go on", &ended.stderr),
        Some(4) => {}
        code => tell(&format!("it ended with {code:?}"), &ended.stderr),
    }
    let again = place.command(&Lines::straight(world, row)).run().unwrap();
    let code = match row.name {
        "etcd-restore run" => 4,
        _ => 0,
    };
    if again.exit_code() != Some(code) {
        tell(
            &format!("once more: {:?}", again.exit_code()),
            &format!("{}\n--- once more\n{}", ended.stderr, again.stderr),
        );
    } else if place.state() != right {
        tell(
            &format!(
                "once more it ends otherwise\n{:#?}\ninstead of {right:#?}",
                place.state()
            ),
            &again.stderr,
        );
    }
    Some(wrong)
}

#[test]
fn cut_off_at_each_change_it_says_what_is_and_goes_on() {
    let world = World::new();
    let rows = ROWS.iter().filter(|row| CHANGING.contains(&row.name));
    let work: Vec<_> = rows
        .flat_map(|row| [Fault::HangUp, Fault::LoseAnswer].map(|fault| (row, fault)))
        .collect();
    let wrong = all_at_once(work, |(row, fault)| {
        let place = Place::new(&world, row);
        let _ = place.command(&Lines::straight(&world, row)).run().unwrap();
        let right = place.state();
        let trials: Vec<Vec<String>> = (0..)
            .map_while(|passed| cut_off(&world, row, &fault, passed, &right))
            .collect();
        assert!(!trials.is_empty(), "{} changed nothing", row.name);
        eprintln!("{} / {fault:?}: {} changes", row.name, trials.len());
        trials.into_iter().flatten().collect::<Vec<_>>()
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
