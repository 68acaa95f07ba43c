//! The verdict as a table that can be checked by eye.

use super::*;
use crate::model::liveness::NewestBackup;
use jiff::SignedDuration;

/// - asked: what came of asking it.
/// - AWS: `?` not asked; `none` nothing of this cluster; `gone` groups or instances, and none that runs; else the masters that run, each
///   by when it was launched (`old`, `new`: before or after the wipe's end) and the result of probing its address: `refused` (and ssh
///   answers there), `unproven` (refused, and nothing else answers), `loopback` (refused, at 127.0.0.1), `accepts`, `nothing`; `+volume`: an
///   etcd volume from before the wipe is in place.
/// - ssh: hosts of a cluster of three members, each its own: `quiet` does not listen on the port, `listens`, `mute` does not tell, `empty`
///   says that etcd has 0 members; `same` is the first one once more, by another name; `of0` … is a quiet one with master 0's address.
/// - wipe: minutes since the newest wipe ended; `-` none that ended.
/// - backup: minutes since the newest backup; one is taken every 15.
const TABLE: &str = "
asked       | AWS                                   | ssh                 | wipe | backup | verdict
# An answer outweighs all.
answers     | ?                                     |                     | -    | 300    | alive
answers     | gone                                  |                     | -    | 300    | alive
answers     | new/nothing                           |                     | 10   | 300    | alive
answers     | old/refused                           | quiet quiet quiet   | -    | -      | alive
answers     | ?                                     | empty               | -    | -      | alive
limps       | ?                                     |                     | -    | 300    | limps
limps       | old/refused                           | quiet quiet quiet   | 10   | -      | limps
# Without any proof nobody knows, however silent it is.
silent      | ?                                     |                     | -    | 300    | unknown
silent      | none                                  |                     | -    | -      | unknown
silent      | old/nothing                           |                     | -    | 300    | unknown
not-asked   | ?                                     |                     | -    | 300    | unknown
not-asked   | old/nothing                           |                     | -    | -      | unknown
not-asked   | ?                                     |                     | -    | 5      | unknown
# (a) It says so itself.
quarantined | ?                                     |                     | -    | 300    | dead
quarantined | ?                                     |                     | -    | 5      | dead
quarantined | ?                                     | listens             | -    | 300    | unknown
silent      | ?                                     | empty               | -    | 300    | dead
not-asked   | old/nothing                           | empty               | -    | 5      | dead
silent      | ?                                     | empty listens       | -    | 300    | unknown
silent      | ?                                     | listens             | -    | 300    | unknown
# (b) Our own wipe, with every master that runs launched after it and no backup since.
silent      | new/nothing                           |                     | 10   | 300    | dead
not-asked   | new/nothing new/nothing new/nothing   |                     | 10   | 12     | dead
not-asked   | new/accepts                           |                     | 10   | -      | dead
not-asked   | new/nothing                           |                     | -    | 300    | unknown
not-asked   | old/nothing                           |                     | 10   | 300    | unknown
not-asked   | new/nothing old/nothing               |                     | 10   | 300    | unknown
not-asked   | new/nothing when/nothing              |                     | 10   | 300    | unknown
not-asked   | new/nothing                           |                     | 10   | 9      | unknown
not-asked   | new/nothing                           |                     | 300  | 200    | unknown
not-asked   | new/nothing +volume                   |                     | 10   | 300    | unknown
not-asked   | new/nothing ?volume                   |                     | 10   | 300    | unknown
not-asked   | ?                                     |                     | 10   | 300    | unknown
not-asked   | none                                  |                     | 10   | 300    | unknown
not-asked   | new/nothing                           | listens             | 10   | 300    | unknown
# (c) AWS has the cluster, and no machine that it could run on.
silent      | gone                                  |                     | -    | 300    | dead
not-asked   | gone                                  |                     | -    | -      | dead
not-asked   | gone                                  |                     | -    | 29     | unknown
not-asked   | gone                                  |                     | -    | 30     | dead
# (d) The machines themselves refuse, all of them.
silent      | old/refused                           |                     | -    | 300    | dead
silent      | old/refused old/refused old/refused   |                     | -    | 300    | dead
not-asked   | old/refused old/refused old/refused   |                     | -    | -      | dead
silent      | old/refused old/refused old/nothing   |                     | -    | 300    | unknown
silent      | old/refused old/refused old/accepts   |                     | -    | 300    | unknown
silent      | old/refused old/refused old/unproven  |                     | -    | 300    | unknown
silent      | old/unproven                          |                     | -    | 300    | unknown
silent      | old/loopback                          |                     | -    | 300    | unknown
silent      | old/refused,accepts                   |                     | -    | 300    | unknown
silent      | old/nothing,refused                   |                     | -    | 300    | dead
silent      | old/refused                           |                     | -    | 29     | unknown
silent      | old/refused                           |                     | -    | -5     | unknown
# … or say so over ssh: each one that AWS has, else as many as the spec has members.
silent      | ?                                     | quiet quiet quiet   | -    | 300    | dead
silent      | ?                                     | quiet quiet quiet   | -    | 29     | unknown
silent      | ?                                     | quiet quiet         | -    | 300    | unknown
silent      | ?                                     | quiet quiet same    | -    | 300    | unknown
silent      | ?                                     | quiet quiet mute    | -    | 300    | unknown
silent      | ?                                     | quiet quiet quiet listens | - | 300 | unknown
silent      | old/nothing                           | of0                 | -    | 300    | dead
silent      | old/nothing old/refused               | of0                 | -    | 300    | dead
silent      | old/nothing old/nothing               | of0 of1             | -    | 300    | dead
silent      | old/nothing old/nothing               | of0                 | -    | 300    | unknown
silent      | old/nothing                           | quiet quiet quiet   | -    | 300    | unknown
silent      | none                                  | quiet quiet quiet   | -    | 300    | unknown
";

