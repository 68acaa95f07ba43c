//! From what the user names to backups: names, beginnings of names, `latest`, `latest-good`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::catalog::{Backup, Catalog};
use super::examine::{ExamineError, examine};
use crate::domain::backup_name::BackupName;
use crate::domain::backup_ref::{self, BackupRef, Matched, Which};
use crate::domain::goodness::{self, Facts, Rejection};
use crate::error::Failure;
use crate::exit::Exit;
use crate::ports::{ObjectStore, SnapshotReader};

/// How far back the largest backup is looked for that a candidate is compared with: as long as hourly backups are kept.
const PREDECESSORS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A backup that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The catalog it is from.
    pub catalog: &'a Catalog,
    /// The backup.
    pub backup: &'a Backup,
    /// The younger ones that `latest-good` passed over, newest first, each with its reasons.
    pub rejected: Vec<Rejected>,
}

/// A backup that is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which.
    pub name: BackupName,
    /// Why.
    pub reasons: Vec<Rejection>,
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.name)?;
        for (index, reason) in self.reasons.iter().enumerate() {
            write!(f, "{}{reason}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// Nothing could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChooseError {
    /// `--etcd` or `ETCD=` names none of the cluster's.
    #[error("there is no etcd cluster `{name}` here, only {}", .known.join(", "))]
    NoSuchEtcd {
        /// The name given.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// No backup at all.
    #[error("no complete backup of etcd {etcd} in {at}")]
    NoBackups {
        /// The etcd cluster, or several.
        etcd: String,
        /// Where was looked.
        at: String,
    },
    /// None younger than `--at`.
    #[error("no complete backup of etcd {etcd} not after {at}; the oldest is {oldest}")]
    NoneBefore {
        /// The etcd cluster.
        etcd: String,
        /// The time given.
        at: Timestamp,
        /// The oldest backup.
        oldest: BackupName,
    },
    /// None of this name.
    #[error("no backup `{text}` of etcd {etcd}")]
    NotFound {
        /// What was asked for.
        text: String,
        /// The etcd cluster, or several.
        etcd: String,
        /// The backups nearest in time.
        near: Vec<String>,
    },
    /// Several begin so.
    #[error("`{text}` is the beginning of {} backups of etcd {etcd}: {}", names.len(), shortened(names))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// The etcd cluster.
        etcd: String,
        /// Those that begin so.
        names: Vec<String>,
    },
    /// Not one is good.
    #[error("no good backup of etcd {etcd}{}", listed(rejected))]
    NoneGood {
        /// The etcd cluster.
        etcd: String,
        /// All that were looked at, newest first.
        rejected: Vec<Rejected>,
    },
    /// One could not be looked at.
    #[error(transparent)]
    Examine(#[from] ExamineError),
}

impl Failure for ChooseError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuchEtcd { .. } | Self::Ambiguous { .. } => Exit::Usage,
            Self::NoBackups { .. } | Self::NoneBefore { .. } | Self::NotFound { .. } => Exit::Failed,
            Self::NoneGood { .. } => Exit::Found,
            Self::Examine(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { near, .. } if !near.is_empty() => Some(format!("near it: {}", near.join(", "))),
            Self::Ambiguous { .. } => Some("give more of the name".to_owned()),
            Self::NoneGood { .. } => {
                Some("look into one by `inspect NAME`; to use it all the same, give its name".to_owned())
            }
            Self::NoBackups { .. } => {
                Some("check --state, --name and --store; `list` shows halves of backups too".to_owned())
            }
            Self::Examine(error) => error.hint(),
            _ => None,
        }
    }
}

fn shortened(names: &[String]) -> String {
    let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 4 { shown + ", …" } else { shown }
}

fn listed(rejected: &[Rejected]) -> String {
    rejected.iter().map(|rejected| format!("\n  {rejected}")).collect()
}

/// What is needed to look into backups.
#[derive(Clone, Copy)]
pub struct Looking<'a> {
    /// The stores.
    pub objects: &'a dyn ObjectStore,
    /// What unpacks and decodes.
    pub reader: &'a dyn SnapshotReader,
}

