//! What may hold newer data than the backup that is chosen: members without a leader, and old volumes.

use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::fleet::{Instance, Volume};
use runbook_kit::model::observed::Observed;
use runbook_kit::model::salvage::{self, Facts, MemberData, Restorable};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::model::snapshot::Content;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::past_wipes;
use runbook_kit::usecases::wipe_journal::Entry;
use tokio::time::timeout;

use crate::context::Context;
use crate::usecases::choose::Choice;
use crate::usecases::observe::AWS_TIMEOUT;

/// The volumes of the cluster, also those in quarantine; none where AWS could not be asked.
pub async fn volumes(cluster: &str, masters: &Observed<Vec<Instance>>, context: &Context) -> Vec<Volume> {
    if masters.known().is_none() {
        return Vec::new();
    }
    let fleet = context.fleet();
    let asked = async { tokio::try_join!(fleet.volumes_of(cluster), past_wipes::quarantined(fleet, cluster)) };
    match timeout(AWS_TIMEOUT, asked).await {
        Ok(Ok((in_place, quarantined))) => in_place.into_iter().chain(quarantined).collect(),
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// What was seen of one etcd cluster.
pub struct Seen<'a> {
    pub catalog: &'a Catalog,
    pub choice: &'a Choice<'a>,
    /// Of the chosen backup.
    pub content: Option<&'a Content>,
    pub members: Vec<MemberData>,
    pub volumes: &'a [Volume],
    pub masters: &'a [Instance],
    /// The newest wipe.
    pub wipe: Option<&'a Entry>,
}

/// The facts, for the check.
pub fn facts(seen: &Seen<'_>, access: &EtcdAccess, context: &Context) -> Facts {
    let store = &seen.catalog.store;
    let cluster = &store.cluster;
    let began = |run: &str| seen.wipe.filter(|wipe| wipe.first == run).map(|wipe| wipe.started);
    let places = context.store_flags();
    let how = |command: &str| ShellCommand::of(command).option("--name", cluster).options(&places);
    Facts {
        backup: match seen.choice {
            Choice::Backup { backup, .. } => Some(Restorable {
                name: backup.name.clone(),
                revision: seen.content.map(|content| content.revision),
                interval: store.interval,
            }),
            _ => None,
        },
        members: seen.members.clone(),
        volumes: salvage::old_volumes(&store.etcd, cluster, seen.volumes, seen.masters, began),
        take: Some(salvage::take(&store.etcd, cluster, &places, access)),
        how_to_attach: Some(how("kops-wipe-masters restore-volumes")),
        how_to_attach_detached: Some(how("kops-wipe-masters audit")),
    }
}
