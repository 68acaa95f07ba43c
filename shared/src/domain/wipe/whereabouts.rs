//! Is this the right account and region, and is the cluster there at all?

use super::Selection;
use crate::domain::check::{Check, Severity};
use crate::domain::fleet::{Caller, Inventory};

/// What was found of the cluster beside its control plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// Volumes that an earlier wipe put into quarantine.
    pub quarantined: usize,
    /// Its VPCs and subnets; asked only where nothing else was found.
    pub networks: usize,
}

/// Whether `caller` asks in the place where the cluster is. `region` is what the cluster's spec says.
#[must_use]
pub fn whereabouts(
    caller: &Caller,
    region: Option<&str>,
    inventory: &Inventory,
    selection: &Selection,
    rest: Rest,
) -> Vec<Check> {
    let asked = &caller.region;
    if let Some(other) = region.filter(|region| region != asked) {
        let message = format!("the cluster is in {other}, and {asked} was asked");
        let check = Check::found("region", Severity::Block, message).cure(format!("pass --region {other}"));
        return vec![check];
    }
    let place = format!("account {} in {asked}", caller.account);
    let machines = inventory.groups.len() + inventory.instances.len() + inventory.volumes.len();
    if machines + rest.quarantined + rest.networks == 0 {
        let message =
            format!("nothing at all of this cluster is in {place}: neither machines nor volumes nor a network");
        let cure = "use the credentials of the cluster's own account: --profile or AWS_PROFILE; `aws sts get-caller-identity` \
            shows whose they are";
        return vec![Check::found("account", Severity::Block, message).cure(cure)];
    }
    if !selection.is_empty() {
        return vec![Check::passed("account", format!("the cluster is in {place}"))];
    }
    let left = match rest.quarantined {
        0 => String::new(),
        1 => "; one volume is in quarantine".to_owned(),
        several => format!("; {several} volumes are in quarantine"),
    };
    vec![Check::passed(
        "account",
        format!("the cluster is in {place}, and its control plane is wiped already{left}"),
    )]
}
