//! Which backup stores does a cluster have: from its spec in the state store, from the folders that are there, or as given.

mod elsewhere;
mod error;
mod explicit;
mod spec_file;

use futures::StreamExt;
use jiff::SignedDuration;

pub use elsewhere::{Elsewhere, NotFollowed};
pub use error::DiscoverError;
pub use explicit::{ExplicitStore, ExplicitStoreError, explicit};

use crate::model::backup::retention::Retention;
use crate::model::kops::cluster::{
    ClusterSpec, DEFAULT_DAILY_RETENTION, DEFAULT_HOURLY_RETENTION, DEFAULT_INTERVAL, EtcdClusterSpec, MemberSpec,
};
use crate::model::kops::names;
use crate::model::store_url::{StoreUrl, StoreUrlError};
use crate::ports::{ObjectStore, StoreError};

/// How many clusters of a state store are looked at together.
const CLUSTERS_AT_ONCE: usize = 16;

/// The backup store of one etcd cluster, and its settings in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdStore {
    /// The kops cluster; empty for an explicit store that does not show it.
    pub cluster: String,
    /// `main`, `events`, `cilium`, …
    pub etcd: String,
    /// Where etcd-manager writes backups: `<base>/<NAME>/…`, `<base>/control/…`.
    pub base: StoreUrl,
    /// Where pinned backups lie, out of retention's reach: `<state>/<cluster>/backups/recovery/<etcd>`. Nothing where neither a
    /// state store nor the base's own path shows it.
    pub recovery: Option<StoreUrl>,
    /// Where kops may keep the cluster's secrets, the first place first; empty where nothing shows it.
    pub secrets: Vec<StoreUrl>,
    /// The time between two backups.
    pub interval: SignedDuration,
    /// How long one backup of each hour is kept.
    pub hourly_retention: SignedDuration,
    /// How long one backup of each day is kept.
    pub daily_retention: SignedDuration,
    /// The members that the spec asks for; empty where no spec was found.
    pub members: Vec<MemberSpec>,
    /// The etcd version that the spec asks for.
    pub etcd_version: Option<String>,
    /// The etcd image, where the spec pins one.
    pub etcd_image: Option<String>,
    /// The etcd-manager image, where the spec pins one.
    pub manager_image: Option<String>,
}

/// A cluster's backup stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// One per etcd cluster: in the spec's order; `main` and `events` first where there is no spec.
    pub stores: Vec<EtcdStore>,
    /// The spec that they come from, where one was found.
    pub spec: Option<ClusterSpec>,
    /// What the user should know: what was assumed, what is odd.
    pub notes: Vec<String>,
    /// Where the spec names backup stores of another place than the state store's.
    pub elsewhere: Option<Elsewhere>,
}

impl Discovered {
    /// Where kops keeps what the cluster's masters start from: from the spec, by default `<state>/<cluster>`.
    ///
    /// # Errors
    /// Where the spec's `configBase` is no URL.
    pub fn config_base(&self, state: &StoreUrl, cluster: &str) -> Result<StoreUrl, StoreUrlError> {
        match &self.spec {
            Some(spec) => spec.config_base_in(state),
            None => Ok(state.join(cluster)),
        }
    }
}

/// The backup stores of cluster `name` of a state store.
pub async fn cluster(store: &dyn ObjectStore, state: &StoreUrl, name: &str) -> Result<Discovered, DiscoverError> {
    if !names::is_cluster_name(name) {
        return Err(DiscoverError::ClusterName(name.to_owned()));
    }
    store.require_root(state).await?;
    match one(store, state, name).await? {
        Some(found) => Ok(found),
        None => Err(unknown(store, state, name).await),
    }
}

