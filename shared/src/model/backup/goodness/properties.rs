//! What holds whatever the history of a store.

use proptest::prelude::*;

use super::histories::{Backups, choose, facts};
use super::judgement::{Candidate, PROVEN, Store, Verdict};
use super::lineage::poorer;
use super::{Facts, Lineage, MAIN};
use crate::model::backup::name::BackupName;

/// Nodes, namespaces, keys.
const SHAPES: [[u64; 3]; 5] = [[60, 24, 9000], [40, 20, 6000], [3, 1, 300], [0, 1, 218], [0, 0, 187]];

/// A backup: minutes after the one before, whose, its shape, whether it is a pin only, and what ails it.
type Made = (i64, usize, usize, bool, u8);

fn made() -> impl Strategy<Value = Made> {
    let minutes = prop_oneof![15_i64..90, 60_i64..600, 600_i64..5000];
    (
        minutes,
        0..4_usize,
        0..SHAPES.len(),
        prop::bool::weighted(0.2),
        0..12_u8,
    )
}

fn history(made: &[Made]) -> Backups {
    let mut backups = Backups {
        candidates: Vec::new(),
        held: std::collections::HashMap::new(),
    };
    let mut seconds = 1_790_000_000;
    for (minutes, whose, shape, pin, ails) in made {
        seconds += minutes * 60;
        let name = BackupName::first_of(jiff::Timestamp::from_second(seconds).unwrap());
        let letter = ["a", "b", "c", "d"][*whose];
        let lineage = match whose {
            3 => Lineage::Unknown,
            _ => Lineage::Known(letter.to_owned()),
        };
        let mut held = facts(name.clone(), lineage, letter, SHAPES[*shape]);
        match ails {
            0 => held.problems.push("page 3: cyclic".to_owned()),
            1 => held.revision = 0,
            2 => held.lineage = Lineage::None,
            _ => {}
        }
        backups.candidates.push(Candidate {
            name: name.clone(),
            complete: *ails != 3,
            in_store: !pin,
            size: 30_000,
        });
        backups.held.insert(name, held);
    }
    backups
}

/// Those that make a lineage, oldest first.
fn sound(backups: &Backups) -> Vec<(&Candidate, &Facts)> {
    let all = backups
        .candidates
        .iter()
        .map(|candidate| (candidate, &backups.held[&candidate.name]));
    all.filter(|(candidate, facts)| {
        candidate.complete && facts.verifies() && !facts.empty() && facts.lineage != Lineage::None
    })
    .collect()
}

