//! Which resources the API is asked for, in which version.

use std::collections::BTreeSet;

use super::stored::{ResourceName, Stored};
use super::{NotCompared, Reason};
use crate::model::kubernetes::served::{Served, ServedResource};
use crate::model::snapshot::Problem;

/// Groups that show objects of another one: `events.k8s.io` those of the core group, `extensions` those of `apps` and `networking.k8s.io`.
const ALIASES: [&str; 2] = ["events.k8s.io", "extensions"];
/// Served by the API server out of nothing stored.
const MADE_UP: &str = "componentstatuses";
/// What kops may keep in an etcd of its own.
const OFTEN_ELSEWHERE: [&str; 2] = ["events", "leases"];

/// What is known of the API.
#[derive(Clone, Copy, Debug)]
pub struct Survey<'s> {
    /// What it serves.
    pub served: &'s Served,
    /// The group versions that API servers of their own answer, as the APIServices say; `None` where these cannot be read.
    pub aggregated: Option<&'s BTreeSet<String>>,
}

/// One list to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// As the backup has it.
    pub name: ResourceName,
    /// In which version.
    pub resource: ServedResource,
    /// Versions in which some objects are stored, and for which there is a list of its own.
    pub others: BTreeSet<String>,
    /// Whether what is not in it is gone, and what is in it only is new: true for the first list of a resource.
    pub tells_gone: bool,
}

/// What to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The lists, sorted by group and plural.
    pub listings: Vec<Listing>,
    /// Custom resources of the backup that the API does not serve: their objects are gone where their CustomResourceDefinition is.
    pub unserved: Vec<ResourceName>,
    /// What is not compared.
    pub not_compared: Vec<NotCompared>,
}

impl Plan {
    /// Plans the comparison. `wanted` tells for a group and plural whether any of its objects may be.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of(
        stored: &Stored<'_>,
        survey: Survey<'_>,
        wanted: &dyn Fn(&ServedResource) -> bool,
    ) -> Result<Self, Problem> {
        let mut plan = Self::default();
        let mut known: BTreeSet<ResourceName> = BTreeSet::new();
        for resource in &survey.served.resources {
            let name = stored.name_of(&resource.group, &resource.plural);
            if ALIASES.contains(&resource.group.as_str()) || !resource.allows("list") || !known.insert(name.clone()) {
                continue;
            }
            if wanted(resource) {
                plan.take(stored, survey, name, resource)?;
            }
        }
        for name in stored.resources().filter(|name| !known.contains(name)) {
            plan.take_unserved(stored, survey, name);
        }
        if stored.others > 0 && stored.options.wanted.is_none() {
            let others = ResourceName::new("", "(other)");
            plan.not_compared.push(others.not_compared(
                Reason::NotKubernetes,
                stored.others,
                "no object of Kubernetes",
            ));
        }
        Ok(plan)
    }

    fn take(
        &mut self,
        stored: &Stored<'_>,
        survey: Survey<'_>,
        name: ResourceName,
        resource: &ServedResource,
    ) -> Result<(), Problem> {
        if !stored.is_main && !stored.has(&name) {
            return Ok(());
        }
        let mut not = |reason, why: &str| {
            self.not_compared
                .push(name.not_compared(reason, stored.count(&name), why));
        };
        let is_aggregated = survey.aggregated.map(|all| all.contains(&resource.api_version()));
        let is_ours = || name.builtin().is_some() || stored.has(&name);
        if name.plural == MADE_UP && name.group.is_empty() {
            not(Reason::NotStored, "made up by the API server, not stored in etcd");
        } else if is_aggregated == Some(true) {
            not(
                Reason::NotStored,
                "served by an API server of its own, not stored in this etcd",
            );
        } else if is_aggregated.is_none() && !is_ours() {
            not(
                Reason::Refused,
                "the APIServices cannot be listed, which tell whether it is stored in this etcd",
            );
        } else if OFTEN_ELSEWHERE.contains(&name.plural.as_str()) && name.builtin().is_some() && !stored.has(&name) {
            not(Reason::OtherEtcd, "this backup has none: it has an etcd of its own");
        } else {
            self.list(stored, survey.served, name, resource)?;
        }
        Ok(())
    }

    /// One list for each served version in which objects are stored; where there is none, one in the version that the API prefers.
    fn list(
        &mut self,
        stored: &Stored<'_>,
        served: &Served,
        name: ResourceName,
        any: &ServedResource,
    ) -> Result<(), Problem> {
        let of_version = |version: &String| {
            served
                .resources
                .iter()
                .find(|found| found.group == any.group && found.plural == any.plural && found.api_version() == *version)
        };
        let versions = stored.versions(&name)?;
        let mut lists: Vec<&ServedResource> = versions.iter().filter_map(of_version).collect();
        if lists.is_empty() {
            lists.push(served.preferred(&any.group, &any.plural).unwrap_or(any));
        }
        let all: BTreeSet<String> = lists.iter().map(|resource| resource.api_version()).collect();
        for (at, resource) in lists.into_iter().enumerate() {
            let mut others = all.clone();
            others.remove(&resource.api_version());
            self.listings.push(Listing {
                name: name.clone(),
                resource: resource.clone(),
                others,
                tells_gone: at == 0,
            });
        }
        Ok(())
    }

    fn take_unserved(&mut self, stored: &Stored<'_>, survey: Survey<'_>, name: &ResourceName) {
        let objects = stored.count(name);
        if objects == 0 {
            return;
        }
        let in_group = |version: &&String| version.rsplit_once('/').is_some_and(|(group, _)| group == name.group);
        if let Some(version) = survey.served.unknown.iter().find(in_group) {
            let why = format!("the API server of {version} does not answer");
            self.not_compared
                .push(name.not_compared(Reason::Unavailable, objects, why));
        } else if stored.is_custom(name) {
            self.unserved.push(name.clone());
        } else {
            let why = "stored in etcd, not served by the API";
            self.not_compared
                .push(name.not_compared(Reason::NotServed, objects, why));
        }
    }
}
