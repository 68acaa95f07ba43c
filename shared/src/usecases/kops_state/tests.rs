use std::path::{Path, PathBuf};

use super::etcd_managers::{EtcdManagers, etcd_managers};
use super::instance_groups::instance_groups;
use crate::adapters::file::FileStore;
use crate::model::check::Severity;
use crate::model::kops::instance_group::Role;
use crate::model::store_url::StoreUrl;
use crate::usecases::discover;

const CLUSTER: &str = "super.k8s.local";

/// A copy of what kops wrote, to be spoilt.
struct Copied(tempfile::TempDir);

impl Copied {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/kops-built/state");
        copy(&fixture, folder.path());
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(CLUSTER).join(file)
    }

    fn state(&self) -> StoreUrl {
        format!("file://{}", self.0.path().display()).parse().unwrap()
    }

    async fn managers(&self, etcd: &str) -> EtcdManagers {
        // The spec of the fixture names an S3 bucket; here only its members matter.
        let found = discover::cluster(&FileStore, &self.state(), CLUSTER).await.unwrap();
        let store = found.stores.into_iter().find(|store| store.etcd == etcd).unwrap();
        etcd_managers(&FileStore, &self.state().join(CLUSTER), &store)
            .await
            .unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn manifest(group: &str) -> String {
    format!("manifests/etcd/main-control-plane-us-east-1{group}.yaml")
}

#[tokio::test]
async fn lists_the_instance_groups_that_kops_wrote_and_names_broken_ones() {
    let state = Copied::new();
    std::fs::write(state.path("instancegroup/broken"), "kind: [").unwrap();
    let node = std::fs::read(state.path("instancegroup/nodes-us-east-1a")).unwrap();
    std::fs::write(state.path("instancegroup/zz-copy"), node).unwrap();
    let groups = instance_groups(&FileStore, &state.state(), CLUSTER).await.unwrap();
    let told: Vec<String> = groups
        .iter()
        .map(|group| match &group.read {
            Ok(read) => format!("{} {}", read.name, read.role),
            Err(problem) => format!("{}: {}", group.at.name(), problem.lines().next().unwrap_or_default()),
        })
        .collect();
    assert!(
        told[0].starts_with("broken: it is not the YAML that kops writes"),
        "{told:?}"
    );
    assert_eq!(
        &told[1..],
        [
            "control-plane-us-east-1a ControlPlane",
            "control-plane-us-east-1b ControlPlane",
            "control-plane-us-east-1c ControlPlane",
            "nodes-us-east-1a Node",
            "nodes-us-east-1b Node",
            "nodes-us-east-1c Node",
            "zz-copy: it names itself nodes-us-east-1a",
        ]
    );
    let masters = groups
        .iter()
        .filter(|group| group.read.as_ref().is_ok_and(|read| read.role == Role::ControlPlane));
    assert_eq!(masters.count(), 3);
    let none = instance_groups(&FileStore, &state.state(), "other.example.com")
        .await
        .unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn finds_the_etcd_managers_of_each_etcd_cluster_and_what_they_can_restore() {
    let state = Copied::new();
    for etcd in ["main", "events"] {
        let managers = state.managers(etcd).await;
        assert_eq!(managers.manifests.len(), 3, "{etcd}");
        assert!(managers.missing.is_empty());
        assert!(managers.check("3.5.35").ok);
        let refused = managers.check("3.4.13");
        assert!(refused.blocks() && refused.etcd.as_deref() == Some(etcd));
    }
}

#[tokio::test]
async fn one_master_that_cannot_restore_spoils_it_and_one_that_is_missing_warns() {
    let state = Copied::new();
    let b = state.path(&manifest("b"));
    let text = std::fs::read_to_string(&b).unwrap();
    std::fs::write(&b, text.replace("/opt/etcd-v3.5.30", "/opt/elsewhere")).unwrap();
    assert!(state.managers("main").await.check("3.5.35").blocks());

    std::fs::remove_file(&b).unwrap();
    let managers = state.managers("main").await;
    assert_eq!(managers.missing.len(), 1);
    let check = managers.check("3.5.35");
    assert_eq!((check.ok, check.severity), (false, Severity::Warn));
    assert!(
        check.message.contains("main-control-plane-us-east-1b.yaml is missing"),
        "{check:?}"
    );

    std::fs::write(&b, "kind: Pod").unwrap();
    let check = state.managers("main").await.check("3.5.35");
    assert!(
        check.blocks() && check.message.contains("no container `etcd-manager`"),
        "{check:?}"
    );
}

#[tokio::test]
async fn without_any_manifest_it_refuses_and_the_file_of_an_old_kops_is_found() {
    let state = Copied::new();
    let manifests = state.path("manifests/etcd");
    let kept = std::fs::read(state.path(&manifest("a"))).unwrap();
    std::fs::remove_dir_all(&manifests).unwrap();
    let check = state.managers("main").await.check("3.5.35");
    assert!(check.blocks() && check.cure.unwrap().contains("kops update cluster"));

    std::fs::create_dir_all(&manifests).unwrap();
    std::fs::write(manifests.join("main.yaml"), kept).unwrap();
    let managers = state.managers("main").await;
    assert!(managers.missing.is_empty() && managers.check("3.5.35").ok);
    assert!(state.managers("events").await.check("3.5.35").blocks());
}
