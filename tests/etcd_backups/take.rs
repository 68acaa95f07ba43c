//! `take`: backups of real etcds, judged by `verify` and by etcd's own tools.

use std::fs;
use std::path::Path;

use support::servers::sshd;
use support::store::CLUSTER;
use support::{
    Ca, Cmd, Etcd, EtcdOptions, EtcdVersion, KubeApi, Moto, Pod, Put, S3, ServerTls, Sshd, Stored, Usage, backup, cmd,
    pki,
};
use tempfile::TempDir;

use crate::env::{Env, RESTORED, backups, tree};

/// The time of the fixed clock.
const NAME: &str = "2026-11-22T15:21:36Z-000001";
const HEALTHY: &str = "2026-11-22T15:18:01Z-000001";

/// A kops cluster's store, and its etcd with its own CA.
struct Living {
    env: Env,
    etcd: Etcd,
    ca: Ca,
    _tls: ServerTls,
    _data: TempDir,
}

impl Living {
    /// The etcd of the store's healthy backup.
    fn of_the_cluster() -> Self {
        let env = Env::new(RESTORED);
        let data = tempfile::tempdir().unwrap();
        let data_dir = backup::restore(&env.file("main", HEALTHY, "etcd.backup.gz"), data.path()).unwrap();
        Self::on(env, data, Some(data_dir))
    }

    /// An etcd of no cluster.
    fn fresh() -> Self {
        Self::on(Env::new(RESTORED), tempfile::tempdir().unwrap(), None)
    }

    fn on(env: Env, data: TempDir, data_dir: Option<std::path::PathBuf>) -> Self {
        let keyset = env.root().join(CLUSTER).join("pki/private/etcd-clients-ca/keyset.yaml");
        let ca = Ca::from_keyset(&fs::read_to_string(keyset).unwrap()).unwrap();
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        let version = EtcdVersion::V3_6;
        let etcd = Etcd::start_tls_with(&EtcdOptions { version, data_dir }, &tls).unwrap();
        Self {
            env,
            etcd,
            ca,
            _tls: tls,
            _data: data,
        }
    }

    fn endpoint(&self) -> String {
        self.etcd.tls_endpoint().unwrap().to_owned()
    }

    fn port(&self) -> u16 {
        self.endpoint().rsplit(':').next().unwrap().parse().unwrap()
    }

    fn take(&self, arguments: &[&str]) -> Cmd {
        self.env.backups(&["take", "--etcd", "main"]).args(arguments)
    }

    fn direct(&self, arguments: &[&str]) -> Cmd {
        self.take(&["--endpoints", &self.endpoint()]).args(arguments)
    }
}

/// Every key with its value and lease, as etcd's own tools restore them.
fn keys_after_restore(archive: &Path) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    comparable(backup::keys(archive).unwrap())
}

fn everything(etcd: &Etcd) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    comparable(etcd.keys(b"").unwrap())
}

fn comparable(stored: Vec<Stored>) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    stored.into_iter().map(|key| (key.key, key.value, key.lease)).collect()
}

#[test]
fn a_taken_backup_is_accepted_by_verify_and_by_etcd() {
    let living = Living::of_the_cluster();
    let many: Vec<Put> = (0..2_000)
        .map(|n| Put::new(format!("/registry/configmaps/shop/c{n}"), "v".repeat(500)))
        .collect();
    living.etcd.put(&many).unwrap();
    let lease = living.etcd.grant_lease(600).unwrap();
    let with_lease = Put {
        lease,
        ..Put::new("/registry/masterleases/10.0.0.7", "a")
    };
    living.etcd.put(&[with_lease]).unwrap();
    let before = tree(living.env.root());
    let planned = living
        .direct(&["-o", "json"])
        .run()
        .unwrap()
        .success()
        .stderr_has("pass --yes");
    assert_eq!(tree(living.env.root()), before);
    assert_eq!(
        (&planned.json()[0]["taken"], &planned.json()[0]["name"]),
        (&false.into(), &NAME.into())
    );

    let taken = living.direct(&["--yes", "-o", "json"]).run().unwrap().success();
    let taken = taken
        .stderr_has("direct to https://127.0.0.1")
        .stderr_has("certificate made for an hour");
    let (row, keys) = (&taken.json()[0], living.etcd.count_keys().unwrap());
    assert_eq!(
        (&row["taken"], &row["keys"], &row["name"]),
        (&true.into(), &keys.into(), &NAME.into())
    );

    let verified = living
        .env
        .backups(&["verify", &format!("main={NAME}"), "-o", "json"])
        .run()
        .unwrap()
        .success()
        .json();
    assert_eq!((&verified[0]["ok"], &verified[0]["keys"]), (&true.into(), &keys.into()));
    assert_eq!(
        (&verified[0]["hash"], &verified[0]["revision"]),
        (&row["hash"], &row["revision"])
    );
    let good = living
        .env
        .backups(&["show", "main=latest-good", "-o", "name"])
        .run()
        .unwrap()
        .success();
    assert_eq!(good.stdout.trim_end(), NAME);

    let meta: serde_json::Value =
        serde_json::from_slice(&fs::read(living.env.file("main", NAME, "_etcd_backup.meta")).unwrap()).unwrap();
    assert!(meta["etcdVersion"].as_str().unwrap().starts_with("3.6."), "{meta}");
    assert_eq!(meta["timestamp"], "1795360896");
    // From control/etcd-cluster-spec, not from the running etcd.
    let spec = fs::read(living.env.base("main").join("control/etcd-cluster-spec")).unwrap();
    assert_eq!(
        meta["clusterSpec"],
        serde_json::from_slice::<serde_json::Value>(&spec).unwrap()
    );

    let added: Vec<_> = tree(living.env.root())
        .into_iter()
        .filter(|file| !before.contains(file))
        .collect();
    assert_eq!(added.len(), 2, "data and meta, and nothing else");
    assert_eq!(
        keys_after_restore(&living.env.file("main", NAME, "etcd.backup.gz")),
        everything(&living.etcd)
    );
}

