//! Which lineage of a store is the current one, and which backups are good therefore.
//!
//! The rule, for etcd `main`:
//!
//! 1. The newest sound backup of the store is of the newest lineage.
//! 2. A lineage that is bare now, and never was otherwise, is set aside: a suspected re-seed. The one before it counts. A
//!    store with nothing but bare backups has no good one.
//! 3. Where the newest lineage is younger than a day and poorer than the one before, it is not clear which one is meant.
//! 4. Pins are backups to use and never a measure: they count only where the store itself has nothing but bare ones.
//! 5. Within one lineage nothing is rejected for holding less than before.
//!
//! Pure: what has to be read is asked for by [`Read`], one backup at a time, until the answer is known. Of the lineage that
//! lives that is its newest backup and one a day older; a border between two lineages is searched for only where those two
//! differ, and only within that day, since a lineage that has lived longer needs no more proof.

mod search;

use std::collections::{BTreeSet, HashMap};

use jiff::SignedDuration;

use super::MAIN;
use super::facts::{Facts, Lineage};
use super::lineage::{Summary, continues, halved, poorer};
use super::reason::{Rejection, Warning};
use crate::model::backup::name::BackupName;

/// A lineage that has lived so long is the living one, whatever it holds.
pub const PROVEN: SignedDuration = SignedDuration::from_hours(24);

/// No backup of a bare etcd is as large, compressed: a real one has 24 KiB, and an API server that rewrites its leases for weeks
/// adds little. What is larger need not be read to see that it is not bare.
pub const NEVER_BARE: u64 = 8 << 20;

/// A backup as the listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: BackupName,
    /// Whether data and meta are there.
    pub complete: bool,
    /// Whether it is in the store's own folder; a pinned copy alone is never a measure.
    pub in_store: bool,
    /// The size of its data in bytes, compressed.
    pub size: u64,
}

/// The backups of one etcd cluster, and what is known of them.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    /// `main`, `events`, …
    pub etcd: &'a str,
    /// All that count, oldest first.
    pub candidates: &'a [Candidate],
    /// The beginning of the UID that is asked for; without it the lineage that lives is meant.
    pub asked: Option<&'a str>,
    /// Those that were read.
    pub known: &'a HashMap<BackupName, Facts>,
}

/// The candidate at this place has to be read before there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read(pub usize);

/// Which lineage is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// That of this backup, which is its newest sound one in the store.
    Lives {
        /// Its place among the candidates.
        at: usize,
        /// The last backup of the lineage before, where that one ended within the day.
        follows: Option<usize>,
    },
    /// It is ambiguous.
    Undecided {
        /// The younger one, less than a day old and poorer.
        newer: Box<Summary>,
        /// The one before.
        older: Box<Summary>,
    },
    /// None: no backup is sound, or all are bare.
    Nothing,
    /// None has a UID that begins so. These are there.
    NoSuch(BTreeSet<String>),
    /// Several have.
    Several(BTreeSet<String>),
}

/// What is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The good one's place among the candidates.
    pub good: Option<usize>,
    /// Which lineage is meant.
    pub verdict: Verdict,
    /// The younger ones that were passed over, newest first.
    pub rejected: Vec<(BackupName, Vec<Rejection>)>,
    /// What should be known of the good one.
    pub warnings: Vec<Warning>,
}

impl<'a> Store<'a> {
    /// The two of main that [`Store::choose`] asks for first where all is well: the newest one, and the newest that is a day older, else the
    /// oldest. `None` where there are no two, or one of them was read.
    #[must_use]
    pub fn read_first(&self) -> Option<[usize; 2]> {
        if self.etcd != MAIN || self.asked.is_some() {
            return None;
        }
        let mut stored = (0..self.candidates.len()).filter(|at| self.in_store(*at));
        let newest = stored.next_back()?;
        let oldest = stored.next()?;
        let older = (oldest..newest)
            .rev()
            .find(|at| self.in_store(*at) && self.lived(*at, newest))
            .unwrap_or(oldest);
        let unread = |at: usize| {
            self.candidates
                .get(at)
                .is_some_and(|one| !self.known.contains_key(&one.name))
        };
        (unread(newest) && unread(older)).then_some([newest, older])
    }

