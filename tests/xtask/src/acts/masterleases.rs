//! The masters are lost and restored from a backup, and the `kubernetes` endpoint lists masters that are no more.

use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    Ca, Etcd, EtcdManagerStandIn, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, ServerTls, Usage,
};
use serde_json::json;

use crate::rehearse::{Act, Stage};
use crate::say;

/// See the module.
pub const ACT: Act = Act {
    name: "masterleases",
    title: "right the kubernetes endpoint after a restore",
    play,
};

const OLD: [&str; 3] = ["10.245.21.57", "10.245.21.58", "10.245.21.59"];
const NEW: [&str; 3] = ["10.245.22.7", "10.245.22.8", "10.245.22.9"];
const VERSION: EtcdVersion = EtcdVersion::V3_6;

fn play(stage: &Stage) -> Result<(), Box<dyn Error>> {
    let etcd_ca = Ca::new("etcd-clients-ca", KeyKind::Rsa)?;
    let cluster_ca = Ca::new("kubernetes-ca", KeyKind::Ec)?;
    let tls = ServerTls::new(&etcd_ca, &[&etcd_ca])?;
    harness::pki::write(stage.folder(), "etcd-ca.crt", etcd_ca.certificate())?;
    etcd_ca.issue(Usage::Client)?.write(stage.folder(), "etcd-client")?;
    let options = KubeApiServerOptions {
        cluster_ca: &cluster_ca,
        etcd_ca: Some(&etcd_ca),
        advertise: "",
    };
    let backups = tempfile::tempdir()?;
    let manager = EtcdManagerStandIn::new(backups.path());

    stage.tell("A cluster with three masters: a real etcd with client certificates, and three real kube-apiservers");
    let etcd = Etcd::start_tls(VERSION, &tls)?;
    let masters = KubeApiServer::start_all(&etcd, &options, &OLD)?;
    let first = masters.first().ok_or("no master")?;
    publish_root_ca(first, &cluster_ca)?;
    show_endpoint(first, 3)?;
    let healthy = stage.with(&environment(stage.folder(), &etcd))?;
    healthy.masterleases("list", 0)?;

    stage.tell(
        "The masters are lost. A stand-in for etcd-manager restores the last backup, and three new masters start",
    );
    let backup = manager.take_backup(&etcd, VERSION)?;
    drop(masters);
    let etcd = manager.restore(etcd, &backup, VERSION, &tls)?;
    let masters = KubeApiServer::start_all(&etcd, &options, &NEW)?;
    let first = masters.first().ok_or("no master")?;
    show_endpoint(first, 6)?;

    stage.tell("Half of what pods ask of `kubernetes` goes to nobody. Why?");
    let restored = stage.with(&environment(stage.folder(), &etcd))?;
    restored.masterleases("list", 0)?;
    restored.masterleases("check -o name", 5)?;
    stage.tell("What would be done about it?");
    restored.masterleases("prune", 0)?;
    stage.tell("Do it");
    restored.masterleases("prune --yes", 0)?;
    show_endpoint(first, 3)?;
    restored.masterleases("check", 0)?;
    Ok(())
}

fn environment(folder: &Path, etcd: &Etcd) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("ETCDCTL_ENDPOINTS", etcd.tls_endpoint().unwrap_or_default().to_owned()),
        ("ETCDCTL_CACERT", file("etcd-ca.crt")),
        ("ETCDCTL_CERT", file("etcd-client.crt")),
        ("ETCDCTL_KEY", file("etcd-client.key")),
    ]
}

/// What kube-controller-manager does, which does not play here.
fn publish_root_ca(master: &KubeApiServer, ca: &Ca) -> Result<(), Box<dyn Error>> {
    let map = json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": ca.certificate() } });
    master.create("/api/v1/namespaces/kube-system/configmaps", &map)?;
    Ok(())
}

/// Waits until the API tells of so many addresses, and shows them.
fn show_endpoint(master: &KubeApiServer, count: usize) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    loop {
        let addresses = master.endpoints()?;
        if addresses.len() == count {
            say::line(&format!(
                "endpoints default/kubernetes, by the API: {}",
                addresses.join(" ")
            ));
            return Ok(());
        }
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(format!("the endpoint lists {addresses:?} instead of {count} addresses").into());
        }
        thread::sleep(Duration::from_millis(200));
    }
}
