#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are tests"
)]

use runbook_kit::model::observed::Observed;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::liveness::{self, ProbeResult, Signals, decide};

use super::*;

/// - AWS: `own` the cluster's own account and region, `spec` the cluster's spec names nothing to compare, `region`, `account` another one, `?`
///   nobody can tell, `!` it does not answer.
/// - masters: those that run / that start / their groups; `going`: AWS still removes some of what there was; `stopped`: one more that does not
///   run; `?` not known.
/// - wipe: `-` there was none, `ended`, `open` cut off, `?` not read. A number behind it: volumes in quarantine. `tf`: Terraform shows.
/// - main, events: `alive`, `limps` no leader, `dead` proven so, `silent` no answer, `?` not asked; `queued`, `restoring`, `looping`,
///   `blocked` with nothing seen of the etcd itself; `dead+queued` and so on with both.
/// - API: `ready`, `starts` answers and is not ready, `silent`, `anybody` ready and not proven to be this cluster's, `?` not asked.
/// - run: `-` none, `holds`, `doubtful`, `void`, `left` so long ago that none goes on with it, `?` not read.
/// - backup: of main: `good`, `none` is good, `?` not looked into.
/// - left: masterleases without a lease / Nodes without an instance; `-` not seen.
const SITUATIONS: &str = "
AWS     | masters | wipe    | main         | events      | API     | run      | backup | left | stage        | next
# It serves.
own     | 3/0/3   | -       | alive        | alive       | ready   | -        | ?      | 0/0  | healthy      | -
own     | 3/0/3   | ended 6 | alive        | alive       | ready   | -        | ?      | 0/0  | healthy      | -
own     | 3/0/3   | open    | alive        | alive       | ready   | -        | ?      | 0/0  | healthy      | -
!       | ?       | ?       | alive        | ?           | ready   | -        | ?      | -    | healthy      | -
own     | 3/0/3   | ended 6 | alive        | alive       | ready   | -        | ?      | 3/3  | stale-leases | kubectl masterleases prune
own     | 3/0/3   | -       | alive        | alive       | ready   | -        | ?      | 1/0  | stale-leases | kubectl masterleases prune
own     | 3/0/3   | -       | alive        | alive       | ready   | -        | ?      | 0/3  | dead-nodes   | kubectl etcd-restore cleanup nodes
own     | 3/0/3   | ended 6 | alive        | dead        | ready   | -        | good   | 0/0  | waiting      | kubectl etcd-restore plan --etcd events
own     | 3/0/3   | -       | alive        | ?           | ready   | void     | ?      | 0/0  | healthy      | -
own     | 3/0/3   | -       | alive        | alive       | ready   | left     | ?      | 0/0  | healthy      | -
own     | 3/0/3   | -       | alive        | alive       | ready   | ?        | ?      | 0/0  | healthy      | -
# Somebody answers whose API it may not be.
own     | 3/0/3   | -       | ?            | ?           | anybody | -        | good   | -    | unknown      | kops export kubeconfig --admin
own     | 0/0/0   | -       | ?            | ?           | anybody | -        | good   | -    | unknown      | kops export kubeconfig --admin
own     | 3/0/3   | ended 6 | dead         | dead        | anybody | -        | good   | -    | waiting      | kubectl etcd-restore run --yes
# etcd serves, and the API does not.
own     | 3/0/3   | -       | alive        | alive       | starts  | -        | ?      | 0/-  | api-down     | kubectl etcd-restore restart-kubelet
own     | 3/0/3   | -       | alive        | alive       | silent  | -        | ?      | 0/-  | api-down     | kubectl etcd-restore restart-kubelet
own     | 3/0/3   | -       | alive        | alive       | ?       | -        | ?      | 0/-  | unknown      | kubectl masterleases list
own     | 3/0/3   | ended 6 | alive        | dead        | silent  | -        | good   | 0/-  | unknown      | kubectl etcd-restore plan
own     | 3/0/3   | -       | alive        | ?           | silent  | -        | ?      | 0/-  | unknown      | kubectl etcd-restore plan
own     | 3/0/3   | -       | limps        | alive       | silent  | -        | ?      | -    | unknown      | kubectl etcd-restore plan
own     | 0/0/0   | -       | alive        | alive       | ?       | -        | ?      | 0/-  | unknown      | kubectl masterleases list
# A restore is ordered or under way.
own     | 3/0/3   | ended 6 | dead+queued  | dead        | silent  | holds    | good   | -    | restoring    | kubectl etcd-restore run --yes
own     | 3/0/3   | ended 6 | restoring    | dead        | silent  | holds    | good   | -    | restoring    | kubectl etcd-restore run --yes
own     | 3/0/3   | -       | alive        | alive       | silent  | holds    | ?      | 0/-  | restoring    | kubectl etcd-restore run --yes
own     | 3/0/3   | ended 6 | dead+queued  | dead        | silent  | -        | good   | -    | restoring    | kubectl etcd-restore status --watch
!       | ?       | ended   | queued       | ?           | ?       | doubtful | good   | -    | restoring    | kubectl etcd-restore status --watch
own     | 3/0/3   | ?       | silent       | silent      | silent  | doubtful | good   | -    | restoring    | kubectl etcd-restore status --watch
own     | 3/0/3   | ended 6 | dead         | dead        | silent  | void     | good   | -    | waiting      | kubectl etcd-restore run --yes
own     | 3/0/3   | ended 6 | dead         | dead        | silent  | left     | good   | -    | waiting      | kubectl etcd-restore run --anew
own     | 3/0/3   | ended 6 | dead         | dead        | silent  | ?        | good   | -    | waiting      | kubectl etcd-restore plan
# It does not go on by itself.
own     | 3/0/3   | -       | looping      | dead        | silent  | holds    | good   | -    | stuck        | kubectl etcd-restore commands
!       | ?       | ?       | ?            | blocked     | ?       | -        | ?      | -    | stuck        | kubectl etcd-restore commands
own     | 3/0/3   | -       | alive        | blocked     | ready   | -        | ?      | 0/0  | stuck        | kubectl etcd-restore commands
# Asked in the wrong place: what is not there says nothing of this cluster.
region  | 0/0/0   | -       | silent       | silent      | silent  | -        | good   | -    | elsewhere    | kubectl etcd-restore --region us-east-1
region  | 0/0/0   | -       | alive        | alive       | ready   | -        | ?      | 0/0  | elsewhere    | kubectl etcd-restore --region us-east-1
account | 0/0/0   | -       | ?            | ?           | ?       | -        | good   | -    | elsewhere    | aws sts get-caller-identity
account | 3/0/3   | ended 6 | dead         | dead        | silent  | holds    | good   | -    | elsewhere    | aws sts get-caller-identity
# No master is left.
own     | 0/0/0   | ended 6 | silent       | silent      | silent  | -        | good   | -    | wiped        | kops update cluster --yes
own     | 0/0/0   | ended 6 | ?            | ?           | ?       | -        | good   | -    | wiped        | kops update cluster --yes
own     | 0/0/0   | -       | ?            | ?           | ?       | -        | good   | -    | wiped        | kops update cluster --yes
?       | 0/0/0   | ended 6 | ?            | ?           | ?       | -        | good   | -    | wiped        | kops update cluster
spec    | 0/0/0   | ended 6 | ?            | ?           | ?       | -        | good   | -    | wiped        | kops update cluster --yes
own     | 0/0/0   | ?       | ?            | ?           | ?       | -        | good   | -    | wiped        | kops update cluster
own     | 0/0/0   | tf 6    | ?            | ?           | ?       | -        | good   | -    | wiped        | kops update cluster --target=terraform --out=.
own     | 0/0/0   | tf      | silent       | silent      | silent  | -        | good   | -    | wiped        | kops update cluster --target=terraform --out=.
own     | 0/0/0   | ended 6 | ?            | ?           | ?       | -        | none   | -    | wiped        | kops-wipe-masters restore-volumes
own     | 0/0/0   | ended   | ?            | ?           | ?       | -        | none   | -    | wiped        | kubectl etcd-backups verify --all
own     | 0/0/0   | -       | ?            | ?           | ?       | -        | ?      | -    | wiped        | kubectl etcd-backups verify --all
own     | 0/0/3   | -       | ?            | ?           | ?       | -        | good   | -    | rebuilding   | kops-wipe-masters audit
# kops would take for existing what AWS still removes.
own     | 0/0/0 going   | -       | ?      | ?           | ?       | -        | good   | -    | wiping       | kubectl etcd-restore
own     | 0/0/0 going   | ended 6 | silent | silent      | silent  | -        | good   | -    | wiping       | kubectl etcd-restore
own     | 0/0/0 going   | tf 6    | ?      | ?           | ?       | -        | good   | -    | wiping       | kubectl etcd-restore
own     | 0/0/3 going   | -       | ?      | ?           | ?       | -        | good   | -    | rebuilding   | kops-wipe-masters audit
own     | 0/0/0 stopped | -       | silent | silent      | silent  | -        | good   | -    | broken       | kops-wipe-masters audit
# A wipe was cut off.
own     | 2/0/3   | open 2  | silent       | silent      | silent  | -        | good   | -    | wiping       | kops-wipe-masters
own     | 0/0/0   | open 6  | ?            | ?           | ?       | -        | good   | -    | wiping       | kops-wipe-masters
# New masters.
own     | 0/3/3   | ended 6 | silent       | silent      | silent  | -        | good   | -    | rebuilding   | kubectl etcd-restore
own     | 1/2/3   | ended 6 | silent       | silent      | silent  | -        | good   | -    | rebuilding   | kubectl etcd-restore
own     | 3/0/3   | ended 6 | dead         | dead        | silent  | -        | good   | -    | waiting      | kubectl etcd-restore run --yes
own     | 3/0/3   | ended 6 | dead         | dead        | ?       | -        | good   | -    | waiting      | kubectl etcd-restore run --yes
spec    | 3/0/3   | ended 6 | dead         | dead        | silent  | -        | good   | -    | waiting      | kubectl etcd-restore run --yes
?       | 3/0/3   | ended 6 | dead         | dead        | silent  | -        | good   | -    | waiting      | kubectl etcd-restore plan
own     | 3/0/3   | ?       | dead         | dead        | silent  | -        | good   | -    | waiting      | kubectl etcd-restore plan
own     | 3/0/3   | ended 6 | dead         | silent      | silent  | -        | good   | -    | broken       | kops-wipe-masters audit
own     | 3/0/3   | ended 6 | dead         | dead        | silent  | -        | none   | -    | waiting      | kubectl etcd-backups verify --all
own     | 3/0/3   | ended 6 | dead         | dead        | silent  | -        | ?      | -    | waiting      | kubectl etcd-restore plan
# Masters run, and nothing was seen alive: that does not prove them dead.
own     | 3/0/3   | -       | silent       | silent      | silent  | -        | good   | -    | broken       | kops-wipe-masters audit
own     | 3/0/3   | -       | silent       | ?           | silent  | -        | good   | -    | unknown      | kops-wipe-masters audit
own     | 3/0/3   | -       | silent       | silent      | ?       | -        | good   | -    | unknown      | kops-wipe-masters audit
own     | 3/0/3   | -       | ?            | ?           | ?       | -        | good   | -    | unknown      | kops-wipe-masters audit
# Next to nothing is known.
!       | ?       | ?       | ?            | ?           | ?       | -        | ?      | -    | unknown      | aws sts get-caller-identity
!       | ?       | -       | silent       | silent      | silent  | -        | good   | -    | unknown      | aws sts get-caller-identity
!       | ?       | ended   | dead         | dead        | silent  | -        | good   | -    | unknown      | aws sts get-caller-identity
";

