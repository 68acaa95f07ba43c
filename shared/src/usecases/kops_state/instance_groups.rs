//! The instance groups of a cluster.

use super::{Stored, read_each};
use crate::model::kops::instance_group::InstanceGroup;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError};

/// Below a cluster's folder.
const FOLDER: &str = "instancegroup";

/// Reads the instance groups of cluster `cluster` of a state store, sorted by name; broken ones too, since a machine may be of them.
///
/// # Errors
/// Where the store does not give them. A cluster without any is no error.
pub async fn instance_groups(
    objects: &dyn ObjectStore,
    state: &StoreUrl,
    cluster: &str,
) -> Result<Vec<Stored<InstanceGroup>>, StoreError> {
    let folder = state.join(cluster).join(FOLDER);
    let listed = objects.list(&folder).await?;
    let files = listed
        .into_iter()
        .filter(|object| !object.path.contains('/'))
        .map(|object| folder.join(&object.path));
    let mut groups = read_each(objects, files.collect(), |content| {
        InstanceGroup::parse(content).map_err(|error| error.to_string())
    })
    .await?;
    for group in &mut groups {
        // The file's name is what kops finds it by.
        if let Ok(read) = &group.read
            && read.name != group.at.name()
        {
            group.read = Err(format!("it names itself {}", read.name));
        }
    }
    Ok(groups)
}
