//! `take` where no quorum is left, and where several members answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::store::{self, CLUSTER};
use support::{Ca, Cmd, Etcd, EtcdOptions, EtcdVersion, Put, ServerTls, Stored, backup};

use crate::env::{Env, RESTORED, tree};

const NAME: &str = "2026-11-22T15:21:36Z-000001";
const HEALTHY: &str = "2026-11-22T15:18:01Z-000001";
/// For an election to be noticed as lost, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

struct Place {
    env: Env,
    tls: ServerTls,
}

impl Place {
    fn new() -> Self {
        let env = Env::new(RESTORED);
        let keyset = env.root().join(CLUSTER).join("pki/private/etcd-clients-ca/keyset.yaml");
        let ca = Ca::from_keyset(&fs::read_to_string(keyset).unwrap()).unwrap();
        let tls = ServerTls::new(&ca, &[&ca]).unwrap();
        Self { env, tls }
    }

    fn take(&self, endpoints: &[&str]) -> Cmd {
        self.env.backups(&[
            "take",
            "--etcd",
            "main",
            "-o",
            "json",
            "--endpoints",
            &endpoints.join(","),
        ])
    }

    fn archive(&self) -> PathBuf {
        self.env.file("main", NAME, "etcd.backup.gz")
    }

    /// What makes an etcd one of this store's cluster.
    fn identity(&self) -> Put {
        let healthy = format!("main={HEALTHY}");
        let verified = self.env.backups(&["verify", &healthy, "-o", "json"]).run().unwrap();
        let uid = verified.success().json()[0]["lineage"].as_str().unwrap().to_owned();
        let value =
            format!(r#"{{"kind":"Namespace","apiVersion":"v1","metadata":{{"name":"kube-system","uid":"{uid}"}}}}"#);
        Put::new("/registry/namespaces/kube-system", value)
    }

    /// One member of its own, on this data.
    fn member(&self, data_dir: &Path) -> Etcd {
        let options = EtcdOptions {
            version: EtcdVersion::V3_6,
            data_dir: Some(data_dir.to_owned()),
        };
        Etcd::start_tls_with(&options, &self.tls).unwrap()
    }
}

fn comparable(stored: Vec<Stored>) -> Vec<(Vec<u8>, Vec<u8>, i64)> {
    stored.into_iter().map(|key| (key.key, key.value, key.lease)).collect()
}

fn puts(from: usize, to: usize) -> Vec<Put> {
    (from..to)
        .map(|n| Put::new(format!("/registry/configmaps/shop/c{n:05}"), format!("v{n}").repeat(40)))
        .collect()
}

/// Three members, of which two are killed: every key that was written is in the survivor's backup.
fn the_survivor_gives_every_key(version: EtcdVersion) {
    let place = Place::new();
    let mut members = Etcd::start_cluster(version, 3, Some(&place.tls)).unwrap();
    let endpoints: Vec<String> = members
        .iter()
        .map(|member| member.tls_endpoint().unwrap().to_owned())
        .collect();
    let survivor = members.pop().unwrap();
    survivor.put(&[place.identity()]).unwrap();
    survivor.put(&puts(0, 3_000)).unwrap();
    let lease = survivor.grant_lease(3_600).unwrap();
    let leased = Put {
        lease,
        ..Put::new("/registry/masterleases/10.0.0.7", "a")
    };
    survivor.put(&[leased]).unwrap();
    survivor.delete(b"/registry/configmaps/shop/c00007").unwrap();
    let (before, revision) = (survivor.keys(b"").unwrap(), survivor.revision().unwrap());
    drop(members);

    let all: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let planned = loop {
        let planned = place.take(&all).run().unwrap().success();
        if planned.json()[0]["member"]["hasLeader"] == false {
            break planned;
        }
        assert!(begun.elapsed() < PATIENCE, "it still has a leader: {}", planned.stdout);
    };
    let planned = planned
        .stderr_has("passed over")
        .stderr_has("without a leader")
        .stderr_has("this member's own view");
    assert_eq!(planned.json()[0]["revision"], revision);

    let taken = place.take(&all).arg("--yes").run().unwrap().success();
    let row = &taken.json()[0];
    assert_eq!((&row["taken"], &row["keys"]), (&true.into(), &before.len().into()));
    assert_eq!(
        (&row["revision"], &row["member"]["revision"]),
        (&revision.into(), &revision.into())
    );
    assert!(row["member"]["raftAppliedIndex"].as_u64() > Some(0), "{row}");
    assert!(row["member"]["raftTerm"].as_u64() > Some(0), "{row}");
    let verified = place
        .env
        .backups(&["verify", &format!("main={NAME}"), "-o", "json"])
        .run()
        .unwrap();
    assert_eq!(verified.success().json()[0]["ok"], true);
    // etcdutl of 3.6 restores no database of 3.7.
    if version != EtcdVersion::V3_7 {
        assert_eq!(comparable(backup::keys(&place.archive()).unwrap()), comparable(before));
    }
}

#[test]
fn two_of_three_are_dead_in_etcd_3_5() {
    the_survivor_gives_every_key(EtcdVersion::V3_5);
}

#[test]
fn two_of_three_are_dead_in_etcd_3_6() {
    the_survivor_gives_every_key(EtcdVersion::V3_6);
}

#[test]
fn two_of_three_are_dead_in_etcd_3_7() {
    the_survivor_gives_every_key(EtcdVersion::V3_7);
}

#[test]
fn of_two_that_answer_the_newer_one_is_taken() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let data = backup::restore(&place.env.file("main", HEALTHY, "etcd.backup.gz"), folder.path()).unwrap();
    let older = folder.path().join("older");
    // Started once, so that both have the same cluster's id.
    drop(place.member(&data));
    store::copy_folder(&data, &older).unwrap();
    let (newer, older) = (place.member(&data), place.member(&older));
    newer.put(&puts(0, 10)).unwrap();
    let endpoints = [older.tls_endpoint().unwrap(), newer.tls_endpoint().unwrap()];

    let taken = place.take(&endpoints).arg("--yes").run().unwrap().success();
    let taken = taken.stderr_has("* member ").stderr_has(endpoints[0]);
    let row = &taken.json()[0];
    assert_eq!(row["revision"], newer.revision().unwrap());
    assert_eq!(row["members"].as_array().unwrap().len(), 2);
    assert!(row["way"].as_str().unwrap().contains(endpoints[1]), "{row}");
    assert_eq!(
        comparable(backup::keys(&place.archive()).unwrap()),
        comparable(newer.keys(b"").unwrap())
    );
}

#[test]
fn members_of_two_clusters_are_refused() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (
        place.member(&folder.path().join("one")),
        place.member(&folder.path().join("other")),
    );
    for etcd in [&one, &other] {
        etcd.put(&[place.identity()]).unwrap();
    }
    let before = tree(place.env.root());
    let endpoints = [one.tls_endpoint().unwrap(), other.tls_endpoint().unwrap()];
    let refused = place.take(&endpoints).arg("--yes").run().unwrap().code(3);
    let _ = refused.stderr_has("of 2 etcd clusters").stderr_has("--endpoints");
    assert_eq!(tree(place.env.root()), before);
    let _ = place.take(&endpoints[..1]).arg("--yes").run().unwrap().success();
}