fn life(word: &str) -> (Liveness, bool) {
    let why = "w".to_owned();
    let unknown = Liveness::Unknown {
        why: why.clone(),
        cure: "c".to_owned(),
    };
    match word {
        "alive" => (Liveness::Alive { why, serves: true }, true),
        "limps" => (Liveness::Alive { why, serves: false }, true),
        "dead" => (Liveness::Dead(why), true),
        "silent" => (unknown, true),
        "?" => (unknown, false),
        other => panic!("{other}"),
    }
}

fn etcd(name: &str, word: &str, best: BestBackup) -> EtcdFacts {
    let (seen, state) = match word {
        "queued" | "restoring" | "looping" | "blocked" => ("silent", word),
        word => word.split_once('+').unwrap_or((word, "")),
    };
    let (liveness, asked) = life(seen);
    EtcdFacts {
        etcd: name.to_owned(),
        state: match state {
            "queued" => State::Queued,
            "restoring" => State::Restoring,
            "looping" => State::Looping,
            _ => State::Idle,
        },
        liveness,
        asked,
        problem: (state == "blocked").then(|| "a command cannot be read".to_owned()),
        queued: Vec::new(),
        best,
    }
}

fn place(word: &str) -> AccountMatch {
    match word {
        "own" => AccountMatch::Own("e".to_owned()),
        "spec" => AccountMatch::Unproven("e".to_owned()),
        "region" => AccountMatch::Foreign {
            why: "the cluster is in us-east-1, and eu-west-1 was asked".to_owned(),
            next: Next::OfCluster(ShellCommand::of("kubectl etcd-restore --region us-east-1")),
        },
        "account" => AccountMatch::Foreign {
            why: "nothing at all of this cluster is there".to_owned(),
            next: caller_identity(),
        },
        _ => AccountMatch::NotKnown("w".to_owned()),
    }
}

