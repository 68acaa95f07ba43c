//! The plan: which actions on which resources, and why.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::termination::{AtTermination, at_termination};
use runbook_kit::model::fleet::wipe::{NearMiss, Selection, etcds, name_of, quarantine, terraform};
use runbook_kit::model::fleet::{Caller, InstanceState, VolumeState};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::rules::interlock::PlannedBackup;

/// What to do with the etcd volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdVolumes {
    /// Hide them from kops and etcd-manager by changing their tags; `restore-volumes` undoes it
    #[default]
    Quarantine,
    /// Take an EBS snapshot of each, then delete it
    SnapshotThenDelete,
    /// Delete them permanently
    Delete,
}

impl EtcdVolumes {
    /// As on the command line and in the plan.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quarantine => "quarantine",
            Self::SnapshotThenDelete => "snapshot-then-delete",
            Self::Delete => "delete",
        }
    }

    /// Whether volumes must not be deleted with their instances.
    pub const fn keeps(self) -> bool {
        match self {
            Self::Quarantine | Self::SnapshotThenDelete => true,
            Self::Delete => false,
        }
    }
}

/// The plan.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub cluster: String,
    pub account: String,
    pub account_alias: Option<String>,
    pub caller: String,
    pub profile: Option<String>,
    pub region: String,
    pub state_store: String,
    pub etcd_volumes: EtcdVolumes,
    /// Volumes whose DeleteOnTermination is turned off first.
    pub keeps: Vec<PlannedKeep>,
    pub auto_scaling_groups: Vec<PlannedGroup>,
    pub instances: Vec<PlannedInstance>,
    pub volumes: Vec<PlannedVolume>,
    pub near_misses: Vec<NearMiss>,
    pub backups: Vec<PlannedBackup>,
    pub checks: Vec<Check>,
    /// Signs that Terraform manages the cluster.
    pub terraform: Vec<String>,
    /// Over account, region, cluster, and all actions with their IDs.
    pub digest: String,
}

/// A volume that AWS would delete with its instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedKeep {
    pub volume: String,
    pub action: &'static str,
    pub instance: String,
    pub device: String,
    pub state: VolumeState,
    pub reason: String,
}

impl PlannedKeep {
    /// Unique, because a volume may be attached twice.
    pub fn id(&self) -> String {
        format!("{} on {}", self.volume, self.instance)
    }
}

/// A group to delete with its instances.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedGroup {
    pub name: String,
    pub action: &'static str,
    pub instances: Vec<String>,
    pub status: Option<String>,
    pub reason: String,
}

/// An instance to terminate, with its group or alone.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedInstance {
    pub id: String,
    pub action: &'static str,
    pub name: Option<String>,
    pub state: InstanceState,
    pub zone: String,
    pub instance_type: String,
    pub private_ip: Option<String>,
    pub reason: String,
}

/// A volume to put into quarantine or to delete.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedVolume {
    pub id: String,
    pub action: &'static str,
    pub name: Option<String>,
    /// Its etcd clusters and members: `main/a`.
    pub members: Vec<String>,
    pub state: VolumeState,
    pub zone: String,
    pub size_gib: i64,
    pub attached_to: Vec<String>,
    pub reason: String,
}

/// What the plan is made from.
pub struct Facts<'a> {
    pub cluster: &'a str,
    pub state_store: &'a str,
    pub caller: Caller,
    pub selection: Selection,
    pub etcd_volumes: EtcdVolumes,
    pub backups: Vec<PlannedBackup>,
    /// Checks beside those of the selection.
    pub checks: Vec<Check>,
    /// Signs that Terraform manages the cluster.
    pub terraform: Vec<String>,
}

/// Volumes that AWS would delete with their instances, or does not report as kept.
fn keeps(selection: &Selection) -> Vec<PlannedKeep> {
    let instance = |id: &str| {
        let mut instances = selection.instances.iter().map(|chosen| &chosen.thing);
        instances.find(|instance| instance.id == id)
    };
    let volumes = selection.volumes.iter().map(|chosen| &chosen.thing);
    let attached = volumes.flat_map(|volume| volume.attachments.iter().map(move |attachment| (volume, attachment)));
    let keeps = attached.filter_map(|(volume, attachment)| {
        let id = &attachment.instance;
        let reason = match at_termination(volume, attachment, instance(id)) {
            AtTermination::Kept => return None,
            AtTermination::Deleted => format!("DeleteOnTermination is on: AWS would delete it with {id}"),
            AtTermination::Unknown => format!("AWS does not report whether it is deleted with {id}"),
        };
        Some(PlannedKeep {
            volume: volume.id.clone(),
            action: "keep",
            instance: id.clone(),
            device: attachment.device.clone(),
            state: volume.state,
            reason,
        })
    });
    keeps.collect()
}

fn check_delete_on_termination(keep: &PlannedKeep) -> Check {
    let message = format!(
        "volume {}: {}; it is turned off ({}) before anything is deleted",
        keep.volume, keep.reason, keep.device
    );
    Check::found("delete-on-termination", Severity::Warn, message)
}

/// Terraform resets the volumes' tags to its configuration.
fn check_terraform(signs: &[String], selection: &Selection) -> Check {
    let names = selection
        .volumes
        .iter()
        .filter_map(|chosen| name_of(&chosen.thing.tags));
    let forget: Vec<String> = terraform::forget(names)
        .iter()
        .map(|command| format!("`{command}`"))
        .collect();
    let message = format!(
        "Terraform seems to manage this cluster ({}): its next apply restores the tags of volumes in quarantine, and the new masters would mount them",
        signs.join("; ")
    );
    Check::found("terraform", Severity::Warn, message).cure(format!(
        "after the wipe and before `terraform apply`: {}; or pass --etcd-volumes snapshot-then-delete",
        forget.join(", ")
    ))
}

