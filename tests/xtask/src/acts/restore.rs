//! The masters were wiped and made anew: both etcd clusters are restored until the API serves, by one command and without ssh.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use harness::store::{self, CLUSTER, make_state_store};
use harness::{
    AwsAccount, Ca, ControlLoopOptions, ControlLoopStandIn, KeyKind, KopsCluster, KubeApiServer, KubeApiServerOptions,
    LoadBalancer, ManagerStore, Moto, S3, Stored, admin_kubeconfig, backup,
};

use crate::rehearse::{Act, Stage};
use crate::say;

/// See the module.
pub const ACT: Act = Act {
    name: "restore",
    title: "restore etcd until the API serves",
    play,
};

const BUCKET: &str = "kops-state";
const BACKUPS: [(&str, &str); 2] = [
    ("main", "2026-11-22T15:20:36Z-000001"),
    ("events", "2026-11-22T15:20:35Z-000001"),
];

fn play(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("AWS with the state store that real kops and etcd-manager left, and no masters any more");
    let aws = Moto::start()?;
    let state = tempfile::tempdir()?;
    make_state_store(state.path(), &format!("s3://{BUCKET}"), "state-store-restored")?;
    aws.create_bucket(BUCKET)?;
    aws.upload_folder(BUCKET, "", state.path())?;
    let cluster_ca = Ca::new("kubernetes-ca", KeyKind::Ec)?;
    let balancer = LoadBalancer::start()?;
    let kubeconfig = admin_kubeconfig(stage.folder(), CLUSTER, &cluster_ca, balancer.port())?;
    let address = ControlLoopStandIn::address();
    let mut environment = aws.env();
    environment.extend([
        ("KOPS_STATE_STORE", format!("s3://{BUCKET}")),
        ("KOPS_CLUSTER_NAME", CLUSTER.to_owned()),
        ("KUBECONFIG", kubeconfig.display().to_string()),
        (
            "ETCDCTL_ENDPOINTS",
            format!("main=http://{address}:4001,events=http://{address}:4002"),
        ),
        ("KOPS_RECOVERY_NOW", "2026-11-22T15:27:00Z".to_owned()),
    ]);
    let operator = stage.with(&environment)?;
    operator.restore("", 0)?;

    stage.tell("`kops update cluster --yes` makes three masters. On each a stand-in for etcd-manager starts, finds no member, and waits");
    KopsCluster::new(CLUSTER).build(&AwsAccount::of(&aws))?;
    let manager = |etcd: &str| {
        let store = ManagerStore::Bucket {
            endpoint: aws.endpoint(),
            bucket: BUCKET.to_owned(),
            prefix: format!("{CLUSTER}/backups/etcd/{etcd}"),
        };
        ControlLoopStandIn::start(ControlLoopOptions::after_a_wipe(etcd, store, address))
    };
    let managers = [manager("main")?, manager("events")?];
    operator.restore("", 0)?;
    stage.tell("What would be restored, and does anything stand in the way?");
    operator.restore("plan", 0)?;

    stage.tell("Do it. As soon as etcd serves, the masters' kubelets start their API servers: real ones");
    let [main, _] = &managers;
    let server = thread::scope(|scope| {
        let starting = scope.spawn(|| start_api_server(main, &cluster_ca, &balancer));
        let played = operator.restore("run --workers-timeout 4s --yes", 0);
        let server = starting
            .join()
            .unwrap_or_else(|_| Err("the API server's thread panicked".to_owned()));
        played.map(|_| server)
    })?;
    let server = server?;
    let namespaces = server.get("/api/v1/namespaces/shop")?;
    say::line(&format!(
        "The API, asked directly: namespace {} is back",
        namespaces.pointer("/metadata/name").unwrap_or_default()
    ));
    for (manager, (etcd, backup)) in managers.iter().zip(BACKUPS) {
        compare(state.path(), manager, etcd, backup)?;
        if manager.trashed() > 0 {
            return Err(format!("etcd {etcd} was wiped more than once").into());
        }
    }
    stage.tell("And now?");
    operator.restore("status", 0)?;
    operator.restore("", 0)?;
    Ok(())
}

/// What kubelet does on a master: it starts the API server over and over until etcd is there.
fn start_api_server(main: &ControlLoopStandIn, ca: &Ca, balancer: &LoadBalancer) -> Result<KubeApiServer, String> {
    let begun = Instant::now();
    while !main.log().contains("Setting quarantined state to false") {
        if begun.elapsed() > Duration::from_secs(120) {
            return Err("etcd main did not come up for the API server".to_owned());
        }
        thread::sleep(Duration::from_millis(100));
    }
    let options = KubeApiServerOptions {
        cluster_ca: ca,
        etcd_ca: None,
        advertise: "10.245.22.7",
    };
    loop {
        match main.with_etcd(|etcd| KubeApiServer::start(etcd, &options)) {
            Some(started) => {
                let server = started.map_err(|error| error.to_string())?;
                balancer.lead_to(server.port());
                return Ok(server);
            }
            None => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Every key that the backup holds must be there; an API server has written its own since.
fn compare(state: &Path, manager: &ControlLoopStandIn, etcd: &str, backup: &str) -> Result<(), Box<dyn Error>> {
    let folder = state.join(CLUSTER).join("backups/etcd").join(etcd).join(backup);
    let wanted = by_key(backup::keys(&folder.join("etcd.backup.gz"))?);
    let live = manager.with_etcd(|etcd| etcd.keys(b"")).ok_or("no etcd")??;
    let live = by_key(live);
    let expected = store::expected()?;
    let count = expected
        .pointer(&format!("/state-store-restored/{etcd}~1{backup}/live_keys"))
        .and_then(serde_json::Value::as_u64);
    if count != u64::try_from(wanted.len()).ok() {
        return Err(format!("etcdutl says {count:?} keys, and {} were read", wanted.len()).into());
    }
    let missing = wanted.keys().filter(|key| !live.contains_key(*key)).count();
    let same = wanted
        .iter()
        .filter(|(key, value)| live.get(*key) == Some(value))
        .count();
    say::line(&format!(
        "etcd {etcd}: {} keys in the backup, {missing} missing, {same} with the very same value, {} in etcd now",
        wanted.len(),
        live.len()
    ));
    if missing > 0 {
        return Err(format!("etcd {etcd} lacks {missing} keys of the backup").into());
    }
    Ok(())
}

fn by_key(stored: Vec<Stored>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    stored.into_iter().map(|stored| (stored.key, stored.value)).collect()
}