fn wipe(word: &str) -> Observed<Option<Wipe>> {
    let at = |ended| {
        Observed::Known(Some(Wipe {
            ended,
            detail: "the masters were wiped".to_owned(),
        }))
    };
    match word {
        "-" => Observed::Known(None),
        "ended" | "tf" => at(Some("2026-11-22T16:00:00Z".parse().unwrap())),
        "open" => at(None),
        _ => Observed::Unknown("w".to_owned()),
    }
}

fn quarantine(count: usize) -> Observed<Quarantine> {
    Observed::Known(Quarantine {
        count,
        detail: "they are in quarantine".to_owned(),
        way_back: (count > 0).then(|| ShellCommand::of("kops-wipe-masters restore-volumes")),
    })
}

fn best(word: &str) -> BestBackup {
    match word {
        "good" => BestBackup::Is("b".to_owned()),
        "none" => BestBackup::None("w".to_owned()),
        _ => BestBackup::NotJudged("w".to_owned()),
    }
}

fn api_of(word: &str) -> Api {
    let (ready, proven) = match word {
        "ready" => (Some(true), true),
        "anybody" => (Some(true), false),
        "starts" => (Some(false), true),
        "silent" => (Some(false), false),
        _ => (None, false),
    };
    Api {
        ready,
        answers: word == "ready" || word == "anybody" || word == "starts",
        proven,
        detail: "s".to_owned(),
    }
}