fn now() -> Timestamp {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn address(of: usize, address: usize) -> IpAddr {
    format!("10.0.{address}.{of}").parse().unwrap()
}

fn probe(word: &str) -> ProbeResult {
    let why = || "w".to_owned();
    match word {
        "answers" => ProbeResult::Answers(why()),
        "limps" => ProbeResult::NoLeader(why()),
        "quarantined" => ProbeResult::Quarantined(why()),
        "silent" => ProbeResult::NoResponse(why()),
        "not-asked" => ProbeResult::NotChecked {
            why: why(),
            cure: why(),
        },
        other => panic!("{other}"),
    }
}

fn address_state(of: usize, at: usize, word: &str) -> AddressState {
    let (port, answers) = match word {
        "refused" | "loopback" => (PortState::Refused, true),
        "unproven" => (PortState::Refused, false),
        "accepts" => (PortState::Accepted, false),
        "nothing" => (PortState::Unknown("no answer within 2 s".to_owned()), false),
        other => panic!("{other}"),
    };
    AddressState {
        address: if word == "loopback" {
            "127.0.0.1".parse().unwrap()
        } else {
            address(of, at)
        },
        port,
        answers: answers.then(|| "ssh on port 22".to_owned()),
    }
}

fn masters(text: &str, wiped: Option<Timestamp>) -> Masters {
    if text == "?" {
        return Masters::Unknown("no credentials".to_owned());
    }
    let after = |minutes: i64| wiped.unwrap_or_else(|| ago(60)) + SignedDuration::from_mins(minutes);
    let mut oldest_volume = Ok(Some(after(1)));
    let mut running = Vec::new();
    for word in text.split_whitespace() {
        match word {
            "none" | "gone" => continue,
            "+volume" => oldest_volume = Ok(Some(after(-90))),
            "?volume" => oldest_volume = Err("denied".to_owned()),
            word => {
                let (launched, probed) = word.split_once('/').unwrap();
                let of = running.len();
                let probed: Vec<AddressState> = probed
                    .split(',')
                    .enumerate()
                    .map(|(at, word)| address_state(of, at, word))
                    .collect();
                running.push(Master {
                    id: format!("i-{of}"),
                    launched: match launched {
                        "old" => Some(after(-60)),
                        // In the very second of the wipe's end, which is all that AWS tells.
                        "new" => Some(Timestamp::from_second(after(0).as_second()).unwrap()),
                        "when" => None,
                        other => panic!("{other}"),
                    },
                    addresses: probed.iter().map(|address| address.address).collect(),
                    probed,
                });
            }
        }
    }
    Masters::Known {
        known_here: text != "none",
        running,
        oldest_volume,
    }
}

fn host(at: usize, word: &str) -> HostState {
    let of = word.strip_prefix("of").map(|of| of.parse::<usize>().unwrap());
    HostState {
        host: format!("host-{at}"),
        identity: if word == "same" { "0".to_owned() } else { at.to_string() },
        addresses: of.map(|of| address(of, 0)).into_iter().collect(),
        listens: match word {
            "listens" => Some(true),
            "mute" | "empty" => None,
            _ => Some(false),
        },
        no_members: (word == "empty").then(|| "etcd has 0 members registered".to_owned()),
    }
}

fn observed(cells: &[&str]) -> Signals {
    let minutes = |text: &str| text.parse::<i64>().ok().map(ago);
    // Half a second past, as a journal has it.
    let wiped = minutes(cells[3]).map(|time| time + SignedDuration::from_millis(500));
    Signals {
        probe: probe(cells[0]),
        masters: masters(cells[1], wiped),
        hosts: cells[2]
            .split_whitespace()
            .enumerate()
            .map(|(at, word)| host(at, word))
            .collect(),
        members: 3,
        wiped,
        newest: minutes(cells[4]).map(|time| NewestBackup {
            etcd: "main".to_owned(),
            name: crate::model::backup::name::BackupName::first_of(time),
            interval: SignedDuration::from_mins(15),
        }),
    }
}

fn word(life: &Liveness) -> &'static str {
    match life {
        Liveness::Alive { serves: true, .. } => "alive",
        Liveness::Alive { serves: false, .. } => "limps",
        Liveness::Dead(_) => "dead",
        Liveness::Unknown { .. } => "unknown",
    }
}

