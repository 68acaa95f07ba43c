use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::consent::Consent;
use crate::ports::{ObjectBody, ObjectInfo, PutMode, StoreErrorKind};

/// Objects by URL, and a log of the requests.
#[derive(Default)]
pub struct Memory {
    objects: BTreeMap<String, Vec<u8>>,
    pub refuse: Option<(String, StoreErrorKind)>,
    pub requests: Mutex<Vec<String>>,
}

impl Memory {
    pub fn with<'a>(objects: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let objects = objects
            .into_iter()
            .map(|(at, content)| (at.to_owned(), content.into()))
            .collect();
        Self {
            objects,
            ..Self::default()
        }
    }

    fn request(&self, action: &'static str, at: &StoreUrl) -> Result<(), StoreError> {
        self.requests.lock().unwrap().push(format!("{action} {at}"));
        match &self.refuse {
            Some((part, kind)) if at.to_string().contains(part) => Err(StoreError {
                action,
                at: at.clone(),
                kind: kind.clone(),
                source: None,
            }),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl ObjectStore for Memory {
    async fn list(&self, _: &StoreUrl) -> Result<Vec<ObjectInfo>, StoreError> {
        unreachable!("discovery lists folders only")
    }

    async fn list_folders(&self, at: &StoreUrl) -> Result<Vec<String>, StoreError> {
        self.request("list", at)?;
        let prefix = format!("{at}/");
        let below = self
            .objects
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix)?.split_once('/'));
        Ok(below
            .map(|(name, _)| name.to_owned())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect())
    }

    async fn get(&self, at: &StoreUrl, limit: u64) -> Result<Vec<u8>, StoreError> {
        self.request("read", at)?;
        let error = |kind| StoreError {
            action: "read",
            at: at.clone(),
            kind,
            source: None,
        };
        let content = self
            .objects
            .get(&at.to_string())
            .ok_or_else(|| error(StoreErrorKind::NotFound))?;
        if content.len() as u64 > limit {
            return Err(error(StoreErrorKind::TooLarge { limit }));
        }
        Ok(content.clone())
    }

    async fn open(&self, _: &StoreUrl) -> Result<ObjectBody, StoreError> {
        unreachable!("discovery reads small objects only")
    }

    async fn put(&self, _: &StoreUrl, _: Vec<u8>, _: PutMode, _: &Consent) -> Result<(), StoreError> {
        unreachable!("discovery writes nothing")
    }

    async fn copy(&self, _: &StoreUrl, _: &StoreUrl, _: &Consent) -> Result<(), StoreError> {
        unreachable!("discovery writes nothing")
    }

    async fn delete(&self, _: &StoreUrl, _: &Consent) -> Result<(), StoreError> {
        unreachable!("discovery writes nothing")
    }
}

pub const COMPLETED: &str =
    include_str!("../../../../tests/fixtures/kops-built/state/super.k8s.local/cluster-completed.spec");
const CONFIG: &str = include_str!("../../../../tests/fixtures/kops-built/state/super.k8s.local/config");

fn state() -> StoreUrl {
    "s3://kops-state".parse().unwrap()
}

fn bases(found: &Discovered) -> Vec<String> {
    found.stores.iter().map(|store| store.base.to_string()).collect()
}

#[tokio::test]
async fn the_completed_spec_is_enough() {
    let store = Memory::with([("s3://kops-state/super.k8s.local/cluster-completed.spec", COMPLETED)]);
    let found = cluster(&store, &state(), "super.k8s.local").await.unwrap();
    assert_eq!(found.notes, Vec::<String>::new());
    let main = &found.stores[0];
    assert_eq!((main.cluster.as_str(), main.etcd.as_str()), ("super.k8s.local", "main"));
    assert_eq!(
        main.base.to_string(),
        "s3://kops-state/super.k8s.local/backups/etcd/main"
    );
    assert_eq!(
        main.recovery.as_ref().unwrap().to_string(),
        "s3://kops-state/super.k8s.local/backups/recovery/main"
    );
    let secrets: Vec<String> = main.secrets.iter().map(ToString::to_string).collect();
    assert_eq!(secrets, ["s3://kops-state/super.k8s.local/secrets"]);
    assert_eq!(main.daily_retention, SignedDuration::from_hours(90 * 24));
    assert_eq!((main.members.len(), main.etcd_version.as_deref()), (3, Some("3.6.12")));
    assert_eq!(found.stores[1].etcd, "events");
    assert_eq!(
        *store.requests.lock().unwrap(),
        ["read s3://kops-state/super.k8s.local/cluster-completed.spec"]
    );
}

