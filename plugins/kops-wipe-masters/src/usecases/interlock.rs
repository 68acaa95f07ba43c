//! Reads what the interlock decides by: the backups, the control files, the etcd-managers.

use runbook_kit::failure::{AnyFailure, Failure, chain};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::session::Session;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{self, ChooseError, Pick, Picked};
use runbook_kit::usecases::kops_state::etcd_managers::etcd_managers;
use runbook_kit::usecases::{control_files, examine, pin};

use crate::rules::interlock::{BestBackup, EtcdFacts, NoBackup};

/// Looks for the newest good backup of every etcd cluster, and at what it takes to restore it. Backups that cannot be looked at are a
/// fact; a store that does not let itself be listed is an error.
pub async fn gather(
    session: &Session,
    catalogs: &[Catalog],
    config_base: &StoreUrl,
) -> Result<Vec<EtcdFacts>, AnyFailure> {
    session.ui.note("looking for the backups to come back from");
    let mut facts = Vec::new();
    for pick in choose::pick_all(session.choose_context(), catalogs, None).await {
        let catalog = pick.catalog;
        facts.push(EtcdFacts {
            etcd: catalog.store.etcd.clone(),
            base: catalog.store.base.clone(),
            best: best(session, pick).await,
            control: control_files::read(session.objects(), catalog).await?,
            managers: etcd_managers(session.objects(), config_base, &catalog.store).await?,
        });
    }
    Ok(facts)
}

async fn best(session: &Session, pick: Pick<'_>) -> Result<BestBackup, NoBackup> {
    let not_looked_at = |error: &dyn Failure| NoBackup::NotLookedAt(chain(error));
    let chosen = match pick.picked {
        Picked::Good(chosen) | Picked::Sound { chosen, .. } => chosen,
        Picked::None(error) => {
            return Err(match error {
                ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. } => NoBackup::None,
                ChooseError::NoneGood { rejected, .. } => NoBackup::NoneGood(rejected),
                ChooseError::Undecided { .. }
                | ChooseError::NoSuchLineage { .. }
                | ChooseError::AmbiguousLineage { .. } => NoBackup::Undecided(chain(&error), error.hint()),
                error => not_looked_at(&error),
            });
        }
    };
    let meta = examine::meta(session.objects(), chosen.backup).await;
    let meta = meta
        .map_err(|error| not_looked_at(&error))?
        .map_err(NoBackup::NotLookedAt)?;
    Ok(BestBackup {
        name: chosen.backup.name.clone(),
        size_bytes: chosen.backup.data_size.unwrap_or_default(),
        etcd_version: meta.etcd_version,
        rejected: chosen.rejected,
        warnings: chosen.warnings,
        note: pick.note,
        pin: pin::plan_pin(pick.catalog, chosen.backup).map_err(|error| chain(&error)),
    })
}