fn facts(cells: &[&str]) -> Facts {
    let masters = match cells[1] {
        "?" => Observed::Unknown("w".to_owned()),
        cell => {
            let (counts, more) = cell.split_once(' ').unwrap_or((cell, ""));
            let counts: Vec<usize> = counts.split('/').map(|count| count.parse().unwrap()).collect();
            Observed::Known(Masters {
                running: counts[0],
                pending: counts[1],
                groups: counts[2],
                stopped: usize::from(more == "stopped"),
                leaving: usize::from(more == "going"),
            })
        }
    };
    let (wiped, held) = cells[2].split_once(' ').unwrap_or((cells[2], "0"));
    let left: Vec<Option<usize>> = cells[8].split('/').map(|count| count.parse().ok()).collect();
    Facts {
        members: 3,
        account: place(cells[0]),
        quarantine: match masters {
            Observed::Known(_) => quarantine(held.parse().unwrap()),
            Observed::Unknown(_) => Observed::Unknown("w".to_owned()),
        },
        masters,
        wipe: wipe(wiped),
        terraform: (wiped == "tf").then(|| "Terraform manages it".to_owned()),
        run: match cells[6] {
            "holds" => RunState::Holds("r".to_owned()),
            "doubtful" => RunState::Doubtful("r".to_owned()),
            "void" => RunState::Void("r".to_owned()),
            "left" => RunState::Left("r".to_owned()),
            "?" => RunState::NotKnown("w".to_owned()),
            _ => RunState::None,
        },
        etcds: vec![
            etcd("main", cells[3], best(cells[7])),
            etcd("events", cells[4], best("?")),
        ],
        api: api_of(cells[5]),
        leaseless: left[0],
        dead_nodes: left.get(1).copied().flatten(),
    }
}

