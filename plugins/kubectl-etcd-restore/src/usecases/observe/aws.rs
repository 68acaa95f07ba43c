//! What AWS has of the cluster, and whether it was asked in the cluster's own account.

use std::collections::BTreeSet;

use jiff::Timestamp;
use runbook_kit::failure::{chain, chain_with_hint};
use runbook_kit::model::check::Check;
use runbook_kit::model::fleet::wipe::location::{OtherResources, check_networks, check_place, named_networks};
use runbook_kit::model::fleet::wipe::{Selection, select};
use runbook_kit::model::fleet::{
    Caller, Instance, InstanceState, Inventory, Tags, Volume, VolumeState, etcds, is_master, may_be_master,
};
use runbook_kit::model::observed::Observed;
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::ports::fleet::{Fleet, FleetError};
use runbook_kit::usecases::{liveness, past_wipes};

use tokio::time::timeout;

use super::AWS_TIMEOUT;
use crate::context::Context;
use crate::rules::machines::is_running_master;
use crate::rules::stage::{AccountMatch, Masters, Next, caller_identity};

/// What AWS has of the cluster.
pub struct AwsState {
    pub caller: Caller,
    pub inventory: Inventory,
    /// What is certainly the control plane.
    pub selection: Selection,
    pub quarantined: Vec<Volume>,
    /// Number of its VPCs and subnets; read only where nothing else was found.
    networks: usize,
    /// The networks of the spec that exist.
    existing: Result<BTreeSet<String>, String>,
}

impl AwsState {
    /// The machines, for the liveness verdict.
    pub fn of_control_plane(&self, cluster: &str) -> liveness::Machines {
        let Inventory {
            groups,
            instances,
            volumes,
        } = &self.inventory;
        liveness::Machines::of(cluster, instances, groups, Ok(volumes))
    }
}

/// Reads it from AWS.
pub async fn ask_aws(cluster: &str, context: &Context) -> Result<AwsState, String> {
    if cluster.is_empty() {
        return Err("no cluster is named".to_owned());
    }
    let spec = context.session.found.get().and_then(|found| found.spec.as_ref());
    let named = spec.map(named_networks).unwrap_or_default();
    let asked = timeout(AWS_TIMEOUT, ask(cluster, &named, context.fleet()));
    asked
        .await
        .map_err(|_| format!("no response from AWS within {} s", AWS_TIMEOUT.as_secs()))?
        .map_err(|error| chain_with_hint(&error))
}

async fn ask(cluster: &str, named: &[String], fleet: &dyn Fleet) -> Result<AwsState, FleetError> {
    // First, so that missing credentials are reported as such.
    let caller = fleet.caller().await?;
    let (groups, instances, volumes, quarantined) = tokio::try_join!(
        fleet.groups_of(cluster),
        fleet.instances_of(cluster),
        fleet.volumes_of(cluster),
        past_wipes::quarantined(fleet, cluster)
    )?;
    let nothing = groups.is_empty() && instances.is_empty() && volumes.is_empty() && quarantined.is_empty();
    let networks = match nothing {
        true => fleet.networks_of(cluster).await?.len(),
        false => 0,
    };
    // Missing permission for networks must not hide the rest.
    let existing = match named.is_empty() {
        true => Ok(Vec::new()),
        false => fleet.networks(named).await.map_err(|error| chain_with_hint(&error)),
    };
    let inventory = Inventory {
        groups,
        instances,
        volumes,
    };
    Ok(AwsState {
        caller,
        selection: select(cluster, &inventory),
        inventory,
        quarantined,
        networks,
        existing: existing.map(|existing| existing.into_iter().collect()),
    })
}

