//! Histories of stores, one a line: what is in the store, which backup `latest-good` is, what is said, and why. Read it as:
//!
//! `-2h a60/24/9000` is a backup of two hours ago, of the cluster with UID `a`, with 60 Nodes, 24 namespaces of users and 9000 keys.
//! `?a` is the same cluster with namespaces encrypted at rest; `b(a)` has UID `b`, and its Nodes and namespaces are called as `a`'s.
//! `bare` holds what an API server creates by itself; `nothing` is an empty etcd; `alien` has keys and no namespace `kube-system`;
//! `broken` does not verify; `half` has no meta. `pin` is there as a pinned copy only.
//! Wanted is the time of the backup that is chosen, `none`, or `ask` where it is ambiguous.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::evidence::Evidence;
use super::judgement::{Candidate, Choice, Store, Verdict};
use super::{Facts, Lineage, MAIN};
use crate::model::backup::name::BackupName;

/// What is in the store, what is wanted, what is said (each part of it, in any order), why.
type History = (&'static str, &'static str, &'static [&'static str], &'static str);

const ONLY_API_SERVER: &str = "it holds only what an API server creates by itself";

#[rustfmt::skip] // one history a line reads as the table it is
const HISTORIES: &[History] = &[
    // One cluster.
    ("", "none", &[], "there is no backup"),
    ("-1h a60/24/9000", "-1h", &[], "an ordinary backup"),
    ("-30h a60/24/9000, -1h a60/24/9000", "-1h", &[], "the newest of an ordinary cluster"),
    ("-40d a5/2/300, -30h a60/24/9000, -1h a60/24/9100", "-1h", &[], "a cluster that grew"),
    ("-30h a60/24/9000, -1h nothing", "-30h", &["nothing was ever written"], "an etcd that was just seeded is backed up at once"),
    ("-30h a60/24/9000, -2h broken, -1h half", "-30h", &["incomplete", "damaged: page 3"], "what cannot be restored is passed over"),
    ("-30h a60/24/9000, -1h alien", "-30h", &["no API server has ever used this etcd"], "keys, and no namespace kube-system at all"),
    ("-2h nothing, -1h nothing", "none", &["nothing was ever written"], "nothing but empty ones"),
    ("-2h broken, -1h half", "none", &["incomplete", "damaged"], "nothing that can be restored"),
    // Shrinking is not sickness.
    ("-30h a60/24/9000, -1h a12/24/9000", "-1h", &["12 Nodes, 60 at 2026-11-21 14:00"], "Karpenter at night"),
    ("-3h a60/24/9000, -1h a60/24/4000", "-1h", &["4000 keys, 9000 at 17:00"], "jobs were cleaned up"),
    ("-3h a60/24/9000, -1h a30/24/4500", "-1h", &[], "half is not less than half"),
    ("-30h a60/24/9000, -1h a0/24/9000", "-1h", &["0 Nodes, 60 at"], "all Nodes are gone: the same cluster still"),
    ("-30h a60/24/9000, -2h a bare, -1h a bare", "-1h", &["no Nodes, namespaces of users or workloads are left in it", "0 Nodes, 60 at"], "somebody deleted everything: the same cluster still, and it is said"),
    ("-1h a0/1/218", "-1h", &[], "a user's namespace and 30 ConfigMaps without a Node are a cluster"),
    ("-30h a0/1/218, -1h a0/1/220", "-1h", &[], "the same, with a history"),
    // Seeded anew by accident.
    ("-2h a bare, -1h a bare", "none", &[ONLY_API_SERVER], "nothing but bare ones: none is good"),
    ("-2h a60/24/9000, -1h b bare", "-2h", &["another cluster: kube-system has UID b, and a in", ONLY_API_SERVER], "seeded anew an hour ago"),
    ("-3h a60/24/9000, -2h nothing, -1h b bare", "-3h", &["another cluster", "nothing was ever written"], "with the empty backup that comes first"),
    ("-5d a60/24/9000, -4d b bare, -2d b bare, -1h b bare", "-5d", &[ONLY_API_SERVER], "and nobody noticed for days: bare never wins by its age"),
    ("-5h a60/24/9000, -4h b bare, -1h c bare", "-5h", &["UID b", "UID c"], "seeded anew twice"),
    ("-3h a60/24/9000, -2h b bare, -1h broken", "-3h", &["damaged", ONLY_API_SERVER], "and the newest does not verify"),
    ("-4h a60/24/9000, -3h b bare, -10m a60/24/9000", "-10m", &[], "and restored since: the same cluster as before"),
    ("-40h a60/24/9000, -3h b bare, -2h b bare, -1h a59/24/9000, -10m a60/24/9000", "-10m", &[], "the same, a while after"),
    ("-5h a60/24/9000, -3h b bare, -10m a20/24/9000", "-10m", &["20 Nodes, 60 at 15:00"], "restored, and not all Nodes are back"),
    // Another cluster since less than a day.
    ("-8h a60/24/9000, -7h b bare, -1h b3/0/300", "ask", &[], "seeded anew, and three masters have joined since"),
    ("-40d a60/24/9000, -20m b3/2/500", "ask", &[], "the store outlived `kops delete cluster`: a new one of that name is being built"),
    ("-30h a60/24/9000, -2h b60/24/4000", "ask", &[], "as many Nodes, less than half the keys"),
    ("-30h a60/24/9000, -2h b60/11/9000", "ask", &[], "less than half the namespaces"),
    ("-8h a60/24/9000, -1h b50/24/8000", "-1h", &["another cluster wrote to this store until", "kube-system had UID a, and has b"], "another cluster's backup was restored on purpose: it is not poorer"),
    ("-8h a3/1/300, -1h b60/24/9000", "-1h", &["another cluster wrote to this store"], "a test cluster was replaced by a real one"),
    ("-8h a bare, -1h b3/1/300", "-1h", &[], "nothing is poorer than bare"),
    ("-40d a60/24/9000, -24h b3/1/300, -1h b4/1/310", "ask", &[], "23 hours are less than a day"),
    ("-40d a60/24/9000, -25h b3/1/300, -1h b4/1/310", "-1h", &[], "a day old: it lives, however poor"),
    ("-40d a60/24/9000, -39d b3/1/300, -20d b40/9/5000, -1h b40/9/5000", "-1h", &[], "months after a re-seed that was accepted"),
    ("-90d a60/24/9000, -60d b60/24/9000, -30d c10/3/900, -1h c10/3/900", "-1h", &[], "three clusters in one store, one after the other"),
    ("-30h a60/24/9000, -5h b60/24/9000, -10m a60/24/9000", "-10m", &[], "restored after another cluster had been there: it is a day old"),
    ("-40h a60/24/9000, -5h b3/1/300, -1h c bare", "ask", &[ONLY_API_SERVER], "the bare one is set aside; of the two before nobody can know"),
    ("-80h a60/24/9000, -70h b3/1/300, -5h b3/1/300, -1h c bare", "-5h", &[ONLY_API_SERVER], "the bare one is set aside; the one before had lived"),
    // Pins.
    ("-10d a60/24/9000 pin, -1h b bare", "-10d", &[ONLY_API_SERVER], "only a pin is left, and bare never wins"),
    ("-60d a60/24/9000 pin, -40d b bare, -1h b bare", "-60d", &[ONLY_API_SERVER], "the same a month later"),
    ("-10d a60/24/9000 pin, -1h b3/1/300", "-1h", &[], "a pin of a dead cluster is no measure"),
    ("-10d a60/24/9000 pin, -9d b3/1/300, -1h b3/1/300", "-1h", &[], "nor against one that lives for long"),
    ("-10d a60/24/9000 pin, -30h a12/24/9000, -1h a12/24/9000", "-1h", &[], "nor is one of the same cluster"),
    ("-30h a60/24/9000, -1h a60/24/9000 pin", "-1h", &[], "a pin of the living cluster is used where it is the newest"),
    ("-30h a60/24/9000, -1h b60/24/9000 pin", "-30h", &["another cluster"], "and one of another cluster is not"),
    ("-5d c60/24/9000 pin, -3h a60/24/9000, -1h b bare", "-3h", &[ONLY_API_SERVER], "the store's own before a pin"),
    ("-10d a60/24/9000 pin", "-10d", &[], "nothing but pins"),
    ("-10d a60/24/9000 pin, -5d b40/9/4000 pin", "-5d", &[], "pins of two clusters: the newer one"),
    ("-10d a60/24/9000 pin, -5d b bare pin", "-10d", &[ONLY_API_SERVER], "a bare pin never wins"),
    ("-10d a bare pin", "none", &[ONLY_API_SERVER], "nothing but a bare pin"),
    // Namespaces encrypted at rest: the UID cannot be read.
    ("-1h ?a60/24/9000", "-1h", &["the UID of kube-system cannot be read"], "one backup, judged by its keys"),
    ("-30h ?a60/24/9000, -1h ?a60/24/9000", "-1h", &["judged by keys alone"], "an ordinary cluster"),
    ("-30h ?a60/24/9000, -1h ?a12/24/9000", "-1h", &["12 Nodes, 60 at"], "fewer Nodes: one lineage still"),
    ("-2h ?a bare, -1h ?a bare", "none", &[ONLY_API_SERVER], "nothing but bare ones"),
    ("-30h ?a60/24/9000, -2h ?b bare, -1h ?b bare", "-30h", &[ONLY_API_SERVER], "a collapse to bare is another lineage"),
    ("-8h ?a60/24/9000, -5h ?b bare, -1h ?b3/1/300", "ask", &[], "seeded anew, and grown since"),
    ("-30h ?a60/24/9000, -5h ?b bare, -10m ?a60/24/9000", "-10m", &["judged by keys alone"], "seeded anew, and restored since: not poorer"),
    ("-60d ?a60/24/9000, -50h ?b bare, -1h ?b3/1/300", "-1h", &[], "seeded anew more than a day ago, and grown since: it lives"),
    ("-10d ?a60/24/9000 pin, -1h ?b bare", "-10d", &[ONLY_API_SERVER], "only a pin is left"),
    // Encryption switched on or off: known beside unknown.
    ("-30h a60/24/9000, -1h ?a60/24/9000", "-1h", &["judged by keys alone"], "encryption was switched on: its Nodes and namespaces show that it is one"),
    ("-30h ?a60/24/9000, -1h a60/24/9000", "-1h", &[], "and off"),
    ("-3h ?a60/24/9000, -1h b bare", "-3h", &[ONLY_API_SERVER], "the key of encryption was lost, and the etcd seeded anew"),
    ("-3h ?a60/24/9000, -1h b(a)3/20/300", "ask", &[], "the same, and GitOps has brought the namespaces back: poorer, so not proven one"),
    ("-30h a60/24/9000, -1h ?b3/1/300", "ask", &[], "nothing in common, and poorer"),
    ("-30h a60/24/9000, -1h ?b60/24/9000", "-1h", &["kube-system had UID a, and has unknown"], "nothing in common, and not poorer"),
    ("-30h a60/24/9000, -1h ?a12/24/9000", "ask", &[], "encryption and fewer Nodes within a day: nobody can know"),
    ("-30h a60/24/9000, -1h ?b bare", "-30h", &[ONLY_API_SERVER], "seeded anew, with encryption"),
];