fn text(next: &Option<Next>) -> String {
    match next {
        Some(Next::OfCluster(command) | Next::Whole(command)) => command.to_string(),
        None => "-".to_owned(),
    }
}

#[test]
fn every_situation_has_its_stage_and_what_comes_next() {
    let mut seen = 0;
    for line in SITUATIONS.lines().skip(2).filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let verdict = recovery_stage(&facts(&cells));
        let stage = serde_json::to_value(verdict.stage).unwrap();
        assert_eq!(
            (stage.as_str().unwrap(), text(&verdict.next).as_str()),
            (cells[9], cells[10]),
            "{line}: {}",
            verdict.why
        );
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}

#[test]
fn what_was_not_checked_is_said_as_that_and_may_be_alive() {
    let blind = facts(&["!", "?", "?", "?", "silent", "?", "-", "?", "-"]);
    let told = statements(&blind);
    let of = |subject: &str| told.iter().find(|told| told.subject == subject).unwrap();
    for subject in [
        "AWS",
        "masters",
        "wipe",
        "quarantine",
        "etcd main",
        "backup main",
        "API",
    ] {
        assert_eq!(
            (of(subject).checked, of(subject).state.as_str()),
            (false, "not checked"),
            "{subject}"
        );
    }
    assert!(of("etcd main").evidence.starts_with("may be alive: "));
    assert!(of("API").evidence.starts_with("may be alive: "));
    let silent = of("etcd events");
    assert_eq!((silent.checked, silent.state.as_str()), (true, "no answer"));
    assert!(silent.evidence.starts_with("may be alive: "));
    // What another region lacks is no finding about this cluster.
    let elsewhere = statements(&facts(&["region", "0/0/0", "-", "?", "?", "?", "-", "good", "-"]));
    let masters = elsewhere.iter().find(|told| told.subject == "masters").unwrap();
    assert!(!masters.checked, "{masters:?}");
}

/// What there is to be seen, whoever looks.
#[derive(Clone, Debug)]
struct World {
    main: ProbeResult,
    events: ProbeResult,
    ready: bool,
    proven: bool,
    wiped: bool,
    /// Whether that wipe did not come to its end.
    cut_off: bool,
    /// Whether Terraform manages it, and where that shows.
    terraform: Terraform,
    /// Whether the masters that run were launched after the wipe.
    launched_since: bool,
    running: usize,
    own_place: bool,
    noted: Noted,
    /// Whether a command is queued for main.
    queued: bool,
    /// What AWS still removes, and what does not run.
    leaving: usize,
    stopped: usize,
    good: bool,
    held: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Terraform {
    No,
    BySpec,
    /// The last wipe saw it on a group that is gone since.
    ByJournal,
}

/// The note of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Noted {
    No,
    Fresh,
    /// AWS was not available when it was recorded.
    Blind,
    Old,
}

/// What of it is looked at.
#[derive(Clone, Copy, Debug)]
struct Sight {
    etcd: bool,
    api: bool,
    aws: bool,
    journal: bool,
    backups: bool,
    spec: bool,
    record: bool,
}

const ALL: Sight = Sight {
    etcd: true,
    api: true,
    aws: true,
    journal: true,
    backups: true,
    spec: true,
    record: true,
};

