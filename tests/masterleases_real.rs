//! The whole procedure with real programs: etcd with TLS and client certificates, and kube-apiservers. Only etcd-manager is simulated.
#![allow(
    unused_must_use,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests: the checks panic, and their results are for chaining"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{
    Ca, Cmd, Etcd, EtcdManagerSimulator, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, Put, ServerTls,
    Usage, wait_for,
};
use tempfile::TempDir;

const OLD: [&str; 3] = ["10.245.21.57", "10.245.21.58", "10.245.21.59"];
const NEW: [&str; 3] = ["10.245.22.7", "10.245.22.8", "10.245.22.9"];

struct Cluster {
    cluster_ca: Ca,
    etcd_ca: Ca,
    tls: ServerTls,
    folder: TempDir,
}

impl Cluster {
    fn new() -> Self {
        let etcd_ca = Ca::new("etcd-clients-ca", KeyKind::Rsa).unwrap();
        let folder = tempfile::tempdir().unwrap();
        support::pki::write(folder.path(), "ca.crt", etcd_ca.certificate()).unwrap();
        etcd_ca
            .issue(Usage::Client)
            .unwrap()
            .write(folder.path(), "client")
            .unwrap();
        Self {
            cluster_ca: Ca::new("kubernetes-ca", KeyKind::Ec).unwrap(),
            tls: ServerTls::new(&etcd_ca, &[&etcd_ca]).unwrap(),
            etcd_ca,
            folder,
        }
    }

    fn masters(&self, etcd: &Etcd, ips: &[&str]) -> Vec<KubeApiServer> {
        let options = KubeApiServerOptions {
            cluster_ca: &self.cluster_ca,
            etcd_ca: Some(&self.etcd_ca),
            events: None,
            advertise: "",
            encryption: None,
        };
        KubeApiServer::start_all(etcd, &options, ips).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cmd(&self, etcd: &Etcd, arguments: &str) -> Cmd {
        Cmd::new(env!("CARGO_BIN_EXE_kubectl-masterleases"))
            .unwrap()
            .args(arguments.split_whitespace())
            .env("ETCDCTL_ENDPOINTS", etcd.tls_endpoint().unwrap())
            .env("ETCDCTL_CACERT", self.path("ca.crt"))
            .env("ETCDCTL_CERT", self.path("client.crt"))
            .env("ETCDCTL_KEY", self.path("client.key"))
            .current_dir(self.folder.path())
    }

    /// As kube-controller-manager does, which does not run here.
    fn publish_root_ca(&self, master: &KubeApiServer) {
        let map = json!({
            "metadata": { "name": "kube-root-ca.crt" },
            "data": { "ca.crt": self.cluster_ca.certificate() },
        });
        master
            .create("/api/v1/namespaces/kube-system/configmaps", &map)
            .unwrap();
    }
}

fn keys(etcd: &Etcd) -> Vec<String> {
    let stored = etcd.keys(b"/registry/masterleases/").unwrap();
    stored
        .into_iter()
        .map(|stored| String::from_utf8(stored.key).unwrap())
        .collect()
}

fn keys_of(ips: &[&str]) -> Vec<String> {
    ips.iter().map(|ip| format!("/registry/masterleases/{ip}")).collect()
}

fn both() -> Vec<&'static str> {
    [OLD, NEW].concat()
}

fn verdicts(rows: &Value) -> Vec<(String, String, bool)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| (text(row, "ip"), text(row, "verdict"), row["inEndpoints"] == true))
        .collect()
}

/// Until `stop`: the distinct lists of the endpoint, read 20 times a second, and the number of reads.
fn watch_endpoint(master: &KubeApiServer, stop: &AtomicBool) -> (BTreeSet<Vec<String>>, usize) {
    let (mut seen, mut reads) = (BTreeSet::new(), 0);
    let begun = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        seen.insert(master.endpoints().unwrap());
        seen.insert(master.endpoint_slice().unwrap());
        reads += 1;
        let next = Duration::from_millis(50 * reads);
        thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    (seen, usize::try_from(reads).unwrap())
}