/// Whether this is the cluster's account, by the same checks as for a wipe.
pub fn account(machines: &AwsState, context: &Context) -> AccountMatch {
    let spec = context.session.found.get().and_then(|found| found.spec.as_ref());
    let selection = &machines.selection;
    let rest = OtherResources {
        quarantined: machines.quarantined.len(),
        networks: machines.networks,
    };
    let region = spec.and_then(|spec| spec.region.as_deref());
    let caller = &machines.caller;
    let mut checks = check_place(caller, region, &machines.inventory, selection, rest);
    if let Some(spec) = spec.filter(|_| !checks.iter().any(Check::blocks)) {
        match &machines.existing {
            Ok(existing) => checks.extend(check_networks(spec, caller, selection, existing)),
            Err(why) => {
                return AccountMatch::NotKnown(format!("not checked whether the spec's networks exist: {why}"));
            }
        }
    }
    if let Some(block) = checks.iter().find(|check| check.blocks()) {
        let next = match region.filter(|region| *region != caller.region) {
            Some(region) => Next::OfCluster(ShellCommand::of("kubectl etcd-restore").option("--region", region)),
            None => caller_identity(),
        };
        return AccountMatch::Foreign {
            why: block.message.clone(),
            next,
        };
    }
    let at = format!("account {} in {}", caller.account, caller.region);
    if spec.is_none() {
        return AccountMatch::NotKnown(format!(
            "{at} was checked; without the cluster's spec it is not known whether it is the cluster's"
        ));
    }
    match checks.iter().find(|check| !check.ok) {
        Some(doubt) => AccountMatch::Unproven(format!("{at} was checked; {}", doubt.message)),
        None => {
            let said: Vec<&str> = checks.iter().map(|check| check.message.as_str()).collect();
            AccountMatch::Own(said.join("; "))
        }
    }
}

/// Counts the masters. Instances that may be masters count as well, so that 0 means none.
pub fn masters(cluster: &str, machines: &AwsState) -> Masters {
    let count = |state, is_one: fn(&Tags, &str) -> bool| {
        let instances = machines.inventory.instances.iter();
        let masters = instances.filter(|instance| is_one(&instance.tags, cluster));
        masters.filter(|instance| instance.state == state).count()
    };
    let groups = machines.inventory.groups.iter();
    Masters {
        groups: groups
            .filter(|group| may_be_master(&group.tags, cluster) && group.status.is_none())
            .count(),
        running: match count(InstanceState::Running, is_master) {
            0 => count(InstanceState::Running, may_be_master),
            certain => certain,
        },
        pending: count(InstanceState::Pending, may_be_master),
        stopped: [InstanceState::Stopping, InstanceState::Stopped, InstanceState::Unknown]
            .into_iter()
            .map(|state| count(state, may_be_master))
            .sum(),
        leaving: leaving(cluster, &machines.inventory) + count(InstanceState::ShuttingDown, may_be_master),
    }
}

/// Groups and etcd volumes that AWS is removing.
fn leaving(cluster: &str, inventory: &Inventory) -> usize {
    let groups = inventory.groups.iter();
    let groups = groups.filter(|group| may_be_master(&group.tags, cluster) && group.status.is_some());
    let volumes = inventory.volumes.iter();
    let volumes = volumes.filter(|volume| volume.state == VolumeState::Deleting && !etcds(&volume.tags).is_empty());
    groups.count() + volumes.count()
}

/// The running control plane instances.
pub fn running(cluster: &str, instances: &[Instance]) -> BTreeSet<String> {
    let masters = instances.iter().filter(|instance| is_running_master(instance, cluster));
    masters.map(|instance| instance.id.clone()).collect()
}

