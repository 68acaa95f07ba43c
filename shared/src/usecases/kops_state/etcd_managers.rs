//! The etcd-managers of an etcd cluster, as its masters will start them.

use super::{Stored, read_each};
use crate::model::check::{Check, Severity};
use crate::model::etcd_manager::{Manifest, replaces_empty_members, restorable, worst};
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError};
use crate::usecases::discover::EtcdStore;

/// Below a cluster's folder.
const FOLDER: &str = "manifests/etcd";
/// The check's name.
const NAME: &str = "etcd-manager";

/// The manifests of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdManagers {
    /// The etcd cluster.
    pub etcd: String,
    /// Where was looked.
    pub folder: StoreUrl,
    /// Those that are there, sorted by place.
    pub manifests: Vec<Stored<Manifest>>,
    /// Files of the members' instance groups that are not there.
    pub missing: Vec<StoreUrl>,
    /// `etcdClusters[].image` of the cluster's spec.
    pub etcd_image: Option<String>,
}

/// Reads the manifests of `store`'s etcd cluster below `config_base`: those of its members' instance groups; all that are of this
/// etcd cluster where the spec names no member.
///
/// # Errors
/// Where the store does not give them. None at all is no error.
pub async fn etcd_managers(
    objects: &dyn ObjectStore,
    config_base: &StoreUrl,
    store: &EtcdStore,
) -> Result<EtcdManagers, StoreError> {
    let folder = config_base.join(FOLDER);
    let etcd = &store.etcd;
    let there: Vec<String> = objects
        .list(&folder)
        .await?
        .into_iter()
        .map(|object| object.path)
        .collect();
    let old = format!("{etcd}.yaml");
    let mut missing = Vec::new();
    let wanted: Vec<String> = if there.contains(&old) && !there.iter().any(|file| file.starts_with(&format!("{etcd}-")))
    {
        vec![old]
    } else {
        let of_members = store
            .members
            .iter()
            .filter_map(|member| member.instance_group.as_deref());
        let mut files: Vec<String> = of_members.map(|group| format!("{etcd}-{group}.yaml")).collect();
        files.sort_unstable();
        files.dedup();
        if files.is_empty() {
            there
                .into_iter()
                .filter(|file| file.starts_with(&format!("{etcd}-")) && file.ends_with(".yaml"))
                .collect()
        } else {
            let (found, absent): (Vec<String>, Vec<String>) = files.into_iter().partition(|file| there.contains(file));
            missing.extend(absent.iter().map(|file| folder.join(file)));
            found
        }
    };
    let files = wanted.iter().map(|file| folder.join(file)).collect();
    let mut manifests = read_each(objects, files, |content| {
        Manifest::parse(content).map_err(|error| error.to_string())
    })
    .await?;
    // `main-x.yaml` may be of an etcd cluster `main-x` of an old kops: the label tells.
    manifests.retain(|stored| {
        let other = |manifest: &Manifest| manifest.etcd.as_deref().is_some_and(|named| named != etcd);
        !stored.read.as_ref().is_ok_and(other)
    });
    Ok(EtcdManagers {
        etcd: etcd.clone(),
        folder,
        manifests,
        missing,
        etcd_image: store.etcd_image.clone(),
    })
}

impl EtcdManagers {
    /// Whether they are known to replace a member that comes up with an empty disk by themselves, in an etcd cluster of so many members.
    #[must_use]
    pub fn replace_empty_members(&self, members: usize) -> bool {
        let read: Option<Vec<&Manifest>> = self.manifests.iter().map(|stored| stored.read.as_ref().ok()).collect();
        self.missing.is_empty() && read.is_some_and(|manifests| replaces_empty_members(manifests, members))
    }

    /// Whether they can restore a backup of etcd `version`. A check named `etcd-manager`; where nothing is known it refuses, since what an
    /// etcd-manager cannot restore it tries for ever.
    #[must_use]
    pub fn check(&self, version: &str) -> Check {
        let rewrite = "`kops update cluster --yes` writes it again; it starts no instance";
        let broken = self
            .manifests
            .iter()
            .find_map(|stored| Some((&stored.at, stored.read.as_ref().err()?)));
        if let Some((at, problem)) = broken {
            return Check::found(NAME, Severity::Block, format!("{at} cannot be used: {problem}"))
                .cure(rewrite)
                .of(&self.etcd);
        }
        let read = self.manifests.iter().filter_map(|stored| stored.read.as_ref().ok());
        let answers = read.map(|manifest| restorable(manifest, version, self.etcd_image.as_deref()));
        let Some(answer) = worst(answers) else {
            let message = format!(
                "{} has no manifest of it: what it can restore is not known",
                self.folder
            );
            return Check::found(NAME, Severity::Block, message)
                .cure(rewrite)
                .of(&self.etcd);
        };
        let check = answer.check(&self.etcd);
        match self.missing.first() {
            Some(at) if check.ok => Check::found(
                NAME,
                Severity::Warn,
                format!("{at} is missing: a master of its instance group starts no etcd"),
            )
            .cure(rewrite)
            .of(&self.etcd),
            _ => check,
        }
    }
}
