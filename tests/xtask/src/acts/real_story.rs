//! The whole story on real masters.

use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::ApiClient;
use support::aws::Built;
use support::cmd::path_with;
use support::real_masters::{RealMaster, RealMasters};

use super::cluster::{Cluster, Kubelets, register};
use super::story::{TYPED, ask, right_the_endpoint, show_endpoint, wait_for_grace, wipe, worker};
use crate::rehearse::Stage;

type Done = Result<(), Box<dyn Error>>;

/// Plays it.
pub fn play(stage: &Stage) -> Done {
    stage.tell(
        "On real masters: three network and mount namespaces of this machine, in each of them sshd, containerd, kubelet 1.34 and, in static pods named as kops names them, \
         kube-apiserver 1.34 and members of two etcd clusters with TLS. AWS is moto. Only etcd-manager, kops (with kops-controller), the unit manager and the worker are stand-ins",
    );
    let cluster = Cluster::new(stage.folder())?;
    let masters = cluster.start_masters(&cluster.built)?;
    let operator = stage.with(&cluster.environment())?;
    let path = path_with(masters.path()).to_string_lossy().into_owned();
    let operator = operator.with(&[("PATH", path)])?;
    let operator = operator.with(&cluster.etcds_of(&cluster.built, operator.folder())?)?;
    cluster.api_is_on(&cluster.built)?;
    let api = cluster.api()?;
    wait("the API", || api.ready())?;
    registered(&operator, &api, &cluster.built)?;
    cluster.publish_root_ca(&api)?;
    register(&api, "node", worker(&cluster)?)?;
    cluster.deploy_the_shop(&api)?;
    let kubelets = Kubelets::of(&api, &[worker(&cluster)?]);
    show_endpoint(&operator, &api, 3)?;
    containers(&operator, masters.get(0)?)?;
    masters.back_up()?;
    ask(&operator, "healthy")?;
    operator.backups("verify latest-good", 0)?;
    let archives = archives(&operator)?;

    let broken = break_it(&operator, &cluster, &masters)?;
    wipe(&operator)?;
    drop(kubelets);
    // Their instances are terminated.
    drop(masters);

    operator.tell("kops makes three masters. On each kubelet starts etcd-manager, which finds no member and waits, and kube-apiserver, which ends again and again");
    let new = cluster.make_new_masters()?;
    let masters = cluster.start_masters(&new)?;
    cluster.api_is_on(&new)?;
    let operator = operator.with(&cluster.etcds_of(&new, operator.folder())?)?;
    wait("etcd-manager", || {
        let leader = masters.all().find(|master| master.member() == "a");
        leader.is_some_and(|leader| {
            leader
                .read("/var/log/etcd.log")
                .contains("etcd has 0 members registered")
        })
    })?;
    ask(&operator, "waiting")?;
    operator.restore("plan", 0)?;
    operator.tell("Do it. As soon as etcd serves, the API servers come up by kubelet's hand");
    let kubelets = Kubelets::of(&api, &[worker(&cluster)?]);
    operator.restore("run --yes --api-timeout 5m", 0)?;
    for (etcd, archive) in &archives {
        let (missing, all) = masters.missing(etcd, archive)?;
        operator.note(&format!(
            "etcd {etcd}, asked directly: of {all} keys of the backup {missing} are missing"
        ));
        if missing > 0 || all == 0 {
            return Err(format!("etcd {etcd} is not what it was").into());
        }
    }
    registered(&operator, &api, &new)?;
    right_the_endpoint(&operator, &api)?;
    wait_for_grace(&operator, broken);
    ask(&operator, "dead-nodes")?;
    operator.restore("cleanup nodes --yes", 0)?;
    operator.restore("cleanup workers", 0)?;
    ask(&operator, "healthy")?;
    cluster.the_shop_is_there(&api)?;
    operator.note("\nThe API, asked directly: Deployment, Secret and event of the namespace shop are there");
    containers(&operator, masters.get(0)?)?;
    operator.tell("What do the masters say? Their logs as one, over the user's own ssh");
    operator.restore("logs etcd --no-follow --tail 3", 0)?;
    operator.tell(&format!("What an operator had to type: {} commands", TYPED.len()));
    operator.note(&TYPED.join("\n"));
    let stayed = operator.stay();
    drop(kubelets);
    stayed
}

/// What the backups have, to compare with at the end.
fn archives(operator: &Stage) -> Result<Vec<(&'static str, PathBuf)>, Box<dyn Error>> {
    let mut archives = Vec::new();
    for etcd in ["main", "events"] {
        let archive = operator.folder().join(format!("before-{etcd}.gz"));
        let shown = archive.display();
        operator.backups_unseen(&format!("download {etcd}=latest-good {shown} --raw"))?;
        archives.push((etcd, archive));
    }
    Ok(archives)
}

/// kubelet stopped, containers killed, the data removed, and with it two of the three volumes.
fn break_it(operator: &Stage, cluster: &Cluster, masters: &RealMasters) -> Result<Instant, Box<dyn Error>> {
    operator.tell(
        "On all masters kubelet is stopped and the containers are killed; on two of three the data of etcd is removed, and their volumes of etcd main are deleted by hand. Quorum is gone for good",
    );
    for master in masters.all() {
        master.break_down(master.member() != "a")?;
    }
    cluster.delete_volumes_of_main(&["b", "c"])?;
    let broken = Instant::now();
    ask(operator, "broken")?;
    operator.wipe("audit", 5)?;
    Ok(broken)
}

/// Waits until their kubelets have registered, and labels the Nodes as kops-controller does.
fn registered(operator: &Stage, api: &ApiClient, built: &Built) -> Done {
    for master in &built.masters {
        let path = format!("/api/v1/nodes/{}", master.instance);
        let lease = format!(
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{}",
            master.instance
        );
        // Its Lease may come later than its Node; a backup of before would tell of a kubelet that never renewed.
        let ready = || {
            api.get(&lease).is_ok()
                && api.get(&path).is_ok_and(|node| {
                    let conditions = node
                        .pointer("/status/conditions")
                        .and_then(|all| all.as_array())
                        .cloned();
                    let conditions = conditions.unwrap_or_default();
                    conditions.iter().any(|one| {
                        one.get("type").is_some_and(|kind| kind == "Ready")
                            && one.get("status").is_some_and(|status| status == "True")
                    })
                })
        };
        wait(&format!("the Node of {}", master.instance), ready)?;
        let mut node = api.get(&path)?;
        if let Some(metadata) = node.get_mut("metadata").and_then(|metadata| metadata.as_object_mut()) {
            let labels = metadata.entry("labels").or_insert_with(|| json!({}));
            if let Some(labels) = labels.as_object_mut() {
                labels.insert("node-role.kubernetes.io/control-plane".to_owned(), "".into());
            }
        }
        // kubelet writes its status meanwhile; the label can wait for the next one who looks.
        drop(api.replace(&path, &node));
    }
    operator.note(&format!(
        "Nodes of {} masters, registered by their kubelets: Ready",
        built.masters.len()
    ));
    Ok(())
}

/// What runs on a master, by its own `ctr`.
fn containers(operator: &Stage, master: &RealMaster) -> Done {
    operator.note(&format!("containers on {} ({}):", master.node(), master.address()));
    for running in master.containers()? {
        let short: String = running.id.chars().take(12).collect();
        operator.note(&format!("  {short}  {:15} {}", running.name, running.pod));
    }
    Ok(())
}

fn wait(what: &str, done: impl Fn() -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > Duration::from_secs(180) {
            return Err(format!("{what} did not come up within 3 minutes"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
