//! Which backup of each etcd cluster a cluster comes back from. The wipe promises it, the restore keeps it: both choose here.

use jiff::{SignedDuration, Timestamp};

use super::{ChooseContext, ChooseError, Chosen, Judge};
use crate::model::backup::goodness::{MAIN, Rejection};
use crate::usecases::catalog::Catalog;

/// Other etcd clusters than `main` come back as they were at about its time.
const TOGETHER: SignedDuration = SignedDuration::from_mins(15);

/// What is picked for one etcd cluster.
#[derive(Debug)]
pub struct Pick<'a> {
    /// Its backups.
    pub catalog: &'a Catalog,
    /// What it comes back from.
    pub picked: Picked<'a>,
    /// Why it is not a good one of `main`'s time, where it is not.
    pub note: Option<String>,
}

/// What an etcd cluster comes back from.
#[derive(Debug)]
pub enum Picked<'a> {
    /// A good backup, with its warnings and the younger ones that were passed over.
    Good(Chosen<'a>),
    /// Of another etcd cluster than `main`: none is good, this is the newest that verifies.
    Sound {
        /// The backup.
        chosen: Chosen<'a>,
        /// Why it is not good.
        reasons: Vec<Rejection>,
    },
    /// None. Of another etcd cluster than `main` that means: it is seeded anew, unless a backup could not be looked at
    /// ([`ChooseError::Examine`]).
    None(ChooseError),
}

impl<'a> Picked<'a> {
    /// The backup, good or merely sound.
    #[must_use]
    pub fn chosen(&self) -> Option<&Chosen<'a>> {
        match self {
            Self::Good(chosen) | Self::Sound { chosen, .. } => Some(chosen),
            Self::None(_) => None,
        }
    }
}

/// Picks for every etcd cluster, in the order given: of `main` the newest good backup; of every other one as [`pick`] does,
/// beside the time of `main`'s.
pub async fn pick_all<'a>(context: ChooseContext<'_>, catalogs: &'a [Catalog], at: Option<Timestamp>) -> Vec<Pick<'a>> {
    let mut main = None;
    if let Some(catalog) = catalogs.iter().find(|catalog| catalog.store.etcd == MAIN) {
        main = Some(pick(context, catalog, at, None).await);
    }
    let chosen = main.as_ref().and_then(|main: &Pick<'_>| main.picked.chosen());
    let main_time = chosen.map(|chosen| chosen.backup.name.created());
    let mut picks = Vec::new();
    for catalog in catalogs {
        picks.push(match main.take_if(|main| std::ptr::eq(main.catalog, catalog)) {
            Some(main) => main,
            None => pick(context, catalog, at, main_time).await,
        });
    }
    picks
}

/// Picks for one etcd cluster: of `main` the newest good backup. Of another one the newest good one that is not much after
/// `main_time`; else the newest good one; else the newest that verifies, empty or not; else none. With `at` none after it.
pub async fn pick<'a>(
    context: ChooseContext<'_>,
    catalog: &'a Catalog,
    at: Option<Timestamp>,
    main_time: Option<Timestamp>,
) -> Pick<'a> {
    let with = |picked, note| Pick { catalog, picked, note };
    let none = |error: ChooseError| with(Picked::None(error), None);
    let etcd = &catalog.store.etcd;
    if !catalog
        .complete()
        .any(|backup| at.is_none_or(|at| backup.name.created() <= at))
    {
        return none(super::nothing(&[catalog], at));
    }
    let mut judge = Judge::new(context, catalog);
    if etcd == MAIN {
        return match judge.latest_good(at).await {
            Ok(chosen) => with(Picked::Good(chosen), None),
            Err(error) => none(error),
        };
    }
    let limit = main_time
        .filter(|_| at.is_none())
        .and_then(|time| time.checked_add(TOGETHER).ok());
    let mut note = None;
    if let Some(limit) = limit {
        match judge.latest_good(Some(limit)).await {
            Ok(chosen) => return with(Picked::Good(chosen), None),
            Err(ChooseError::NoneGood { .. }) => {
                note = Some(format!("no backup of etcd {etcd} from before {limit} is good"));
            }
            Err(error) => return none(error),
        }
    }
    let none_good = match judge.latest_good(at).await {
        Ok(chosen) => return with(Picked::Good(chosen), note),
        Err(error @ ChooseError::NoneGood { .. }) => error,
        Err(error) => return none(error),
    };
    match judge.newest_sound(at).await {
        Ok(Some(chosen)) => {
            let reasons = match judge.judge(chosen.backup).await {
                Ok(reasons) => reasons,
                Err(error) => return none(error.into()),
            };
            let note = Some(format!(
                "no backup of etcd {etcd} is good: the newest that verifies is taken"
            ));
            with(Picked::Sound { chosen, reasons }, note)
        }
        Ok(None) => none(none_good),
        Err(error) => none(error.into()),
    }
}
