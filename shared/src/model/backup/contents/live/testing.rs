//! A cluster in memory, compared with a backup in memory.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::judge::Judge;
use super::*;
use crate::model::backup::contents::diff::DiffOptions;
use crate::model::backup::contents::testing::Fake;
use crate::model::kubernetes::served::{Served, ServedResource};

pub(super) fn served(api_version: &str, plural: &str, kind: &str) -> ServedResource {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    ServedResource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced: !["nodes", "namespaces", "apiservices"].contains(&plural),
        verbs: ["get", "list"].map(str::to_owned).into(),
        preferred: true,
        ..ServedResource::default()
    }
}

pub(super) fn older(resource: ServedResource) -> ServedResource {
    ServedResource {
        preferred: false,
        ..resource
    }
}

pub(super) fn namespaces() -> ServedResource {
    served("v1", "namespaces", "Namespace")
}

pub(super) fn config_maps() -> ServedResource {
    served("v1", "configmaps", "ConfigMap")
}

/// A cluster: what it serves, and its objects in every version that it serves.
pub(super) struct World {
    pub(super) served: Served,
    pub(super) aggregated: Option<BTreeSet<String>>,
    pub(super) objects: Vec<(ServedResource, Json)>,
    pub(super) lineage: Option<&'static str>,
}

impl World {
    pub(super) fn of(objects: impl IntoIterator<Item = (ServedResource, Json)>) -> Self {
        let objects: Vec<_> = objects.into_iter().collect();
        let mut resources: Vec<_> = objects.iter().map(|(resource, _)| resource.clone()).collect();
        resources.sort();
        resources.dedup();
        Self {
            served: Served {
                resources,
                unknown: Vec::new(),
            },
            aggregated: Some(BTreeSet::new()),
            objects,
            lineage: Some("uid-1"),
        }
    }

    pub(super) fn serving(mut self, resources: impl IntoIterator<Item = ServedResource>) -> Self {
        self.served.resources.extend(resources);
        self.served.resources.sort();
        self.served.resources.dedup();
        self
    }

    pub(super) fn plan(&self, stored: &Stored<'_>) -> Plan {
        let survey = Survey {
            served: &self.served,
            aggregated: self.aggregated.as_ref(),
        };
        Plan::of(stored, survey, &|_| true).unwrap()
    }

    pub(super) fn compare(&self, fake: &Fake, options: DiffOptions<'_>) -> LiveDiff {
        let side = LiveSide {
            server: "https://api".to_owned(),
            lineage: self.lineage.map(str::to_owned),
        };
        let stored = Stored::of(fake.snapshot(), options);
        let plan = self.plan(&stored);
        let mut outcome = Outcome::new(&stored);
        plan.not_compared.into_iter().for_each(|one| outcome.not_compared(one));
        for listing in &plan.listings {
            let judge = Judge::new(&stored, listing, &side).unwrap();
            let of_listing = self
                .objects
                .iter()
                .filter(|(resource, _)| *resource == listing.resource);
            let verdicts = of_listing
                .filter_map(|(_, object)| judge.judge(object).unwrap())
                .collect();
            outcome.listed(listing, verdicts);
        }
        outcome.end(side).unwrap()
    }
}

pub(super) fn names(list: &[ObjectName]) -> Vec<&str> {
    list.iter().map(|name| name.object.as_str()).collect()
}

pub(super) fn changed(diff: &LiveDiff) -> Vec<&str> {
    diff.changed.iter().map(|one| one.name.object.as_str()).collect()
}

pub(super) fn reasons(diff: &LiveDiff) -> Vec<(Reason, String, u64)> {
    let row = |one: &NotCompared| (one.reason, one.resource.clone(), one.objects);
    diff.not_compared.iter().map(row).collect()
}

pub(super) fn kube_system() -> (&'static str, Json) {
    (
        "/registry/namespaces/kube-system",
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kube-system", "uid": "uid-1" } }),
    )
}

pub(super) fn object(api_version: &str, kind: &str, name: &str, data: Json) -> Json {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name, "namespace": "shop", "uid": "u",
        "managedFields": [{ "manager": "m", "time": "2026-11-22T15:00:00Z" }] }, "data": data })
}

pub(super) fn config_map(name: &str, data: Json) -> Json {
    object("v1", "ConfigMap", name, data)
}

pub(super) fn fake(objects: &[(&str, Json)]) -> Fake {
    let kube_system = kube_system();
    let mut texts: Vec<(&str, Vec<u8>)> = objects
        .iter()
        .chain([&kube_system])
        .map(|(key, object)| match object {
            Json::String(text) => (*key, text.clone().into_bytes()),
            object => (*key, object.to_string().into_bytes()),
        })
        .collect();
    texts.sort();
    let entries: Vec<(&str, i64, &[u8])> = texts.iter().map(|(key, text)| (*key, 0, text.as_slice())).collect();
    Fake::of(&entries)
}

pub(super) fn same_namespace() -> (ServedResource, Json) {
    (namespaces(), kube_system().1)
}

pub(super) const C: &str = "/registry/configmaps/shop/c";
