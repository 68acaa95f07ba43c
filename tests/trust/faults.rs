//! Every command under every fault of every line that it uses: it ends, with a code that says what is, and never with a success
//! that is none.

mod judge;
mod midway;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use support::{Ended, Proxy, Rule, S3, Wire, WireFault};

use crate::commands::{Own, ROWS, Row, Target};
use crate::place::{Lines, Place};
use crate::plugins;
use crate::work::all_at_once;
use crate::world::{World, port};
use judge::{Tried, judge};

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Everything takes a while.
    Delay,
    /// Few bytes a second.
    Slow,
    /// The server answers that it has too much to do: S3 and AWS only.
    Busy,
    /// Answers break off.
    Cut,
    /// Bytes of answers are flipped, below TLS.
    Corrupt,
    /// No answer ever comes.
    Hang,
    /// Nobody listens.
    Refused,
}

/// As in the table's head.
pub const FAULTS: [(Fault, &str); 7] = [
    (Fault::Delay, "delay"),
    (Fault::Slow, "slow"),
    (Fault::Busy, "busy"),
    (Fault::Cut, "cut"),
    (Fault::Corrupt, "corrupt"),
    (Fault::Hang, "hang"),
    (Fault::Refused, "refused"),
];

/// One line of a command under one fault.
type Cell = (Target, Fault);

/// No command may take longer, whatever its line is like: far more than all of its tries together.
const GUARD: Duration = Duration::from_secs(150);

/// The line under this fault, and what has to be kept for as long as it is used.
fn lay(world: &World, place: &Place<'_>, (target, fault): Cell) -> (Lines, Option<Wire>, Option<Proxy>) {
    let mut lines = place.lines();
    if fault == Fault::Busy {
        let busy = Proxy::start_tls(&place.aws().moto, &world.ca).unwrap();
        busy.inject(Rule::always("", "", Rule::error(503, "SlowDown")));
        match target {
            Target::S3 => lines.s3 = busy.endpoint(),
            _ => lines.ec2 = busy.endpoint(),
        }
        return (lines, None, Some(busy));
    }
    let fault = match fault {
        Fault::Delay => WireFault::Delay(Duration::from_millis(50)),
        Fault::Slow => WireFault::Throttle(256 << 10),
        Fault::Cut => WireFault::Cut(700),
        Fault::Corrupt => WireFault::Corrupt,
        Fault::Hang => WireFault::Hang,
        Fault::Refused => WireFault::Refuse,
        Fault::Busy => WireFault::None,
    };
    let real = match target {
        Target::S3 => port(&lines.s3),
        Target::Ec2 => port(&lines.ec2),
        Target::Etcd => lines.etcd,
        Target::Api => lines.api,
    };
    let wire = Wire::start(real, fault).unwrap();
    match target {
        Target::S3 => lines.s3 = format!("https://127.0.0.1:{}", wire.port()),
        Target::Ec2 => lines.ec2 = format!("https://127.0.0.1:{}", wire.port()),
        Target::Etcd => lines.etcd = wire.port(),
        Target::Api => lines.api = wire.port(),
    }
    (lines, Some(wire), None)
}

/// Runs the command once in a place of its own; `None` for the healthy line.
fn attempt(world: &World, row: &'static Row, cell: Option<Cell>) -> Tried {
    static TURN: RwLock<()> = RwLock::new(());
    let turn = row.own.contains(&Own::Turn);
    let _turn = turn.then(|| TURN.write().unwrap_or_else(PoisonError::into_inner));
    // It shows the Nodes, which those delete.
    let watches = row.name == "etcd-restore cleanup workers";
    let _watching = watches.then(|| TURN.read().unwrap_or_else(PoisonError::into_inner));
    let place = Place::new(world, row);
    let before = place.state();
    let (lines, _wire, _busy) = match cell {
        Some(cell) => lay(world, &place, cell),
        None => (place.lines(), None, None),
    };
    let begun = Instant::now();
    let ended: Result<Ended, String> = place
        .command(&lines)
        .limit(GUARD)
        .run()
        .map_err(|error| error.to_string());
    let tried = Tried {
        ended: ended.map(|ended| {
            let neutral = |text: &str| {
                let text = text
                    .replace(&place.prefix, "PREFIX")
                    .replace(place.account.key(), "KEY")
                    .replace(&place.home.path().display().to_string(), "HOME");
                let text = text.replace(&format!(":{}", lines.etcd), ":ETCD");
                without_seconds(&text.replace(&format!(":{}", lines.api), ":API"))
            };
            (ended.exit_code(), neutral(&ended.stdout), neutral(&ended.stderr))
        }),
        took: begun.elapsed(),
        before,
        after: place.state(),
    };
    if turn {
        // For those that only look.
        world.keep_gone_node();
    }
    tried
}