const NOW: &str = "2026-11-22T20:00:00Z";

/// The backup of `-2h`.
pub fn name(ago: &str) -> BackupName {
    let now: Timestamp = NOW.parse().unwrap();
    let (number, unit) = ago.trim_start_matches('-').split_at(ago.len() - 2);
    let minutes = match unit {
        "d" => 24 * 60,
        "h" => 60,
        _ => 1,
    };
    let ago = SignedDuration::from_mins(number.parse::<i64>().unwrap() * minutes);
    BackupName::first_of(now - ago)
}

/// What a backup of this cluster with so much in it shows: names begin with `names`.
pub fn facts(name: BackupName, lineage: Lineage, names: &str, [nodes, namespaces, keys]: [u64; 3]) -> Facts {
    let called = |kind: &str, count: u64| (0..count).map(|n| format!("{names}-{kind}{n}")).collect();
    let bare = keys <= 187;
    Facts {
        name,
        problems: Vec::new(),
        revision: 900,
        lineage,
        evidence: Evidence {
            keys,
            nodes: called("node", nodes),
            namespaces: called("namespace", namespaces),
            workloads: 0,
            by_controllers: 0,
            by_somebody: if bare { 0 } else { keys - 187 },
        },
    }
}

/// A store, read from the words above.
pub struct Backups {
    pub candidates: Vec<Candidate>,
    /// What reading them would bring.
    pub held: HashMap<BackupName, Facts>,
}

