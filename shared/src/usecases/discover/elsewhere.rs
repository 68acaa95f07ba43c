//! A state store whose spec names backup stores outside of the state store: a copy, or one that was moved. Whoever works on a copy does not
//! mean to change the original.

use std::fmt;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::model::kops::cluster::ClusterSpec;
use crate::model::store_url::StoreUrl;

use super::EtcdStore;

/// The spec of a state store names other stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The cluster's folder in the state store that was read.
    folder: StoreUrl,
    /// The etcd clusters whose backup stores are elsewhere, and where.
    stores: Vec<(String, StoreUrl)>,
}

impl Elsewhere {
    /// Looks where the spec's backup stores are. A user may keep backups in a place of their own: that is no copy, as long as the
    /// spec's `configBase` is the folder that was read, and both are of one kind.
    #[must_use]
    pub(super) fn of(state: &StoreUrl, spec: &ClusterSpec, stores: &[EtcdStore]) -> Option<Self> {
        let folder = state.join(&spec.name);
        let is_home = spec
            .config_base
            .as_ref()
            .is_some_and(|base| base.parse() == Ok(folder.clone()));
        let foreign = |store: &&EtcdStore| {
            let same_kind = matches!(
                (&store.base, &folder),
                (StoreUrl::S3 { .. }, StoreUrl::S3 { .. }) | (StoreUrl::File { .. }, StoreUrl::File { .. })
            );
            let is_chosen = is_home && same_kind;
            !is_chosen && !is_below(&store.base, &folder)
        };
        let stores: Vec<(String, StoreUrl)> = stores
            .iter()
            .filter(foreign)
            .map(|store| (store.etcd.clone(), store.base.clone()))
            .collect();
        (!stores.is_empty()).then_some(Self { folder, stores })
    }
}

fn is_below(base: &StoreUrl, folder: &StoreUrl) -> bool {
    let mut above = base.parent();
    while let Some(next) = above {
        if next == *folder {
            return true;
        }
        above = next.parent();
    }
    false
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores: Vec<String> = self
            .stores
            .iter()
            .map(|(etcd, base)| format!("{etcd} {base}"))
            .collect();
        write!(
            f,
            "the spec in {} names backup stores outside of the state store: {}",
            self.folder,
            stores.join(", ")
        )
    }
}

/// Something was to be changed by way of such a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: nothing was changed")]
pub struct NotFollowed(pub Elsewhere);

impl Failure for NotFollowed {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        let own: Vec<String> = self
            .0
            .stores
            .iter()
            .map(|(etcd, _)| format!("--store {etcd}={}", self.0.folder.join("backups/etcd").join(etcd)))
            .collect();
        Some(format!(
            "pass --follow-spec to use the backup stores of the spec; to work on a copy of the backups: {}",
            own.join(" ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(state: &str, config_base: Option<&str>, bases: &[&str]) -> Option<String> {
        let spec = ClusterSpec {
            config_base: config_base.map(str::to_owned),
            ..ClusterSpec::parse(b"apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata: {name: a.example.com}\n")
                .unwrap()
        };
        let stores: Vec<EtcdStore> = bases
            .iter()
            .map(|base| EtcdStore::assumed("a.example.com", "main".to_owned(), base.parse().unwrap(), None))
            .collect();
        Elsewhere::of(&state.parse().unwrap(), &spec, &stores).map(|found| found.to_string())
    }

    const OWN: &str = "s3://state/a.example.com/backups/etcd/main";

    #[test]
    fn a_copy_is_told_from_a_store_that_the_user_chose() {
        // As kops makes it, with and without what is only a default.
        assert_eq!(elsewhere("s3://state", Some("s3://state/a.example.com"), &[OWN]), None);
        assert_eq!(elsewhere("s3://state", None, &[OWN]), None);
        // Backups in a bucket of their own: the spec says so of itself.
        assert_eq!(
            elsewhere("s3://state", Some("s3://state/a.example.com"), &["s3://backups/main"]),
            None
        );
        // A copy on a disk, in another bucket, below another prefix, and one whose spec does not tell.
        for copy in ["file:///copy", "s3://copy", "s3://state/old"] {
            assert_eq!(
                elsewhere(copy, Some("s3://state/a.example.com"), &[OWN]).unwrap(),
                format!("the spec in {copy}/a.example.com names backup stores outside of the state store: main {OWN}")
            );
        }
        assert!(elsewhere("s3://copy", None, &[OWN]).is_some());
        // The name of one folder is the beginning of the other's.
        assert!(elsewhere("s3://state", None, &["s3://state/a.example.com.old/backups/etcd/main"]).is_some());
        // Whatever it says of itself: what is on a disk does not have its backups in S3.
        assert!(elsewhere("file:///state", Some("file:///state/a.example.com"), &[OWN]).is_some());
    }
}