/// Finds what the user named, over all catalogs that it is meant for. Every catalog gives at most one backup; at least
/// one gives one.
///
/// # Errors
/// [`ChooseError`].
pub async fn choose<'a>(
    looking: Looking<'_>,
    catalogs: &'a [Catalog],
    wanted: &BackupRef,
    at: Option<Timestamp>,
) -> Result<Vec<Chosen<'a>>, ChooseError> {
    let asked: Vec<&Catalog> = match &wanted.etcd {
        None => catalogs.iter().collect(),
        Some(etcd) => catalogs.iter().filter(|catalog| catalog.store.etcd == *etcd).collect(),
    };
    if let (Some(name), true) = (&wanted.etcd, asked.is_empty()) {
        let known = catalogs.iter().map(|catalog| catalog.store.etcd.clone()).collect();
        return Err(ChooseError::NoSuchEtcd {
            name: name.clone(),
            known,
        });
    }
    let mut chosen = Vec::new();
    match &wanted.which {
        Which::Named(text) => {
            for catalog in &asked {
                match backup_ref::find(catalog.backups.iter().map(|backup| &backup.name), text) {
                    Matched::One(name) => chosen.extend(
                        catalog
                            .backups
                            .iter()
                            .find(|backup| backup.name == *name)
                            .map(|backup| Chosen {
                                catalog,
                                backup,
                                rejected: Vec::new(),
                            }),
                    ),
                    Matched::None => {}
                    Matched::Several(names) => {
                        return Err(ChooseError::Ambiguous {
                            text: text.clone(),
                            etcd: catalog.store.etcd.clone(),
                            names: names.into_iter().map(ToString::to_string).collect(),
                        });
                    }
                }
            }
            if chosen.is_empty() {
                return Err(ChooseError::NotFound {
                    text: text.clone(),
                    etcd: etcds(&asked),
                    near: near(&asked, text),
                });
            }
        }
        Which::Latest => {
            for catalog in &asked {
                let newest = not_after(catalog, at).next_back();
                chosen.extend(newest.map(|backup| Chosen {
                    catalog,
                    backup,
                    rejected: Vec::new(),
                }));
            }
            if chosen.is_empty() {
                return Err(nothing(&asked, at));
            }
        }
        Which::LatestGood => {
            for catalog in &asked {
                if not_after(catalog, at).next().is_some() {
                    chosen.push(latest_good(looking, catalog, at).await?);
                }
            }
            if chosen.is_empty() {
                return Err(nothing(&asked, at));
            }
        }
    }
    Ok(chosen)
}

/// The newest good backup that is not after `at`.
///
/// # Errors
/// [`ChooseError::NoneGood`] with every rejection, or where a backup could not be looked at.
pub async fn latest_good<'a>(
    looking: Looking<'_>,
    catalog: &'a Catalog,
    at: Option<Timestamp>,
) -> Result<Chosen<'a>, ChooseError> {
    let mut judge = Judge {
        looking,
        catalog,
        known: HashMap::new(),
    };
    let mut rejected = Vec::new();
    for backup in catalog
        .backups
        .iter()
        .rev()
        .filter(|backup| at.is_none_or(|at| backup.name.created() <= at))
    {
        let reasons = judge.judge(backup).await?;
        if reasons.is_empty() {
            return Ok(Chosen {
                catalog,
                backup,
                rejected,
            });
        }
        rejected.push(Rejected {
            name: backup.name.clone(),
            reasons,
        });
    }
    Err(ChooseError::NoneGood {
        etcd: catalog.store.etcd.clone(),
        rejected,
    })
}

/// Judges backups of one catalog, reading each at most once.
pub struct Judge<'a> {
    looking: Looking<'a>,
    catalog: &'a Catalog,
    known: HashMap<BackupName, Facts>,
}

impl<'a> Judge<'a> {
    /// For one catalog.
    #[must_use]
    pub fn new(looking: Looking<'a>, catalog: &'a Catalog) -> Self {
        Self {
            looking,
            catalog,
            known: HashMap::new(),
        }
    }

