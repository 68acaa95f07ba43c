//! A cluster in an account, named and tagged as kops does it (tests/fixtures/kops-built/aws), its masters running with
//! their etcd volumes mounted.

use super::{AwsAccount, borrowed};
use crate::error::Error;

const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];

/// What is to be made.
#[derive(Clone, Debug)]
pub struct KopsCluster {
    /// Its name.
    pub name: String,
    /// One group each.
    pub masters: usize,
    /// As kops named and tagged before the term control plane: groups `master-<zone>`, the role tag `k8s.io/role/master` only.
    pub older: bool,
    /// One volume a master and each of these.
    pub etcds: Vec<String>,
    /// Groups of nodes, of API servers, a bastion, and volumes of PersistentVolumes.
    pub workers: bool,
}

/// What was made.
#[derive(Clone, Debug, Default)]
pub struct Built {
    /// One a master.
    pub masters: Vec<Machine>,
    /// Nodes, API servers and a bastion.
    pub others: Vec<Machine>,
    /// One a master and etcd cluster.
    pub etcd_volumes: Vec<EtcdVolume>,
    /// Of PersistentVolumes: the first is mounted on a node, the second is free.
    pub persistent_volumes: Vec<String>,
}

/// An instance of a group of one.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Its group.
    pub group: String,
    /// `i-…`.
    pub instance: String,
    /// In the VPC.
    pub private_ip: String,
    /// `us-east-1a`.
    pub zone: String,
}

/// A volume of an etcd member.
#[derive(Clone, Debug, Default)]
pub struct EtcdVolume {
    /// `main`.
    pub etcd: String,
    /// `a`.
    pub member: String,
    /// `vol-…`.
    pub id: String,
    /// The master that it is attached to.
    pub instance: String,
}

impl KopsCluster {
    /// Three masters in three zones, with all that a cluster has beside them.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            masters: 3,
            older: false,
            etcds: vec!["main".to_owned(), "events".to_owned()],
            workers: true,
        }
    }

    /// The same without what is no master.
    #[must_use]
    pub fn of_masters(name: &str) -> Self {
        Self {
            workers: false,
            ..Self::new(name)
        }
    }

    /// The same with one master.
    #[must_use]
    pub fn of_one_master(name: &str) -> Self {
        Self {
            masters: 1,
            ..Self::of_masters(name)
        }
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn build(&self, account: &AwsAccount) -> Result<Built, Error> {
        let mut built = Built::default();
        self.build_masters(account, &mut built)?;
        if self.workers {
            self.build_workers(account, &mut built)?;
        }
        Ok(built)
    }

    /// The names of the instance groups of its masters.
    #[must_use]
    pub fn master_groups(&self) -> Vec<String> {
        let kind = if self.older { "master" } else { "control-plane" };
        ZONES
            .iter()
            .take(self.masters)
            .map(|zone| format!("{kind}-{zone}"))
            .collect()
    }

    /// Makes groups, instances and etcd volumes of the masters; `kops update cluster --yes` does the same after a wipe.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn build_masters(&self, account: &AwsAccount, built: &mut Built) -> Result<(), Error> {
        let members: Vec<&str> = ["a", "b", "c"].into_iter().take(self.masters).collect();
        let roles: &[&str] = match self.older {
            true => &["k8s.io/role/master"],
            false => &["k8s.io/role/control-plane", "k8s.io/role/master"],
        };
        for ((zone, group), member) in ZONES.iter().zip(self.master_groups()).zip(&members) {
            let machine = self.group(account, &group, &format!("{group}.masters.{}", self.name), zone, roles)?;
            for etcd in &self.etcds {
                let mut tags = self.cluster_tags();
                tags.push(("Name".into(), format!("{member}.etcd-{etcd}.{}", self.name)));
                tags.push((format!("k8s.io/etcd/{etcd}"), format!("{member}/{}", members.join(","))));
                tags.extend(roles.iter().map(|role| ((*role).to_owned(), "1".to_owned())));
                let id = volume(account, zone, &tags)?;
                attach(account, &id, &machine.instance, device(etcd))?;
                built.etcd_volumes.push(EtcdVolume {
                    etcd: etcd.clone(),
                    member: (*member).to_owned(),
                    id,
                    instance: machine.instance.clone(),
                });
            }
            built.masters.push(machine);
        }
        Ok(())
    }

    fn build_workers(&self, account: &AwsAccount, built: &mut Built) -> Result<(), Error> {
        let name = &self.name;
        for (group, full, role) in [
            (
                "nodes-us-east-1a",
                format!("nodes-us-east-1a.{name}"),
                "k8s.io/role/node",
            ),
            (
                "apiserver-us-east-1a",
                format!("apiserver-us-east-1a.apiservers.{name}"),
                "k8s.io/role/apiserver",
            ),
            ("bastions", format!("bastions.{name}"), "k8s.io/role/bastion"),
        ] {
            let machine = self.group(account, group, &full, "us-east-1a", &[role])?;
            built.others.push(machine);
        }
        for claim in ["data-0", "data-1"] {
            let mut tags = self.cluster_tags();
            tags.push(("Name".into(), format!("kubernetes-dynamic-{claim}")));
            tags.push(("kubernetes.io/created-for/pvc/name".into(), claim.into()));
            built.persistent_volumes.push(volume(account, "us-east-1a", &tags)?);
        }
        if let (Some(id), Some(node)) = (built.persistent_volumes.first(), built.others.first()) {
            attach(account, id, &node.instance, "/dev/xvdba")?;
        }
        Ok(())
    }

    fn cluster_tags(&self) -> Vec<(String, String)> {
        vec![
            ("KubernetesCluster".into(), self.name.clone()),
            (format!("kubernetes.io/cluster/{}", self.name), "owned".into()),
        ]
    }

    /// A group of one instance, as kops makes it.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn group(
        &self,
        account: &AwsAccount,
        instance_group: &str,
        name: &str,
        zone: &str,
        roles: &[&str],
    ) -> Result<Machine, Error> {
        let mut tags = self.cluster_tags();
        tags.push(("Name".into(), name.to_owned()));
        tags.push(("kops.k8s.io/instancegroup".into(), instance_group.to_owned()));
        tags.extend(roles.iter().map(|role| ((*role).to_owned(), "1".to_owned())));
        let of_zone = [("Filter.1.Name", "availability-zone"), ("Filter.1.Value.1", zone)];
        let subnets = account.ec2("DescribeSubnets", &of_zone)?;
        let subnet = subnets
            .at(&["subnetSet", "item"])
            .map(|subnet| subnet.text_at(&["subnetId"]))
            .unwrap_or_default();
        let launch = [
            ("LaunchConfigurationName", name),
            ("ImageId", "ami-12c6146b"),
            ("InstanceType", "m5.large"),
        ];
        // It outlives its group, as kops' launch templates do.
        drop(account.scaling("CreateLaunchConfiguration", &launch));
        let mut parameters: Vec<(String, String)> = [
            ("AutoScalingGroupName", name),
            ("LaunchConfigurationName", name),
            ("MinSize", "1"),
            ("MaxSize", "1"),
            ("DesiredCapacity", "1"),
            ("AvailabilityZones.member.1", zone),
            // Without a subnet moto gives a public address, and somebody out there has it: nothing that is tried here may lead to them.
            ("VPCZoneIdentifier", &subnet),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        for (at, (key, value)) in tags.iter().enumerate() {
            let field = |field: &str| format!("Tags.member.{}.{field}", at + 1);
            parameters.push((field("Key"), key.clone()));
            parameters.push((field("Value"), value.clone()));
            parameters.push((field("ResourceId"), name.to_owned()));
            parameters.push((field("ResourceType"), "auto-scaling-group".into()));
            parameters.push((field("PropagateAtLaunch"), "true".into()));
        }
        account.scaling("CreateAutoScalingGroup", &borrowed(&parameters))?;
        let filter = [
            ("Filter.1.Name", "tag:aws:autoscaling:groupName"),
            ("Filter.1.Value.1", name),
            ("Filter.2.Name", "instance-state-name"),
            ("Filter.2.Value.1", "running"),
        ];
        let found = account.ec2("DescribeInstances", &filter)?;
        let instance = found.at(&["reservationSet", "item", "instancesSet", "item"]);
        let instance = instance.ok_or_else(|| Error::Answer {
            from: "DescribeInstances".to_owned(),
            answer: format!("no instance of {name}"),
        })?;
        Ok(Machine {
            group: name.to_owned(),
            instance: instance.text_at(&["instanceId"]),
            private_ip: instance.text_at(&["privateIpAddress"]),
            zone: zone.to_owned(),
        })
    }
}