/// How long the stretch has lived that the last of these is the end of.
fn lived(stored: &[(&Candidate, &Facts)]) -> jiff::SignedDuration {
    let (_, newest) = stored.last().unwrap();
    let stretch = stored
        .iter()
        .rev()
        .take_while(|(_, facts)| facts.lineage == newest.lineage);
    let (_, first) = stretch.last().unwrap();
    newest.name.created().duration_since(first.name.created())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_bare_lineage_never_wins_while_there_is_another(made in prop::collection::vec(made(), 0..14)) {
        let backups = history(&made);
        let (choice, _) = choose(MAIN, &backups, None);
        let all = sound(&backups);
        match choice.good {
            Some(at) => {
                let chosen = &backups.held[&backups.candidates[at].name];
                prop_assert!(all.iter().any(|(_, facts)| facts.name == chosen.name), "it is not even sound");
                let was_full = all.iter().any(|(_, facts)| {
                    facts.name < chosen.name && !facts.bare() && facts.lineage == chosen.lineage && facts.lineage.uid().is_some()
                });
                prop_assert!(!chosen.bare() || was_full, "{} is bare, and was never otherwise", chosen.name);
            }
            None => {
                let asks = matches!(choice.verdict, Verdict::Undecided { .. });
                prop_assert!(asks || all.iter().all(|(_, facts)| facts.bare()), "there is one that is not bare");
            }
        }
    }

    #[test]
    fn what_is_read_ahead_is_what_a_healthy_store_needs(minutes in prop::collection::vec((15_i64..5000, prop::bool::ANY), 2..14)) {
        let made: Vec<Made> = minutes.into_iter().map(|(minutes, pin)| (minutes, 0, 0, pin, 9)).collect();
        let backups = history(&made);
        let known = std::collections::HashMap::new();
        let store = Store { etcd: MAIN, candidates: &backups.candidates, asked: None, known: &known };
        let Some(places) = store.read_first() else {
            prop_assert!(backups.candidates.iter().filter(|one| one.in_store).count() < 2);
            return Ok(());
        };
        let (_, read) = choose(MAIN, &backups, None);
        for at in places {
            prop_assert!(read.contains(&backups.candidates[at].name), "{:?} is read in vain; needed: {:?}", places, read);
        }
    }

    #[test]
    fn a_living_one_never_loses_to_an_older_one_without_being_asked(made in prop::collection::vec(made(), 1..14)) {
        let backups = history(&made);
        let (choice, _) = choose(MAIN, &backups, None);
        let stored: Vec<_> = sound(&backups).into_iter().filter(|(candidate, _)| candidate.in_store).collect();
        let Some((_, newest)) = stored.last().filter(|(_, facts)| !facts.bare()) else {
            return Ok(());
        };
        match choice.good {
            Some(at) => {
                // At the most a pin of it is newer.
                let chosen = &backups.held[&backups.candidates[at].name];
                prop_assert!(chosen.name >= newest.name, "{} is older than {}", chosen.name, newest.name);
            }
            None => {
                let asks = matches!(choice.verdict, Verdict::Undecided { .. });
                prop_assert!(asks);
                let richer = stored.iter().any(|(_, older)| {
                    older.name < newest.name && !older.bare() && poorer(newest, older)
                });
                prop_assert!(richer, "it is asked, and {} is poorer than none", newest.name);
                if newest.lineage.uid().is_some() {
                    prop_assert!(lived(&stored) < PROVEN, "it is asked, and {} has lived a day", newest.name);
                }
            }
        }
    }

    #[test]
    fn pins_are_no_measure(made in prop::collection::vec(made(), 1..14)) {
        let backups = history(&made);
        let without = Backups {
            candidates: backups.candidates.iter().filter(|candidate| candidate.in_store).cloned().collect(),
            held: backups.held.clone(),
        };
        let name = |backups: &Backups| match choose(MAIN, backups, None).0.verdict {
            Verdict::Lives { at, .. } => Some(Ok(backups.candidates[at].name.clone())),
            Verdict::Undecided { newer, older } => Some(Err((newer, older))),
            _ => None,
        };
        if let Some(verdict) = name(&without) {
            prop_assert_eq!(name(&backups), Some(verdict));
        }
    }

    /// Clusters one after the other, each with a UID of its own: the rule can be told in a few lines.
    #[test]
    fn of_plain_histories_it_is_the_rule_as_it_is_told(
        clusters in prop::collection::vec((0..SHAPES.len(), 1..9_usize, prop_oneof![15_i64..90, 60_i64..600]), 1..6)
    ) {
        let mut backups = Backups { candidates: Vec::new(), held: std::collections::HashMap::new() };
        let mut runs = Vec::new();
        let mut seconds = 1_790_000_000;
        for (number, (shape, count, minutes)) in clusters.iter().enumerate() {
            let mut run = Vec::new();
            for _ in 0..*count {
                seconds += minutes * 60;
                let name = BackupName::first_of(jiff::Timestamp::from_second(seconds).unwrap());
                let uid = format!("u{number}");
                let held = facts(name.clone(), Lineage::Known(uid.clone()), &uid, SHAPES[*shape]);
                backups.candidates.push(Candidate { name: name.clone(), complete: true, in_store: true, size: 30_000 });
                backups.held.insert(name.clone(), held.clone());
                run.push(held);
            }
            runs.push(run);
        }
        runs.retain(|run| !run[0].bare());
        let wanted = match runs.as_slice() {
            [] => None,
            [only] => Some(Ok(only.last().unwrap().name.clone())),
            [.., before, newest] => {
                let (first, last) = (&newest[0], newest.last().unwrap());
                let young = last.name.created().duration_since(first.name.created()) < PROVEN;
                let before = before.last().unwrap();
                Some(match young && poorer(last, before) {
                    true => Err((last.name.clone(), before.name.clone())),
                    false => Ok(last.name.clone()),
                })
            }
        };
        let (choice, _) = choose(MAIN, &backups, None);
        let found = match (choice.good, choice.verdict) {
            (Some(at), _) => Some(Ok(backups.candidates[at].name.clone())),
            (None, Verdict::Undecided { newer, older }) => Some(Err((newer.last, older.last))),
            _ => None,
        };
        prop_assert_eq!(found, wanted);
    }
}