fn seen(world: &World, sight: Sight) -> Facts {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let (ended, now) = (time("2026-11-22T16:00:00Z"), time("2026-11-22T17:00:00Z"));
    let masters = match sight.aws {
        false => liveness::Masters::Unknown("w".to_owned()),
        true => liveness::Masters::Known {
            known_here: world.running > 0,
            running: (0..world.running)
                .map(|at| liveness::Master {
                    id: format!("i-{at}"),
                    launched: Some(if world.launched_since {
                        ended + SignedDuration::from_mins(5)
                    } else {
                        ended - SignedDuration::from_hours(5)
                    }),
                    addresses: Vec::<IpAddr>::new(),
                    probed: Vec::new(),
                })
                .collect(),
            oldest_volume: Ok(None),
        },
    };
    let of = |name: &str, heard: &ProbeResult| {
        // One that serves has backed itself up: etcd-manager does so before it lets anybody in.
        let api_serves = world.ready && world.proven && name == MAIN;
        let verdicts = api_serves || matches!(heard, ProbeResult::Answers(_) | ProbeResult::NoLeader(_));
        let newest = verdicts.then(|| liveness::NewestBackup {
            etcd: name.to_owned(),
            name: BackupName::first_of(ended + SignedDuration::from_mins(10)),
            interval: SignedDuration::from_mins(15),
        });
        let heard = match sight.etcd {
            true => heard.clone(),
            false => ProbeResult::NotChecked {
                why: "w".to_owned(),
                cure: "c".to_owned(),
            },
        };
        // An API that serves has a main behind it.
        let heard = match (sight.api && world.ready && world.proven, name) {
            (true, MAIN) => ProbeResult::Answers("the API serves".to_owned()),
            _ => heard,
        };
        let asked = !matches!(heard, ProbeResult::NotChecked { .. });
        let life = decide(
            &Signals {
                probe: heard,
                masters: masters.clone(),
                hosts: Vec::new(),
                wiped: (sight.journal && world.wiped && !world.cut_off).then_some(ended),
                newest,
                members: 3,
            },
            now,
        );
        EtcdFacts {
            etcd: name.to_owned(),
            state: match world.queued && name == MAIN {
                true => State::Queued,
                false => State::Idle,
            },
            liveness: life,
            asked,
            problem: None,
            queued: Vec::new(),
            best: best(match (sight.backups, world.good) {
                (false, _) => "?",
                (true, true) => "good",
                (true, false) => "none",
            }),
        }
    };
    let own = sight.spec && sight.aws;
    Facts {
        members: 3,
        account: match (sight.aws, own, world.own_place) {
            (false, ..) => place("!"),
            (true, false, _) => place("?"),
            (true, true, true) => place("own"),
            (true, true, false) => place("account"),
        },
        masters: match sight.aws {
            true => Observed::Known(Masters {
                groups: usize::from(world.running > 0),
                running: world.running,
                pending: 0,
                stopped: world.stopped,
                leaving: world.leaving,
            }),
            false => Observed::Unknown("w".to_owned()),
        },
        wipe: wipe(match (sight.journal, world.wiped, world.cut_off) {
            (false, ..) => "?",
            (true, true, false) => "ended",
            (true, true, true) => "open",
            (true, false, _) => "-",
        }),
        terraform: match world.terraform {
            Terraform::No => false,
            Terraform::BySpec => sight.spec,
            Terraform::ByJournal => sight.journal && world.wiped,
        }
        .then(|| "Terraform manages it".to_owned()),
        quarantine: match sight.aws {
            true => quarantine(world.held),
            false => Observed::Unknown("w".to_owned()),
        },
        run: match (world.noted, sight.aws && sight.journal) {
            _ if !sight.record => RunState::NotKnown("w".to_owned()),
            (Noted::No, _) => RunState::None,
            // Whichever of both it is found to be.
            (_, true) if world.wiped || world.running == 0 => RunState::Void("r".to_owned()),
            (Noted::Old, _) => RunState::Left("r".to_owned()),
            (Noted::Blind, _) | (Noted::Fresh, false) => RunState::Doubtful("r".to_owned()),
            (Noted::Fresh, true) => RunState::Holds("r".to_owned()),
        },
        etcds: vec![of(MAIN, &world.main), of("events", &world.events)],
        api: match sight.api {
            false => api_of("?"),
            true => Api {
                ready: Some(world.ready),
                answers: world.ready,
                proven: world.proven,
                detail: "s".to_owned(),
            },
        },
        leaseless: None,
        dead_nodes: None,
    }
}