/// Makes the plan.
pub fn plan(facts: Facts<'_>) -> Plan {
    let Facts {
        cluster,
        state_store,
        caller,
        selection,
        etcd_volumes,
        backups,
        mut checks,
        terraform,
    } = facts;
    let keeps = match etcd_volumes.keeps() {
        true => keeps(&selection),
        false => Vec::new(),
    };
    checks.extend(keeps.iter().map(check_delete_on_termination));
    if etcd_volumes == EtcdVolumes::Quarantine {
        if !terraform.is_empty() && !selection.volumes.is_empty() {
            checks.push(check_terraform(&terraform, &selection));
        }
        for volume in &selection.volumes {
            if let Some(obstacle) = quarantine::obstacle(&volume.thing, cluster) {
                let message = format!("volume {} cannot be put into quarantine: {obstacle}", volume.thing.id);
                let cure = "pass --etcd-volumes snapshot-then-delete, or remove tags of your own from it";
                checks.push(Check::found("quarantine", Severity::Block, message).cure(cure));
            }
        }
    }
    checks.extend(selection.checks);
    // Blocking checks first, else in order of checking.
    checks.sort_by_key(|check| (!check.blocks(), check.ok));
    let groups = selection.groups.into_iter().map(|chosen| PlannedGroup {
        action: "delete",
        instances: chosen.thing.members.into_iter().map(|member| member.instance).collect(),
        name: chosen.thing.name,
        status: chosen.thing.status,
        reason: chosen.reason,
    });
    let instances = selection.instances.into_iter().map(|chosen| PlannedInstance {
        action: "terminate",
        name: name_of(&chosen.thing.tags).map(str::to_owned),
        state: chosen.thing.state,
        private_ip: chosen.thing.private_ips.into_iter().next(),
        id: chosen.thing.id,
        zone: chosen.thing.zone,
        instance_type: chosen.thing.instance_type,
        reason: chosen.reason,
    });
    let volumes = selection.volumes.into_iter().map(|chosen| {
        let members = etcds(&chosen.thing.tags).into_iter();
        let members = members.map(|(etcd, value)| format!("{etcd}/{}", value.split('/').next().unwrap_or_default()));
        let attachments = chosen.thing.attachments.iter();
        PlannedVolume {
            action: etcd_volumes.word(),
            name: name_of(&chosen.thing.tags).map(str::to_owned),
            members: members.collect(),
            state: chosen.thing.state,
            size_gib: chosen.thing.size_gib,
            attached_to: attachments.map(|attachment| attachment.instance.clone()).collect(),
            id: chosen.thing.id.clone(),
            zone: chosen.thing.zone.clone(),
            reason: chosen.reason,
        }
    });
    let mut plan = Plan {
        cluster: cluster.to_owned(),
        account: caller.account,
        account_alias: caller.alias,
        caller: caller.arn,
        profile: caller.profile,
        region: caller.region,
        state_store: state_store.to_owned(),
        etcd_volumes,
        keeps,
        terraform,
        auto_scaling_groups: groups.collect(),
        instances: instances.collect(),
        volumes: volumes.collect(),
        near_misses: selection.near_misses,
        backups,
        checks,
        digest: String::new(),
    };
    plan.digest = plan.compute_digest();
    plan
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.auto_scaling_groups.is_empty() && self.instances.is_empty() && self.volumes.is_empty()
    }

    /// Every action with its ID.
    pub fn actions(&self) -> BTreeSet<String> {
        let groups = self.auto_scaling_groups.iter();
        let instances = self.instances.iter();
        let volumes = self.volumes.iter();
        let keeps = self.keeps.iter().map(|keep| format!("{} {}", keep.action, keep.id()));
        keeps
            .chain(groups.map(|group| format!("{} {}", group.action, group.name)))
            .chain(instances.map(|instance| format!("{} {}", instance.action, instance.id)))
            .chain(volumes.map(|volume| format!("{} {}", volume.action, volume.id)))
            .collect()
    }

    fn compute_digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.account, &self.region, &self.cluster] {
            hash.update(part.as_bytes());
            hash.update(b"\n");
        }
        for action in self.actions() {
            hash.update(action.as_bytes());
            hash.update(b"\n");
        }
        let bytes = hash.finalize();
        bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The account's number and alias.
    pub fn account_label(&self) -> String {
        account_label(&self.account, self.account_alias.as_deref())
    }

    /// Whether a check refuses the plan.
    pub fn is_blocked(&self) -> bool {
        self.checks.iter().any(Check::blocks)
    }

    /// Names by ID, for progress lines.
    pub fn names(&self) -> BTreeMap<String, String> {
        let instances = self.instances.iter().map(|instance| (&instance.id, &instance.name));
        let volumes = self.volumes.iter().map(|volume| (&volume.id, &volume.name));
        instances
            .chain(volumes)
            .filter_map(|(id, name)| Some((id.clone(), name.clone()?)))
            .collect()
    }
}

/// `123456789012 (staging)`.
pub fn account_label(account: &str, alias: Option<&str>) -> String {
    match alias {
        Some(alias) => format!("{account} ({alias})"),
        None => account.to_owned(),
    }
}

/// Actions of a plan that were not in the one shown.
pub fn added_since(plan: &Plan, shown: &BTreeSet<String>) -> Vec<String> {
    plan.actions().difference(shown).cloned().collect()
}

#[cfg(test)]
pub mod tests;