fn rows() -> Vec<(String, Vec<&'static str>)> {
    let rows = TABLE
        .lines()
        .filter(|row| !row.trim().is_empty() && !row.starts_with('#'))
        .skip(1);
    rows.map(|row| (row.to_owned(), row.split('|').map(str::trim).collect()))
        .collect()
}

#[test]
fn unknown_is_not_dead() {
    let rows = rows();
    assert!(rows.len() > 50, "{}", rows.len());
    for (row, cells) in &rows {
        let life = decide(&observed(cells), now());
        assert_eq!(word(&life), cells[5], "{row}\n{life:?}");
        assert_eq!(life.may_live(), cells[5] != "dead", "{row}");
    }
}

/// Whatever else was seen: who takes an observation away never makes anything deader, and who hears an answer makes it alive.
#[test]
fn less_evidence_is_never_more_death() {
    for (row, cells) in rows() {
        let whole = observed(&cells);
        let mut answering = whole.clone();
        answering.probe = ProbeResult::Answers("it".to_owned());
        assert!(decide(&answering, now()).is_alive(), "{row}");
        if decide(&whole, now()).may_live() && whole.hosts.iter().all(|host| host.listens != Some(true)) {
            for change in [
                |observed: &mut Signals| observed.wiped = None,
                |observed: &mut Signals| observed.hosts.clear(),
                |observed: &mut Signals| observed.members = 0,
            ] {
                let mut less = whole.clone();
                change(&mut less);
                assert!(decide(&less, now()).may_live(), "{row}");
            }
        }
    }
}

#[test]
fn every_verdict_says_why() {
    let says = |cells: &[&str]| decide(&observed(cells), now()).describe();
    assert_eq!(
        says(&["not-asked", "new/nothing", "", "10", "300"]),
        "dead: the masters were wiped at 2026-11-22T17:50:00Z, all 1 that run were launched after that, and no backup has arrived since"
    );
    assert_eq!(
        says(&["silent", "old/refused old/nothing", "of1", "-", "300"]),
        "dead: all running masters refuse connections: i-0 (10.0.0.0, where ssh on port 22 answers), i-1 (host-0, over ssh)"
    );
    assert_eq!(
        says(&["not-asked", "gone", "", "-", "5"]),
        "not known to be dead, may be alive: none of the cluster's masters in AWS is running; but the newest backup of \
         main is 5m old, and one is taken every 15m"
    );
    assert_eq!(
        says(&["silent", "?", "", "-", "300"]),
        "not known to be dead, may be alive: no answer (w)"
    );
}
