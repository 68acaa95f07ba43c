//! Judges backups of one catalog, reading each at most once, and as few as the judgement needs.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{ChooseContext, ChooseError, Chosen, Rejected};
use crate::model::backup::goodness::{Candidate, Choice, Facts, Read, Rejection, Store, Verdict, Warning};
use crate::model::backup::name::BackupName;
use crate::ports::ReadFailure;
use crate::usecases::catalog::{Backup, Catalog};
use crate::usecases::examine::{ExamineError, examine};

/// Judges backups of one catalog, reading each at most once.
pub struct Judge<'a, 'l> {
    context: ChooseContext<'l>,
    catalog: &'a Catalog,
    candidates: Vec<Candidate>,
    known: HashMap<BackupName, Facts>,
    /// Those of `known` that an earlier command has read.
    remembered: HashSet<BackupName>,
}

/// What the judgement makes of one backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessed {
    /// Why it is not good; empty when it is.
    pub rejections: Vec<Rejection>,
    /// What should be known of it, where it is good.
    pub warnings: Vec<Warning>,
}

impl<'a, 'l> Judge<'a, 'l> {
    /// For one catalog.
    #[must_use]
    pub fn new(context: ChooseContext<'l>, catalog: &'a Catalog) -> Self {
        let candidates = catalog.backups.iter().map(|backup| Candidate {
            name: backup.name.clone(),
            complete: backup.complete(),
            in_store: backup.in_store,
            size: backup.data_size.unwrap_or_default(),
        });
        Self {
            context,
            catalog,
            candidates: candidates.collect(),
            known: HashMap::new(),
            remembered: HashSet::new(),
        }
    }

    /// Takes what is known of a backup already, so that it is not read again.
    pub fn learn(&mut self, facts: Facts) {
        if let Some(backup) = self.catalog.backups.iter().find(|backup| backup.name == facts.name) {
            self.context.known.learn(backup, &facts);
        }
        self.remembered.remove(&facts.name);
        self.known.insert(facts.name.clone(), facts);
    }

    /// What is known of a backup, where it was read.
    #[must_use]
    pub fn facts(&self, name: &BackupName) -> Option<&Facts> {
        self.known.get(name)
    }

    /// Why `backup` is not good; empty when it is.
    ///
    /// # Errors
    /// Where a backup could not be looked at.
    pub async fn judge(&mut self, backup: &Backup) -> Result<Vec<Rejection>, ExamineError> {
        Ok(self.assess(backup).await?.rejections)
    }

    /// The same, with what should be known of a good one.
    ///
    /// # Errors
    /// Where a backup could not be looked at.
    pub async fn assess(&mut self, backup: &Backup) -> Result<Assessed, ExamineError> {
        loop {
            let assessed = self.assess_as_known(backup).await?;
            if !self.read_remembered(backup).await? {
                return Ok(assessed);
            }
        }
    }

    async fn assess_as_known(&mut self, backup: &Backup) -> Result<Assessed, ExamineError> {
        let name = backup.name.clone();
        self.ask(None, move |store| {
            let Some(at) = store.candidates.iter().position(|candidate| candidate.name == name) else {
                return Ok(Assessed {
                    rejections: vec![Rejection::Incomplete],
                    warnings: Vec::new(),
                });
            };
            // No other backup needs to be read for this.
            let alone = store.rejections(&Verdict::Nothing, at)?;
            if alone.iter().any(Rejection::tells_by_itself) {
                return Ok(Assessed {
                    rejections: alone,
                    warnings: Vec::new(),
                });
            }
            let verdict = match store.verdict()? {
                Verdict::NoSuch(_) | Verdict::Several(_) => Store { asked: None, ..*store }.verdict()?,
                verdict => verdict,
            };
            let rejections = store.rejections(&verdict, at)?;
            let warnings = match rejections.is_empty() {
                true => store.warnings(&verdict, at),
                false => Vec::new(),
            };
            Ok(Assessed { rejections, warnings })
        })
        .await
    }

