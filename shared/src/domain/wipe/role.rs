//! What is it for?

use super::{ETCD_PREFIX, ROLE_PREFIX};
use crate::domain::fleet::Tags;

/// kops writes both; before the term control plane only the second.
const MASTERS: [&str; 2] = ["control-plane", "master"];
const OTHERS: [&str; 3] = ["node", "apiserver", "bastion"];

/// What a machine is for, by its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaggedRole {
    /// etcd and the API server: the tag that says so.
    Master(String),
    /// Something else: `node`, `apiserver`, `bastion`.
    Other(String),
    /// A role that we do not know, or one that is no plain yes: it must not be guessed.
    Unknown(String),
    /// The control plane and something else.
    Contradicting(String),
    /// No tag says it.
    None,
}

/// What it is for.
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

/// The etcd clusters that a volume is of, each with the tag's value, `<member>/<all members>`.
#[must_use]
pub fn etcds(tags: &Tags) -> Vec<(&str, &str)> {
    tags.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(ETCD_PREFIX)?, value.as_str())))
        .filter(|(etcd, _)| !etcd.is_empty())
        .collect()
}

/// Whether it was made for a PersistentVolume, by the in-tree provisioner or the CSI driver. Source: kubernetes/kubernetes
/// `pkg/volume/util`, kubernetes-sigs/aws-ebs-csi-driver `pkg/cloud`, `docs/tagging.md`.
#[must_use]
pub fn is_persistent_volume(tags: &Tags) -> bool {
    tags.keys().any(|key| {
        key.starts_with("kubernetes.io/created-for/") || key == "CSIVolumeName" || key.starts_with("ebs.csi.aws.com/")
    })
}
