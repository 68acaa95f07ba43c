//! `restart-etcd`, by `ctr` alone.

use support::real_masters::Running;
use support::store::CLUSTER;

use crate::world::{World, wait};

pub fn one_pod_only(world: &mut World) {
    let before = world.containers();
    let listed = |at: usize| {
        let master = world.masters.get(at).unwrap();
        master
            .sh("ctr -n k8s.io tasks ls; ctr -n k8s.io containers ls")
            .unwrap()
    };
    println!("{}", listed(0));
    let plan = world
        .on_hosts("restart-etcd --etcd main -o json")
        .run()
        .unwrap()
        .success()
        .json();
    let rows: Vec<_> = plan.as_array().unwrap().iter().collect();
    let words =
        |row: &serde_json::Value| format!("{} {} {}", row["member"], row["action"], row["runtime"]).replace('"', "");
    assert_eq!(
        rows.iter().map(|row| words(row)).collect::<Vec<_>>(),
        ["etcd-a stop ctr", "etcd-b leave ctr", "etcd-c leave ctr"]
    );
    assert_eq!(world.containers(), before, "a plan changes nothing");
    let begun = std::time::Instant::now();
    let done = world
        .on_hosts("restart-etcd --etcd main --yes -o json")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap()
        .success();
    println!("restart-etcd took {:.1?}\n{}", begun.elapsed(), done.stderr);
    assert_eq!(done.json()[0]["action"], "restarted");
    println!("{}", listed(0));
    only_main_of_the_first_master_was_ended(world, &before);
    println!("and with what followed {:.1?}", begun.elapsed());
    assert_eq!(world.ready_nodes(), 3);
}

/// And everything serves again, with what was there.
fn only_main_of_the_first_master_was_ended(world: &World, before: &[Vec<Running>]) {
    for (at, (before, after)) in before.iter().zip(&world.containers()).enumerate() {
        for was in before {
            let is = after.iter().find(|is| is.pod == was.pod).unwrap();
            let ended = at == 0 && was.pod.starts_with("etcd-manager-main");
            assert_eq!(is.id != was.id, ended, "master {at}: {was:?} {is:?}");
        }
    }
    for api in &world.apis {
        wait("the API is ready again", || api.ready());
    }
}

/// A master of kops before 1.34 has crictl, which is preferred.
pub fn by_crictl(world: &mut World) {
    let master = world.masters.get(0).unwrap();
    master.add_crictl().unwrap();
    println!("{}", master.sh("crictl ps 2>/dev/null").unwrap());
    let before = world.containers();
    let begun = std::time::Instant::now();
    let done = world
        .on_hosts("restart-etcd --etcd main --yes -o json")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap();
    println!("restart-etcd took {:.1?}\n{}", begun.elapsed(), done.stderr);
    world.masters.get(0).unwrap().remove_crictl().unwrap();
    let rows = done.success().json();
    assert_eq!(
        (&rows[0]["action"], &rows[0]["runtime"]),
        (&"restarted".into(), &"crictl".into()),
        "{rows:#}"
    );
    only_main_of_the_first_master_was_ended(world, &before);
}

/// kubelet hands a stream to the pod on, which containerd opens: the way of whoever has a kubeconfig only.
pub fn port_forward(world: &mut World) {
    for etcd in ["main", "events"] {
        let listed = world
            .restore("member list --via port-forward -o json")
            .args(["--etcd", etcd])
            .run()
            .unwrap()
            .success();
        let rows = listed.json();
        let answering: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["answers"] == true)
            .collect();
        assert_eq!(answering.len(), 3, "{rows:#}\n{}", listed.stderr);
    }
}
