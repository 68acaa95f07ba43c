//! What the findings are based on.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::backup::lifecycle::ExpiryRule;
use runbook_kit::model::fleet::wipe::{INSTANCE_GROUP_TAG, Selection, etcds};
use runbook_kit::model::fleet::{Group, Instance, InstanceState, Volume};
use runbook_kit::model::kops::cluster::MemberSpec;
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::past_wipes::PastWipes;

use super::observed::Observed;
use crate::rules::interlock::EtcdFacts;

/// The AWS profiles of the flags; without one the environment decides.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    /// For EC2 and Auto Scaling.
    pub machines: Option<String>,
    /// For the state store.
    pub state: Option<String>,
}

/// One cluster.
#[derive(Clone, Debug)]
pub struct Facts {
    pub cluster: String,
    pub region: String,
    pub profiles: Profiles,
    pub now: Timestamp,
    /// The kops state store.
    pub state: StoreUrl,
    pub past_wipes: PastWipes,
    pub selection: Selection,
    pub etcds: Vec<Etcd>,
    /// What was seen beyond AWS and the backups.
    pub observed: Observed,
}

/// One etcd cluster.
#[derive(Clone, Debug)]
pub struct Etcd {
    pub state: EtcdFacts,
    /// The members in the spec; empty without a spec.
    pub members: Vec<MemberSpec>,
    /// Between two backups.
    pub interval: SignedDuration,
    /// Its newest complete backup, good or not.
    pub newest: Option<NewestBackup>,
    /// The lifecycle rules of its bucket, or why they could not be read.
    pub rules: Result<Vec<ExpiryRule>, String>,
}

/// The newest complete backup in the store's own folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestBackup {
    pub name: String,
    pub created: Timestamp,
    /// From its metadata; `None` if unreadable.
    pub etcd_version: Option<String>,
}

impl Facts {
    /// `aws ec2 stop-instances --region …`, or another service's operation.
    pub fn aws(&self, operation: &str) -> ShellCommand {
        ShellCommand::of("aws")
            .args(operation.split(' '))
            .option("--region", &self.region)
            .option_if("--profile", self.profiles.machines.as_ref())
    }

    /// `aws s3 …`, on the state store.
    pub fn aws_s3(&self, operation: &str) -> ShellCommand {
        ShellCommand::of("aws")
            .args(operation.split(' '))
            .option_if("--profile", self.profiles.state.as_ref())
    }

    /// A command of ours or kops' on this cluster: `kubectl etcd-restore logs --name … --state …`.
    pub fn of_cluster(&self, command: &str) -> ShellCommand {
        ShellCommand::of(command)
            .option("--name", &self.cluster)
            .option("--state", self.state.to_string())
    }

    pub fn kops_update(&self) -> ShellCommand {
        self.of_cluster("kops update cluster").arg("--yes")
    }

    /// Running instances of the control plane.
    pub fn running(&self) -> impl Iterator<Item = &Instance> {
        let masters = self.selection.instances.iter().map(|chosen| &chosen.thing);
        masters.filter(|instance| instance.state == InstanceState::Running)
    }

    pub fn instance(&self, id: &str) -> Option<&Instance> {
        let mut masters = self.selection.instances.iter().map(|chosen| &chosen.thing);
        masters.find(|instance| instance.id == id)
    }

    /// Volumes of one etcd cluster, each with its member's name.
    pub fn volumes_of<'a>(&'a self, etcd: &'a str) -> impl Iterator<Item = (&'a Volume, &'a str)> {
        let volumes = self.selection.volumes.iter().map(|chosen| &chosen.thing);
        volumes.filter_map(move |volume| Some((volume, member_of(volume, etcd)?)))
    }

    /// The Auto Scaling group of an instance group.
    pub fn group_of(&self, instance_group: &str) -> Option<&Group> {
        let mut groups = self.selection.groups.iter().map(|chosen| &chosen.thing);
        groups.find(|group| {
            group
                .tags
                .get(INSTANCE_GROUP_TAG)
                .is_some_and(|tag| tag == instance_group)
        })
    }
}

impl Etcd {
    pub fn name(&self) -> &str {
        &self.state.etcd
    }

    /// Its members' names, sorted: from the spec, else from the volumes' tags.
    pub fn member_names(&self, facts: &Facts) -> Vec<String> {
        let mut names: Vec<String> = if self.members.is_empty() {
            let tags = facts
                .selection
                .volumes
                .iter()
                .flat_map(|chosen| etcds(&chosen.thing.tags));
            tags.filter(|(etcd, _)| *etcd == self.name())
                .flat_map(|(_, value)| value.split_once('/').map_or("", |(_, all)| all).split(','))
                .filter(|name| !name.is_empty() && !name.contains('/'))
                .map(str::to_owned)
                .collect()
        } else {
            self.members.iter().map(|member| member.name.clone()).collect()
        };
        names.sort();
        names.dedup();
        names
    }

    /// Whether etcd-manager is known to replace an empty member by itself.
    pub fn replaces_itself(&self, facts: &Facts) -> bool {
        self.state
            .managers
            .replace_empty_members(self.member_names(facts).len())
    }

    pub fn instance_group(&self, member: &str) -> Option<&str> {
        let spec = self.members.iter().find(|spec| spec.name == member)?;
        spec.instance_group.as_deref()
    }
}

/// The member of a volume, by its tag `k8s.io/etcd/<etcd>=<member>/<all members>`.
pub fn member_of<'a>(volume: &'a Volume, etcd: &str) -> Option<&'a str> {
    let found = etcds(&volume.tags).into_iter().find(|(name, _)| *name == etcd)?;
    found.1.split('/').next()
}

/// The instances that a volume is attached to.
pub fn attached_to(volume: &Volume) -> impl Iterator<Item = &str> {
    volume.attachments.iter().map(|attachment| attachment.instance.as_str())
}
