//! `list` and `check`.

use serde_json::{Value, json};

use crate::env::{ENDPOINTS, Env, SLICE, endpoints, key, slice};

fn row<'v>(rows: &'v Value, ip: &str) -> &'v Value {
    let mut rows = rows.as_array().unwrap().iter();
    rows.find(|row| row["ip"] == ip)
        .unwrap_or_else(|| panic!("no row of {ip}"))
}

fn after_a_restore() -> Env {
    let env = Env::of_a_cluster("uid-1");
    for ip in ["10.245.21.9", "10.245.21.10", "2001:db8::1"] {
        env.restored(ip);
    }
    env.live("10.245.21.57");
    env.live("2001:db8::57");
    env.put(&key("10.245.21.11"), b"\x00damaged", 0);
    env.put(ENDPOINTS, &endpoints(&["10.245.21.9", "10.245.21.57"]), 0);
    env.put(SLICE, &slice(&["10.245.21.9", "10.245.21.57"]), 0);
    env.put("/registry/peerserverleases/a", b"{}", 0);
    env
}

#[test]
fn list_shows_live_and_stale_ones_with_the_reason() {
    let env = after_a_restore();
    let ended = env.cmd("list -o json").run().unwrap().success();
    let rows = ended.json();
    let order: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["ip"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        [
            "10.245.21.9",
            "10.245.21.10",
            "10.245.21.11",
            "10.245.21.57",
            "2001:db8::1",
            "2001:db8::57"
        ]
    );
    let stale = row(&rows, "10.245.21.9");
    let stored = env.etcd.get(key("10.245.21.9").as_bytes()).unwrap().unwrap();
    assert_eq!(stale["lease"], "0");
    assert_eq!(stale["ttlSeconds"], Value::Null);
    assert_eq!(stale["modRevision"], stored.mod_revision);
    assert_eq!(stale["alive"], Value::Null);
    assert_eq!(
        (&stale["inEndpoints"], &stale["inEndpointSlice"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(stale["verdict"], "stale");
    assert!(
        stale["reason"]
            .as_str()
            .unwrap()
            .starts_with("no lease, and not rewritten in 12 s")
    );
    assert_eq!(row(&rows, "2001:db8::1")["verdict"], "stale");
    assert_eq!(row(&rows, "10.245.21.10")["inEndpoints"], false);

    let live = row(&rows, "10.245.21.57");
    assert_eq!(live["verdict"], "live");
    let stored = env.etcd.get(key("10.245.21.57").as_bytes()).unwrap().unwrap();
    assert!(stored.lease > 1 << 53, "a number would do");
    assert_eq!(live["lease"], stored.lease.to_string());
    assert!(live["ttlSeconds"].as_u64().unwrap() > 500);

    let damaged = row(&rows, "10.245.21.11");
    assert_eq!(damaged["verdict"], "unknown");
    assert!(
        damaged["reason"].as_str().unwrap().contains("no object of Kubernetes"),
        "{damaged}"
    );

    ended
        .stderr_has("4 keys without a lease: watching for 12 s")
        .stderr_has("1 of 1 key under /registry/peerserverleases/ have no lease")
        .stderr_has("not checked: API servers: ConfigMap kube-system/kube-root-ca.crt does not exist")
        .stderr_has("etcd main: direct to https://127.0.0.1:");
}

#[test]
fn check_fails_for_stale_ones_only() {
    let env = after_a_restore();
    let ended = env.cmd("check -o prometheus").run().unwrap().code(5);
    assert!(
        ended.stdout.contains("kops_masterleases{verdict=\"stale\"} 3\n"),
        "{}",
        ended.stdout
    );

    let healthy = Env::of_a_cluster("uid-2");
    healthy.live("10.245.21.57");
    // All have leases: no wait.
    let begun = std::time::Instant::now();
    let ended = healthy.cmd("check").run().unwrap().success();
    assert!(ended.stdout.contains("has a lease, "), "{}", ended.stdout);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

#[test]
fn another_prefix_and_no_watching() {
    let env = Env::empty(support::EtcdVersion::V3_5);
    env.put("/kubernetes.io/masterleases/10.0.0.1", &endpoints(&["10.0.0.1"]), 0);
    let ended = env
        .cmd("list --observe 0 --etcd-prefix kubernetes.io -o json")
        .run()
        .unwrap();
    let rows = ended.success().json();
    assert_eq!(row(&rows, "10.0.0.1")["verdict"], "unknown");
    let names = env
        .cmd("list --observe 0 --etcd-prefix /kubernetes.io -o name")
        .run()
        .unwrap();
    assert_eq!(names.success().stdout, "10.0.0.1\n");
}
