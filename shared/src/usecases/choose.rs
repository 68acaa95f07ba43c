//! From what the user names to backups: names, beginnings of names, `latest`, `latest-good`.

mod error;
mod judge;
mod pick;

use jiff::Timestamp;

pub use error::ChooseError;
pub use judge::{Assessed, Judge};
pub use pick::{Pick, Picked, pick, pick_all};

use super::catalog::{Backup, Catalog};
use super::encryption::KeyRing;
use super::examine::ExamineContext;
use super::known_backups::KnownBackups;
use crate::model::backup::goodness::{Facts, Rejection, Warning};
use crate::model::backup::name::BackupName;
use crate::model::backup::reference::{self, BackupRef, Matched, Which};
use crate::ports::{ObjectStore, SnapshotReader};

/// A backup that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The catalog it is from.
    pub catalog: &'a Catalog,
    /// The backup.
    pub backup: &'a Backup,
    /// The younger ones that `latest-good` passed over, newest first, each with its reasons.
    pub rejected: Vec<Rejected>,
    /// What should be known of it; only where it was judged.
    pub warnings: Vec<Warning>,
    /// What it holds; only where it was read to be chosen.
    pub facts: Option<Facts>,
}

impl<'a> Chosen<'a> {
    /// One that was named and not judged.
    fn named(catalog: &'a Catalog, backup: &'a Backup) -> Self {
        Self {
            catalog,
            backup,
            rejected: Vec::new(),
            warnings: Vec::new(),
            facts: None,
        }
    }
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

/// What is needed to look into backups.
#[derive(Clone, Copy)]
pub struct ChooseContext<'a> {
    /// The stores.
    pub objects: &'a dyn ObjectStore,
    /// What unpacks and decodes.
    pub reader: &'a dyn SnapshotReader,
    /// `--lineage`: the prefix of the UID that `latest-good` of `main` has to match.
    pub lineage: Option<&'a str>,
    /// What was read already.
    pub known: &'a KnownBackups,
    /// What decrypts.
    pub keys: &'a KeyRing,
}

impl<'a> ChooseContext<'a> {
    /// The part that reads one backup.
    #[must_use]
    pub const fn examine(&self) -> ExamineContext<'a> {
        ExamineContext {
            objects: self.objects,
            reader: self.reader,
            keys: self.keys,
            known: self.known,
        }
    }
}

/// Finds the requested backups in all catalogs that match. Every catalog gives at most one backup; at least
/// one gives one.
///
/// # Errors
/// [`ChooseError`].
pub async fn choose<'a>(
    context: ChooseContext<'_>,
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
                match reference::find(catalog.backups.iter().map(|backup| &backup.name), text) {
                    Matched::One(name) => chosen.extend(
                        catalog
                            .backups
                            .iter()
                            .find(|backup| backup.name == *name)
                            .map(|backup| Chosen::named(catalog, backup)),
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
                chosen.extend(newest.map(|backup| Chosen::named(catalog, backup)));
            }
            if chosen.is_empty() {
                return Err(nothing(&asked, at));
            }
        }
        Which::LatestGood => {
            for catalog in &asked {
                if not_after(catalog, at).next().is_some() {
                    chosen.push(latest_good(context, catalog, at).await?);
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
/// [`ChooseError::NoneGood`] with every rejection; [`ChooseError::Undecided`]; or where a backup could not be looked at.
pub async fn latest_good<'a>(
    context: ChooseContext<'_>,
    catalog: &'a Catalog,
    at: Option<Timestamp>,
) -> Result<Chosen<'a>, ChooseError> {
    Judge::new(context, catalog).latest_good(at).await
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