/// A lease has less to live each time.
fn without_seconds(text: &str) -> String {
    let mut shown = String::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("\"ttlSeconds\":"))
    {
        match line.split_once(" s left") {
            Some((before, after)) => {
                shown.push_str(before.trim_end_matches(|letter: char| letter.is_ascii_digit()));
                shown.push_str(after);
            }
            None => shown.push_str(line),
        }
        shown.push('\n');
    }
    shown
}

fn cells(row: &Row) -> Vec<Cell> {
    let of = |target: Target| {
        let faults = FAULTS.iter().map(|(fault, _)| *fault);
        faults
            .filter(move |fault| *fault != Fault::Busy || matches!(target, Target::S3 | Target::Ec2))
            .map(move |fault| (target, fault))
    };
    row.uses.iter().flat_map(|target| of(*target)).collect()
}

/// Only these commands, for somebody who looks at one of them: `TRUST_ONLY='etcd-restore plan'`. Then no table is compared.
fn only() -> Option<String> {
    std::env::var("TRUST_ONLY").ok()
}

#[test]
fn no_command_is_without_a_row_and_no_row_without_a_command() {
    let mut named: Vec<String> = ROWS
        .iter()
        .map(|row| row.name.split(" --").next().unwrap_or(row.name).to_owned())
        .collect();
    let mut commands = plugins::all();
    named.sort();
    named.dedup();
    commands.sort();
    assert_eq!(named, commands);
}

#[test]
fn every_command_under_every_fault() {
    let world = World::new();
    let only = only();
    let rows: Vec<&'static Row> = ROWS
        .iter()
        .filter(|row| only.as_ref().is_none_or(|only| row.name == only))
        .collect();
    let mut healthy: BTreeMap<&str, Tried> = all_at_once(rows.clone(), |row| (row.name, attempt(&world, row, None)))
        .into_iter()
        .collect();
    let mut trials: Vec<(&'static Row, Cell)> = rows
        .iter()
        .flat_map(|row| cells(row).into_iter().map(|cell| (*row, cell)))
        .collect();
    // What waits for longest comes first, so that the end waits for nobody.
    trials.sort_by_key(|(_, (_, fault))| match fault {
        Fault::Hang => 0,
        Fault::Busy | Fault::Refused => 1,
        _ => 2,
    });
    let mut tried = all_at_once(trials, |(row, cell)| (row, cell, attempt(&world, row, Some(cell))));
    // On a busy machine the other lines are slow, too: what is not as it was is tried once more, with nothing beside it; first what it
    // is held against.
    let mut anew = BTreeSet::new();
    let kept = table::kept();
    for (row, cell, trial) in &mut tried {
        let as_it_was = |trial: &Tried, healthy: &Tried| {
            table::held_code(&kept, row, *cell) == trial.code() && judge(row, *cell, trial, healthy).is_empty()
        };
        if !as_it_was(trial, &healthy[row.name]) && anew.insert(row.name) {
            eprintln!("once more: {}", row.name);
            healthy.insert(row.name, attempt(&world, row, None));
        }
        if !as_it_was(trial, &healthy[row.name]) {
            eprintln!(
                "once more: {} / {cell:?}, which ended with {:?}",
                row.name,
                trial.code()
            );
            *trial = attempt(&world, row, Some(*cell));
        }
    }
    let mut wrong = Vec::new();
    for row in &rows {
        let baseline = &healthy[row.name];
        wrong.extend(judge::healthy(row, baseline));
        for (_, cell, trial) in tried.iter().filter(|(of, _, _)| of.name == row.name) {
            wrong.extend(judge(row, *cell, trial, baseline));
        }
    }
    let rows: Vec<table::Line> = table::lines(&rows, &healthy, &tried);
    let written = table::markdown(&rows);
    eprintln!("{written}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    if only.is_none() {
        table::hold(&written);
    }
}
