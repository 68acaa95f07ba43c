//! The whole story: a healthy cluster loses etcd's quorum for good, its masters are wiped and made anew, etcd is restored, and all is
//! as it was. Before each step `kubectl etcd-restore` is asked what comes next.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use support::aws::{Built, Machine};
use support::cmd::path_with;
use support::real_masters::namespaces;
use support::store::CLUSTER;
use support::{ApiClient, KubeApiServer};

use super::cluster::{Cluster, Control, Kubelets, register};
use super::real_story;
use crate::plugins;
use crate::rehearse::{Act, Stage};

/// See the module.
pub const ACT: Act = Act {
    name: "story",
    title: "from a healthy cluster to broken masters, and back",
    plugins: &plugins::ALL,
    components: &["etcd", "etcd-3.5", "kube-apiserver", "moto", "sshd"],
    real_masters: true,
    play,
};

/// What an operator types, kops' command included.
pub const TYPED: [&str; 5] = [
    "kops-wipe-masters --yes --even-if-alive",
    "kops update cluster --yes",
    "kubectl etcd-restore run --yes",
    "kubectl masterleases prune --yes",
    "kubectl etcd-restore cleanup nodes --yes",
];

/// API servers, and kubelets that talk to the first.
pub type Serving = (Vec<Arc<KubeApiServer>>, Kubelets);

type Done = Result<(), Box<dyn Error>>;

fn play(stage: &Stage) -> Done {
    if namespaces::within() {
        return real_story::play(stage);
    }
    stage.tell("On stand-ins: this machine has no real masters (they need root, Linux and namespaces)");
    stage.tell("A cluster as kops makes it: groups, instances, volumes and state store in AWS (moto), three real kube-apiservers on a real etcd. Stand-ins play etcd-manager, kubelet and kops");
    let cluster = Cluster::new(stage.folder())?;
    let operator = stage.with(&cluster.environment())?;
    let broken = healthy_and_broken(&operator, &cluster)?;
    wipe(&operator)?;

    operator.tell("kops makes three masters. On each, etcd-manager starts, finds no member, and waits");
    let new = cluster.make_new_masters()?;
    let control = Control::start(&cluster, &new)?;
    ask(&operator, "waiting")?;
    let (mut servers, _kubelets) = restore(&operator, &cluster, &control, &new)?;
    operator.tell("The other masters' API servers start, too");
    servers.extend(control.serve(&cluster, 1..3)?);
    let first = servers.first().ok_or("no API server")?;
    for master in new.masters.iter().skip(1) {
        register(first, "control-plane", master)?;
    }
    right_the_endpoint(&operator, first)?;

    wait_for_grace(&operator, broken);
    ask(&operator, "dead-nodes")?;
    operator.restore("cleanup nodes --yes", 0)?;
    ask(&operator, "healthy")?;
    cluster.the_shop_is_there(first)?;
    operator.note("\nThe API, asked directly: Deployment, Secret and event of the namespace shop are there");

    operator.tell("What do the masters say? Their logs as one, over the user's own ssh, from real sshds");
    let path = path_with(&control.hosts.path()).to_string_lossy().into_owned();
    let operator = operator.with(&[("PATH", path)])?;
    operator.restore("logs etcd --no-follow --tail 3", 0)?;
    operator.tell(&format!("What an operator had to type: {} commands", TYPED.len()));
    operator.note(&TYPED.join("\n"));
    operator.stay()
}

/// Gives the time of the accident.
pub fn healthy_and_broken(operator: &Stage, cluster: &Cluster) -> Result<Instant, Box<dyn Error>> {
    let control = Control::start(cluster, &cluster.built)?;
    let servers = control.serve(cluster, 0..3)?;
    let first = servers.first().ok_or("no API server")?;
    cluster.api_is_at(first);
    cluster.publish_root_ca(first)?;
    for master in &cluster.built.masters {
        register(first, "control-plane", master)?;
    }
    register(first, "node", worker(cluster)?)?;
    cluster.deploy_the_shop(first)?;
    let kubelets = Kubelets::of(first, &alive(&cluster.built, worker(cluster)?));
    show_endpoint(operator, first, 3)?;
    control.back_up()?;
    ask(operator, "healthy")?;
    operator.backups("verify latest-good", 0)?;
    for etcd in ["main", "events"] {
        operator.backups_unseen(&format!("download {etcd}=latest-good {} --raw", archive(etcd)))?;
    }

    operator.tell("Two of three volumes of etcd main are deleted by hand. Quorum is gone for good");
    drop(kubelets);
    drop(servers);
    cluster.nobody_answers();
    drop(control);
    cluster.delete_volumes_of_main(&["b", "c"])?;
    let broken = Instant::now();
    ask(operator, "broken")?;
    operator.wipe("audit", 5)?;
    Ok(broken)
}