/// The running control plane instances, and all of the control plane that shows whether it lives. Groups are asked for only where no
/// instance is known, volumes only after a wipe.
pub async fn control_plane(
    context: &Context,
    cluster: &str,
    wiped: Option<Timestamp>,
) -> (Observed<Vec<Instance>>, liveness::Machines) {
    let unknown = |why: String, hinted: String| (Observed::Unknown(hinted), liveness::Machines::not_known(why));
    if cluster.is_empty() {
        let why = "no cluster is named".to_owned();
        return unknown(why.clone(), why);
    }
    let fleet = context.fleet();
    let no_answer = || format!("no response from AWS within {} s", AWS_TIMEOUT.as_secs());
    let instances = match timeout(AWS_TIMEOUT, fleet.instances_of(cluster)).await {
        Ok(Ok(instances)) => instances,
        Ok(Err(error)) => return unknown(chain(&error), chain_with_hint(&error)),
        Err(_) => return unknown(no_answer(), no_answer()),
    };
    let rest = async {
        let known = instances.iter().any(|instance| is_master(&instance.tags, cluster));
        let groups = match known {
            true => Vec::new(),
            false => fleet.groups_of(cluster).await?,
        };
        let volumes = match wiped {
            Some(_) => fleet.volumes_of(cluster).await.map_err(|error| chain(&error)),
            None => Err("not asked".to_owned()),
        };
        Ok::<_, FleetError>((groups, volumes))
    };
    let machines = match timeout(AWS_TIMEOUT, rest).await {
        Ok(Ok((groups, volumes))) => {
            let volumes = volumes.as_deref().map_err(Clone::clone);
            liveness::Machines::of(cluster, &instances, &groups, volumes)
        }
        Ok(Err(error)) => liveness::Machines::not_known(chain(&error)),
        Err(_) => liveness::Machines::not_known(no_answer()),
    };
    let running = instances
        .into_iter()
        .filter(|instance| is_running_master(instance, cluster));
    (Observed::Known(running.collect()), machines)
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::fleet::Group;

    use super::*;

    const CLUSTER: &str = "super.k8s.local";

    fn tags(more: &[(&str, &str)]) -> Tags {
        let of_cluster = [("KubernetesCluster", CLUSTER), ("k8s.io/role/master", "1")];
        let both = of_cluster.iter().chain(more);
        both.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn found(groups: &[Option<&str>], instances: &[InstanceState], volumes: &[(VolumeState, bool)]) -> Masters {
        let group = |status: &Option<&str>| Group {
            tags: tags(&[]),
            status: status.map(str::to_owned),
            ..Group::default()
        };
        let instance = |state: &InstanceState| Instance {
            tags: tags(&[]),
            state: *state,
            ..Instance::default()
        };
        let volume = |(state, of_etcd): &(VolumeState, bool)| Volume {
            tags: match of_etcd {
                true => tags(&[("k8s.io/etcd/main", "a/a,b,c")]),
                false => tags(&[]),
            },
            state: *state,
            ..Volume::default()
        };
        let inventory = Inventory {
            groups: groups.iter().map(group).collect(),
            instances: instances.iter().map(instance).collect(),
            volumes: volumes.iter().map(volume).collect(),
        };
        masters(
            CLUSTER,
            &AwsState {
                caller: Caller::default(),
                selection: select(CLUSTER, &inventory),
                inventory,
                quarantined: Vec::new(),
                networks: 0,
                existing: Ok(BTreeSet::new()),
            },
        )
    }

    #[test]
    fn what_aws_still_removes_and_what_is_stopped_is_neither_there_nor_gone() {
        use InstanceState::{Running, ShuttingDown, Stopped, Stopping, Terminated};
        let nothing = Masters::default();
        // For about an hour AWS lists what it has terminated.
        assert_eq!(found(&[], &[Terminated], &[(VolumeState::Available, true)]), nothing);
        for (left, expected) in [
            (found(&[Some("Delete in progress")], &[], &[]), 1),
            (found(&[], &[ShuttingDown, Terminated], &[]), 1),
            (found(&[], &[], &[(VolumeState::Deleting, true)]), 1),
            (found(&[], &[], &[(VolumeState::Deleting, false)]), 0),
            (
                found(
                    &[Some("Delete in progress")],
                    &[ShuttingDown],
                    &[(VolumeState::Deleting, true)],
                ),
                3,
            ),
        ] {
            let leaving = Masters {
                leaving: expected,
                ..nothing
            };
            assert_eq!(left, leaving);
        }
        let stopped = found(&[None], &[Stopped, Stopping, Running], &[]);
        let expected = Masters {
            groups: 1,
            running: 1,
            stopped: 2,
            ..nothing
        };
        assert_eq!(stopped, expected);
    }
}