    /// The newest good backup that is not after `at`.
    ///
    /// # Errors
    /// As [`super::latest_good`].
    pub async fn latest_good(&mut self, at: Option<Timestamp>) -> Result<Chosen<'a>, ChooseError> {
        self.read_ahead(at).await?;
        let choice = loop {
            let choice = self.ask(at, |store| store.choose()).await?;
            let good = choice.good.and_then(|at| self.catalog.backups.get(at));
            match good {
                Some(backup) if self.read_remembered(backup).await? => {}
                _ => break choice,
            }
        };
        let etcd = self.catalog.store.etcd.clone();
        let Choice {
            good,
            verdict,
            rejected,
            warnings,
        } = choice;
        let rejected: Vec<Rejected> = rejected
            .into_iter()
            .map(|(name, reasons)| Rejected { name, reasons })
            .collect();
        if let Some(backup) = good.and_then(|at| self.catalog.backups.get(at)) {
            return Ok(Chosen {
                catalog: self.catalog,
                backup,
                rejected,
                warnings,
                facts: self.known.get(&backup.name).cloned(),
            });
        }
        let asked = self.context.lineage.unwrap_or_default().to_owned();
        Err(match verdict {
            Verdict::Undecided { newer, older } => ChooseError::Undecided {
                etcd,
                newer,
                older,
                rejected,
            },
            Verdict::NoSuch(known) => ChooseError::NoSuchLineage {
                etcd,
                asked,
                known: known.into_iter().collect(),
            },
            Verdict::Several(matching) => ChooseError::AmbiguousLineage {
                asked,
                matching: matching.into_iter().collect(),
            },
            Verdict::Lives { .. } | Verdict::Nothing => ChooseError::NoneGood { etcd, rejected },
        })
    }

    /// The newest backup that verifies and is not after `at`, empty or not; with the younger ones that do not.
    ///
    /// # Errors
    /// Where a backup could not be looked at.
    pub async fn newest_sound(&mut self, at: Option<Timestamp>) -> Result<Option<Chosen<'a>>, ExamineError> {
        let (found, backup) = loop {
            let found = self.ask(at, |store| store.newest_sound()).await?;
            let Some((found, backup)) = found.and_then(|found| Some((found, self.catalog.backups.get(found)?))) else {
                return Ok(None);
            };
            if !self.read_remembered(backup).await? {
                break (found, backup);
            }
        };
        let mut rejected = Vec::new();
        for younger in self.catalog.backups.iter().skip(found + 1).rev() {
            if at.is_none_or(|at| younger.name.created() <= at) {
                let store = self.store(self.candidates.len());
                let place = self
                    .candidates
                    .iter()
                    .position(|candidate| candidate.name == younger.name);
                if let Some(Ok(reasons)) = place.map(|place| store.rejections(&Verdict::Nothing, place)) {
                    rejected.push(Rejected {
                        name: younger.name.clone(),
                        reasons,
                    });
                }
            }
        }
        Ok(Some(Chosen {
            catalog: self.catalog,
            backup,
            rejected,
            warnings: Vec::new(),
            facts: self.known.get(&backup.name).cloned(),
        }))
    }

    /// Which lineage is meant.
    ///
    /// # Errors
    /// Where a backup could not be looked at.
    pub async fn verdict(&mut self) -> Result<Verdict, ExamineError> {
        self.ask(None, |store| store.verdict()).await
    }

    fn store(&self, count: usize) -> Store<'_> {
        Store {
            etcd: &self.catalog.store.etcd,
            candidates: self.candidates.get(..count).unwrap_or_default(),
            asked: self.context.lineage,
            known: &self.known,
        }
    }

    /// How many of the candidates are not after `at`: they are in the order of time.
    fn not_after(&self, at: Option<Timestamp>) -> usize {
        self.candidates
            .partition_point(|candidate| at.is_none_or(|at| candidate.name.created() <= at))
    }

    /// Reads side by side the two that nearly every choice needs, where neither is known. Where there is no room for both, or the older one
    /// cannot be read, it is asked for by itself.
    async fn read_ahead(&mut self, at: Option<Timestamp>) -> Result<(), ExamineError> {
        let Some(places) = self.store(self.not_after(at)).read_first() else {
            return Ok(());
        };
        let known = self.context.known;
        let backups = places.map(|at| self.catalog.backups.get(at));
        let [Some(newer), Some(older)] = backups else {
            return Ok(());
        };
        if [newer, older]
            .iter()
            .any(|backup| known.get(backup).is_some() || known.remembered(backup).is_some())
        {
            return Ok(());
        }
        let (first, second) = tokio::join!(self.read(newer), self.read(older));
        let first = match first {
            Err(ExamineError::Read {
                source: ReadFailure::DiskFull { .. },
                ..
            }) => None,
            first => Some(first?),
        };
        for facts in first.into_iter().chain(second) {
            self.known.insert(facts.name.clone(), facts);
        }
        Ok(())
    }

    /// Reads what the question needs, one after the other, until it is answered.
    async fn ask<T>(
        &mut self,
        at: Option<Timestamp>,
        question: impl Fn(&Store<'_>) -> Result<T, Read>,
    ) -> Result<T, ExamineError> {
        let count = self.not_after(at);
        loop {
            let wanted = match question(&self.store(count)) {
                Ok(answer) => return Ok(answer),
                Err(Read(wanted)) => wanted,
            };
            let backup = self.catalog.backups.get(wanted).ok_or(ExamineError::NotListed)?;
            let facts = match self.context.known.get(backup) {
                Some(facts) => facts,
                None => match self.context.known.remembered(backup) {
                    Some(facts) => {
                        self.remembered.insert(backup.name.clone());
                        facts
                    }
                    None => self.read(backup).await?,
                },
            };
            self.known.insert(backup.name.clone(), facts);
        }
    }

    async fn read(&self, backup: &Backup) -> Result<Facts, ExamineError> {
        let read = examine(self.context.examine(), &self.catalog.store, backup, &|_| {}).await?;
        let facts = read.facts.clone();
        self.context.known.learn(backup, &facts);
        self.context.known.hold(backup, read);
        Ok(facts)
    }

    /// Reads a backup of which so far only an earlier command knows; `false` where there is nothing to be read.
    async fn read_remembered(&mut self, backup: &Backup) -> Result<bool, ExamineError> {
        let is_remembered = self.remembered.remove(&backup.name);
        if is_remembered {
            let facts = self.read(backup).await?;
            self.known.insert(backup.name.clone(), facts);
        }
        Ok(is_remembered)
    }
}
