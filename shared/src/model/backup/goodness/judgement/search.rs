//! Searches the backups of a store, reading as few of them as it can.

use std::collections::HashMap;

use super::{NEVER_BARE, PROVEN, Read, Store};
use crate::model::backup::goodness::facts::{Facts, Lineage};
use crate::model::backup::goodness::lineage::continues;
use crate::model::backup::name::BackupName;

impl<'a> Store<'a> {
    /// The UIDs between two sound backups, each with its newest backup. Two of one UID are taken to have no other between them.
    pub(super) fn runs(&self, low: usize, high: usize, found: &mut HashMap<String, usize>) -> Result<(), Read> {
        self.note(low, found)?;
        self.note(high, found)?;
        if self.facts(low)?.lineage == self.facts(high)?.lineage {
            return Ok(());
        }
        if let Some(middle) = self.sound_between(low, high)? {
            self.runs(low, middle, found)?;
            self.runs(middle, high, found)?;
        }
        Ok(())
    }

    pub(super) fn note(&self, at: usize, found: &mut HashMap<String, usize>) -> Result<(), Read> {
        if let Some(uid) = self.sound(at)?.and_then(|facts| facts.lineage.uid()) {
            let newest = found.entry(uid.to_owned()).or_insert(at);
            *newest = at.max(*newest);
        }
        Ok(())
    }

    /// The last backup with anything in it of another lineage, before the one of `at`, and the first of the lineage of `at`; nothing where
    /// there is none, or where the lineage of `at` has lived long enough to need no proof.
    pub(super) fn rival(&self, at: usize) -> Result<Option<(usize, usize)>, Read> {
        match self.facts(at)?.lineage {
            Lineage::Unknown => self.rival_of_unknown(at),
            _ => self.rival_of_known(at),
        }
    }

