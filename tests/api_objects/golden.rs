//! The store of an older API server, kept as a fixture: kinds and fields as that one stored them, and what it said of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use support::EtcdVersion;

use crate::types::Types;
use crate::{Cluster, EVERYTHING, compare, fill};

/// `snapshot.db.gz` is of its etcd, `objects.json.gz` has the API's answer by key.
fn fixture(name: &str) -> PathBuf {
    support::paths::fixture("api-objects-1.29.6").join(name)
}

#[test]
fn the_objects_of_an_older_server_are_decoded_as_it_showed_them() {
    let read = |name| GzDecoder::new(File::open(fixture(name)).unwrap());
    let mut db = Vec::new();
    std::io::copy(&mut read("snapshot.db.gz"), &mut db).unwrap();
    let mut served: BTreeMap<String, Value> = serde_json::from_reader(read("objects.json.gz")).unwrap();
    served.values_mut().for_each(leave_out_unset_times);

    let objects = compare::decode(db);
    let same = compare::compare(&objects, |decoded| served.get(&decoded.key).cloned());
    assert_eq!(same.values().sum::<usize>(), served.len(), "{same:?}");
    // At the versions that 1.29 stored them at, some of which newer servers no longer know.
    for kind in [
        "flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema",
        "autoscaling/v2 HorizontalPodAutoscaler",
        "resource.k8s.io/v1alpha2 ResourceClass",
        "apps/v1 StatefulSet",
    ] {
        assert!(same.contains_key(kind), "{kind}: {same:?}");
    }
}

/// Before 1.34 the API showed the creation time of a template's metadata, which has none, as `null`. Newer ones leave it
/// out, and so do we: a store does not tell who wrote it.
fn leave_out_unset_times(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, value| name != "creationTimestamp" || !value.is_null());
            object.values_mut().for_each(leave_out_unset_times);
        }
        Value::Array(list) => list.iter_mut().for_each(leave_out_unset_times),
        _ => {}
    }
}

/// Writes the fixture: `OLDER_KUBE_APISERVER` is the program, built as tests/fixtures/README.md says.
#[test]
#[ignore = "writes a fixture, and needs a kube-apiserver that the tests do not build"]
fn write_the_store_of_an_older_server() {
    let program = PathBuf::from(std::env::var_os("OLDER_KUBE_APISERVER").expect("OLDER_KUBE_APISERVER"));
    let cluster = Cluster::start(&program, &EVERYTHING, EtcdVersion::V3_5);
    fill::fill(&cluster.server, &cluster.resources, &Types::read());
    cluster.etcd.compact(cluster.etcd.revision().unwrap()).unwrap();
    cluster.etcd.defragment().unwrap();
    let db = cluster.snapshot();
    let mut served: BTreeMap<String, Value> = BTreeMap::new();
    for decoded in compare::decode(db.clone()) {
        let object = cluster.get(&decoded).unwrap();
        // What was written again meanwhile is not what the snapshot holds.
        if object["metadata"]["resourceVersion"] == decoded.object["metadata"]["resourceVersion"] {
            served.insert(decoded.key, object);
        }
    }
    std::fs::create_dir_all(fixture("")).unwrap();
    let write = |name| GzEncoder::new(File::create(fixture(name)).unwrap(), Compression::best());
    let mut snapshot = write("snapshot.db.gz");
    std::io::copy(&mut &db[..], &mut snapshot).unwrap();
    snapshot.finish().unwrap();
    let mut objects = write("objects.json.gz");
    serde_json::to_writer(&mut objects, &served).unwrap();
    objects.finish().unwrap();
}