    /// The newest good backup.
    ///
    /// # Errors
    /// [`Read`], for as long as something has to be read first.
    pub fn choose(&self) -> Result<Choice, Read> {
        let verdict = self.verdict()?;
        let mut choice = Choice {
            good: None,
            rejected: Vec::new(),
            warnings: Vec::new(),
            verdict,
        };
        for (at, candidate) in self.candidates.iter().enumerate().rev() {
            match &choice.verdict {
                // What is newer and was not read is none of the lineage that is asked for.
                Verdict::Lives { at: living, .. }
                    if self.asked.is_some() && at > *living && !self.known.contains_key(&candidate.name) =>
                {
                    continue;
                }
                Verdict::Undecided { newer, .. } if candidate.name <= newer.last => break,
                Verdict::NoSuch(_) | Verdict::Several(_) => break,
                _ => {}
            }
            let reasons = self.rejections(&choice.verdict, at)?;
            if reasons.is_empty() {
                choice.warnings = self.warnings(&choice.verdict, at);
                choice.good = Some(at);
                break;
            }
            choice.rejected.push((candidate.name.clone(), reasons));
        }
        Ok(choice)
    }

    /// The newest backup that verifies, empty or not.
    ///
    /// # Errors
    /// [`Read`].
    pub fn newest_sound(&self) -> Result<Option<usize>, Read> {
        for (at, candidate) in self.candidates.iter().enumerate().rev() {
            if candidate.complete && self.facts(at)?.verifies() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Which lineage is meant. Of other etcd clusters than `main` there is only one: `at` is its newest backup with
    /// anything in it.
    ///
    /// # Errors
    /// [`Read`].
    pub fn verdict(&self) -> Result<Verdict, Read> {
        if self.etcd != MAIN {
            for (at, candidate) in self.candidates.iter().enumerate().rev() {
                if candidate.complete && self.facts(at)?.verifies() && !self.facts(at)?.empty() {
                    return Ok(Verdict::Lives { at, follows: None });
                }
            }
            return Ok(Verdict::Nothing);
        }
        match self.asked {
            Some(asked) => self.asked_for(asked),
            None => self.living(),
        }
    }

    fn living(&self) -> Result<Verdict, Read> {
        let mut bound = self.candidates.len();
        while let Some(at) = self.sound_below(bound)? {
            if self.is_bare(at)? {
                bound = at;
                continue;
            }
            return Ok(match self.rival(at)? {
                Some((rival, first)) if poorer(self.facts(at)?, self.facts(rival)?) => Verdict::Undecided {
                    newer: Box::new(Summary::new(self.facts(at)?, self.name(first))),
                    older: Box::new(Summary::new(self.facts(rival)?, self.name(self.first_of(rival)?))),
                },
                rival => Verdict::Lives {
                    at,
                    follows: rival.map(|(rival, _)| rival),
                },
            });
        }
        for (at, candidate) in self.candidates.iter().enumerate().rev() {
            if candidate.complete && !candidate.in_store && self.sound(at)?.is_some_and(|facts| !facts.bare()) {
                return Ok(Verdict::Lives { at, follows: None });
            }
        }
        Ok(Verdict::Nothing)
    }

    /// Why a backup is not good; empty when it is.
    ///
    /// # Errors
    /// [`Read`].
    pub fn rejections(&self, verdict: &Verdict, at: usize) -> Result<Vec<Rejection>, Read> {
        if !self.candidates.get(at).is_some_and(|candidate| candidate.complete) {
            return Ok(vec![Rejection::Incomplete]);
        }
        let facts = self.facts(at)?;
        if let Some(problem) = facts.problems.first() {
            return Ok(vec![Rejection::Damaged(problem.clone())]);
        }
        if facts.empty() {
            return Ok(vec![Rejection::Empty]);
        }
        if self.etcd != MAIN {
            return Ok(Vec::new());
        }
        if facts.lineage == Lineage::None {
            return Ok(vec![Rejection::NoLineage]);
        }
        let bare = self.is_bare(at)?;
        let mut reasons = Vec::new();
        match verdict {
            Verdict::Lives { at: living, .. } => {
                let reference = self.facts(*living)?;
                let both_known = facts.lineage.uid().is_some() && reference.lineage.uid().is_some();
                // Of a bare one whose UID cannot be read nothing shows whose it is.
                if !self.are_one(at, *living)? && (both_known || !bare) {
                    reasons.push(Rejection::OtherLineage {
                        found: facts.lineage.clone(),
                        living: reference.lineage.clone(),
                        against: reference.name.clone(),
                    });
                }
            }
            Verdict::Undecided { newer, older } if !bare => reasons.push(Rejection::Undecided {
                newer: newer.lineage.clone(),
                older: older.lineage.clone(),
            }),
            _ => {}
        }
        if bare {
            reasons.push(Rejection::bare(facts));
        }
        Ok(reasons)
    }

    /// What should be known of a good one. Compared is only with what was read already: that is a backup a day older, where there
    /// is one.
    #[must_use]
    pub fn warnings(&self, verdict: &Verdict, at: usize) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let (Ok(chosen), MAIN) = (self.facts(at), self.etcd) else {
            return warnings;
        };
        if let Verdict::Lives {
            at: living,
            follows: Some(before),
        } = verdict
            && let Ok(before) = self.facts(*before)
            && *living == at
        {
            warnings.push(Warning::Follows {
                lineage: chosen.lineage.clone(),
                before: before.lineage.clone(),
                until: before.name.clone(),
            });
        }
        if chosen.lineage == Lineage::Unknown {
            warnings.push(Warning::UnknownLineage);
        }
        if chosen.bare() {
            warnings.push(Warning::NowBare);
        }
        let in_store = || {
            let earlier = self.candidates.iter().take(at).filter(|earlier| earlier.in_store);
            earlier.filter_map(|earlier| self.known.get(&earlier.name))
        };
        let same = |earlier: &&Facts| {
            let one = match (chosen.lineage.uid(), earlier.lineage.uid()) {
                (Some(now), Some(before)) => now == before,
                _ => continues(chosen, earlier),
            };
            one && earlier.verifies() && !earlier.empty()
        };
        if let Some(most) = in_store().filter(same).max_by_key(|earlier| earlier.nodes())
            && halved(chosen.nodes(), most.nodes())
        {
            warnings.push(Warning::FewerNodes {
                now: chosen.nodes(),
                before: most.nodes(),
                of: chosen.name.clone(),
                against: most.name.clone(),
            });
        }
        if let Some(most) = in_store().filter(same).max_by_key(|earlier| earlier.keys())
            && halved(chosen.keys(), most.keys())
        {
            warnings.push(Warning::FewerKeys {
                now: chosen.keys(),
                before: most.keys(),
                of: chosen.name.clone(),
                against: most.name.clone(),
            });
        }
        warnings
    }

    /// The lineage of a UID that begins so.
    fn asked_for(&self, asked: &str) -> Result<Verdict, Read> {
        let mut found: HashMap<String, usize> = HashMap::new();
        if let (Some(oldest), Some(newest)) = (self.oldest_sound()?, self.sound_below(self.candidates.len())?) {
            self.runs(oldest, newest, &mut found)?;
        }
        for (at, candidate) in self.candidates.iter().enumerate() {
            if candidate.complete && !candidate.in_store {
                self.note(at, &mut found)?;
            }
        }
        let begins = |found: &HashMap<String, usize>| -> BTreeSet<String> {
            found.keys().filter(|uid| uid.starts_with(asked)).cloned().collect()
        };
        if begins(&found).is_empty() {
            // A lineage between two stretches of another one is seen only by reading all.
            for at in 0..self.candidates.len() {
                if self.in_store(at) {
                    self.note(at, &mut found)?;
                }
            }
        }
        let matching = begins(&found);
        let mut each = matching.iter();
        Ok(match (each.next(), each.next()) {
            (None, _) => Verdict::NoSuch(found.into_keys().collect()),
            (Some(uid), None) => found
                .get(uid)
                .map_or(Verdict::Nothing, |at| Verdict::Lives { at: *at, follows: None }),
            _ => Verdict::Several(matching),
        })
    }
}