pub fn worker(cluster: &Cluster) -> Result<&Machine, Box<dyn Error>> {
    Ok(cluster.built.others.first().ok_or("no worker")?)
}

/// Whose kubelets run.
fn alive<'b>(built: &'b Built, worker: &'b Machine) -> Vec<&'b Machine> {
    built.masters.iter().chain([worker]).collect()
}

fn archive(etcd: &str) -> String {
    format!("before-{etcd}.gz")
}

pub fn wipe(operator: &Stage) -> Done {
    operator.tell("Nothing less than a wipe helps. The last backup is young, and that the API is dead cannot be proven from here: the wipe refuses until one says that one is sure");
    operator.wipe(&format!("--yes --confirm {CLUSTER} -o name"), 3)?;
    operator.tell("What will be deleted, what will be kept, and which backups are restorable?");
    operator.wipe("--even-if-alive", 0)?;
    operator.tell("On a terminal the cluster's name is asked for; here --confirm gives it");
    operator.wipe(&format!("--yes --even-if-alive --confirm {CLUSTER} --poll 1s"), 0)?;
    ask(operator, "wiped")
}

/// One command. As soon as etcd serves, the masters' kubelets start their API servers.
fn restore(operator: &Stage, cluster: &Cluster, control: &Control, new: &Built) -> Result<Serving, Box<dyn Error>> {
    operator.restore("plan", 0)?;
    operator.tell("Do it");
    let serving = thread::scope(|scope| {
        let starting = scope.spawn(|| first_api_server(cluster, control, new));
        let played = operator.restore("run --yes", 0);
        let started = starting
            .join()
            .unwrap_or_else(|_| Err("the API server's thread panicked".to_owned()));
        played.map(|_| started)
    })??;
    for etcd in ["main", "events"] {
        let (missing, all) = control.missing(etcd, &operator.folder().join(archive(etcd)))?;
        operator.note(&format!(
            "etcd {etcd}, asked directly: of {all} keys of the backup {missing} are missing"
        ));
        if missing > 0 || all == 0 {
            return Err(format!("etcd {etcd} is not what it was").into());
        }
    }
    Ok(serving)
}

pub fn first_api_server(cluster: &Cluster, control: &Control, new: &Built) -> Result<Serving, String> {
    let servers = control.serve(cluster, 0..1)?;
    let (Some(first), Some(master)) = (servers.first(), new.masters.first()) else {
        return Err("no API server".to_owned());
    };
    cluster.api_is_at(first);
    register(first, "control-plane", master).map_err(|error| error.to_string())?;
    let worker = worker(cluster).map_err(|error| error.to_string())?;
    let kubelets = Kubelets::of(first, &alive(new, worker));
    Ok((servers, kubelets))
}

pub fn right_the_endpoint(operator: &Stage, server: &ApiClient) -> Done {
    operator.tell("Half of what pods ask of the service `kubernetes` goes to masters that are no more");
    show_endpoint(operator, server, 6)?;
    ask(operator, "stale-leases")?;
    operator.masterleases("list", 0)?;
    operator.masterleases("prune --yes", 0)?;
    show_endpoint(operator, server, 3)?;
    operator.masterleases("check", 0)?;
    Ok(())
}

/// Insists on where the cluster stands.
pub fn ask(operator: &Stage, stage: &str) -> Done {
    operator.tell("Where does the cluster stand, and what comes next?");
    operator.restore("", 0)?;
    let found = operator.restore_json("")?;
    let found = found.get("stage").and_then(|stage| stage.as_str()).unwrap_or_default();
    match found == stage {
        true => Ok(()),
        false => Err(format!("it stands at {found} instead of {stage}").into()),
    }
}

/// Waits until the API tells of so many addresses, and shows them.
pub fn show_endpoint(operator: &Stage, server: &ApiClient, count: usize) -> Done {
    let begun = Instant::now();
    loop {
        let addresses = server.endpoints()?;
        if addresses.len() == count {
            operator.note(&format!(
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

/// A kubelet that has been silent for less than a minute may only be slow: neither the node controller nor we take its Node for dead.
pub fn wait_for_grace(operator: &Stage, broken: Instant) {
    let left = Duration::from_secs(60).saturating_sub(broken.elapsed());
    if !left.is_zero() {
        operator.note(&format!("\n({} s later)", left.as_secs()));
        thread::sleep(left);
    }
}
