//! Masters on a bad day.

use std::thread;

use jiff::SignedDuration;
use support::store::CLUSTER;

use crate::world::{World, wait, wait_within};

/// Ended for the third time within ten minutes, and kubelet waits.
pub fn back_off(world: &mut World) {
    let id = |world: &World| world.container(0, "etcd-manager-events").map(|running| running.id);
    // At once after the first end, and 10 s after the second.
    for _ in 0..2 {
        let running = id(world).unwrap();
        let master = world.masters.get(0).unwrap();
        master
            .sh(&format!("ctr -n k8s.io tasks kill -s SIGTERM {running}"))
            .unwrap();
        wait("kubelet starts it again", || {
            id(world).is_some_and(|now| now != running)
        });
    }
    let ended = world
        .on_hosts("restart-etcd --etcd events --yes --timeout 15s")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap();
    ended
        .code(4)
        .stderr_has("not started again by kubelet within 15 s: CrashLoopBackOff, kubelet waits 20s (at most 5m0s)")
        .stderr_has("restart-kubelet");
    let master = world.masters.get(0).unwrap();
    // A kubelet that was started again knows of no ends.
    let only = ["--host", master.address(), "--host", master.address()];
    world
        .restore("restart-kubelet --yes --ready-timeout 2m")
        .args(&only[..2])
        .run()
        .unwrap()
        .success();
    wait_within("etcd-manager runs again", 15, || id(world).is_some());
}

/// kubelet is masked: nobody starts what was ended.
pub fn kubelet_is_dead(world: &mut World) {
    let master = world.masters.get(0).unwrap();
    master.sh("systemctl stop kubelet; : > /run/kubelet.masked").unwrap();
    let ended = world
        .on_hosts("restart-etcd --etcd events --yes --timeout 8s")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap();
    println!("{}", ended.stderr);
    ended
        .code(4)
        .stderr_has("not started again by kubelet within 8 s: kubelet is inactive");
    let ended = world
        .on_hosts("restart-kubelet --yes --ready-timeout 0 -o json")
        .run()
        .unwrap();
    println!("{}", ended.stderr);
    ended.code(4).stderr_has("kubelet.service is masked");
    master.sh("rm /run/kubelet.masked").unwrap();
    world
        .restore("restart-kubelet --yes --ready-timeout 2m")
        .args(["--host", master.address()])
        .run()
        .unwrap()
        .success();
    wait("etcd-manager runs again", || {
        world.container(0, "etcd-manager-events").is_some()
    });
    wait("the API is ready", || world.apis.iter().all(support::ApiClient::ready));
}

/// Stopped as by a disk that does not answer: it neither works nor ends.
pub fn containerd_hangs(world: &mut World) {
    let master = world.masters.get(1).unwrap();
    master.sh("kill -STOP $(cat /run/containerd.pid)").unwrap();
    let begun = std::time::Instant::now();
    let ended = world.on_hosts("restart-etcd --etcd main -o json").run().unwrap();
    let took = begun.elapsed();
    master.sh("kill -CONT $(cat /run/containerd.pid)").unwrap();
    assert!(took.as_secs() < 60, "{took:?}");
    let rows = ended.success().json();
    assert_eq!(rows[0]["action"], "stop", "the leader is another host's: {rows:#}");
    assert_eq!(rows[1]["action"], "no-runtime", "{rows:#}");
    let reason = rows[1]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the containers could not be listed: ctr: "),
        "{reason}"
    );
    println!("{took:.0?}: {reason}");
}

pub fn sshd_refuses(world: &mut World) {
    let master = world.masters.get(2).unwrap();
    master.sh("systemctl stop sshd").unwrap();
    let ended = world.on_hosts("logs etcd --no-follow --tail 2").run().unwrap();
    println!("{}\n{}", ended.stderr, ended.stdout);
    master.sh("systemctl start sshd").unwrap();
    ended
        .code(1)
        .stderr_has("Connection refused")
        .stderr_has("1 of 3 hosts");
}

pub fn one_is_down(world: &mut World) {
    world.masters.terminate(2);
    let begun = std::time::Instant::now();
    let ended = world
        .on_hosts("restart-etcd --etcd main --yes -o json")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap();
    println!("{:?} {}\n{}", begun.elapsed(), ended.stderr, ended.stdout);
    wait("etcd serves with two of three", || {
        (0..2).all(|at| {
            world
                .masters
                .get(at)
                .unwrap()
                .etcdctl("main", "endpoint health")
                .is_ok()
        })
    });
}

/// What etcd has is on a volume of its own; containerd finds no room for a new container.
pub fn disk_is_full(world: &mut World) {
    let master = world.masters.get(0).unwrap();
    master
        .sh("dd if=/dev/zero of=/var/lib/fill bs=1M 2>/dev/null; cat /dev/zero >> /var/lib/fill 2>/dev/null; df /var/lib")
        .map(|shown| println!("{shown}"))
        .unwrap();
    let ended = world
        .on_hosts("restart-etcd --etcd events --yes --timeout 12s")
        .args(["--confirm", CLUSTER])
        .run()
        .unwrap();
    println!("{}", ended.stderr);
    let logs = world.on_hosts("logs etcd --no-follow --tail 2 -o json").run().unwrap();
    let master = world.masters.get(0).unwrap();
    master.sh("rm /var/lib/fill").unwrap();
    ended
        .code(4)
        .stderr_has("not started again by kubelet within 12 s: the file system")
        .stderr_has(" full\n");
    assert!(logs.success().stdout.contains(master.node()), "its log is still read");
    wait("etcd-manager runs again by itself", || {
        world.container(0, "etcd-manager-events").is_some()
    });
}

/// The operator's clock is 90 s off, and AWS says that an instance is terminated whose kubelet lives: that decides, whatever the clocks.
pub fn clocks_differ(world: &mut World) {
    world.terminate_in_aws(1);
    let living = world.masters.get(1).unwrap().node().to_owned();
    let now = jiff::Timestamp::now();
    let look = |off: i64| {
        let shown = world
            .restore("cleanup nodes --yes -o json")
            .now(&(now + SignedDuration::from_secs(off)).to_string())
            .run()
            .unwrap();
        (off, shown)
    };
    let shown = thread::scope(|scope| {
        let both = [-90, 90].map(|off| scope.spawn(move || look(off)));
        both.map(|thread| thread.join().unwrap())
    });
    for (off, ended) in shown {
        let rows = ended.json();
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == living.as_str());
        let row = row.unwrap();
        assert_eq!(row["instanceState"], "terminated", "{off} {row:#}");
        assert_eq!(row["action"], "keep", "{off} {row:#}");
        assert!(
            row["reason"].as_str().unwrap().contains("renewed its Lease just now"),
            "{off} {row:#}"
        );
        println!("{off} s: {}", row["reason"]);
        world.apis[0].get(&format!("/api/v1/nodes/{living}")).unwrap();
    }
}
