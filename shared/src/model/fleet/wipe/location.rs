//! Is this the right account and region, and is the cluster there at all?

use std::collections::BTreeSet;

use super::Selection;
use crate::model::check::{Check, Severity};
use crate::model::fleet::{Caller, Inventory};
use crate::model::kops::cluster::ClusterSpec;

/// What was found of the cluster beside its control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherResources {
    /// Volumes that an earlier wipe put into quarantine.
    pub quarantined: usize,
    /// Its VPCs and subnets; asked only where nothing else was found.
    pub networks: usize,
}

/// Whether `caller` asks in the place where the cluster is. `region` is what the cluster's spec says.
#[must_use]
pub fn check_place(
    caller: &Caller,
    region: Option<&str>,
    inventory: &Inventory,
    selection: &Selection,
    others: OtherResources,
) -> Vec<Check> {
    let asked = &caller.region;
    if let Some(other) = region.filter(|region| region != asked) {
        let message = format!("the cluster is in {other}, and {asked} was asked");
        let check = Check::found("region", Severity::Block, message).cure(format!("pass --region {other}"));
        return vec![check];
    }
    let place = format!("account {} in {asked}", caller.account);
    let machines = inventory.groups.len() + inventory.instances.len() + inventory.volumes.len();
    if machines + others.quarantined + others.networks == 0 {
        let message =
            format!("nothing at all of this cluster is in {place}: neither machines nor volumes nor a network");
        let cure = "use the credentials of the cluster's own account: --profile or AWS_PROFILE; `aws sts get-caller-identity` \
            shows whose they are";
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
        format!("the cluster is in {place}, and its control plane is wiped already{left}"),
    )]
}

/// The networks that the spec names by id: those of which [`check_networks`] wants to know whether the account has them.
#[must_use]
pub fn named_networks(spec: &ClusterSpec) -> Vec<String> {
    spec.network_id.iter().chain(&spec.subnet_ids).cloned().collect()
}

/// Whether the account is the one that the spec is written for: the same name may be used in two accounts. `existing` are those of
/// [`named_networks`] that the account has in this region. What contradicts the spec refuses; where the spec says nothing by which two
/// accounts could be told apart, that is said.
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
            "the cluster's spec names {}, which {account} does not have in {}",
            missing.join(", "),
            caller.region
        ));
    }
    let instances = || selection.instances.iter().map(|chosen| &chosen.thing);
    if let Some(network) = &spec.network_id {
        let elsewhere = |vpc: &&String| *vpc != network;
        for (id, vpc) in instances().filter_map(|one| Some((&one.id, one.vpc.as_ref().filter(elsewhere)?))) {
            wrong.push(format!(
                "instance {id} is in {vpc}, and the cluster's spec says {network}"
            ));
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
            wrong.push(format!("{what} is in {subnet}, which the cluster's spec does not have"));
        }
    }
    let mut checks = zones(spec, selection);
    if !wrong.is_empty() {
        let cure = "use the state store and the credentials of one and the same cluster: another one of this name may be in another account";
        let message = format!("{}: this is not the cluster of the state store", wrong.join("; "));
        checks.push(Check::found(NAME, Severity::Block, message).cure(cure));
    } else if named_networks(spec).is_empty() {
        let message = format!(
            "the cluster's spec names neither its VPC nor its subnets by id: whether {account} is this cluster's own cannot be told from it"
        );
        let cure = "compare the account with the one that you mean: a cluster of the same name may be in another one";
        checks.push(Check::found(NAME, Severity::Warn, message).cure(cure));
    } else {
        let message = format!("{account} has the VPC and the subnets that the cluster's spec names");
        checks.push(Check::passed(NAME, message));
    }
    checks
}

/// A zone of the spec's region says nothing of the account; masters in none of the spec's zones are another cluster's.
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
                format!("the masters are in {zones}, and the cluster's spec says {spec}: they are another cluster's");
            let cure = "use the state store and the credentials of one and the same cluster";
            vec![Check::found(NAME, Severity::Block, message).cure(cure)]
        }
        false => {
            let message =
                format!("masters or etcd volumes are in {zones}, which the cluster's spec does not have ({spec})");
            vec![Check::found(NAME, Severity::Warn, message)]
        }
    }
}

#[cfg(test)]
#[path = "location_tests.rs"]
mod tests;