#[test]
fn an_existing_backup_is_never_overwritten() {
    let living = Living::of_the_cluster();
    let _ = living.direct(&["--yes"]).run().unwrap().success();
    let before = tree(living.env.root());
    let _ = living
        .direct(&["--yes"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("it exists already");
    assert_eq!(tree(living.env.root()), before);
    // Also if only the data of the other backup exists.
    fs::remove_file(living.env.file("main", NAME, "_etcd_backup.meta")).unwrap();
    let before = tree(living.env.root());
    let _ = living
        .direct(&["--yes"])
        .run()
        .unwrap()
        .code(1)
        .stderr_has("it exists already");
    assert_eq!(tree(living.env.root()), before);
}

#[test]
fn an_empty_etcd_and_one_of_another_cluster_are_refused() {
    let living = Living::fresh();
    let before = tree(living.env.root());
    let _ = living
        .direct(&["--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("this etcd is empty");
    let other = r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"another-one"}}"#;
    living
        .etcd
        .put(&[Put::new("/registry/namespaces/kube-system", other)])
        .unwrap();
    let refused = living
        .direct(&["--yes"])
        .run()
        .unwrap()
        .code(3)
        .stderr_has("of another cluster");
    let _ = refused.stderr_has("another-one").stderr_has("--other-lineage");
    assert_eq!(tree(living.env.root()), before);
    let _ = living.direct(&["--yes", "--other-lineage"]).run().unwrap().success();
    assert_ne!(tree(living.env.root()), before);
}

#[test]
fn one_endpoint_for_two_etcds_is_refused() {
    let env = Env::new(RESTORED);
    let take = || env.backups(&["take"]);
    let _ = take()
        .args(["--endpoints", "127.0.0.1:1"])
        .run()
        .unwrap()
        .code(2)
        .stderr_has("--etcd main");
    let _ = take()
        .env("ETCDCTL_ENDPOINTS", "127.0.0.1:1")
        .run()
        .unwrap()
        .code(2)
        .stderr_has("main and events");
}

#[test]
fn through_the_kubernetes_api_and_over_ssh() {
    let living = Living::of_the_cluster();
    let pod = Pod {
        name: "etcd-manager-main-i-0".to_owned(),
        app: "etcd-manager-main".to_owned(),
        ready: true,
        ports: vec![(4001, living.port())],
    };
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = KubeApi::start(vec![pod])
        .unwrap()
        .kubeconfig(folder.path(), CLUSTER)
        .unwrap();
    let ended = living
        .take(&["--yes"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .run()
        .unwrap()
        .success();
    let _ = ended
        .stderr_has("port-forward to pod etcd-manager-main-i-0")
        .stderr_has("certificate made for an hour");
    fs::remove_dir_all(living.env.base("main").join(NAME)).unwrap();

    let sshd = Sshd::start().unwrap();
    let place = sshd.root().join("srv/kubernetes/kube-apiserver");
    pki::write(&place, "etcd-ca.crt", living.ca.certificate()).unwrap();
    living
        .ca
        .issue(Usage::Client)
        .unwrap()
        .write(&place, "etcd-client")
        .unwrap();
    let port = living.port().to_string();
    let over_ssh = living.take(&["--host", sshd::HOST, "--etcd-port", &port, "--yes"]);
    let ended = over_ssh
        .env("PATH", cmd::path_with(&sshd.path()))
        .run()
        .unwrap()
        .success();
    let _ = ended.stderr_has("ssh to master-a, certificate the files of master-a");
    let _ = living
        .env
        .backups(&["verify", &format!("main={NAME}")])
        .run()
        .unwrap()
        .success();
}

#[test]
fn into_s3_and_from_etcd_3_5_without_a_cluster_spec() {
    let (moto, etcd) = (Moto::start().unwrap(), Etcd::start(EtcdVersion::V3_5).unwrap());
    moto.create_bucket("state").unwrap();
    etcd.put(&[Put::new("/registry/a", "1"), Put::new("/registry/b", "2")])
        .unwrap();
    let run = |arguments: &[&str]| {
        backups(arguments)
            .args(["--store", "main=s3://state/x"])
            .envs(moto.env())
            .run()
            .unwrap()
    };
    let take = ["take", "--endpoints", etcd.endpoint(), "--yes"];
    let _ = run(&take).success().stderr_has("plain HTTP");
    // Intact, but not of a Kubernetes cluster.
    let verified = run(&["verify", "-o", "json"])
        .code(5)
        .stderr_has("no namespace kube-system")
        .json();
    assert_eq!((&verified[0]["name"], &verified[0]["keys"]), (&NAME.into(), &2.into()));
    assert_eq!(
        (&verified[0]["ok"], &verified[0]["good"]),
        (&true.into(), &false.into())
    );
    let meta = String::from_utf8(moto.get("state", &format!("x/{NAME}/_etcd_backup.meta")).unwrap()).unwrap();
    assert!(
        meta.contains(r#""memberCount":1"#) && meta.contains(r#""etcdVersion":"3.5."#),
        "{meta}"
    );
    let _ = run(&take).code(1).stderr_has("it exists already");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        file.path(),
        moto.get("state", &format!("x/{NAME}/etcd.backup.gz")).unwrap(),
    )
    .unwrap();
    assert_eq!(keys_after_restore(file.path()), everything(&etcd));
}
