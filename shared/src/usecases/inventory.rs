//! The cluster's resources in AWS, with those that belong to it without its tags.

use std::collections::BTreeSet;

use crate::model::fleet::Inventory;
use crate::model::fleet::wipe::GROUP_TAG;
use crate::ports::fleet::{Fleet, FleetError};

/// Everything with one of the cluster's tags; also the instances that its groups list and that its volumes are attached to, and the
/// groups that its instances name, because deleting a group terminates all of its instances.
///
/// # Errors
/// If AWS fails.
pub async fn inventory(fleet: &dyn Fleet, cluster: &str) -> Result<Inventory, FleetError> {
    let (groups, instances, volumes) = tokio::try_join!(
        fleet.groups_of(cluster),
        fleet.instances_of(cluster),
        fleet.volumes_of(cluster)
    )?;
    let mut inventory = Inventory {
        groups,
        instances,
        volumes,
    };
    let known: BTreeSet<&String> = inventory.instances.iter().map(|instance| &instance.id).collect();
    let members = inventory
        .groups
        .iter()
        .flat_map(|group| &group.members)
        .map(|member| &member.instance);
    let users = inventory
        .volumes
        .iter()
        .flat_map(|volume| &volume.attachments)
        .map(|attachment| &attachment.instance);
    let untagged: BTreeSet<&String> = members.chain(users).filter(|id| !known.contains(id)).collect();
    let untagged: Vec<String> = untagged.into_iter().cloned().collect();
    let known: BTreeSet<&String> = inventory.groups.iter().map(|group| &group.name).collect();
    let named: BTreeSet<&String> = inventory
        .instances
        .iter()
        .filter_map(|instance| instance.tags.get(GROUP_TAG))
        .filter(|group| !known.contains(group))
        .collect();
    let named: Vec<String> = named.into_iter().cloned().collect();
    // Usually there are none.
    if !untagged.is_empty() {
        inventory.instances.extend(fleet.instances(&untagged).await?);
        inventory.instances.sort_by(|a, b| a.id.cmp(&b.id));
    }
    if !named.is_empty() {
        inventory.groups.extend(fleet.groups(&named).await?);
        inventory.groups.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(inventory)
}