pub fn read(text: &str) -> Backups {
    let mut history = Backups {
        candidates: Vec::new(),
        held: HashMap::new(),
    };
    for backup in text.split(", ").filter(|backup| !backup.is_empty()) {
        let (ago, what) = backup.split_once(' ').unwrap();
        let (what, in_store) = match what.strip_suffix(" pin") {
            Some(what) => (what, false),
            None => (what, true),
        };
        let name = name(ago);
        history.candidates.push(Candidate {
            name: name.clone(),
            complete: what != "half",
            in_store,
            size: 30_000,
        });
        history.held.insert(name.clone(), held(name, what));
    }
    assert!(
        history.candidates.is_sorted_by_key(|candidate| candidate.name.clone()),
        "{text}"
    );
    history
}

fn held(name: BackupName, what: &str) -> Facts {
    let ordinary = |keys| facts(name.clone(), Lineage::Known("a".to_owned()), "a", [0, 0, keys]);
    match what {
        "half" => ordinary(200),
        "nothing" => Facts {
            revision: 0,
            lineage: Lineage::None,
            ..ordinary(0)
        },
        "alien" => Facts {
            lineage: Lineage::None,
            ..ordinary(200)
        },
        "broken" => Facts {
            problems: vec!["page 3: cyclic".to_owned()],
            ..ordinary(200)
        },
        _ => {
            let (encrypted, rest) = match what.strip_prefix('?') {
                Some(rest) => (true, rest),
                None => (false, what),
            };
            let (uid, rest) = rest.split_at(1);
            let (names, rest) = match rest.strip_prefix('(') {
                Some(rest) => rest.split_once(')').unwrap(),
                None => (uid, rest),
            };
            let lineage = if encrypted {
                Lineage::Unknown
            } else {
                Lineage::Known(uid.to_owned())
            };
            let numbers: Vec<u64> = match rest {
                " bare" => vec![0, 0, 187],
                rest => rest.split('/').map(|number| number.parse().unwrap()).collect(),
            };
            facts(name, lineage, names, numbers.try_into().unwrap())
        }
    }
}