#[tokio::test]
async fn older_and_raw_specs_follow() {
    let older = COMPLETED.replace("s3://kops-state/super.k8s.local/backups/etcd/main", "s3://vault/x/main");
    let (older_at, raw_at) = (
        "s3://kops-state/super.k8s.local/cluster.spec",
        "s3://kops-state/super.k8s.local/config",
    );
    let store = Memory::with([(older_at, older.as_str()), (raw_at, CONFIG)]);
    let found = cluster(&store, &state(), "super.k8s.local").await.unwrap();
    assert_eq!(bases(&found)[0], "s3://vault/x/main");
    assert!(
        found.stores[0]
            .recovery
            .as_ref()
            .unwrap()
            .to_string()
            .starts_with("s3://kops-state/super.k8s.local/backups/")
    );
    let store = Memory::with([(raw_at, CONFIG)]);
    let found = cluster(&store, &state(), "super.k8s.local").await.unwrap();
    assert_eq!(bases(&found)[1], "s3://kops-state/super.k8s.local/backups/etcd/events");
}

#[tokio::test]
async fn a_broken_spec_is_passed_over_with_a_note() {
    let (completed, raw) = (
        "s3://kops-state/super.k8s.local/cluster-completed.spec",
        "s3://kops-state/super.k8s.local/config",
    );
    let store = Memory::with([(completed, "kind: Cluster\n  garbage"), (raw, CONFIG)]);
    let found = cluster(&store, &state(), "super.k8s.local").await.unwrap();
    assert_eq!(found.stores.len(), 2);
    assert!(
        found.notes[0].starts_with(&format!("{completed} was passed over: ")),
        "{:?}",
        found.notes
    );
    let store = Memory::with([(completed, "")]);
    let error = cluster(&store, &state(), "super.k8s.local").await.unwrap_err();
    assert!(
        matches!(&error, DiscoverError::NoUsableSpec { problems, .. } if problems.len() == 1),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("--store"));
}

#[tokio::test]
async fn folders_are_enough_where_no_spec_is() {
    let at = |etcd: &str| format!("s3://kops-state/a.example.com/backups/etcd/{etcd}/control/etcd-cluster-created");
    let keys = [at("cilium"), at("events"), at("main"), at("Not A Name")];
    let store = Memory::with(keys.iter().map(|key| (key.as_str(), "{}")));
    let found = cluster(&store, &state(), "a.example.com").await.unwrap();
    let etcds: Vec<_> = found.stores.iter().map(|store| store.etcd.as_str()).collect();
    assert_eq!(etcds, ["main", "events", "cilium"]);
    assert_eq!(found.stores[0].interval, DEFAULT_INTERVAL);
    assert!(found.notes[0].contains("no readable cluster spec"), "{:?}", found.notes);
}

#[tokio::test]
async fn an_unknown_cluster_is_met_with_near_names() {
    let store = Memory::with([
        ("s3://kops-state/super.k8s.local/config", CONFIG),
        (
            "s3://kops-state/duper.k8s.local/backups/etcd/main/control/etcd-cluster-created",
            "{}",
        ),
        ("s3://kops-state/supper.k8s.local/unrelated/file", "not a cluster"),
    ]);
    let error = cluster(&store, &state(), "supr.k8s.local").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no cluster supr.k8s.local in state store s3://kops-state"
    );
    assert_eq!(
        error.hint().unwrap(),
        "did you mean super.k8s.local or duper.k8s.local?"
    );
    let error = cluster(&store, &state(), "zzz").await.unwrap_err();
    assert_eq!(error.hint().unwrap(), "it holds duper.k8s.local, super.k8s.local");
}

#[tokio::test]
async fn a_state_store_without_clusters_is_said_to_be_empty() {
    let store = Memory::with([("s3://kops-state/logs/2026/x", "x"), ("s3://kops-state/file", "x")]);
    for result in [
        cluster(&store, &state(), "a").await.map(drop),
        clusters(&store, &state()).await.map(drop),
    ] {
        assert!(matches!(result, Err(DiscoverError::EmptyState { .. })));
    }
}