    pub(super) fn rival_of_known(&self, at: usize) -> Result<Option<(usize, usize)>, Read> {
        let newest = self.facts(at)?;
        let mut first = at;
        while let Some(far) = self.far_below(first, at)? {
            if continues(newest, self.facts(far)?) {
                return Ok(None);
            }
            let (mut low, mut high) = (far, first);
            while let Some(middle) = self.sound_between(low, high)? {
                if continues(newest, self.facts(middle)?) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            first = high;
            let Some(other) = self.full_from(low)? else {
                return Ok(None);
            };
            if !continues(newest, self.facts(other)?) {
                return Ok(Some((other, first)));
            }
            // A bare one in between: the same lineage was restored after a re-seed.
            if self.lived(other, at) {
                return Ok(None);
            }
            first = other;
        }
        Ok(None)
    }

    /// Where UIDs cannot be read, only a collapse to what an API server creates by itself shows a border: each backup of the day that may be
    /// bare is looked at.
    pub(super) fn rival_of_unknown(&self, at: usize) -> Result<Option<(usize, usize)>, Read> {
        let newest = self.facts(at)?;
        let (mut first, mut seeded) = (at, false);
        for earlier in (0..at).rev().filter(|earlier| self.in_store(*earlier)) {
            let lived = self.lived(earlier, at);
            if !lived && !seeded && self.cannot_be_bare(earlier) {
                first = earlier;
                continue;
            }
            let Some(facts) = self.sound(earlier)? else {
                continue;
            };
            if facts.bare() {
                if lived {
                    return Ok(None);
                }
                (first, seeded) = (earlier, true);
            } else if seeded || !continues(newest, facts) {
                return Ok(Some((earlier, first)));
            } else if lived {
                return Ok(None);
            } else {
                first = earlier;
            }
        }
        Ok(None)
    }

    /// Whether two backups are of one lineage.
    pub(super) fn are_one(&self, one: usize, other: usize) -> Result<bool, Read> {
        let (older, newer) = (one.min(other), one.max(other));
        if older == newer {
            return Ok(true);
        }
        let (old, new) = (self.facts(older)?, self.facts(newer)?);
        if (&old.lineage, &new.lineage) == (&Lineage::Unknown, &Lineage::Unknown) && !old.bare() {
            for between in older + 1..newer {
                let may_be_bare = self.in_store(between) && !self.cannot_be_bare(between);
                if may_be_bare && self.sound(between)?.is_some_and(Facts::bare) {
                    return Ok(false);
                }
            }
        }
        Ok(continues(new, old))
    }

    /// Whether a backup is bare, and its lineage was never otherwise before it.
    pub(super) fn is_bare(&self, at: usize) -> Result<bool, Read> {
        let facts = self.facts(at)?;
        if !facts.bare() {
            return Ok(false);
        }
        let Some(uid) = facts.lineage.uid() else {
            return Ok(true);
        };
        for earlier in (0..at).rev().filter(|earlier| self.in_store(*earlier)) {
            match self.sound(earlier)? {
                None => {}
                Some(facts) if facts.lineage.uid() != Some(uid) => return Ok(true),
                Some(facts) if !facts.bare() => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(true)
    }

    /// The first backup of the lineage of `at`.
    pub(super) fn first_of(&self, at: usize) -> Result<usize, Read> {
        let newest = self.facts(at)?;
        let Some(oldest) = self.oldest_sound()?.filter(|oldest| *oldest < at) else {
            return Ok(at);
        };
        if continues(newest, self.facts(oldest)?) {
            return Ok(oldest);
        }
        let (mut low, mut high) = (oldest, at);
        while let Some(middle) = self.sound_between(low, high)? {
            if continues(newest, self.facts(middle)?) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Ok(high)
    }

    /// The newest sound one below `bound` that is as old as proves a lineage; else the oldest sound one.
    pub(super) fn far_below(&self, bound: usize, at: usize) -> Result<Option<usize>, Read> {
        for earlier in (0..bound).rev().filter(|earlier| self.lived(*earlier, at)) {
            if self.in_store(earlier) && self.sound(earlier)?.is_some() {
                return Ok(Some(earlier));
            }
        }
        Ok(self.oldest_sound()?.filter(|oldest| *oldest < bound))
    }

    /// The newest sound one that is not bare, not after `at`.
    pub(super) fn full_from(&self, at: usize) -> Result<Option<usize>, Read> {
        for earlier in (0..=at).rev().filter(|earlier| self.in_store(*earlier)) {
            if self.sound(earlier)?.is_some_and(|facts| !facts.bare()) {
                return Ok(Some(earlier));
            }
        }
        Ok(None)
    }

    pub(super) fn sound_below(&self, bound: usize) -> Result<Option<usize>, Read> {
        for at in (0..bound).rev().filter(|at| self.in_store(*at)) {
            if self.sound(at)?.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    pub(super) fn oldest_sound(&self) -> Result<Option<usize>, Read> {
        for at in (0..self.candidates.len()).filter(|at| self.in_store(*at)) {
            if self.sound(at)?.is_some() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// A sound one near the middle.
    pub(super) fn sound_between(&self, low: usize, high: usize) -> Result<Option<usize>, Read> {
        let between: Vec<usize> = (low + 1..high).filter(|at| self.in_store(*at)).collect();
        let (before, after) = between.split_at(between.len() / 2);
        for at in after
            .iter()
            .take(1)
            .chain(before.iter().rev())
            .chain(after.iter().skip(1))
        {
            if self.sound(*at)?.is_some() {
                return Ok(Some(*at));
            }
        }
        Ok(None)
    }

    /// What makes a lineage: it verifies, and an API server has written to it.
    pub(super) fn sound(&self, at: usize) -> Result<Option<&'a Facts>, Read> {
        let facts = self.facts(at)?;
        let sound = facts.verifies() && !facts.empty() && facts.lineage != Lineage::None;
        Ok(sound.then_some(facts))
    }

    pub(super) fn facts(&self, at: usize) -> Result<&'a Facts, Read> {
        let candidate = self.candidates.get(at);
        candidate
            .and_then(|candidate| self.known.get(&candidate.name))
            .ok_or(Read(at))
    }

    pub(super) fn in_store(&self, at: usize) -> bool {
        let candidate = self.candidates.get(at);
        candidate.is_some_and(|candidate| candidate.in_store && candidate.complete)
    }

    pub(super) fn cannot_be_bare(&self, at: usize) -> bool {
        self.candidates
            .get(at)
            .is_some_and(|candidate| candidate.size > NEVER_BARE)
    }

    /// Whether there is a day between the two.
    pub(super) fn lived(&self, earlier: usize, later: usize) -> bool {
        let created = |at: usize| self.candidates.get(at).map(|candidate| candidate.name.created());
        let times = created(later).zip(created(earlier));
        times.is_some_and(|(later, earlier)| later.duration_since(earlier) >= PROVEN)
    }

    pub(super) fn name(&self, at: usize) -> Option<&BackupName> {
        self.candidates.get(at).map(|candidate| &candidate.name)
    }
}
