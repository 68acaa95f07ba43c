//! The reports over the backups that etcd-manager really wrote.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use super::diff::{Diff, DiffOptions, ObjectName};
use super::export;
use super::report::Contents;
use super::testing::Fake;
use crate::model::kubernetes::key::{ObjectKey, Origin};
use crate::model::kubernetes::masterlease;
use crate::model::kubernetes::object_ref::ObjectRef;

const RESTORED: &str = "state-store-restored";
const RESEEDED: &str = "state-store-reseeded";

fn fixtures() -> PathBuf {
    support::paths::fixture("")
}

fn backup(store: &str, backup: &str) -> Fake {
    let path = fixtures()
        .join(store)
        .join("super.k8s.local/backups/etcd")
        .join(backup)
        .join("etcd.backup.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    bytes.truncate(bytes.len() - 32);
    Fake::read(bytes)
}

/// Store, then backup, then its live keys, each with whether it has a lease.
fn expected() -> Vec<(String, String, BTreeMap<String, bool>)> {
    let text = std::fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut all = Vec::new();
    for (store, backups) in json.as_object().unwrap() {
        for (name, backup) in backups.as_object().unwrap() {
            let keys = backup["keys"].as_array().unwrap().iter();
            let keys = keys.map(|key| (key["key"].as_str().unwrap().to_owned(), key["lease"].as_bool().unwrap()));
            all.push((store.clone(), name.clone(), keys.collect()));
        }
    }
    assert!(all.len() > 10);
    all
}

fn diff(from: &str, to: &str, options: DiffOptions<'_>) -> Diff {
    let (from, to) = (backup(RESTORED, from), backup(RESTORED, to));
    Diff::between(from.snapshot(), to.snapshot(), options).unwrap()
}

fn names(list: &[ObjectName]) -> Vec<&str> {
    list.iter().map(|name| name.object.as_str()).collect()
}

#[test]
fn every_key_is_a_known_object_and_can_be_asked_for_by_its_printed_name() {
    for (store, name, keys) in expected() {
        for key in keys.keys() {
            let object = ObjectKey::parse(key.as_bytes());
            assert!(matches!(object.origin, Origin::Builtin(_)), "{store} {name} {key}");
            let asked = ObjectRef::parse(&object.to_string()).unwrap();
            let matching: Vec<_> = keys
                .keys()
                .filter(|key| asked.matches(key.as_bytes(), &ObjectKey::parse(key.as_bytes())))
                .collect();
            assert_eq!(matching, [key]);
        }
    }
}

#[test]
fn reports_agree_with_what_etcd_says() {
    for (store, name, keys) in expected() {
        let fake = backup(&store, &name);
        let report = Contents::of(fake.snapshot()).unwrap();
        let leased = keys.values().filter(|lease| **lease).count() as u64;
        assert_eq!(
            (report.keys, report.keys_with_lease),
            (keys.len() as u64, leased),
            "{store} {name}"
        );
        assert_eq!(report.resources.iter().map(|row| row.objects).sum::<u64>(), report.keys);
        assert_eq!(report.undecodable.values, 0, "{:?}", report.undecodable);
    }
}

#[test]
fn the_healthy_backup_brings_this() {
    let report = Contents::of(backup(RESTORED, "main/2026-11-22T15:18:01Z-000001").snapshot()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn events_have_their_own_etcd() {
    let report = Contents::of(backup(RESTORED, "events/2026-11-22T15:18:01Z-000002").snapshot()).unwrap();
    assert_eq!(
        (report.events.objects, report.events.with_lease, report.lineage),
        (12, 12, None)
    );
}

#[test]
fn every_object_of_the_healthy_backup_can_be_exported() {
    let fake = backup(RESTORED, "main/2026-11-22T15:18:01Z-000001");
    for live in &fake.content.keys {
        let key = ObjectKey::parse(&live.key);
        let exported = export::whole(fake.snapshot(), live).unwrap();
        let metadata = &exported.object["metadata"];
        assert!(exported.object["kind"].is_string());
        // What API servers keep for themselves has no metadata, and masterleases no name but their key's.
        if !["masterleases", "ranges"].contains(&key.resource) {
            assert_eq!(metadata["name"].as_str(), Some(key.name.as_ref()), "{key}");
            assert_eq!(metadata["namespace"].as_str(), key.namespace, "{key}");
            assert!(metadata["uid"].is_string(), "{key}");
        }
        if key.is("masterleases") {
            let stored = export::raw(fake.snapshot(), live).unwrap();
            assert_eq!(
                masterlease::addresses(&stored).unwrap(),
                [key.name.parse::<std::net::IpAddr>().unwrap()]
            );
        }
    }
    let web = fake.content.find(b"/registry/deployments/shop/web").unwrap();
    let web = export::whole(fake.snapshot(), web).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&web.object).unwrap());
}

#[test]
fn the_accident_is_what_differs() {
    let diff = diff(
        "main/2026-11-22T15:18:01Z-000001",
        "main/2026-11-22T15:19:01Z-000002",
        DiffOptions::default(),
    );
    let mut secrets: Vec<String> = (1..=15).map(|number| format!("secrets/billing/s{number}")).collect();
    secrets.sort();
    let mut gone = vec!["deployments/shop/web"];
    gone.extend(secrets.iter().map(String::as_str));
    assert_eq!(names(&diff.gone), gone);
    assert_eq!(names(&diff.new), ["configmaps/shop/after-accident"]);
    assert_eq!(diff.changed, []);
    assert_eq!(diff.same_lineage, Some(true));
    let rows = |rows: serde_json::Value| {
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{row}\n"))
            .collect::<String>()
    };
    insta::assert_snapshot!(rows(serde_json::to_value(&diff.counts).unwrap()));
    insta::assert_snapshot!(rows(serde_json::to_value(&diff.heartbeats).unwrap()));
}

#[test]
fn a_restore_brings_back_the_same_objects_without_leases() {
    let diff = diff(
        "main/2026-11-22T15:18:01Z-000001",
        "main/2026-11-22T15:20:36Z-000001",
        DiffOptions {
            heartbeats: true,
            ..DiffOptions::default()
        },
    );
    assert!(diff.is_empty(), "{diff:?}");
    assert_eq!(
        (diff.leases_lost, diff.leases_gained, diff.same_lineage),
        (3, 0, Some(true))
    );
    assert!(diff.to.revision < diff.from.revision);
}

#[test]
fn a_re_seeded_cluster_is_another_one() {
    let old = backup(RESTORED, "main/2026-11-22T15:18:01Z-000001");
    let new = backup(RESEEDED, "main/2026-11-22T16:25:57Z-000002");
    let diff = Diff::between(old.snapshot(), new.snapshot(), DiffOptions::default()).unwrap();
    assert_eq!(diff.same_lineage, Some(false));
    assert_eq!(
        names(&diff.gone)
            .iter()
            .filter(|name| name.starts_with("nodes/"))
            .count(),
        5
    );
    assert_eq!(Contents::of(new.snapshot()).unwrap().nodes, []);
}