impl AwsAccount {
    /// Somebody takes an etcd volume off its master, and deletes it.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn lose_volume(&self, volume: &EtcdVolume) -> Result<(), Error> {
        self.detach(volume)?;
        self.ec2("DeleteVolume", &[("VolumeId", &volume.id)]).map(drop)
    }

    /// Says whether an etcd volume is deleted when the master that it was made on is terminated. moto tells it of the instance, and of the
    /// volume not, as AWS does; and it does what it says.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn delete_on_termination(&self, volume: &EtcdVolume, on: bool) -> Result<(), Error> {
        let parameters = [
            ("InstanceId", volume.instance.as_str()),
            ("BlockDeviceMapping.1.DeviceName", device(&volume.etcd)),
            (
                "BlockDeviceMapping.1.Ebs.DeleteOnTermination",
                if on { "true" } else { "false" },
            ),
        ];
        self.ec2("ModifyInstanceAttribute", &parameters).map(drop)
    }

    /// Takes an etcd volume off the master that it was made on; moto wants to be told all of it.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn detach(&self, volume: &EtcdVolume) -> Result<(), Error> {
        let (id, instance) = (volume.id.as_str(), volume.instance.as_str());
        let parameters = [
            ("VolumeId", id),
            ("InstanceId", instance),
            ("Device", device(&volume.etcd)),
        ];
        self.ec2("DetachVolume", &parameters).map(drop)
    }
}

fn device(etcd: &str) -> &'static str {
    match etcd {
        "main" => "/dev/xvdu",
        "events" => "/dev/xvdv",
        _ => "/dev/xvdw",
    }
}

/// Makes a volume with tags.
pub(super) fn volume(account: &AwsAccount, zone: &str, tags: &[(String, String)]) -> Result<String, Error> {
    let mut parameters: Vec<(String, String)> = [
        ("AvailabilityZone", zone),
        ("Size", "20"),
        ("VolumeType", "gp3"),
        ("TagSpecification.1.ResourceType", "volume"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    for (at, (key, value)) in tags.iter().enumerate() {
        parameters.push((format!("TagSpecification.1.Tag.{}.Key", at + 1), key.clone()));
        parameters.push((format!("TagSpecification.1.Tag.{}.Value", at + 1), value.clone()));
    }
    Ok(account
        .ec2("CreateVolume", &borrowed(&parameters))?
        .text_at(&["volumeId"]))
}

fn attach(account: &AwsAccount, volume: &str, instance: &str, device: &str) -> Result<(), Error> {
    let parameters = [("VolumeId", volume), ("InstanceId", instance), ("Device", device)];
    account.ec2("AttachVolume", &parameters).map(drop)
}
