//! From the SDK's types to ours.

use aws_sdk_autoscaling::types as scaling;
use aws_sdk_ec2::types as ec2;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use crate::model::fleet::{
    Attachment, Device, Group, GroupMember, Instance, InstanceState, LaunchTemplate, Snapshot, SnapshotState, Tags,
    Volume, VolumeState,
};

pub(super) fn group(found: scaling::AutoScalingGroup) -> Group {
    let tags = found.tags().iter();
    let tags = tags.map(|tag| (text(tag.key()), text(tag.value()))).collect();
    let members = found.instances().iter().map(|member| GroupMember {
        instance: text(member.instance_id()),
        lifecycle: member
            .lifecycle_state()
            .map(|state| state.as_str().to_owned())
            .unwrap_or_default(),
        protected_from_scale_in: member.protected_from_scale_in().unwrap_or_default(),
    });
    let subnets = found.vpc_zone_identifier().unwrap_or_default().split(',');
    let subnets = subnets.map(str::trim).filter(|subnet| !subnet.is_empty());
    Group {
        members: members.collect(),
        tags,
        subnets: subnets.map(str::to_owned).collect(),
        launch_template: launch_template(&found),
        deletion_protection: found
            .deletion_protection()
            .map(|protection| protection.as_str().to_owned()),
        name: found.auto_scaling_group_name.unwrap_or_default(),
        status: found.status,
    }
}

/// Its own, or the one of its policy for mixed instances.
fn launch_template(found: &scaling::AutoScalingGroup) -> Option<LaunchTemplate> {
    let mixed = || {
        found
            .mixed_instances_policy()?
            .launch_template()?
            .launch_template_specification()
    };
    let template = found.launch_template().or_else(mixed)?;
    Some(LaunchTemplate {
        name: text(template.launch_template_name()),
        version: text(template.version()),
    })
}

pub(super) fn instance(found: ec2::Instance) -> Instance {
    let devices = found.block_device_mappings().iter().filter_map(|mapping| {
        let ebs = mapping.ebs()?;
        Some(Device {
            name: text(mapping.device_name()),
            volume: ebs.volume_id()?.to_owned(),
            delete_on_termination: ebs.delete_on_termination(),
        })
    });
    Instance {
        state: found
            .state()
            .and_then(ec2::InstanceState::name)
            .map_or(InstanceState::Unknown, instance_state),
        tags: tags(found.tags()),
        zone: text(found.placement().and_then(ec2::Placement::availability_zone)),
        instance_type: found
            .instance_type()
            .map(|kind| kind.as_str().to_owned())
            .unwrap_or_default(),
        private_ips: private_ips(&found),
        launched: found.launch_time().and_then(moment),
        devices: devices.collect(),
        subnet: found.subnet_id,
        public_ip: found.public_ip_address,
        vpc: found.vpc_id,
        id: found.instance_id.unwrap_or_default(),
    }
}

fn private_ips(found: &ec2::Instance) -> Vec<String> {
    let interfaces = found.network_interfaces();
    let more_v4 = interfaces
        .iter()
        .flat_map(|interface| interface.private_ip_addresses())
        .filter_map(|address| address.private_ip_address());
    let v6 = interfaces
        .iter()
        .flat_map(|interface| interface.ipv6_addresses())
        .filter_map(|address| address.ipv6_address());
    let mut ips: Vec<String> = Vec::new();
    for ip in found
        .private_ip_address()
        .into_iter()
        .chain(more_v4)
        .chain(found.ipv6_address())
        .chain(v6)
    {
        if !ips.iter().any(|known| known == ip) {
            ips.push(ip.to_owned());
        }
    }
    ips
}

pub(super) fn volume(found: ec2::Volume) -> Volume {
    let attachments = found.attachments().iter().map(|attachment| Attachment {
        instance: text(attachment.instance_id()),
        device: text(attachment.device()),
        state: attachment
            .state()
            .map(|state| state.as_str().to_owned())
            .unwrap_or_default(),
        delete_on_termination: attachment.delete_on_termination(),
    });
    Volume {
        attachments: attachments.collect(),
        state: found.state().map_or(VolumeState::Unknown, volume_state),
        tags: tags(found.tags()),
        zone: text(found.availability_zone()),
        size_gib: found.size().unwrap_or_default().into(),
        created: found.create_time().and_then(moment),
        id: found.volume_id.unwrap_or_default(),
    }
}

pub(super) fn snapshot(found: ec2::Snapshot) -> Snapshot {
    Snapshot {
        state: match found.state() {
            Some(ec2::SnapshotState::Completed) => SnapshotState::Completed,
            Some(ec2::SnapshotState::Error) => SnapshotState::Failed,
            _ => SnapshotState::Pending,
        },
        tags: tags(found.tags()),
        volume: found.volume_id.unwrap_or_default(),
        started: found.start_time.as_ref().and_then(moment),
        id: found.snapshot_id.unwrap_or_default(),
    }
}

fn instance_state(state: &ec2::InstanceStateName) -> InstanceState {
    match state {
        ec2::InstanceStateName::Pending => InstanceState::Pending,
        ec2::InstanceStateName::Running => InstanceState::Running,
        ec2::InstanceStateName::ShuttingDown => InstanceState::ShuttingDown,
        ec2::InstanceStateName::Terminated => InstanceState::Terminated,
        ec2::InstanceStateName::Stopping => InstanceState::Stopping,
        ec2::InstanceStateName::Stopped => InstanceState::Stopped,
        _ => InstanceState::Unknown,
    }
}

fn volume_state(state: &ec2::VolumeState) -> VolumeState {
    match state {
        ec2::VolumeState::Creating => VolumeState::Creating,
        ec2::VolumeState::Available => VolumeState::Available,
        ec2::VolumeState::InUse => VolumeState::InUse,
        ec2::VolumeState::Deleting => VolumeState::Deleting,
        ec2::VolumeState::Deleted => VolumeState::Deleted,
        ec2::VolumeState::Error => VolumeState::Error,
        _ => VolumeState::Unknown,
    }
}

pub(super) fn tags(found: &[ec2::Tag]) -> Tags {
    found.iter().map(|tag| (text(tag.key()), text(tag.value()))).collect()
}

fn text(found: Option<&str>) -> String {
    found.unwrap_or_default().to_owned()
}

fn moment(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), time.subsec_nanos().try_into().ok()?).ok()
}
