//! The role of an instance: the only place that decides what a master is.
//!
//! kops tags masters with `k8s.io/role/control-plane=1`, `k8s.io/role/master=1` or both, always with `1`: etcd-manager and the masters' IAM policy
//! require that value. A role tag with another value, a role that kops does not use, and two conflicting roles are unclear: nothing is wiped while
//! such a resource exists, and it does not prove that a master is gone.
//! Source: kubernetes/kops `pkg/model/awsmodel/autoscalinggroup.go`, `pkg/model/iam/iam_builder.go`; kubernetes-sigs/etcd-manager `pkg/volumes/aws`.

use super::owner::{Owner, owner};
use super::{ETCD_PREFIX, ROLE_PREFIX, Tags};

/// kops writes both; before the term control plane only the second.
const MASTERS: [&str; 2] = ["control-plane", "master"];
const OTHERS: [&str; 3] = ["node", "apiserver", "bastion"];

/// The role, by tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaggedRole {
    /// etcd and the API server: the tag that says so.
    Master(String),
    /// Something else: `node`, `apiserver`, `bastion`.
    Other(String),
    /// An unknown role, or an unknown value.
    Unknown(String),
    /// The control plane and something else.
    Contradicting(String),
    /// No tag says it.
    None,
}

/// The role, by tags.
#[must_use]
pub fn role(tags: &Tags) -> TaggedRole {
    let (mut master, mut other) = (None, None);
    for (key, value) in tags {
        let Some(role) = key.strip_prefix(ROLE_PREFIX) else {
            continue;
        };
        if MASTERS.contains(&role) && value == "1" {
            master = master.or(Some(key));
        } else if OTHERS.contains(&role) {
            other = other.or(Some(role));
        } else {
            return TaggedRole::Unknown(format!("{key}={value}"));
        }
    }
    match (master, other) {
        (Some(master), None) => TaggedRole::Master(master.clone()),
        (None, Some(other)) => TaggedRole::Other(other.to_owned()),
        (Some(master), Some(other)) => TaggedRole::Contradicting(format!("{master} and {ROLE_PREFIX}{other}")),
        (None, None) => TaggedRole::None,
    }
}

/// Whether something is a master, by its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mastery {
    /// It is one of this cluster's masters.
    Yes,
    /// It is not.
    No,
    /// It may be one: its tags contradict each other, or are not as kops writes them.
    Unclear,
}

/// Whether it is a master of this cluster.
#[must_use]
pub fn mastery(tags: &Tags, cluster: &str) -> Mastery {
    let is_tagged = || {
        MASTERS
            .iter()
            .any(|role| tags.contains_key(&format!("{ROLE_PREFIX}{role}")))
    };
    match (owner(tags, cluster), role(tags)) {
        (Owner::NotOurs, _) | (_, TaggedRole::Other(_) | TaggedRole::None) => Mastery::No,
        (Owner::Ours, TaggedRole::Master(_)) => Mastery::Yes,
        (_, TaggedRole::Master(_)) => Mastery::Unclear,
        (_, TaggedRole::Unknown(_) | TaggedRole::Contradicting(_)) if is_tagged() => Mastery::Unclear,
        (_, TaggedRole::Unknown(_) | TaggedRole::Contradicting(_)) => Mastery::No,
    }
}

/// Whether it is certainly a master of this cluster.
#[must_use]
pub fn is_master(tags: &Tags, cluster: &str) -> bool {
    mastery(tags, cluster) == Mastery::Yes
}

/// Whether it is, or may be, a master of this cluster. An absence of masters is proven only without any of these.
#[must_use]
pub fn may_be_master(tags: &Tags, cluster: &str) -> bool {
    mastery(tags, cluster) != Mastery::No
}

/// The etcd clusters of a volume, each with the tag's value, `<member>/<all members>`.
#[must_use]
pub fn etcds(tags: &Tags) -> Vec<(&str, &str)> {
    tags.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(ETCD_PREFIX)?, value.as_str())))
        .filter(|(etcd, _)| !etcd.is_empty())
        .collect()
}

/// Whether it was created for a PersistentVolume, by the in-tree provisioner or the CSI driver. Source: kubernetes/kubernetes
/// `pkg/volume/util`, kubernetes-sigs/aws-ebs-csi-driver `pkg/cloud`, `docs/tagging.md`.
#[must_use]
pub fn is_persistent_volume(tags: &Tags) -> bool {
    tags.keys().any(|key| {
        key.starts_with("kubernetes.io/created-for/") || key == "CSIVolumeName" || key.starts_with("ebs.csi.aws.com/")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "a.example.com";

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect()
    }

    /// What "a master" means in all four plugins.
    #[test]
    fn what_is_a_master() {
        const OURS: (&str, &str) = ("KubernetesCluster", C);
        const OWNED: (&str, &str) = ("kubernetes.io/cluster/a.example.com", "owned");
        const NEW: (&str, &str) = ("k8s.io/role/control-plane", "1");
        const OLD: (&str, &str) = ("k8s.io/role/master", "1");
        for (pairs, wanted) in [
            (&[OURS, NEW][..], Mastery::Yes),
            (&[OURS, OLD], Mastery::Yes),
            (&[OURS, OWNED, NEW, OLD], Mastery::Yes),
            (&[OWNED, OLD], Mastery::Yes),
            // kops only writes `1`.
            (&[OURS, ("k8s.io/role/master", "0")], Mastery::Unclear),
            (&[OURS, ("k8s.io/role/master", "")], Mastery::Unclear),
            (&[OURS, ("k8s.io/role/control-plane", "true")], Mastery::Unclear),
            (&[OURS, NEW, ("k8s.io/role/master", "no")], Mastery::Unclear),
            // Conflicting roles.
            (&[OURS, NEW, ("k8s.io/role/node", "1")], Mastery::Unclear),
            // Also another cluster's, or shared.
            (
                &[OURS, NEW, ("kubernetes.io/cluster/b.example.com", "owned")],
                Mastery::Unclear,
            ),
            (&[("KubernetesCluster", "b.example.com"), OWNED, NEW], Mastery::Unclear),
            (
                &[("kubernetes.io/cluster/a.example.com", "shared"), NEW],
                Mastery::Unclear,
            ),
            (&[OURS, ("k8s.io/role/node", "1")], Mastery::No),
            (&[OURS, ("k8s.io/role/apiserver", "1")], Mastery::No),
            (&[OURS, ("k8s.io/role/etcd", "1")], Mastery::No),
            (&[OURS], Mastery::No),
            (&[NEW, OLD], Mastery::No),
            (&[("KubernetesCluster", "x.a.example.com"), NEW], Mastery::No),
        ] {
            let tags = tags(pairs);
            assert_eq!(mastery(&tags, C), wanted, "{tags:?}");
            assert_eq!(is_master(&tags, C), wanted == Mastery::Yes, "{tags:?}");
            assert_eq!(may_be_master(&tags, C), wanted != Mastery::No, "{tags:?}");
        }
    }
}
