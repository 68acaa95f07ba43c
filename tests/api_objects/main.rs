//! Objects of every kind that a real kube-apiserver serves, decoded out of a snapshot of its etcd: they are as it shows them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod candidates;
mod compare;
mod fill;
mod grow;
mod place;
mod seeds;
mod types;

use std::collections::BTreeSet;
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
const NOT_STORED: [&str; 10] = [
    "bindings",
    "componentstatuses",
    "localsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io",
    "selfsubjectreviews.authentication.k8s.io",
    "selfsubjectrulesreviews.authorization.k8s.io",
    "subjectaccessreviews.authorization.k8s.io",
    "tokenreviews.authentication.k8s.io",
    "x",
    "y",
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
        let path = resource.path(&api_version, namespace.as_deref(), &text(&metadata["name"])?);
        Some(self.server.get(&path).unwrap())
    }
}

#[test]
fn every_kind_is_decoded_as_the_api_server_shows_it() {
    let cluster = Cluster::start(&components::kube_apiserver().unwrap(), &EVERYTHING, EtcdVersion::V3_6);
    let types = Types::read();
    let filled = fill::fill(&cluster.server, &cluster.resources, &types);
    cluster
        .server
        .delete("/api/v1/namespaces/default/configmaps/a0")
        .unwrap();
    cluster.server.delete("/api/v1/namespaces/default/pods/a0").unwrap();

    let objects = compare::decode(cluster.snapshot());
    let same = compare::compare(&objects, |decoded| cluster.get(decoded));
    let lines: Vec<String> = same.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
    println!("{} kinds compared:\n{}", same.len(), lines.join("\n"));

    let compared: BTreeSet<(String, String)> = same
        .keys()
        .map(|kind| {
            let (api_version, kind) = kind.split_once(' ').unwrap();
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            (group.to_owned(), kind.to_owned())
        })
        .collect();
    for resource in &cluster.resources {
        // The events of both groups are stored as those of the older one.
        let group = match resource.group() {
            "events.k8s.io" => "",
            group => group,
        };
        assert!(
            compared.contains(&(group.to_owned(), resource.kind.clone())),
            "no object of {} was compared",
            resource.name()
        );
    }
    coverage(&cluster, &types, &filled);
}

/// Which fields of the served types no object has.
fn coverage(cluster: &Cluster, types: &Types, filled: &fill::Filled) {
    let covered = filled.covered.lock().unwrap();
    let mut wanted: Vec<&str> = Vec::new();
    let roots: Vec<String> = cluster
        .resources
        .iter()
        .map(|resource| types.kind(&resource.api_version, &resource.kind).unwrap().to_owned())
        .collect();
    wanted.extend(roots.iter().map(String::as_str));
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut queue: Vec<String> = roots.clone();
    let (mut have, mut missing) = (0, Vec::new());
    while let Some(of) = queue.pop() {
        if !seen.insert(of.clone()) {
            continue;
        }
        for field in types.fields(&of).unwrap_or_default() {
            queue.push(field.of.clone());
            if covered.contains(&(of.clone(), field.name.clone())) {
                have += 1;
            } else {
                missing.push(format!("{of}.{}", field.name));
            }
        }
    }
    missing.sort();
    println!(
        "{have} fields in objects, {} not:\n{}",
        missing.len(),
        missing.join("\n")
    );
}
