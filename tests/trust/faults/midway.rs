//! Commands that change something, cut off at each of their changes in turn: whoever says that nothing was changed is right, and
//! the same command once more does the rest.

use support::{Fault, Proxy, Rule, S3};

use crate::commands::{ROWS, Row};
use crate::place::{Lines, Place};
use crate::work::all_at_once;
use crate::world::World;

/// What changes S3 or AWS. Of the wipe itself the tests beside it tell, request by request.
const CHANGING: [&str; 9] = [
    "etcd-backups pin",
    "etcd-backups unpin",
    "etcd-backups take",
    "etcd-restore run",
    "etcd-restore queue",
    "etcd-restore cancel",
    "etcd-restore member replace",
    "kops-wipe-masters restore-volumes",
    "kops-wipe-masters purge-volumes",
];

/// What happens, and how often.
#[derive(Clone, Copy, Debug)]
enum CutOff {
    /// Nothing gets through any more.
    Line,
    /// What is asked for is done, and no answer comes back any more.
    Answers,
    /// The same once: the client tries again by itself.
    OneAnswer,
    /// Changes are denied from then on: rights that end there, or never reached further.
    Denied,
}

/// It befalls the change after `passed` others. Gives what is wrong; `None` where there are no more changes.
fn cut_off(world: &World, row: &'static Row, what: CutOff, passed: usize, right: &[String]) -> Option<Vec<String>> {
    let place = Place::new(world, row);
    let before = place.state();
    // One for both, so that changes are counted together.
    let proxy = Proxy::start_tls(&place.aws().moto, &world.ca).unwrap();
    let (fault, times) = match what {
        CutOff::Line => (Fault::HangUp, usize::MAX),
        CutOff::Answers => (Fault::LoseAnswer, usize::MAX),
        CutOff::OneAnswer => (Fault::LoseAnswer, 1),
        CutOff::Denied => (Rule::error(403, "AccessDenied"), usize::MAX),
    };
    proxy.inject(Rule {
        times,
        ..Rule::change(passed, fault)
    });
    let lines = Lines {
        s3: proxy.endpoint(),
        ec2: proxy.endpoint(),
        ..place.lines()
    };
    let ended = place.command(&lines).run().unwrap();
    let after = place.state();
    if proxy.requests().iter().filter(|request| request.is_change()).count() <= passed {
        return None;
    }
    let at = format!("{} / {what:?} after {passed} changes", row.name);
    let mut wrong = Vec::new();
    let mut tell = |what: &str, stderr: &str| wrong.push(format!("{at}: {what}\n{stderr}"));
    match ended.exit_code() {
        Some(code) if code == code_of(row) && after == right => {}
        Some(0) => tell("a success that is none", &ended.stderr),
        // The client's second try finds nothing: that it was the first one's doing nobody can tell.
        Some(1) if after == right && ended.stderr.contains("no longer queued") => {}
        Some(1) if after != before => tell("it says that nothing was changed", &ended.stderr),
        Some(1) => {}
        Some(4) if !ended.stderr.contains("hint:") => tell("it does not say how to go on", &ended.stderr),
        Some(4) => {}
        code => tell(&format!("it ended with {code:?}"), &ended.stderr),
    }
    let mut again = place.command(&place.lines());
    // Another second, another name: what was half taken stays half, and is no backup.
    let takes = row.name == "etcd-backups take";
    if takes {
        again = again.now("2026-11-22T15:22:36Z");
    }
    let again = again.run().unwrap();
    let both = format!("{}\n--- once more\n{}", ended.stderr, again.stderr);
    // What is gone cannot be taken back once more.
    let gone_by_now = ["no command", "is not pinned"];
    let gone = after == right && gone_by_now.iter().any(|words| again.stderr.contains(words));
    if again.exit_code() != Some(code_of(row)) && !gone {
        tell(&format!("once more: {:?}", again.exit_code()), &both);
    } else if place.state() != right && !takes {
        tell(
            &format!(
                "once more it ends otherwise\n{:#?}\ninstead of {right:#?}",
                place.state()
            ),
            &both,
        );
    }
    Some(wrong)
}

/// No etcd-manager takes what a run orders.
fn code_of(row: &Row) -> i32 {
    match row.name {
        "etcd-restore run" => 4,
        _ => 0,
    }
}

#[test]
fn cut_off_at_each_change_it_says_what_is_and_goes_on() {
    let world = World::new();
    let rows = ROWS.iter().filter(|row| CHANGING.contains(&row.name));
    let work: Vec<_> = rows
        .flat_map(|row| [CutOff::Line, CutOff::Answers, CutOff::OneAnswer, CutOff::Denied].map(|what| (row, what)))
        .collect();
    let wrong = all_at_once(work, |(row, what)| {
        let place = Place::new(&world, row);
        let _ = place.command(&place.lines()).run().unwrap();
        let right = place.state();
        let trials: Vec<Vec<String>> = (0..)
            .map_while(|passed| cut_off(&world, row, what, passed, &right))
            .collect();
        assert!(!trials.is_empty(), "{} changed nothing", row.name);
        eprintln!("{} / {what:?}: {} changes", row.name, trials.len());
        trials.into_iter().flatten().collect::<Vec<_>>()
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