fn heard() -> impl Strategy<Value = ProbeResult> {
    prop_oneof![
        1 => Just(ProbeResult::Answers("a".to_owned())),
        1 => Just(ProbeResult::NoLeader("l".to_owned())),
        2 => Just(ProbeResult::NoResponse("s".to_owned())),
        3 => Just(ProbeResult::Quarantined("q".to_owned())),
    ]
}

fn mostly() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.8)
}

/// One or two things out of sight are where a mistake shows.
fn sight() -> impl Strategy<Value = Sight> {
    let most = (mostly(), mostly(), mostly(), mostly(), mostly(), mostly(), mostly());
    prop_oneof![any::<(bool, bool, bool, bool, bool, bool, bool)>(), most].prop_map(
        |(etcd, api, aws, journal, backups, spec, record)| Sight {
            etcd,
            api,
            aws,
            journal,
            backups,
            spec,
            record,
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        mostly(),
        any::<bool>(),
        mostly(),
    );
    let noted = prop_oneof![
        Just(Noted::No),
        Just(Noted::Fresh),
        Just(Noted::Blind),
        Just(Noted::Old)
    ];
    let rest = || prop_oneof![3 => Just(0_usize), 1 => Just(1)];
    let count = prop_oneof![Just(0_usize), Just(1), Just(3)];
    let held = prop_oneof![Just(0_usize), Just(6)];
    let terraform = prop_oneof![Just(Terraform::No), Just(Terraform::BySpec), Just(Terraform::ByJournal)];
    let more = (any::<bool>(), terraform, noted, rest(), rest());
    (heard(), heard(), flags, count, held, more).prop_map(
        |(
            main,
            events,
            (ready, proven, wiped, launched_since, own_place, queued, good),
            running,
            held,
            (cut_off, terraform, noted, leaving, stopped),
        )| World {
            noted,
            queued,
            leaving,
            stopped,
            cut_off,
            terraform,
            main,
            events,
            ready,
            proven,
            wiped,
            launched_since,
            running,
            own_place,
            good,
            held,
        },
    )
}

/// Nobody answers where there is no machine, and no API serves from an etcd in quarantine.
fn possible(mut world: World) -> World {
    if world.running == 0 && world.own_place {
        let silent = || ProbeResult::NoResponse("s".to_owned());
        (world.main, world.events, world.ready) = (silent(), silent(), false);
    }
    if world.ready && world.proven && matches!(world.main, ProbeResult::Quarantined(_)) {
        world.main = ProbeResult::Answers("a".to_owned());
    }
    world
}

fn changes(recovery_stage: &RecoveryStage) -> bool {
    text(&recovery_stage.next).contains("--yes")
}

/// Whether the command is asked for the cluster's name before it does anything, since nothing proves its etcd dead.
fn is_asked(command: &str, facts: &Facts) -> bool {
    command == RUN && facts.etcds.iter().any(|etcd| etcd.liveness.may_live())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// With less in sight nothing that changes something is named which would not be named with all of it, unless it is warned of more strongly then.
    #[test]
    fn with_less_in_sight_nothing_more_dangerous_comes_next(
        world in world().prop_map(possible),
        part in sight(),
    ) {
        let (less, all) = (seen(&world, part), seen(&world, ALL));
        let (with_less, with_all) = (recovery_stage(&less), recovery_stage(&all));
        if changes(&with_less) {
            let command = text(&with_less.next);
            let same = command == text(&with_all.next) && (is_asked(&command, &less) || !is_asked(&command, &all));
            prop_assert!(same, "{command} with {part:?}, and with all: {} ({})", text(&with_all.next), with_all.why);
        }
    }
}
