//! The verbs that change something: each names exactly one thing, or the ids that it was given.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_sdk_ec2::types::{
    EbsInstanceBlockDeviceSpecification, InstanceBlockDeviceMappingSpecification, ResourceType, Tag, TagSpecification,
};

use super::problem::failed;
use super::{AwsFleet, facts};
use crate::consent::Consent;
use crate::model::fleet::{Snapshot, Tags};
use crate::ports::fleet::{FleetChange, FleetError};

#[async_trait]
impl FleetChange for AwsFleet {
    async fn delete_group(&self, name: &str, _consent: &Consent) -> Result<(), FleetError> {
        let action = format!("delete the Auto Scaling group {name}");
        let clients = self.clients(&action).await?;
        let request = clients.scaling.delete_auto_scaling_group();
        let request = request.auto_scaling_group_name(name).force_delete(true);
        request.send().await.map(drop).map_err(failed(&action))
    }

    async fn terminate(&self, instance: &str, _consent: &Consent) -> Result<(), FleetError> {
        let action = format!("terminate {instance}");
        let clients = self.clients(&action).await?;
        let request = clients.ec2.terminate_instances().instance_ids(instance);
        request.send().await.map(drop).map_err(failed(&action))
    }

    async fn keep_volume(&self, instance: &str, device: &str, _consent: &Consent) -> Result<(), FleetError> {
        let action = format!("disable DeleteOnTermination of {device} of {instance}");
        let clients = self.clients(&action).await?;
        let off = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(false);
        let mapping = InstanceBlockDeviceMappingSpecification::builder()
            .device_name(device)
            .ebs(off.build());
        let request = clients.ec2.modify_instance_attribute().instance_id(instance);
        let request = request.block_device_mappings(mapping.build());
        request.send().await.map(drop).map_err(failed(&action))
    }

    async fn tag(&self, volume: &str, tags: &Tags, _consent: &Consent) -> Result<(), FleetError> {
        let action = format!("tag {volume}");
        let clients = self.clients(&action).await?;
        let request = clients.ec2.create_tags().resources(volume);
        let request = request.set_tags(Some(sdk_tags(tags)));
        request.send().await.map(drop).map_err(failed(&action))
    }

    async fn untag(&self, volume: &str, keys: &BTreeSet<String>, _consent: &Consent) -> Result<(), FleetError> {
        let action = format!("remove tags from {volume}");
        let clients = self.clients(&action).await?;
        // Without a value the tag goes whatever its value is.
        let tags = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
        let request = clients.ec2.delete_tags().resources(volume).set_tags(Some(tags));
        request.send().await.map(drop).map_err(failed(&action))
    }

    async fn snapshot(&self, volume: &str, tags: &Tags, _consent: &Consent) -> Result<Snapshot, FleetError> {
        let action = format!("create a snapshot of {volume}");
        let clients = self.clients(&action).await?;
        let named = TagSpecification::builder()
            .resource_type(ResourceType::Snapshot)
            .set_tags(Some(sdk_tags(tags)));
        let request = clients.ec2.create_snapshot().volume_id(volume);
        let request = request
            .description(format!("{volume}, before it was deleted by kops-wipe-masters"))
            .tag_specifications(named.build());
        // Not idempotent: a retry might create a second snapshot. The caller checks first.
        let once = aws_sdk_ec2::config::Builder::new().retry_config(RetryConfig::disabled());
        let made = request.customize().config_override(once).send().await;
        let made = made.map_err(failed(&action))?;
        let made = aws_sdk_ec2::types::Snapshot::builder()
            .set_snapshot_id(made.snapshot_id)
            .set_volume_id(made.volume_id)
            .set_state(made.state)
            .set_tags(made.tags)
            .set_start_time(made.start_time)
            .build();
        Ok(facts::snapshot(made))
    }

    async fn delete_volume(&self, volume: &str, _consent: &Consent) -> Result<(), FleetError> {
        let action = format!("delete {volume}");
        let clients = self.clients(&action).await?;
        let request = clients.ec2.delete_volume().volume_id(volume);
        request.send().await.map(drop).map_err(failed(&action))
    }
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}
