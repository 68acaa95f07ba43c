//! Compares a backup with the living cluster, list by list.

use std::collections::BTreeSet;

use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::contents::live::judge::Judge;
use runbook_kit::model::backup::contents::live::{
    LiveDiff, LiveSide, Outcome, Plan, Reason, ResourceName, Stored, Survey,
};
use runbook_kit::model::kubernetes::served::{Served, ServedResource};
use runbook_kit::model::snapshot::Problem;
use runbook_kit::ports::cluster_api::{KubeError, KubeErrorKind};
use runbook_kit::ports::cluster_objects::{ClusterObjects, ObjectPlace};
use runbook_kit::usecases::living_objects;
use serde_json::Value;

use super::open::Opened;

/// The namespace whose UID tells one cluster from another.
const KUBE_SYSTEM: &str = "kube-system";

/// What is known of the cluster before anything is compared.
pub struct Cluster {
    pub served: Served,
    /// The group versions that API servers of their own answer; `None` where that cannot be read.
    pub aggregated: Option<BTreeSet<String>>,
    pub side: LiveSide,
}

/// Which objects are compared.
pub struct Scope<'a> {
    /// The only namespace that is listed.
    pub namespace: Option<&'a str>,
    /// Whether any object of a resource may be meant.
    pub wanted: &'a dyn Fn(&ServedResource) -> bool,
}

/// Why nothing was compared.
pub enum LiveError {
    Api(KubeError),
    Read(Problem),
}

impl From<KubeError> for LiveError {
    fn from(error: KubeError) -> Self {
        Self::Api(error)
    }
}

impl From<Problem> for LiveError {
    fn from(problem: Problem) -> Self {
        Self::Read(problem)
    }
}

impl LiveError {
    pub fn of(self, opened: &Opened) -> AnyFailure {
        match self {
            Self::Api(error) => error.into(),
            Self::Read(problem) => opened.unreadable(problem).into(),
        }
    }
}

/// Asks what the cluster serves, and which one it is.
pub async fn survey(api: &dyn ClusterObjects) -> Result<Cluster, KubeError> {
    let served = api.resources().await?;
    let aggregated = match served.of_kind("apiregistration.k8s.io/v1", "APIService") {
        Some(resource) => told(living_objects::all(api, resource, None, aggregated_version).await)?,
        None => None,
    };
    let lineage = match served.of_kind("v1", "Namespace") {
        Some(resource) => {
            let place = ObjectPlace {
                resource,
                namespace: None,
                name: KUBE_SYSTEM,
            };
            let uid = |namespace: Value| Some(namespace.pointer("/metadata/uid")?.as_str()?.to_owned());
            told(api.get(place).await)?.flatten().and_then(uid)
        }
        None => None,
    };
    Ok(Cluster {
        served,
        aggregated: aggregated.map(BTreeSet::from_iter),
        side: LiveSide {
            server: api.server().to_owned(),
            lineage,
        },
    })
}

/// `None` where the API says no to this one request.
fn told<T>(answer: Result<T, KubeError>) -> Result<Option<T>, KubeError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_of_one_resource(&error.kind) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the others may be listed all the same.
const fn is_of_one_resource(kind: &KubeErrorKind) -> bool {
    matches!(
        kind,
        KubeErrorKind::Forbidden | KubeErrorKind::NotFound | KubeErrorKind::Expired | KubeErrorKind::Other(_)
    )
}

/// The group version of an APIService that has a server of its own.
fn aggregated_version(service: Value) -> Option<String> {
    let text = |pointer: &str| service.pointer(pointer).and_then(Value::as_str);
    service.pointer("/spec/service").filter(|service| !service.is_null())?;
    Some(format!("{}/{}", text("/spec/group")?, text("/spec/version")?))
}

/// Compares; `step` is called with the label of each resource.
pub async fn compare(
    api: &dyn ClusterObjects,
    cluster: &Cluster,
    stored: &Stored<'_>,
    scope: &Scope<'_>,
    step: &dyn Fn(&str),
) -> Result<LiveDiff, LiveError> {
    let survey = Survey {
        served: &cluster.served,
        aggregated: cluster.aggregated.as_ref(),
    };
    let plan = Plan::of(stored, survey, scope.wanted)?;
    let mut outcome = Outcome::new(stored);
    plan.not_compared.into_iter().for_each(|one| outcome.not_compared(one));
    let mut refused: BTreeSet<&ResourceName> = BTreeSet::new();
    for listing in plan.listings.iter() {
        if refused.contains(&listing.name) {
            continue;
        }
        step(&listing.resource.label());
        let judge = Judge::new(stored, listing, &cluster.side)?;
        let mut broken = None;
        let keep = |object: Value| {
            judge.judge(&object).unwrap_or_else(|problem| {
                broken.get_or_insert(problem);
                None
            })
        };
        let namespace = scope.namespace.filter(|_| listing.resource.namespaced);
        let listed = living_objects::all(api, &listing.resource, namespace, keep).await;
        if let Some(problem) = broken {
            return Err(problem.into());
        }
        match listed {
            Ok(verdicts) => outcome.listed(listing, verdicts),
            Err(error) if is_of_one_resource(&error.kind) => {
                refused.insert(&listing.name);
                let (objects, why) = (stored.count(&listing.name), error.kind.to_string());
                outcome.not_compared(listing.name.not_compared(Reason::Refused, objects, why));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if !plan.unserved.is_empty() {
        unserved(api, &cluster.served, stored, &plan.unserved, &mut outcome).await?;
    }
    Ok(outcome.end(cluster.side.clone())?)
}

/// Objects of which the API serves no version are gone with their CustomResourceDefinition, and else not to be seen.
async fn unserved(
    api: &dyn ClusterObjects,
    served: &Served,
    stored: &Stored<'_>,
    resources: &[ResourceName],
    outcome: &mut Outcome<'_>,
) -> Result<(), KubeError> {
    let name = |definition: Value| Some(definition.pointer("/metadata/name")?.as_str()?.to_owned());
    let defined = match served.of_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition") {
        Some(resource) => told(living_objects::all(api, resource, None, name).await)?,
        None => None,
    };
    for resource in resources {
        let definition = format!("{}.{}", resource.plural, resource.group);
        let not = |reason, why| resource.not_compared(reason, stored.count(resource), why);
        match &defined {
            Some(defined) if !defined.contains(&definition) => outcome.gone(resource),
            Some(_) => outcome.not_compared(not(
                Reason::NotServed,
                "stored in etcd, and its CustomResourceDefinition serves no version",
            )),
            None => outcome.not_compared(not(
                Reason::Refused,
                "not served, and whether its CustomResourceDefinition is gone cannot be read",
            )),
        }
    }
    Ok(())
}
