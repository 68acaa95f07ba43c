//! Quarantine: every tag by which kops, etcd-manager or the masters find a volume is moved to a shadow key.
//!
//! Identifying tags: `kops update` by `Name` and `KubernetesCluster`; `kops delete cluster` by `KubernetesCluster`;
//! etcd-manager by `kubernetes.io/cluster/<c>`, `k8s.io/etcd/<etcd>` and `k8s.io/role/control-plane`; the masters' IAM policy by
//! `KubernetesCluster` and `k8s.io/role/master`. Source: kubernetes/kops `upup/pkg/fi/cloudup/awstasks/ebsvolume.go`,
//! `pkg/model/iam/iam_builder.go`; kubernetes-sigs/etcd-manager `pkg/volumes/aws`.

use std::collections::BTreeSet;

use super::{ETCD_PREFIX, ROLE_PREFIX};
use crate::model::fleet::{CLUSTER_TAG, Tags, Volume, cluster_key};

/// The prefix of shadow keys; the rest is the original key.
pub const SHADOW_PREFIX: &str = "kops-recovery/was/";
/// The tag that marks a volume in quarantine; its value is the cluster.
pub const MARK: &str = "kops-recovery/quarantined";
/// The tag with the wipe's ID, also of snapshots.
pub const RUN_TAG: &str = "kops-recovery/run";
/// AWS' limits. Source: EC2 user guide, "Tag restrictions".
const LONGEST_KEY: usize = 128;
const MOST_TAGS: usize = 50;

/// Whether a volume can be found by this tag.
fn identifies(key: &str, cluster: &str) -> bool {
    key == "Name"
        || key == CLUSTER_TAG
        || key == cluster_key(cluster)
        || key.starts_with(ETCD_PREFIX)
        || key.starts_with(ROLE_PREFIX)
}

/// The tags by which a volume of this cluster can be found.
#[must_use]
pub fn identifying(tags: &Tags, cluster: &str) -> Tags {
    let found = tags.iter().filter(|(key, _)| identifies(key, cluster));
    found.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Their keys.
#[must_use]
pub fn keys(tags: &Tags) -> BTreeSet<String> {
    tags.keys().cloned().collect()
}

/// The tags to write before the identifying ones are removed: their shadows, and the mark.
#[must_use]
pub fn shadows(tags: &Tags, cluster: &str, run: &str) -> Tags {
    let shadows = identifying(tags, cluster).into_iter();
    let mut shadows: Tags = shadows
        .map(|(key, value)| (format!("{SHADOW_PREFIX}{key}"), value))
        .collect();
    shadows.insert(MARK.to_owned(), cluster.to_owned());
    shadows.insert(RUN_TAG.to_owned(), run.to_owned());
    shadows
}

/// The tags that a volume had before its quarantine.
#[must_use]
pub fn originals(tags: &Tags) -> Tags {
    tags.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(SHADOW_PREFIX)?.to_owned(), value.clone())))
        .collect()
}

/// The keys to remove when a volume leaves quarantine.
#[must_use]
pub fn shadow_keys(tags: &Tags) -> BTreeSet<String> {
    let shadows = tags
        .keys()
        .filter(|key| key.starts_with(SHADOW_PREFIX) || *key == MARK || *key == RUN_TAG);
    shadows.cloned().collect()
}

/// Whether it is completely in quarantine.
#[must_use]
pub fn is_hidden(tags: &Tags, cluster: &str) -> bool {
    identifying(tags, cluster).is_empty() && tags.get(MARK).is_some_and(|mark| mark == cluster)
}

/// Why AWS would refuse the shadow tags.
#[must_use]
pub fn obstacle(volume: &Volume, cluster: &str) -> Option<String> {
    let shadows = shadows(&volume.tags, cluster, "");
    if let Some(key) = shadows.keys().find(|key| key.chars().count() > LONGEST_KEY) {
        return Some(format!("tag key {key} would be longer than {LONGEST_KEY} characters"));
    }
    let together: BTreeSet<&String> = volume.tags.keys().chain(shadows.keys()).collect();
    // AWS' own tags do not count.
    let count = together.iter().filter(|key| !key.starts_with("aws:")).count();
    (count > MOST_TAGS).then(|| format!("it would temporarily have {count} tags, and AWS allows {MOST_TAGS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: &str = "a.example.com";

    fn tags() -> Tags {
        [
            ("KubernetesCluster", C),
            ("kubernetes.io/cluster/a.example.com", "owned"),
            ("k8s.io/etcd/main", "a/a,b,c"),
            ("k8s.io/role/control-plane", "1"),
            ("k8s.io/role/master", "1"),
            ("Name", "a.etcd-main.a.example.com"),
            ("team", "billing"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }

    #[test]
    fn a_restored_volume_has_its_original_tags() {
        let before = tags();
        let mut hidden = before.clone();
        hidden.extend(shadows(&before, C, "run-1"));
        assert!(!is_hidden(&hidden, C), "the identifying tags are still there");
        hidden.retain(|key, _| !identifies(key, C));
        assert!(is_hidden(&hidden, C));
        assert_eq!(hidden.get("team").map(String::as_str), Some("billing"));

        let mut back = hidden.clone();
        back.extend(originals(&hidden));
        let shadows = shadow_keys(&back);
        back.retain(|key, _| !shadows.contains(key));
        assert_eq!(back, before);
    }

    #[test]
    fn limits_of_aws_are_checked_before() {
        let mut volume = Volume {
            tags: tags(),
            ..Volume::default()
        };
        assert_eq!(obstacle(&volume, C), None);
        let long = format!("{}.example.com", "a".repeat(80));
        volume.tags.insert(cluster_key(&long), "owned".into());
        assert!(obstacle(&volume, &long).unwrap().contains("longer than 128"));
        volume.tags = tags();
        for number in 0..40 {
            volume.tags.insert(format!("tag-{number}"), String::new());
        }
        assert!(obstacle(&volume, C).unwrap().contains("AWS allows 50"));
    }
}
