//! The test support itself: its servers serve, its proxy counts and lies as told.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use std::time::Duration;

use support::http;
use support::store::{self, LongStore};
use support::{Etcd, EtcdVersion, Fault, Moto, Proxy, Put, Rule, S3, SeaweedFs};

fn holds_what_it_is_given(server: &impl S3) {
    let files = store::serve_state_store(server, "state", "state-store-restored").unwrap();
    assert!(files > 30, "{files}");
    let name = "super.k8s.local/backups/etcd/main/2026-11-22T15:18:01Z-000001/_etcd_backup.meta";
    assert!(
        String::from_utf8(server.get("state", name).unwrap())
            .unwrap()
            .contains("1795360681")
    );
    let spec = String::from_utf8(server.get("state", "super.k8s.local/cluster-completed.spec").unwrap()).unwrap();
    assert!(
        spec.contains("backupStore: s3://state/super.k8s.local/backups/etcd/main"),
        "{spec}"
    );
    server.delete("state", name).unwrap();
    assert!(!server.exists("state", name).unwrap());
    assert!(server.exists("state", "super.k8s.local/config").unwrap());
}

#[test]
fn moto_holds_a_state_store() {
    holds_what_it_is_given(&Moto::start().unwrap());
}

#[test]
fn seaweedfs_holds_a_state_store() {
    holds_what_it_is_given(&SeaweedFs::start().unwrap());
}

#[test]
fn every_etcd_takes_keys_and_gives_a_snapshot() {
    for version in [EtcdVersion::V3_5, EtcdVersion::V3_6, EtcdVersion::V3_7] {
        let etcd = Etcd::start(version).unwrap();
        assert_eq!(etcd.count_keys().unwrap(), 0);
        let lease = etcd.grant_lease(600).unwrap();
        let mut puts: Vec<Put> = (0..1500)
            .map(|n| Put::new(format!("/k/{n:05}"), "v".repeat(20)))
            .collect();
        puts[7].lease = lease;
        etcd.put(&puts).unwrap();
        etcd.delete(b"/k/00003").unwrap();
        etcd.delete_range(b"/k/00010", b"/k/00020").unwrap();
        assert_eq!(etcd.count_keys().unwrap(), 1489);
        etcd.compact(etcd.revision().unwrap()).unwrap();
        etcd.defragment().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("snapshot");
        etcd.snapshot(&file).unwrap();
        assert_eq!(file.metadata().unwrap().len() % 512, 32);
    }
}

#[test]
fn the_proxy_counts_and_plays_faults() {
    let moto = Moto::start().unwrap();
    let proxy = Proxy::start(&moto).unwrap();
    proxy.create_bucket("backups").unwrap();
    for (path, content) in LongStore::new(2, "2026-11-22T00:00:00Z".parse().unwrap())
        .unwrap()
        .files()
    {
        proxy.put("backups", &path, &content).unwrap();
    }
    proxy.reset();
    let listed = proxy
        .bucket_request("GET", "backups", "list-type=2&prefix=2026", b"")
        .unwrap()
        .text();
    assert!(
        listed.contains("2026-11-22T00:15:00Z-000001/_etcd_backup.meta"),
        "{listed}"
    );
    let meta = "2026-11-22T00:00:00Z-000001/_etcd_backup.meta";
    proxy.get("backups", meta).unwrap();
    assert_eq!(
        (proxy.lists(), proxy.gets("_etcd_backup.meta"), proxy.requests().len()),
        (1, 1, 2)
    );

    let url = proxy.url("backups", meta);
    let region = vec![("x-amz-bucket-region", "eu-central-1".to_owned())];
    proxy.inject(Rule::times(
        1,
        "GET",
        "_etcd_backup",
        Fault::Error {
            status: 301,
            code: "PermanentRedirect",
            headers: region,
        },
    ));
    let answer = http::request("GET", &url, b"").unwrap();
    assert_eq!(
        (answer.status, answer.header("x-amz-bucket-region")),
        (301, Some("eu-central-1"))
    );
    assert!(answer.text().contains("<Code>PermanentRedirect</Code>"));
    proxy.inject(Rule::times(1, "", "", Fault::CutBodyAfter(10)));
    assert_eq!(proxy.get("backups", meta).unwrap().len(), 10);
    proxy.inject(Rule::times(1, "", "", Fault::HangUp));
    assert!(proxy.get("backups", meta).is_err());

    proxy.inject(Rule::always("GET", "meta", Fault::Delay(Duration::from_millis(300))));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert!(proxy.get("backups", meta).unwrap().starts_with(b"{")));
        }
    });
    assert_eq!(proxy.most_in_flight(), 3);
}
