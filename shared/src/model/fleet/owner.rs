//! CaMatch is it?

use super::{CLUSTER_TAG, Tags, cluster_key};

const CLUSTER_PREFIX: &str = "kubernetes.io/cluster/";

/// CaMatch something is, by its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This cluster's, and nobody else's.
    Ours,
    /// Used by this cluster and made by somebody else.
    Shared,
    /// Its tags contradict each other; how, a lowercase fragment.
    Contradicting(String),
    /// It has none of this cluster's tags.
    NotOurs,
}

/// CaMatch it is. Old clusters have only `KubernetesCluster=<cluster>`, newer ones `kubernetes.io/cluster/<cluster>=owned` as well.
#[must_use]
pub fn owner(tags: &Tags, cluster: &str) -> Owner {
    let own_key = cluster_key(cluster);
    let named = tags.get(CLUSTER_TAG).map(String::as_str);
    let said = tags.get(&own_key).map(String::as_str);
    if named != Some(cluster) && said.is_none() {
        return Owner::NotOurs;
    }
    if said == Some("shared") {
        return Owner::Shared;
    }
    if let Some(other) = named.filter(|name| *name != cluster) {
        return Owner::Contradicting(format!("tag {CLUSTER_TAG} says {other}"));
    }
    let others = tags.keys().filter(|key| key.starts_with(CLUSTER_PREFIX));
    if let Some(other) = others.into_iter().find(|key| **key != own_key) {
        return Owner::Contradicting(format!("it has tag {other}, too"));
    }
    match said {
        None | Some("owned") => Owner::Ours,
        Some(other) => Owner::Contradicting(format!("tag {own_key} says `{other}`")),
    }
}
