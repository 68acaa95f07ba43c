//! Reads what the interlock needs: backups, control files and etcd-manager manifests.

use runbook_kit::failure::{AnyFailure, Failure, chain};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::session::Session;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{self, ChooseError, Pick, Picked};
use runbook_kit::usecases::kops_state::etcd_managers::etcd_managers;
use runbook_kit::usecases::{control_files, examine, pin};

use crate::rules::interlock::{BestBackup, EtcdFacts, NoBackup};

/// Finds the newest good backup of every etcd cluster, and what a restore of it needs. Unreadable backups are a result; a store that cannot
/// be listed is an error.
pub async fn gather(
    session: &Session,
    catalogs: &[Catalog],
    config_base: &StoreUrl,
) -> Result<Vec<EtcdFacts>, AnyFailure> {
    session.ui.note("looking for restorable backups");
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
    let unreadable = |error: &dyn Failure| NoBackup::Unreadable(chain(error));
    let chosen = match pick.picked {
        Picked::Good(chosen) | Picked::Sound { chosen, .. } => chosen,
        Picked::None(error) => {
            return Err(match error {
                ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. } => NoBackup::None,
                ChooseError::NoneGood { rejected, .. } => NoBackup::NoneGood(rejected),
                ChooseError::Undecided { .. }
                | ChooseError::NoSuchLineage { .. }
                | ChooseError::AmbiguousLineage { .. } => NoBackup::Undecided(chain(&error), error.hint()),
                error => unreadable(&error),
            });
        }
    };
    let meta = examine::meta(session.objects(), chosen.backup).await;
    let meta = meta
        .map_err(|error| unreadable(&error))?
        .map_err(NoBackup::Unreadable)?;
    Ok(BestBackup {
        name: chosen.backup.name.clone(),
        size_bytes: chosen.backup.data_size.unwrap_or_default(),
        revision: chosen.facts.as_ref().map(|facts| facts.revision),
        etcd_version: meta.etcd_version,
        rejected: chosen.rejected,
        warnings: chosen.warnings,
        note: pick.note,
        pin: pin::plan_pin(pick.catalog, chosen.backup).map_err(|error| chain(&error)),
    })
}
