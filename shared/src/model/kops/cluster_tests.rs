use super::*;

const COMPLETED: &[u8] =
    include_bytes!("../../../../tests/fixtures/kops-built/state/super.k8s.local/cluster-completed.spec");
const CONFIG: &[u8] = include_bytes!("../../../../tests/fixtures/kops-built/state/super.k8s.local/config");

/// As kops 1.13 wrote a `cluster.spec`: the old group, no manager settings, other member names.
const OLDER: &str = r"
apiVersion: kops/v1alpha2
kind: Cluster
metadata:
  name: old.example.com
spec:
  configBase: s3://elsewhere/configs/old.example.com
  etcdClusters:
  - enableEtcdTLS: true
    etcdMembers:
    - instanceGroup: master-eu-west-1a-1
      name: a-1
    - instanceGroup: master-eu-west-1a-2
      name: a-2
    name: main
    version: 3.3.10
  - etcdMembers: null
    backups:
      backupStore: s3://vault/old/events/
    name: events
  kubernetesVersion: v1.14.10
  networking:
    cilium: {}
  subnets:
  - {cidr: 10.0.0.0/24, name: b, zone: eu-west-1b}
  - {cidr: 10.0.1.0/24, name: a, zone: eu-west-1a}
  - {cidr: 10.0.2.0/24, name: u, zone: eu-west-1a, type: Utility}
";

