//! What would be done, to what, and why. Pure: facts in, a plan out.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::termination::{AtTermination, at_termination};
use runbook_kit::model::fleet::wipe::{NearMiss, Selection, etcds, name_of, quarantine, terraform};
use runbook_kit::model::fleet::{Caller, InstanceState, VolumeState};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::rules::interlock::PlannedBackup;

/// What becomes of the etcd volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EtcdVolumes {
    /// Hide them from kops and etcd-manager by moving their tags; `restore-volumes` takes that back
    #[default]
    Quarantine,
    /// Take an EBS snapshot of each, then delete it
    SnapshotThenDelete,
    /// Delete them for good
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

    /// Whether a volume may go only as this says, and not with its instance.
    pub const fn keeps(self) -> bool {
        match self {
            Self::Quarantine | Self::SnapshotThenDelete => true,
            Self::Delete => false,
        }
    }
}

/// The whole plan, as programs see it.
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
    /// What is switched off before anything is deleted.
    pub keeps: Vec<PlannedKeep>,
    pub auto_scaling_groups: Vec<PlannedGroup>,
    pub instances: Vec<PlannedInstance>,
    pub volumes: Vec<PlannedVolume>,
    pub near_misses: Vec<NearMiss>,
    pub backups: Vec<PlannedBackup>,
    pub checks: Vec<Check>,
    /// What shows that Terraform manages the cluster; empty where nothing does.
    pub terraform: Vec<String>,
    /// Over ids and actions: the same digest, the same deeds.
    pub digest: String,
}

/// A volume that AWS would delete with its instance, and is told not to.
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
    /// By what it is told from others: a volume may be attached twice.
    pub fn id(&self) -> String {
        format!("{} on {}", self.volume, self.instance)
    }
}

/// A group that is deleted, with all that is in it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedGroup {
    pub name: String,
    pub action: &'static str,
    pub instances: Vec<String>,
    pub status: Option<String>,
    pub reason: String,
}

/// An instance that is terminated: by its group's deletion, else by itself.
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

/// A volume that is put away.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedVolume {
    pub id: String,
    pub action: &'static str,
    pub name: Option<String>,
    /// The etcd clusters and members that it is of: `main/a`.
    pub members: Vec<String>,
    pub state: VolumeState,
    pub zone: String,
    pub size_gib: i64,
    pub attached_to: Vec<String>,
    pub reason: String,
}

/// What the plan is made of.
pub struct Facts<'a> {
    pub cluster: &'a str,
    pub state_store: &'a str,
    pub caller: Caller,
    pub selection: Selection,
    pub etcd_volumes: EtcdVolumes,
    pub backups: Vec<PlannedBackup>,
    /// What was looked at beside the selection.
    pub checks: Vec<Check>,
    /// What shows that Terraform manages the cluster.
    pub terraform: Vec<String>,
}

/// The volumes that must not go with their instances, and would, or of which AWS does not say that they would not.
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
            AtTermination::Stays => return None,
            AtTermination::IsDeleted => format!("DeleteOnTermination is on: AWS would delete it with {id}"),
            AtTermination::NotTold => format!("AWS does not say whether it is deleted with {id}"),
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

fn of_keep(keep: &PlannedKeep) -> Check {
    let message = format!(
        "volume {}: {}; it is switched off ({}) before anything is deleted",
        keep.volume, keep.reason, keep.device
    );
    Check::found("delete-on-termination", Severity::Warn, message)
}

/// Terraform holds the volumes' tags to its configuration.
fn of_terraform(signs: &[String], selection: &Selection) -> Check {
    let names = selection
        .volumes
        .iter()
        .filter_map(|chosen| name_of(&chosen.thing.tags));
    let forget: Vec<String> = terraform::forget(names)
        .iter()
        .map(|command| format!("`{command}`"))
        .collect();
    let message = format!(
        "Terraform seems to manage this cluster ({}): its next apply gives volumes in quarantine their tags back, and the new masters would mount them",
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
    checks.extend(keeps.iter().map(of_keep));
    if etcd_volumes == EtcdVolumes::Quarantine {
        if !terraform.is_empty() && !selection.volumes.is_empty() {
            checks.push(of_terraform(&terraform, &selection));
        }
        for volume in &selection.volumes {
            if let Some(obstacle) = quarantine::obstacle(&volume.thing, cluster) {
                let message = format!("volume {} cannot be put into quarantine: {obstacle}", volume.thing.id);
                let cure = "pass --etcd-volumes snapshot-then-delete, or take tags of your own off it";
                checks.push(Check::found("quarantine", Severity::Block, message).cure(cure));
            }
        }
    }
    checks.extend(selection.checks);
    // What refuses first; else in the order in which it was looked at.
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
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.auto_scaling_groups.is_empty() && self.instances.is_empty() && self.volumes.is_empty()
    }

    /// Every deed, by action and id.
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

    /// The account's number, and its alias where it has one that may be known.
    pub fn account_label(&self) -> String {
        account_label(&self.account, self.account_alias.as_deref())
    }

    /// The checks that refuse.
    pub fn blockers(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.blocks())
    }

    /// Names for ids, for lines that tell of progress.
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

/// What of a plan was not in the one that was shown.
pub fn added_since(plan: &Plan, shown: &BTreeSet<String>) -> Vec<String> {
    plan.actions().difference(shown).cloned().collect()
}

#[cfg(test)]
pub mod tests;
