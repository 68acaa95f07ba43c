//! The last wipe of the control plane, by its journal.

use jiff::Timestamp;
use runbook_kit::failure::chain;
use runbook_kit::model::fleet::Instance;
use runbook_kit::model::observed::Observed;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::wipe_journal::{self, Entry};

use crate::context::Context;

/// The newest wipe; `None` where there never was one.
pub async fn newest(catalogs: &[Catalog], context: &Context) -> Observed<Option<Entry>> {
    let mut recovery = catalogs.iter().filter_map(|catalog| catalog.store.recovery.as_ref());
    let Some(folder) = recovery.find_map(|recovery| recovery.parent()) else {
        return Observed::Unknown("no state store is named".to_owned());
    };
    match wipe_journal::newest(context.session.objects(), &folder).await {
        Ok(found) => Observed::Known(found.map(|found| found.entry)),
        Err(error) => Observed::Unknown(chain(&error)),
    }
}

/// The time of its last entry: an older record is for masters that were deleted.
pub fn last(wipe: &Observed<Option<Entry>>) -> Observed<Option<Timestamp>> {
    match wipe {
        Observed::Known(found) => Observed::Known(found.as_ref().map(|entry| entry.updated.max(entry.started))),
        Observed::Unknown(why) => Observed::Unknown(why.clone()),
    }
}

/// When it ended, if no backup of this etcd cluster was taken since.
fn ended_without_a_backup(wipe: &Observed<Option<Entry>>, catalog: &Catalog) -> Option<Timestamp> {
    let Observed::Known(Some(entry)) = wipe else {
        return None;
    };
    let ended = entry.finished?;
    let since = catalog.latest().is_some_and(|backup| backup.name.created() > ended);
    (!since).then_some(ended)
}

/// The proof that this etcd cluster was not restored since the wipe; `None` where there is none.
pub fn no_restore_since(wipe: &Observed<Option<Entry>>, catalog: &Catalog) -> Option<String> {
    let ended = ended_without_a_backup(wipe, catalog)?;
    Some(format!(
        "the masters were wiped at {ended:.0}, and no backup of it was taken since"
    ))
}

/// The proof that this etcd cluster has no members: the wipe ended, every running master was launched after it, and no backup was taken since.
pub fn no_members(
    wipe: &Observed<Option<Entry>>,
    catalog: &Catalog,
    masters: &Observed<Vec<Instance>>,
) -> Option<String> {
    let ended = ended_without_a_backup(wipe, catalog)?;
    let Observed::Known(masters) = masters else {
        return None;
    };
    let new = |master: &Instance| master.launched.is_some_and(|launched| launched > ended);
    (!masters.is_empty() && masters.iter().all(new)).then(|| {
        format!(
            "the masters were wiped at {ended:.0}, those that run were launched since, and no backup was taken since"
        )
    })
}