/// What is chosen, and which backups were read for it, in their order.
pub fn choose(etcd: &str, history: &Backups, asked: Option<&str>) -> (Choice, Vec<BackupName>) {
    let (mut known, mut order) = (HashMap::new(), Vec::new());
    loop {
        let store = Store {
            etcd,
            candidates: &history.candidates,
            asked,
            known: &known,
        };
        match store.choose() {
            Ok(choice) => return (choice, order),
            Err(super::Read(at)) => {
                let candidate = &history.candidates[at];
                assert!(candidate.complete, "half a backup is read");
                let facts = history.held[&candidate.name].clone();
                order.push(candidate.name.clone());
                assert!(known.insert(candidate.name.clone(), facts).is_none(), "read twice");
            }
        }
    }
}

fn outcome(choice: &Choice, history: &Backups) -> String {
    match (&choice.verdict, choice.good) {
        (_, Some(at)) => history.candidates[at].name.to_string(),
        (Verdict::Undecided { .. }, None) => "ask".to_owned(),
        _ => "none".to_owned(),
    }
}

fn said(choice: &Choice) -> String {
    let rejected = choice
        .rejected
        .iter()
        .flat_map(|(_, reasons)| reasons)
        .map(ToString::to_string);
    let warnings = choice.warnings.iter().map(ToString::to_string);
    rejected.chain(warnings).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_history_has_the_backup_that_a_reader_would_choose() {
    assert!(HISTORIES.len() >= 40);
    let mut wrong = Vec::new();
    for (store, wanted, parts, why) in HISTORIES {
        let history = read(store);
        let (choice, _) = choose(MAIN, &history, None);
        let wanted = match *wanted {
            "none" | "ask" => (*wanted).to_owned(),
            ago => name(ago).to_string(),
        };
        let (found, said) = (outcome(&choice, &history), said(&choice));
        if found != wanted {
            wrong.push(format!("{store}\n  ({why}): {found}, not {wanted}; {said}"));
        }
        for part in *parts {
            if !said.contains(part) {
                wrong.push(format!("{store}\n  ({why}): `{part}` is not said: {said}"));
            }
        }
        if parts.is_empty() {
            let quiet = choice
                .warnings
                .iter()
                .all(|warning| matches!(warning, super::Warning::UnknownLineage));
            if !quiet {
                wrong.push(format!("{store}\n  ({why}): said without need: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn of_what_is_encrypted_nobody_says_that_no_api_server_used_it() {
    for (store, ..) in HISTORIES
        .iter()
        .filter(|(store, ..)| store.contains('?') && !store.contains("alien"))
    {
        let (choice, _) = choose(MAIN, &read(store), None);
        assert!(!said(&choice).contains("no API server has ever used"), "{store}");
    }
}

#[test]
fn who_must_choose_sees_both() {
    let history = read("-50h a60/24/9000, -8h a60/24/9000, -7h b bare, -1h b3/0/300");
    let (choice, _) = choose(MAIN, &history, None);
    let Verdict::Undecided { newer, older } = choice.verdict else {
        panic!("{choice:?}");
    };
    assert_eq!(
        (newer.lineage.short(), newer.nodes, newer.namespaces, newer.keys),
        ("b", 3, 0, 300)
    );
    assert_eq!((newer.first, newer.last), (name("-7h"), name("-1h")));
    assert_eq!(
        (older.lineage.short(), older.nodes, older.namespaces, older.keys),
        ("a", 60, 24, 9000)
    );
    assert_eq!((older.first, older.last), (name("-50h"), name("-8h")));
}

#[test]
fn who_names_a_lineage_gets_its_newest_good_backup() {
    for (store, asked, wanted) in [
        ("-8h a60/24/9000, -7h b bare, -1h b3/0/300", "a", "-8h"),
        ("-8h a60/24/9000, -7h b bare, -1h b3/0/300", "b", "-1h"),
        // Bare is not good, by whatever name.
        ("-8h a60/24/9000, -1h b bare", "b", "none"),
        ("-8h a60/24/9000, -1h b3/0/300", "c", "none"),
        // Between two stretches of another one, and pinned.
        ("-9h a60/24/9000, -5h b40/9/4000, -1h a60/24/9000", "b", "-5h"),
        ("-9d b40/9/4000 pin, -9h a60/24/9000, -1h a60/24/9000", "b", "-9d"),
        // The newest of it may not verify.
        ("-9h a60/24/9000, -8h a60/24/9000, -5h broken, -1h b3/0/300", "a", "-8h"),
    ] {
        let history = read(store);
        let (choice, _) = choose(MAIN, &history, Some(asked));
        let wanted = if wanted == "none" {
            wanted.to_owned()
        } else {
            name(wanted).to_string()
        };
        assert_eq!(outcome(&choice, &history), wanted, "{store} --lineage {asked}");
    }
    let (choice, _) = choose(MAIN, &read("-8h a60/24/9000, -1h b3/0/300"), Some("c"));
    assert!(matches!(choice.verdict, Verdict::NoSuch(known) if known.len() == 2));
}

#[test]
fn the_others_than_main_have_to_be_sound_and_written_to() {
    for (store, wanted) in [
        ("-2h alien, -1h alien", "-1h"),
        ("-2h alien, -1h nothing", "-2h"),
        ("-2h alien, -1h broken", "-2h"),
        ("-2h nothing, -1h nothing", "none"),
        ("-2h alien pin, -1h nothing", "-2h"),
    ] {
        let history = read(store);
        let (choice, _) = choose("events", &history, None);
        let wanted = if wanted == "none" {
            wanted.to_owned()
        } else {
            name(wanted).to_string()
        };
        assert_eq!(outcome(&choice, &history), wanted, "{store}");
    }
}

/// A month of hourly and daily backups: how many of them are read.
#[test]
fn as_few_are_read_as_the_rule_needs() {
    let month = |of: &dyn Fn(i64) -> &'static str| {
        let hours: Vec<i64> = (1..=30 * 24)
            .rev()
            .filter(|hour| *hour <= 24 * 7 || hour % 24 == 0)
            .collect();
        let backups: Vec<String> = hours.iter().map(|hour| format!("-{hour}h {}", of(*hour))).collect();
        read(&backups.join(", "))
    };
    let reads = |history: &Backups| choose(MAIN, history, None).1.len();
    assert_eq!(reads(&month(&|_| "a60/24/9000")), 2);
    // The border is far away: nothing is searched for.
    assert_eq!(
        reads(&month(&|hour| if hour > 48 { "a60/24/9000" } else { "b3/1/300" })),
        2
    );
    // It is within the day.
    assert!(reads(&month(&|hour| if hour > 9 { "a60/24/9000" } else { "b60/24/9000" })) <= 8);
    // Of a re-seeded one each is read, and of the one before its newest two.
    assert_eq!(
        reads(&month(&|hour| if hour > 5 { "a60/24/9000" } else { "b bare" })),
        7
    );
    // A large one need not be read to see that it is not bare.
    let mut encrypted = month(&|_| "?a60/24/9000");
    for candidate in &mut encrypted.candidates {
        candidate.size = 50 << 20;
    }
    assert_eq!(reads(&encrypted), 2);
}
