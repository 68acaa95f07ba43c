//! Finds a cluster's spec in its folder of the state store.

use crate::model::kops::cluster::ClusterSpec;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError, StoreErrorKind};

/// The best source first: the completed spec has kops' defaults filled in; the user's own may lack them.
const SPEC_FILES: [&str; 3] = ["cluster-completed.spec", "cluster.spec", "config"];
/// Specs are some kilobytes; user data and policies may blow one up.
const SPEC_LIMIT: u64 = 8 << 20;

pub(super) struct SpecRead {
    pub(super) spec: Option<ClusterSpec>,
    /// Each spec that is there and of no use, and what is odd about the one that is.
    pub(super) notes: Vec<String>,
}

/// Reads the first spec of `folder` that can be read. One that is broken is passed over: in a recovery any other will do.
pub(super) async fn read(store: &dyn ObjectStore, folder: &StoreUrl, name: &str) -> Result<SpecRead, StoreError> {
    let mut notes = Vec::new();
    for file in SPEC_FILES {
        let at = folder.join(file);
        let content = match store.get(&at, SPEC_LIMIT).await {
            Ok(content) => content,
            Err(error) if error.kind == StoreErrorKind::NotFound => continue,
            Err(error) if matches!(error.kind, StoreErrorKind::TooLarge { .. }) => {
                notes.push(format!("{at} was passed over: {}", error.kind));
                continue;
            }
            Err(error) => return Err(error),
        };
        match ClusterSpec::parse(&content) {
            Ok(spec) => {
                if spec.name != name {
                    notes.push(format!("{at} is the spec of cluster {}, not of {name}", spec.name));
                }
                return Ok(SpecRead {
                    spec: Some(spec),
                    notes,
                });
            }
            Err(error) => notes.push(format!("{at} was passed over: {error}")),
        }
    }
    Ok(SpecRead { spec: None, notes })
}
