//! Objects of every kind that a real kube-apiserver serves, decoded out of a snapshot of its etcd: they are as it shows them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by a panic, and prints what it compared"
)]

mod api;
mod candidates;
mod compare;
mod fill;
mod golden;
mod grow;
mod place;
mod seeds;
mod types;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use serde_json::Value;
use support::{Ca, Etcd, EtcdVersion, KeyKind, KubeApiServer, KubeApiServerOptions, components};

use api::Resource;
use compare::Decoded;
use types::Types;

/// Every API and every feature that is served at all.
const EVERYTHING: [&str; 2] = [
    "--runtime-config=api/all=true",
    "--feature-gates=AllAlpha=true,AllBeta=true",
];

/// Served, but never stored: questions that are answered at once, and what only acts on other objects.
const NOT_STORED: [&str; 8] = [
    "bindings",
    "componentstatuses",
    "localsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "subjectaccessreviews.authorization.k8s.io",
    "tokenreviews.authentication.k8s.io",
];

struct Cluster {
    etcd: Etcd,
    server: KubeApiServer,
    resources: Vec<Resource>,
}

impl Cluster {
    fn start(program: &Path, flags: &[&str], version: EtcdVersion) -> Self {
        let etcd = Etcd::start(version).unwrap();
        let ca = Ca::new("kubernetes-ca", KeyKind::Ec).unwrap();
        let options = KubeApiServerOptions::plain(&ca, "10.245.21.57");
        let server = KubeApiServer::start_with(program, &etcd, &options, flags).unwrap();
        let (resources, others) = api::discover(&server);
        let unexpected: Vec<_> = others
            .iter()
            .filter(|name| !name.contains('/') && !NOT_STORED.contains(&name.as_str()))
            .collect();
        assert!(
            unexpected.is_empty(),
            "neither stored nor known not to be: {unexpected:?}"
        );
        Self {
            etcd,
            server,
            resources,
        }
    }

    fn snapshot(&self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("snapshot.db");
        self.etcd.snapshot(&file).unwrap();
        std::fs::read(file).unwrap()
    }

    /// The object as the API server shows it, in the version that it is stored at.
    fn get(&self, decoded: &Decoded) -> Option<Value> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let api_version = text(&decoded.object["apiVersion"])?;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let resource = self
            .resources
            .iter()
            .find(|resource| resource.group() == group && decoded.object["kind"] == resource.kind.as_str());
        let resource = resource.unwrap_or_else(|| panic!("{} is of no served kind", decoded.key));
        let metadata = &decoded.object["metadata"];
        let namespace = text(&metadata["namespace"]);
        let name = text(&metadata["name"])?;
        let ask = |version| self.server.get(&resource.path(version, namespace.as_deref(), &name));
        // Some are stored at a version that the server itself serves no more.
        let object = ask(&api_version).or_else(|_| ask(&resource.api_version));
        Some(object.unwrap_or_else(|error| panic!("{}: {error}", decoded.key)))
    }
}

#[test]
fn every_kind_is_decoded_as_the_api_server_shows_it() {
    let cluster = Cluster::start(&components::kube_apiserver().unwrap(), &EVERYTHING, EtcdVersion::V3_6);
    let types = Types::read();
    let covered = fill::fill(&cluster.server, &cluster.resources, &types);
    for path in ["configmaps/a0", "pods/a0"] {
        cluster
            .server
            .delete(&format!("/api/v1/namespaces/default/{path}"))
            .unwrap();
    }

    // Some are written again by the API server itself between the snapshot and the question.
    let mut same = BTreeMap::new();
    for _ in 0..5 {
        let objects = compare::decode(cluster.snapshot());
        same.extend(compare::compare(&objects, |decoded| cluster.get(decoded)));
        if missing(&cluster, &same).is_empty() {
            break;
        }
    }
    let lines: Vec<String> = same.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    println!("{} kinds compared:\n{}", same.len(), lines.join("\n"));
    assert_eq!(
        missing(&cluster, &same),
        [""; 0],
        "kinds of which no object was compared"
    );
    coverage(&cluster, &types, &covered.into_inner().unwrap());
}

/// The served resources of which no object is among the compared ones.
fn missing(cluster: &Cluster, same: &BTreeMap<String, usize>) -> Vec<String> {
    let compared: BTreeSet<(&str, &str)> = same
        .keys()
        .map(|kind| {
            let (api_version, kind) = kind.split_once(' ').unwrap();
            (api_version.split_once('/').map_or("", |(group, _)| group), kind)
        })
        .collect();
    let missing = cluster.resources.iter().filter(|resource| {
        // The events of both groups are stored as those of the older one.
        let group = match resource.group() {
            "events.k8s.io" => "",
            group => group,
        };
        !compared.contains(&(group, &resource.kind))
    });
    missing.map(Resource::name).collect()
}

/// At least this share of the fields of all served types is in some object; the others no valid object has, or none that
/// is created: what only a subresource sets, say.
const COVERED: f64 = 0.70;

/// Tells which fields of the served types no object has.
fn coverage(cluster: &Cluster, types: &Types, covered: &HashSet<(String, String)>) {
    let kind = |resource: &Resource| types.kind(&resource.api_version, &resource.kind).unwrap().to_owned();
    let mut queue: Vec<String> = cluster.resources.iter().map(kind).collect();
    let mut seen = BTreeSet::new();
    let (mut all, mut missing) = (0, Vec::new());
    while let Some(of) = queue.pop() {
        if !seen.insert(of.clone()) {
            continue;
        }
        for field in types.fields(&of).unwrap_or_default() {
            all += 1;
            if !covered.contains(&(of.clone(), field.name.clone())) {
                missing.push(format!("{of}.{}", field.name));
            }
            queue.push(field.of);
        }
    }
    missing.sort();
    println!(
        "of {all} fields {} are in no object:\n{}",
        missing.len(),
        missing.join("\n")
    );
    assert!((all - missing.len()) as f64 >= COVERED * all as f64);
}
