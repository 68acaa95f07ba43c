//! What may hold newer data than the backup that a restore after the wipe would take.

use futures::future::join_all;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::fleet::Inventory;
use runbook_kit::model::salvage::{Facts, MemberData, Restorable, old_volumes, take};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::catalog::Catalog;

use crate::context::Context;
use crate::rules::interlock::EtcdFacts;

/// What the members of each etcd cluster hold that answer.
pub async fn members(access: &EtcdAccess, catalogs: &[Catalog], context: &Context) -> Vec<Vec<MemberData>> {
    let each = catalogs
        .iter()
        .map(|catalog| context.member_data(access, &catalog.store.etcd));
    join_all(each).await
}

/// The facts of one etcd cluster. Its volumes are those that the wipe takes; those of former wipes are no longer the newest.
pub fn facts(
    etcd: &EtcdFacts,
    catalog: &Catalog,
    members: Vec<MemberData>,
    inventory: &Inventory,
    access: &EtcdAccess,
    context: &Context,
) -> Facts {
    let store = &catalog.store;
    Facts {
        backup: etcd.best.as_ref().ok().map(|best| Restorable {
            name: best.name.clone(),
            revision: best.revision,
            interval: store.interval,
        }),
        members,
        volumes: old_volumes(
            &store.etcd,
            &store.cluster,
            &inventory.volumes,
            &inventory.instances,
            |_| None,
        ),
        take: Some(take(&store.etcd, &store.cluster, &context.store_flags(), access)),
        how_to_attach: None,
        how_to_attach_detached: Some(
            ShellCommand::of("kops-wipe-masters audit")
                .option("--name", &store.cluster)
                .options(&context.store_flags()),
        ),
    }
}