    /// Takes what is known of a backup already, so that it is not read again.
    pub fn learn(&mut self, facts: Facts) {
        self.known.insert(facts.name.clone(), facts);
    }

    /// Why `backup` is not good; empty when it is.
    ///
    /// # Errors
    /// Where a backup could not be looked at.
    pub async fn judge(&mut self, backup: &Backup) -> Result<Vec<Rejection>, ExamineError> {
        if !backup.complete() {
            return Ok(vec![Rejection::Incomplete]);
        }
        let facts = self.facts(backup).await?;
        let etcd = self.catalog.store.etcd.as_str();
        if etcd != goodness::MAIN || !facts.problems.is_empty() || facts.empty() {
            return Ok(goodness::judge(etcd, &facts, None, &[]));
        }
        let history = self.history().await?;
        let mut predecessors = Vec::new();
        for earlier in predecessors_of(self.catalog, backup) {
            predecessors.push(self.facts(earlier).await?);
        }
        Ok(goodness::judge(
            etcd,
            &facts,
            history.as_ref(),
            &predecessors.iter().collect::<Vec<_>>(),
        ))
    }

    /// The oldest sound backup that has a lineage.
    async fn history(&mut self) -> Result<Option<Facts>, ExamineError> {
        for backup in self.catalog.complete() {
            let facts = self.facts(backup).await?;
            if facts.problems.is_empty() && !facts.empty() && facts.lineage.is_some() {
                return Ok(Some(facts));
            }
        }
        Ok(None)
    }

    async fn facts(&mut self, backup: &Backup) -> Result<Facts, ExamineError> {
        if let Some(facts) = self.known.get(&backup.name) {
            return Ok(facts.clone());
        }
        let facts = examine(self.looking.objects, self.looking.reader, backup, &|_| {})
            .await?
            .facts;
        self.known.insert(backup.name.clone(), facts.clone());
        Ok(facts)
    }
}

/// What a backup is compared with: the one before it, and the largest of the week before it.
fn predecessors_of<'a>(catalog: &'a Catalog, backup: &Backup) -> Vec<&'a Backup> {
    let earlier = || catalog.complete().filter(|other| other.name < backup.name);
    let week = earlier().filter(|other| backup.name.created().duration_since(other.name.created()) <= PREDECESSORS);
    let mut found: Vec<&Backup> = earlier()
        .next_back()
        .into_iter()
        .chain(week.max_by_key(|other| other.data_size))
        .collect();
    found.dedup_by_key(|backup| backup.name.clone());
    found
}

fn not_after(catalog: &Catalog, at: Option<Timestamp>) -> impl DoubleEndedIterator<Item = &Backup> {
    catalog
        .complete()
        .filter(move |backup| at.is_none_or(|at| backup.name.created() <= at))
}

fn nothing(asked: &[&Catalog], at: Option<Timestamp>) -> ChooseError {
    let oldest = asked
        .iter()
        .find_map(|catalog| Some((catalog, catalog.complete().next()?)));
    match (at, oldest) {
        (Some(at), Some((catalog, oldest))) => ChooseError::NoneBefore {
            etcd: catalog.store.etcd.clone(),
            at,
            oldest: oldest.name.clone(),
        },
        _ => ChooseError::NoBackups {
            etcd: etcds(asked),
            at: asked
                .iter()
                .map(|catalog| catalog.store.base.to_string())
                .collect::<Vec<_>>()
                .join(", "),
        },
    }
}

fn etcds(catalogs: &[&Catalog]) -> String {
    catalogs
        .iter()
        .map(|catalog| catalog.store.etcd.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Up to three names that share the longest beginning with `text`.
fn near(catalogs: &[&Catalog], text: &str) -> Vec<String> {
    let shared = |name: &BackupName| {
        name.as_str()
            .bytes()
            .zip(text.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let mut names: Vec<&BackupName> = catalogs
        .iter()
        .flat_map(|catalog| catalog.backups.iter().map(|backup| &backup.name))
        .collect();
    names.sort_by_key(|name| (std::cmp::Reverse(shared(name)), std::cmp::Reverse((*name).clone())));
    names.dedup();
    names.into_iter().take(3).map(ToString::to_string).collect()
}