/// Every cluster of a state store with its backup stores, sorted by name. A cluster that fails does not hide the others.
pub async fn clusters(
    store: &dyn ObjectStore,
    state: &StoreUrl,
) -> Result<Vec<(String, Result<Discovered, DiscoverError>)>, DiscoverError> {
    store.require_root(state).await?;
    let folders = cluster_folders(store, state).await?;
    let looks = folders.into_iter().map(|name| async move {
        let found = one(store, state, &name).await.transpose()?;
        Some((name, found))
    });
    let mut found: Vec<_> = futures::stream::iter(looks)
        .buffer_unordered(CLUSTERS_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    if found.is_empty() {
        return Err(DiscoverError::EmptyState { state: state.clone() });
    }
    Ok(found)
}

/// `None` where there is neither a spec nor a backup folder.
async fn one(store: &dyn ObjectStore, state: &StoreUrl, name: &str) -> Result<Option<Discovered>, DiscoverError> {
    let folder = state.join(name);
    let read = spec_file::read(store, &folder, name).await?;
    let mut notes = read.notes;
    if let Some(spec) = read.spec.filter(|spec| !spec.etcd_clusters.is_empty()) {
        notes.extend(spec.etcd_clusters.iter().flat_map(|etcd| etcd.problems.iter().cloned()));
        let stores = spec
            .etcd_clusters
            .iter()
            .map(|etcd| {
                let base = spec
                    .backup_store_in(state, etcd)
                    .map_err(|source| DiscoverError::BackupStore {
                        cluster: name.to_owned(),
                        etcd: etcd.name.clone(),
                        source,
                    })?;
                let place = Place::of(state, name, Some(&spec));
                Ok(EtcdStore::specified(name, base, Some(&place), etcd))
            })
            .collect::<Result<Vec<_>, DiscoverError>>()?;
        return Ok(Some(Discovered {
            elsewhere: Elsewhere::of(state, &spec, &stores),
            stores,
            spec: Some(spec),
            notes,
        }));
    }
    let backups = folder.join("backups/etcd");
    let mut etcds = store.list_folders(&backups).await?;
    etcds.retain(|etcd| names::is_etcd_name(etcd));
    if etcds.is_empty() {
        // Something lies there, but nothing of use: that is not "unknown".
        return match notes.is_empty() {
            true => Ok(None),
            false => Err(DiscoverError::NoUsableSpec {
                cluster: name.to_owned(),
                problems: notes,
            }),
        };
    }
    etcds.sort_by_key(|etcd| (etcd != "main", etcd != "events", etcd.clone()));
    notes.push(format!(
        "{folder} has no readable cluster spec: using the folders below backups/etcd and etcd-manager's default interval and retention"
    ));
    let place = Place::of(state, name, None);
    let stores = etcds.into_iter().map(|etcd| {
        let base = backups.join(&etcd);
        EtcdStore::assumed(name, etcd, base, Some(&place))
    });
    Ok(Some(Discovered {
        stores: stores.collect(),
        spec: None,
        notes,
        elsewhere: None,
    }))
}

async fn cluster_folders(store: &dyn ObjectStore, state: &StoreUrl) -> Result<Vec<String>, StoreError> {
    let mut folders = store.list_folders(state).await?;
    folders.retain(|name| names::is_cluster_name(name));
    Ok(folders)
}

async fn unknown(store: &dyn ObjectStore, state: &StoreUrl, name: &str) -> DiscoverError {
    match clusters(store, state).await {
        Ok(found) => {
            let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
            let near = names::near(name, names.iter().map(String::as_str));
            DiscoverError::UnknownCluster {
                cluster: name.to_owned(),
                state: state.clone(),
                near,
                names,
            }
        }
        Err(error) => error,
    }
}

/// What of a cluster lies beside its backup stores.
struct Place {
    /// Nothing of ours may lie in `<cluster>/` but under `<cluster>/backups/`, else `kops delete cluster` refuses the state store
    /// (kubernetes/kops `pkg/client/simple/vfsclientset/clientset.go`).
    recovery: StoreUrl,
    secrets: Vec<StoreUrl>,
}

impl Place {
    /// The cluster's own folder comes first: the spec of a copied state store names the original's.
    fn of(state: &StoreUrl, cluster: &str, spec: Option<&ClusterSpec>) -> Self {
        let folder = state.join(cluster);
        let mut secrets = vec![folder.join("secrets")];
        // What is no URL is no place.
        let specified = spec.and_then(|spec| spec.secret_store_in(state).ok());
        secrets.extend(specified.filter(|place| !secrets.contains(place)));
        Self {
            recovery: folder.join("backups/recovery"),
            secrets,
        }
    }
}

impl EtcdStore {
    /// How long etcd-manager keeps its backups.
    #[must_use]
    pub const fn retention(&self) -> Retention {
        Retention {
            hourly: self.hourly_retention,
            daily: self.daily_retention,
        }
    }

    fn specified(cluster: &str, base: StoreUrl, place: Option<&Place>, etcd: &EtcdClusterSpec) -> Self {
        Self {
            cluster: cluster.to_owned(),
            etcd: etcd.name.clone(),
            base,
            recovery: place.map(|place| place.recovery.join(&etcd.name)),
            secrets: place.map(|place| place.secrets.clone()).unwrap_or_default(),
            interval: etcd.backup_interval,
            hourly_retention: etcd.hourly_retention,
            daily_retention: etcd.daily_retention,
            members: etcd.members.clone(),
            etcd_version: etcd.version.clone(),
            etcd_image: etcd.image.clone(),
            manager_image: etcd.manager_image.clone(),
        }
    }

    fn assumed(cluster: &str, etcd: String, base: StoreUrl, place: Option<&Place>) -> Self {
        Self {
            cluster: cluster.to_owned(),
            base,
            recovery: place.map(|place| place.recovery.join(&etcd)),
            secrets: place.map(|place| place.secrets.clone()).unwrap_or_default(),
            etcd,
            interval: DEFAULT_INTERVAL,
            hourly_retention: DEFAULT_HOURLY_RETENTION,
            daily_retention: DEFAULT_DAILY_RETENTION,
            members: Vec::new(),
            etcd_version: None,
            etcd_image: None,
            manager_image: None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