const CILIUM: &str = r#"
---
apiVersion: kops.k8s.io/v1alpha3
kind: Cluster
metadata: {name: c.example.com}
spec:
  cloudProvider: {aws: {}}
  configStore: {base: s3://s/c.example.com, keypairs: s3://s/pki-of-c, secrets: s3://s/x}
  networking:
    cilium: {etcdManaged: true}
    subnets: [{name: a, zone: us-west-2-lax-1a}]
  etcdClusters:
  - name: main
    manager: {backupInterval: 5m0s, backupRetentionDays: 30, logLevel: 2, image: r/etcd-manager:x}
  - name: events
    image: r/etcd:3.5.9
    manager:
      backupRetentionDays: 90
      env:
      - {name: ETCD_MANAGER_DAILY_BACKUPS_RETENTION, value: 1d}
      - {name: ETCD_MANAGER_DAILY_BACKUPS_RETENTION, value: 1y}
      - {name: ETCD_MANAGER_HOURLY_BACKUPS_RETENTION, value: 48h}
      - {name: ETCD_QUOTA_BACKEND_BYTES, value: "8589934592"}
  - name: cilium
    manager: {env: [{name: ETCD_MANAGER_HOURLY_BACKUPS_RETENTION, value: a week}]}
"#;

fn state() -> StoreUrl {
    "s3://kops-state".parse().unwrap()
}

#[test]
fn reads_what_kops_wrote() {
    let spec = ClusterSpec::parse(COMPLETED).unwrap();
    assert_eq!(spec.name, "super.k8s.local");
    assert_eq!(spec.region.as_deref(), Some("us-east-1"));
    assert_eq!(spec.zones, ["us-east-1a", "us-east-1b", "us-east-1c"]);
    assert_eq!(spec.kubernetes_version.as_deref(), Some("1.34.2"));
    assert_eq!(
        spec.key_store_in(&state()).unwrap().to_string(),
        "s3://kops-state/super.k8s.local/pki"
    );
    assert_eq!(
        spec.secret_store_in(&state()).unwrap().to_string(),
        "s3://kops-state/super.k8s.local/secrets"
    );
    let names: Vec<_> = spec.etcd_clusters.iter().map(|etcd| etcd.name.as_str()).collect();
    assert_eq!(names, ["main", "events"]);
    let main = &spec.etcd_clusters[0];
    assert_eq!(main.version.as_deref(), Some("3.6.12"));
    assert_eq!(main.backup_interval, DEFAULT_INTERVAL);
    assert_eq!(main.hourly_retention, DEFAULT_HOURLY_RETENTION);
    assert_eq!(main.daily_retention, SignedDuration::from_hours(90 * 24));
    assert_eq!(
        main.members[2],
        MemberSpec {
            name: "c".into(),
            instance_group: Some("control-plane-us-east-1c".into())
        }
    );
    let store = spec.backup_store_in(&state(), main).unwrap();
    assert_eq!(store.to_string(), "s3://kops-state/super.k8s.local/backups/etcd/main");
}

#[test]
fn the_users_own_spec_gets_the_same_stores_by_default() {
    let (completed, config) = (
        ClusterSpec::parse(COMPLETED).unwrap(),
        ClusterSpec::parse(CONFIG).unwrap(),
    );
    for (written, default) in completed.etcd_clusters.iter().zip(&config.etcd_clusters) {
        assert_eq!(default.backup_store, None);
        assert_eq!(
            completed.backup_store_in(&state(), written),
            config.backup_store_in(&state(), default)
        );
    }
    assert_eq!(completed.key_store_in(&state()), config.key_store_in(&state()));
}

#[test]
fn reads_an_older_spec_with_stores_elsewhere() {
    let spec = ClusterSpec::parse(OLDER.as_bytes()).unwrap();
    assert_eq!(spec.zones, ["eu-west-1a", "eu-west-1b"]);
    assert_eq!(spec.region.as_deref(), Some("eu-west-1"));
    assert_eq!(spec.kubernetes_version.as_deref(), Some("1.14.10"));
    let stores: Vec<_> = spec
        .etcd_clusters
        .iter()
        .map(|etcd| spec.backup_store_in(&state(), etcd).unwrap().to_string())
        .collect();
    assert_eq!(
        stores,
        [
            "s3://elsewhere/configs/old.example.com/backups/etcd/main",
            "s3://vault/old/events"
        ]
    );
    assert_eq!(
        spec.key_store_in(&state()).unwrap().to_string(),
        "s3://elsewhere/configs/old.example.com/pki"
    );
    assert_eq!(
        spec.secret_store_in(&state()).unwrap().to_string(),
        "s3://elsewhere/configs/old.example.com/secrets"
    );
    assert_eq!(spec.etcd_clusters[0].daily_retention, DEFAULT_DAILY_RETENTION);
    assert_eq!(spec.etcd_clusters[0].members.len(), 2);
    assert_eq!(spec.etcd_clusters[1].members, []);
}

#[test]
fn reads_the_newer_shape_and_what_the_manager_is_told() {
    let spec = ClusterSpec::parse(CILIUM.as_bytes()).unwrap();
    assert_eq!(spec.region.as_deref(), Some("us-west-2"));
    assert_eq!(spec.key_store_in(&state()).unwrap().to_string(), "s3://s/pki-of-c");
    assert_eq!(spec.secret_store_in(&state()).unwrap().to_string(), "s3://s/x");
    let [main, events, cilium] = spec.etcd_clusters.as_slice() else {
        panic!("three etcd clusters")
    };
    assert_eq!(main.backup_interval, SignedDuration::from_mins(5));
    assert_eq!(
        (main.log_level, main.manager_image.as_deref()),
        (Some(2), Some("r/etcd-manager:x"))
    );
    assert_eq!(main.daily_retention, SignedDuration::from_hours(30 * 24));
    assert_eq!(
        events.daily_retention,
        SignedDuration::from_hours(365 * 24),
        "the last variable wins over the days"
    );
    assert_eq!(events.hourly_retention, SignedDuration::from_hours(48));
    assert_eq!(events.image.as_deref(), Some("r/etcd:3.5.9"));
    assert_eq!(cilium.hourly_retention, DEFAULT_HOURLY_RETENTION);
    assert_eq!(
        cilium.problems,
        [
            "ETCD_MANAGER_HOURLY_BACKUPS_RETENTION of etcd cluster cilium: `a week` is not a duration: write 7d, 2y, 168h or 1h30m"
        ]
    );
    assert_eq!(
        spec.backup_store_in(&state(), cilium).unwrap().to_string(),
        "s3://s/c.example.com/backups/etcd/cilium"
    );
}

#[test]
fn a_store_of_another_cloud_is_an_error_of_that_store_only() {
    let text = OLDER.replace("s3://vault/old/events/", "gs://vault/old/events");
    let spec = ClusterSpec::parse(text.as_bytes()).unwrap();
    assert!(spec.backup_store_in(&state(), &spec.etcd_clusters[0]).is_ok());
    assert_eq!(
        spec.backup_store_in(&state(), &spec.etcd_clusters[1]),
        Err(StoreUrlError::Scheme("gs://vault/old/events".into()))
    );
}

#[test]
fn what_is_no_spec_is_named() {
    let head = "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\n";
    let spec = |rest: &str| ClusterSpec::parse(format!("{head}{rest}").as_bytes());
    assert_eq!(ClusterSpec::parse(b""), Err(SpecError::Empty));
    assert_eq!(ClusterSpec::parse(b"# nothing\n"), Err(SpecError::Empty));
    assert_eq!(ClusterSpec::parse(b"\xff\xfe"), Err(SpecError::NotText));
    assert_eq!(spec("---\nkind: Cluster\n"), Err(SpecError::SeveralDocuments(2)));
    assert!(matches!(ClusterSpec::parse(b"just words"), Err(SpecError::Yaml(_))));
    assert!(matches!(ClusterSpec::parse(b"a: [1\nb: }"), Err(SpecError::Yaml(_))));
    assert!(matches!(
        spec("metadata: {name: a}\nspec: {etcdClusters: 3}\n"),
        Err(SpecError::Yaml(_))
    ));
    assert_eq!(spec("metadata: {name: ../x}\n"), Err(SpecError::Name("../x".into())));
    assert_eq!(spec(""), Err(SpecError::Name(String::new())));
    assert_eq!(
        spec("metadata: {name: a}\nspec: {etcdClusters: [{name: ../../b}]}\n"),
        Err(SpecError::EtcdName("../../b".into()))
    );
    let group = b"apiVersion: kops.k8s.io/v1alpha2\nkind: InstanceGroup\nspec: {subnets: [a]}\n";
    assert_eq!(
        ClusterSpec::parse(group),
        Err(SpecError::WrongKind {
            kind: "InstanceGroup".into(),
            api_version: "kops.k8s.io/v1alpha2".into(),
            wanted: "Cluster",
        })
    );
    let foreign = b"apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\n";
    assert!(matches!(ClusterSpec::parse(foreign), Err(SpecError::WrongKind { .. })));
}

#[test]
fn reads_what_the_spec_says_of_its_cloud_in_both_versions() {
    let shared = r"
apiVersion: kops.k8s.io/v1alpha2
kind: Cluster
metadata: {name: a.example.com}
spec:
  networkID: vpc-12345678
  subnets:
  - {name: a, zone: us-east-1a, id: subnet-b}
  - {name: b, zone: us-east-1b, id: subnet-a}
  - {name: u, zone: us-east-1b, id: ''}
  target:
    terraform:
      providerExtraConfig: {alias: foo}
";
    let spec = ClusterSpec::parse(shared.as_bytes()).unwrap();
    assert_eq!(spec.network_id.as_deref(), Some("vpc-12345678"));
    assert_eq!(spec.subnet_ids, ["subnet-a", "subnet-b"]);
    assert!(!spec.has_all_subnet_ids && spec.for_terraform);
    let newer = r"
apiVersion: kops.k8s.io/v1alpha3
kind: Cluster
metadata: {name: a.example.com}
spec:
  networking:
    networkID: vpc-1
    subnets: [{name: a, zone: us-east-1a, id: subnet-a}]
  target: {terraform: {}}
";
    let spec = ClusterSpec::parse(newer.as_bytes()).unwrap();
    assert_eq!(
        (spec.network_id.as_deref(), spec.has_all_subnet_ids),
        (Some("vpc-1"), true)
    );
    assert!(spec.for_terraform);
    let own = ClusterSpec::parse(COMPLETED).unwrap();
    assert_eq!((own.network_id, own.subnet_ids.len()), (None, 0));
    assert!(!own.has_all_subnet_ids && !own.for_terraform);
}
