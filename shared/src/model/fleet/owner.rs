//! Which cluster a resource belongs to.

use super::{CLUSTER_TAG, Tags, cluster_key};

const CLUSTER_PREFIX: &str = "kubernetes.io/cluster/";

/// The owner of a resource, by its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Only this cluster.
    Ours,
    /// Used by this cluster, created elsewhere.
    Shared,
    /// Its tags contradict each other, and how.
    Contradicting(String),
    /// It has none of this cluster's tags.
    NotOurs,
}

/// The owner of a resource. Old clusters have only `KubernetesCluster=<cluster>`, newer ones `kubernetes.io/cluster/<cluster>=owned` as well.
#[must_use]
pub fn owner(tags: &Tags, cluster: &str) -> Owner {
    let own_key = cluster_key(cluster);
    let named = tags.get(CLUSTER_TAG).map(String::as_str);
    let tagged = tags.get(&own_key).map(String::as_str);
    if named != Some(cluster) && tagged.is_none() {
        return Owner::NotOurs;
    }
    if tagged == Some("shared") {
        return Owner::Shared;
    }
    if let Some(other) = named.filter(|name| *name != cluster) {
        return Owner::Contradicting(format!("tag {CLUSTER_TAG} is {other}"));
    }
    let others = tags.keys().filter(|key| key.starts_with(CLUSTER_PREFIX));
    if let Some(other) = others.into_iter().find(|key| **key != own_key) {
        return Owner::Contradicting(format!("it also has tag {other}"));
    }
    match tagged {
        None | Some("owned") => Owner::Ours,
        Some(other) => Owner::Contradicting(format!("tag {own_key} is `{other}`")),
    }
}