fn prune_fixes_the_endpoint(version: EtcdVersion) {
    let cluster = Cluster::new();
    let manager = EtcdManagerSimulator::new(cluster.path("backups"));

    let etcd = Etcd::start_tls(version, &cluster.tls).unwrap();
    let masters = cluster.masters(&etcd, &OLD);
    // A busy one has none for a moment.
    wait_for("three masters", || {
        masters[0].endpoints().is_ok_and(|listed| listed == OLD)
    });
    cluster.publish_root_ca(&masters[0]);
    let healthy = cluster.cmd(&etcd, "check -o json").run().unwrap().success().json();
    assert!(
        verdicts(&healthy)
            .iter()
            .all(|(_, verdict, listed)| verdict == "live" && *listed)
    );
    let backup = manager.take_backup(&etcd, version).unwrap();
    drop(masters);

    let etcd = manager.restore(etcd, &backup, version, &cluster.tls).unwrap();
    let restored = etcd.keys(b"/registry/masterleases/").unwrap();
    assert!(restored.iter().all(|stored| stored.lease == 0) && restored.len() == 3);
    let masters = cluster.masters(&etcd, &NEW);
    wait_for("six addresses", || masters[0].endpoints().unwrap() == both());

    let rows = cluster.cmd(&etcd, "list -o json").run().unwrap().success().json();
    let expected = |ips: [&str; 3], verdict: &str| ips.map(|ip| (ip.to_owned(), verdict.to_owned(), true)).to_vec();
    assert_eq!(
        verdicts(&rows),
        [expected(OLD, "stale"), expected(NEW, "live")].concat()
    );
    cluster
        .cmd(&etcd, "check")
        .run()
        .unwrap()
        .code(5)
        .stdout_has("no lease, and not rewritten in 12 s");
    // Deleting the Endpoints object would not help: the keys are still there.
    assert_eq!(keys(&etcd), keys_of(&both()));

    let stop = AtomicBool::new(false);
    let (ended, (seen, reads)) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch_endpoint(&masters[0], &stop));
        let ended = cluster.cmd(&etcd, "prune --yes --undo-file undo.json -o json").run();
        stop.store(true, Ordering::Relaxed);
        (ended.unwrap().success(), watching.join().unwrap())
    });
    let report = ended.json();
    assert_eq!(report["deleted"], json!(OLD));
    assert_eq!(report["left"], json!([]));
    assert_eq!(report["before"]["endpoints"], json!(both()));
    assert_eq!(report["after"], json!({ "endpoints": NEW, "endpointSlice": NEW }));
    assert_eq!(report["right"], true);
    assert!(reads > 100, "only {reads} reads");
    assert!(seen.iter().all(|list| !list.is_empty()), "{seen:?}");
    assert!(
        seen.iter()
            .all(|list| NEW.iter().all(|ip| list.iter().any(|listed| listed == ip))),
        "{seen:?}"
    );
    assert_eq!(
        (masters[0].endpoints().unwrap(), masters[0].endpoint_slice().unwrap()),
        (NEW.map(str::to_owned).to_vec(), NEW.map(str::to_owned).to_vec())
    );
    assert_eq!(keys(&etcd), keys_of(&NEW));

    // The same values again, published again; then pruned again.
    cluster.cmd(&etcd, "undo undo.json --yes").run().unwrap().success();
    let back = etcd.keys(b"/registry/masterleases/10.245.21.").unwrap();
    for (first, now) in restored.iter().zip(&back) {
        assert_eq!(
            (&first.key, &first.value, first.lease),
            (&now.key, &now.value, now.lease)
        );
    }
    wait_for("six addresses again", || masters[0].endpoints().unwrap() == both());
    let text = cluster.cmd(&etcd, "prune --yes").run().unwrap().success();
    assert!(
        text.stdout.contains("default/kubernetes lists live API servers only"),
        "{}",
        text.stdout
    );

    a_responding_address_is_not_pruned(&cluster, &etcd, &masters[0]);
    while_the_api_is_down(&cluster, &etcd, masters);
}

/// A key without a lease whose address responds as an API server of this cluster: the sources contradict each other.
fn a_responding_address_is_not_pruned(cluster: &Cluster, etcd: &Etcd, master: &KubeApiServer) {
    let value = br#"{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":""},"subsets":[{"addresses":[{"ip":"127.0.0.1"}]}]}"#;
    etcd.put(&[Put::new("/registry/masterleases/127.0.0.1", &value[..])])
        .unwrap();
    let prune = format!("prune --yes --wait 0 --api-port {} -o json", master.port());
    let report = cluster.cmd(etcd, &prune).run().unwrap().success().json();
    let plan = report["plan"].as_array().unwrap();
    let row = plan.iter().find(|row| row["ip"] == "127.0.0.1").unwrap();
    assert_eq!(
        (&row["action"], &row["verdict"], &row["alive"]),
        (&json!("keep"), &json!("unknown"), &json!(true))
    );
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .contains("an API server of this cluster responds there (401)"),
        "{row}"
    );
    assert_eq!(report["deleted"], json!([]));
    etcd.delete(b"/registry/masterleases/127.0.0.1").unwrap();
}

/// All is read from etcd. Keys of stopped API servers expire, as they have leases.
fn while_the_api_is_down(cluster: &Cluster, etcd: &Etcd, masters: Vec<KubeApiServer>) {
    drop(masters);
    let rows = cluster.cmd(etcd, "list -o json").run().unwrap().success().json();
    assert!(
        verdicts(&rows)
            .iter()
            .all(|(_, verdict, listed)| verdict == "live" && *listed)
    );
    wait_for("leases run out", || keys(etcd).is_empty());
    cluster
        .cmd(etcd, "list")
        .run()
        .unwrap()
        .success()
        .stderr_has("no API server has announced itself");
}

#[test]
fn the_endpoint_is_fixed_after_a_restore_on_etcd_3_5() {
    prune_fixes_the_endpoint(EtcdVersion::V3_5);
}

#[test]
fn the_endpoint_is_fixed_after_a_restore_on_etcd_3_6() {
    prune_fixes_the_endpoint(EtcdVersion::V3_6);
}
