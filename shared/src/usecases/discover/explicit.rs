//! Backup stores that the user names by `--store [ETCD=]URL`.

use std::str::FromStr;

use super::{DiscoverError, Discovered, EtcdStore, Place, spec_file};
use crate::model::kops::names;
use crate::model::store_url::{StoreUrl, StoreUrlError};
use crate::ports::ObjectStore;

/// `[ETCD=]URL`: a backup store, and the etcd cluster that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplicitStore {
    /// The etcd cluster; by default the last segment of the URL.
    pub etcd: String,
    /// The backup store.
    pub base: StoreUrl,
}

/// Why a text is no [`ExplicitStore`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplicitStoreError {
    /// The URL.
    #[error(transparent)]
    Url(#[from] StoreUrlError),
    /// No usable name before the `=`, or none at the end of the URL.
    #[error("`{0}` names no etcd cluster: write main={0}")]
    Etcd(String),
}

impl FromStr for ExplicitStore {
    type Err = ExplicitStoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A `=` may also be part of the URL.
        let named = text.split_once('=').filter(|(name, _)| !name.contains(['/', ':']));
        let base: StoreUrl = named.map_or(text, |(_, url)| url).parse()?;
        let etcd = named.map_or_else(|| base.name(), |(name, _)| name).to_owned();
        if !names::is_etcd_name(&etcd) {
            return Err(ExplicitStoreError::Etcd(base.to_string()));
        }
        Ok(Self { etcd, base })
    }
}

/// The given stores, with what a spec says of them where their path leads to one.
///
/// `state` and `name` place stores whose path does not show their cluster: pass only what the user gave on the command line, since
/// a state store of the environment may well be another cluster's.
pub async fn explicit(
    store: &dyn ObjectStore,
    given: &[ExplicitStore],
    state: Option<&StoreUrl>,
    name: Option<&str>,
) -> Result<Discovered, DiscoverError> {
    if let Some(name) = name.filter(|name| !names::is_cluster_name(name)) {
        return Err(DiscoverError::ClusterName(name.to_owned()));
    }
    let mut found = Discovered {
        stores: Vec::new(),
        spec: None,
        notes: Vec::new(),
        elsewhere: None,
    };
    let mut last_read: Option<(StoreUrl, String)> = None;
    for wanted in given {
        store.require_root(&wanted.base).await?;
        let home = home_of(wanted).or_else(|| Some((state?.clone(), name?.to_owned())));
        if let Some((state, name)) = home.as_ref().filter(|home| last_read.as_ref() != Some(home)) {
            // Only a help: without it the defaults count, and the store itself will say what it refuses.
            match spec_file::read(store, &state.join(name), name).await {
                Ok(read) => {
                    found.notes.extend(read.notes);
                    if let Some(spec) = &read.spec {
                        found
                            .notes
                            .extend(spec.etcd_clusters.iter().flat_map(|etcd| etcd.problems.iter().cloned()));
                    }
                    found.spec = read.spec;
                }
                Err(error) => {
                    found.notes.push(error.to_string());
                    found.spec = None;
                }
            }
            last_read.clone_from(&home);
        }
        let place = home
            .as_ref()
            .map(|(state, name)| Place::of(state, name, found.spec.as_ref()));
        let cluster = home
            .map(|(_, name)| name)
            .or_else(|| name.map(str::to_owned))
            .unwrap_or_default();
        let spec = found
            .spec
            .as_ref()
            .and_then(|spec| spec.etcd_clusters.iter().find(|etcd| etcd.name == wanted.etcd));
        let entry = match spec {
            Some(spec) => EtcdStore::specified(&cluster, wanted.base.clone(), place.as_ref(), spec),
            None => {
                found.notes.push(format!(
                    "no cluster spec for {}: using etcd-manager's default interval and retention",
                    wanted.base
                ));
                EtcdStore::assumed(&cluster, wanted.etcd.clone(), wanted.base.clone(), place.as_ref())
            }
        };
        if found
            .stores
            .iter()
            .any(|other| other.cluster == entry.cluster && other.etcd == entry.etcd)
        {
            return Err(DiscoverError::TwoStores(entry.etcd));
        }
        found.stores.push(entry);
    }
    Ok(found)
}

/// The state store and the cluster of a base that ends in `<cluster>/backups/etcd/<etcd>`, kops' own layout.
fn home_of(wanted: &ExplicitStore) -> Option<(StoreUrl, String)> {
    let above = wanted
        .base
        .parent()
        .filter(|folder| folder.name() == "etcd" && wanted.base.name() == wanted.etcd)?;
    let folder = above.parent().filter(|folder| folder.name() == "backups")?.parent()?;
    let (state, cluster) = (folder.parent()?, folder.name());
    names::is_cluster_name(cluster).then(|| (state, cluster.to_owned()))
}