#[tokio::test]
async fn names_that_climb_never_reach_the_store() {
    let store = Memory::default();
    for name in ["../x", "a/b", "", "..", "a..b"] {
        assert!(
            matches!(
                cluster(&store, &state(), name).await,
                Err(DiscoverError::ClusterName(_))
            ),
            "{name}"
        );
    }
    assert!(store.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn all_clusters_cost_few_requests_and_do_not_hide_each_other() {
    let names: Vec<String> = (10..50).map(|n| format!("c{n}.example.com")).collect();
    let keys: Vec<String> = names
        .iter()
        .map(|name| format!("s3://kops-state/{name}/cluster-completed.spec"))
        .collect();
    let mut store = Memory::with(keys.iter().map(|key| (key.as_str(), COMPLETED)));
    let found = clusters(&store, &state()).await.unwrap();
    assert_eq!(
        found.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(store.requests.lock().unwrap().len(), 1 + names.len());
    store.refuse = Some(("c17".into(), StoreErrorKind::AccessDenied));
    let found = clusters(&store, &state()).await.unwrap();
    let failed: Vec<_> = found
        .iter()
        .filter(|(_, result)| result.is_err())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!((found.len(), failed), (40, vec!["c17.example.com"]));
}

#[tokio::test]
async fn a_refusal_is_the_stores_own() {
    let store = Memory {
        refuse: Some(("kops-state".into(), StoreErrorKind::NoSuchBucket)),
        ..Memory::default()
    };
    let error = cluster(&store, &state(), "a").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "read s3://kops-state/a/cluster-completed.spec: the bucket does not exist"
    );
    assert!(error.hint().unwrap().contains("--state"));
}

fn given(texts: &[&str]) -> Vec<ExplicitStore> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn explicit_stores_in_kops_layout_find_their_spec() {
    let store = Memory::with([("s3://kops-state/super.k8s.local/cluster-completed.spec", COMPLETED)]);
    let texts = [
        "s3://kops-state/super.k8s.local/backups/etcd/main",
        "s3://kops-state/super.k8s.local/backups/etcd/events/",
    ];
    let found = explicit(&store, &given(&texts), None, None).await.unwrap();
    assert_eq!(
        found.stores,
        cluster(&store, &state(), "super.k8s.local").await.unwrap().stores
    );
    assert_eq!(found.notes, Vec::<String>::new());
    assert_eq!(
        store.requests.lock().unwrap().len(),
        2,
        "the spec is read once for both stores"
    );
}

#[tokio::test]
async fn explicit_stores_elsewhere_get_defaults() {
    let store = Memory::default();
    let found = explicit(
        &store,
        &given(&["main=file:///tmp/copy=1", "s3://b/events"]),
        None,
        None,
    )
    .await
    .unwrap();
    assert_eq!(bases(&found), ["file:///tmp/copy=1", "s3://b/events"]);
    assert!(
        found
            .stores
            .iter()
            .all(|store| store.cluster.is_empty() && store.recovery.is_none())
    );
    assert_eq!(found.notes.len(), 2);
    let found = explicit(&store, &given(&["main=file:///copy"]), Some(&state()), Some("a.b"))
        .await
        .unwrap();
    assert_eq!(
        found.stores[0].recovery.as_ref().unwrap().to_string(),
        "s3://kops-state/a.b/backups/recovery/main"
    );
    let error = explicit(&store, &given(&["s3://a/main", "s3://b/main"]), None, None)
        .await
        .unwrap_err();
    assert!(matches!(error, DiscoverError::TwoStores(etcd) if etcd == "main"));
    assert!(
        explicit(&store, &given(&["s3://a/main"]), None, Some("../x"))
            .await
            .is_err()
    );
}

#[test]
fn explicit_stores_are_read_from_text() {
    assert_eq!(given(&["events=s3://b/x"])[0].etcd, "events");
    assert_eq!(given(&["s3://b/x/main/"])[0].etcd, "main");
    for text in [
        "main=",
        "=s3://b/x",
        "../x=s3://b/main",
        "s3://b/Not.A.Label",
        "main=gs://b/x",
        "file://rel/main",
        "",
    ] {
        assert!(text.parse::<ExplicitStore>().is_err(), "{text}");
    }
}
