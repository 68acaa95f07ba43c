//! Checks that this is the cluster's account and region, and that the cluster exists there.

use std::collections::BTreeSet;

use super::Selection;
use crate::model::check::{Check, Severity};
use crate::model::fleet::{Caller, Inventory};
use crate::model::kops::cluster::ClusterSpec;

/// Resources of the cluster beside its control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherResources {
    /// Volumes in quarantine.
    pub quarantined: usize,
    /// VPCs and subnets; counted only if nothing else exists.
    pub networks: usize,
}

/// Whether the cluster is in the caller's account and region. `region` is that of the cluster spec.
#[must_use]
pub fn check_place(
    caller: &Caller,
    region: Option<&str>,
    inventory: &Inventory,
    selection: &Selection,
    others: OtherResources,
) -> Vec<Check> {
    let used = &caller.region;
    if let Some(other) = region.filter(|region| region != used) {
        let message = format!("the cluster is in {other}, not in {used}");
        let check = Check::found("region", Severity::Block, message).cure(format!("pass --region {other}"));
        return vec![check];
    }
    let place = format!("account {} in {used}", caller.account);
    let machines = inventory.groups.len() + inventory.instances.len() + inventory.volumes.len();
    if machines + others.quarantined + others.networks == 0 {
        let message = format!("nothing of this cluster exists in {place}: no instances, volumes or networks");
        let cure = "use credentials of the cluster's account: --profile or AWS_PROFILE; `aws sts get-caller-identity` shows the \
            current account";
        return vec![Check::found("account", Severity::Block, message).cure(cure)];
    }
    if !selection.is_empty() {
        return vec![Check::passed("account", format!("the cluster is in {place}"))];
    }
    let left = match others.quarantined {
        0 => String::new(),
        1 => "; one volume is in quarantine".to_owned(),
        several => format!("; {several} volumes are in quarantine"),
    };
    vec![Check::passed(
        "account",
        format!("the cluster is in {place}, and its control plane is already wiped{left}"),
    )]
}

/// The VPC and subnet IDs in the spec, for [`check_networks`].
#[must_use]
pub fn named_networks(spec: &ClusterSpec) -> Vec<String> {
    spec.network_id.iter().chain(&spec.subnet_ids).cloned().collect()
}

/// Whether the account is the one of the spec: two accounts may have clusters of the same name. `existing` are those of [`named_networks`]
/// that exist in this account and region. A contradiction blocks; a spec without IDs warns.
#[must_use]
pub fn check_networks(
    spec: &ClusterSpec,
    caller: &Caller,
    selection: &Selection,
    existing: &BTreeSet<String>,
) -> Vec<Check> {
    const NAME: &str = "network";
    let account = match &caller.alias {
        Some(alias) => format!("account {} ({alias})", caller.account),
        None => format!("account {}", caller.account),
    };
    let mut wrong: Vec<String> = Vec::new();
    let missing: Vec<String> = named_networks(spec)
        .into_iter()
        .filter(|id| !existing.contains(id))
        .collect();
    if !missing.is_empty() {
        wrong.push(format!(
            "the cluster spec has {}, which {account} does not have in {}",
            missing.join(", "),
            caller.region
        ));
    }
    let instances = || selection.instances.iter().map(|chosen| &chosen.thing);
    if let Some(network) = &spec.network_id {
        let elsewhere = |vpc: &&String| *vpc != network;
        for (id, vpc) in instances().filter_map(|one| Some((&one.id, one.vpc.as_ref().filter(elsewhere)?))) {
            wrong.push(format!("instance {id} is in {vpc}, but the cluster spec has {network}"));
        }
    }
    if spec.has_all_subnet_ids {
        let foreign = |subnet: &&String| !spec.subnet_ids.contains(subnet);
        let of_instances =
            instances().filter_map(|one| Some((format!("instance {}", one.id), one.subnet.as_ref().filter(foreign)?)));
        let groups = selection.groups.iter().map(|chosen| &chosen.thing);
        let of_groups = groups.flat_map(|group| {
            let subnets = group.subnets.iter().filter(foreign);
            subnets.map(|subnet| (format!("group {}", group.name), subnet))
        });
        for (what, subnet) in of_groups.chain(of_instances) {
            wrong.push(format!("{what} is in {subnet}, which is not in the cluster spec"));
        }
    }
    let mut checks = zones(spec, selection);
    if !wrong.is_empty() {
        let cure = "use the state store and the credentials of the same cluster: another account may have a cluster of this name";
        let message = format!("{}: this is not the cluster in the state store", wrong.join("; "));
        checks.push(Check::found(NAME, Severity::Block, message).cure(cure));
    } else if named_networks(spec).is_empty() {
        let message = format!(
            "the cluster spec has no VPC or subnet IDs: it cannot be verified that this cluster is in {account}"
        );
        let cure = "check that the account is the right one: another account may have a cluster of the same name";
        checks.push(Check::found(NAME, Severity::Warn, message).cure(cure));
    } else {
        let message = format!("{account} has the VPC and subnets of the cluster spec");
        checks.push(Check::passed(NAME, message));
    }
    checks
}

/// Masters outside all zones of the spec belong to another cluster.
fn zones(spec: &ClusterSpec, selection: &Selection) -> Vec<Check> {
    const NAME: &str = "zones";
    let instances = selection.instances.iter().map(|chosen| chosen.thing.zone.as_str());
    let volumes = selection.volumes.iter().map(|chosen| chosen.thing.zone.as_str());
    let seen: BTreeSet<&str> = instances.chain(volumes).filter(|zone| !zone.is_empty()).collect();
    let is_known = |zone: &&str| spec.zones.iter().any(|known| known == zone);
    let (known, foreign): (Vec<&str>, Vec<&str>) = seen.into_iter().partition(is_known);
    if spec.zones.is_empty() || foreign.is_empty() {
        return Vec::new();
    }
    let (zones, spec) = (foreign.join(", "), spec.zones.join(", "));
    match known.is_empty() {
        true => {
            let message =
                format!("the masters are in {zones}, but the cluster spec has {spec}: they belong to another cluster");
            let cure = "use the state store and the credentials of the same cluster";
            vec![Check::found(NAME, Severity::Block, message).cure(cure)]
        }
        false => {
            let message =
                format!("masters or etcd volumes are in {zones}, which the cluster spec does not have ({spec})");
            vec![Check::found(NAME, Severity::Warn, message)]
        }
    }
}

#[cfg(test)]
#[path = "location_tests.rs"]
mod tests;
