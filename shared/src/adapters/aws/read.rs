//! The verbs that only look.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_autoscaling::types::Filter as GroupFilter;
use aws_sdk_ec2::types::Filter;

use super::problem::{Problem, failed};
use super::{AwsFleet, Clients, facts};
use crate::model::fleet::{CLUSTER_TAG, Caller, Group, Instance, Snapshot, Tags, Volume, cluster_key, has_tag_of};
use crate::ports::fleet::{Fleet, FleetError};

/// Filters take up to 200 values.
const AT_ONCE: usize = 200;
/// The largest page that AWS accepts.
const PAGE: i32 = 500;
const GROUPS_PAGE: i32 = 100;

#[async_trait]
impl Fleet for AwsFleet {
    async fn caller(&self) -> Result<Caller, FleetError> {
        let action = "get the AWS caller identity";
        let clients = self.clients(action).await?;
        let sts = aws_sdk_sts::Client::new(&clients.config);
        let iam = aws_sdk_iam::Client::new(&clients.config);
        let identity = sts.get_caller_identity().send();
        let aliases = iam.list_account_aliases().send();
        let (identity, aliases) = tokio::join!(identity, aliases);
        let identity = identity.map_err(failed(action))?;
        Ok(Caller {
            account: identity.account.unwrap_or_default(),
            // Many may not ask, and nothing depends on it.
            alias: aliases
                .ok()
                .and_then(|aliases| aliases.account_aliases.into_iter().next()),
            arn: identity.arn.unwrap_or_default(),
            region: clients.region.clone(),
            profile: self.profile(),
        })
    }

    async fn groups_of(&self, cluster: &str) -> Result<Vec<Group>, FleetError> {
        let action = format!("list the Auto Scaling groups of {cluster}");
        let clients = self.clients(&action).await?;
        let filter = |name: &str, value: String| GroupFilter::builder().name(name).values(value).build();
        let (named, tagged) = (
            groups(clients, Some(filter(&by_name(), cluster.to_owned())), &[]),
            groups(clients, Some(filter("tag-key", cluster_key(cluster))), &[]),
        );
        let found = tokio::try_join!(named, tagged).map_err(|problem| problem.on(&action))?;
        Ok(union(found, |group| &group.name, |group| &group.tags, cluster))
    }

    async fn instances_of(&self, cluster: &str) -> Result<Vec<Instance>, FleetError> {
        let action = format!("list the instances of {cluster}");
        let clients = self.clients(&action).await?;
        let (named, tagged) = (
            instances(clients, filter(&by_name(), &[cluster.to_owned()])),
            instances(clients, filter("tag-key", &[cluster_key(cluster)])),
        );
        let found = tokio::try_join!(named, tagged).map_err(|problem| problem.on(&action))?;
        Ok(union(
            found,
            |instance| &instance.id,
            |instance| &instance.tags,
            cluster,
        ))
    }

    async fn volumes_of(&self, cluster: &str) -> Result<Vec<Volume>, FleetError> {
        let action = format!("list the volumes of {cluster}");
        let clients = self.clients(&action).await?;
        let (named, tagged) = (
            volumes(clients, filter(&by_name(), &[cluster.to_owned()])),
            volumes(clients, filter("tag-key", &[cluster_key(cluster)])),
        );
        let found = tokio::try_join!(named, tagged).map_err(|problem| problem.on(&action))?;
        Ok(union(found, |volume| &volume.id, |volume| &volume.tags, cluster))
    }

    async fn volumes_tagged(&self, key: &str, value: &str) -> Result<Vec<Volume>, FleetError> {
        let action = format!("list the volumes with tag {key}={value}");
        let clients = self.clients(&action).await?;
        let found = volumes(clients, filter(&format!("tag:{key}"), &[value.to_owned()])).await;
        let mut found = found.map_err(|problem| problem.on(&action))?;
        // AWS' filters know wildcards.
        found.retain(|volume| volume.tags.get(key).is_some_and(|found| found == value));
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn groups(&self, names: &[String]) -> Result<Vec<Group>, FleetError> {
        let action = format!("describe the Auto Scaling groups {}", names.join(", "));
        let clients = self.clients(&action).await?;
        let mut found = Vec::new();
        for names in names.chunks(GROUPS_PAGE as usize) {
            found.extend(
                groups(clients, None, names)
                    .await
                    .map_err(|problem| problem.on(&action))?,
            );
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    async fn instances(&self, ids: &[String]) -> Result<Vec<Instance>, FleetError> {
        let action = format!("describe the instances {}", ids.join(", "));
        let clients = self.clients(&action).await?;
        let mut found = Vec::new();
        // As a filter: then an id that AWS does not know is no error.
        for ids in ids.chunks(AT_ONCE) {
            let more = instances(clients, filter("instance-id", ids)).await;
            found.extend(more.map_err(|problem| problem.on(&action))?);
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn volumes(&self, ids: &[String]) -> Result<Vec<Volume>, FleetError> {
        let action = format!("describe the volumes {}", ids.join(", "));
        let clients = self.clients(&action).await?;
        let mut found = Vec::new();
        for ids in ids.chunks(AT_ONCE) {
            let more = volumes(clients, filter("volume-id", ids)).await;
            found.extend(more.map_err(|problem| problem.on(&action))?);
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn networks_of(&self, cluster: &str) -> Result<Vec<String>, FleetError> {
        let action = format!("list the networks of {cluster}");
        let clients = self.clients(&action).await?;
        let mut found = Vec::new();
        for filter in [
            filter(&by_name(), &[cluster.to_owned()]),
            filter("tag-key", &[cluster_key(cluster)]),
        ] {
            let vpcs = clients
                .ec2
                .describe_vpcs()
                .filters(filter.clone())
                .into_paginator()
                .items();
            let mut vpcs = vpcs.send();
            while let Some(vpc) = vpcs.next().await {
                let vpc = vpc.map_err(failed(&action))?;
                let tags = facts::tags(vpc.tags());
                found.extend(vpc.vpc_id.filter(|_| has_tag_of(&tags, cluster)));
            }
            let subnets = clients.ec2.describe_subnets().filters(filter).into_paginator().items();
            let mut subnets = subnets.send();
            while let Some(subnet) = subnets.next().await {
                let subnet = subnet.map_err(failed(&action))?;
                let tags = facts::tags(subnet.tags());
                found.extend(subnet.subnet_id.filter(|_| has_tag_of(&tags, cluster)));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn networks(&self, ids: &[String]) -> Result<Vec<String>, FleetError> {
        let action = format!("describe the networks {}", ids.join(", "));
        let (vpcs, subnets): (Vec<String>, Vec<String>) = ids.iter().cloned().partition(|id| id.starts_with("vpc-"));
        let clients = self.clients(&action).await?;
        let mut found = Vec::new();
        // As filters: then an id that AWS does not know is no error.
        for ids in vpcs.chunks(AT_ONCE) {
            let pages = clients.ec2.describe_vpcs().filters(filter("vpc-id", ids));
            let mut pages = pages.into_paginator().items().send();
            while let Some(vpc) = pages.next().await {
                found.extend(vpc.map_err(failed(&action))?.vpc_id);
            }
        }
        for ids in subnets.chunks(AT_ONCE) {
            let pages = clients.ec2.describe_subnets().filters(filter("subnet-id", ids));
            let mut pages = pages.into_paginator().items().send();
            while let Some(subnet) = pages.next().await {
                found.extend(subnet.map_err(failed(&action))?.subnet_id);
            }
        }
        found.sort();
        Ok(found)
    }

    async fn snapshots_of(&self, volumes: &[String]) -> Result<Vec<Snapshot>, FleetError> {
        let action = format!("list the snapshots of {}", volumes.join(", "));
        let clients = self.clients(&action).await?;
        let mut found = Vec::new();
        for volumes in volumes.chunks(AT_ONCE) {
            let pages = clients.ec2.describe_snapshots().owner_ids("self");
            let mut pages = pages
                .filters(filter("volume-id", volumes))
                .into_paginator()
                .page_size(PAGE)
                .items()
                .send();
            while let Some(snapshot) = pages.next().await {
                found.push(facts::snapshot(snapshot.map_err(failed(&action))?));
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }
}

impl AwsFleet {
    /// As the user or the environment names it; credentials in the environment come before the environment's profile.
    fn profile(&self) -> Option<String> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        self.options
            .profile
            .clone()
            .or_else(|| match variable("AWS_ACCESS_KEY_ID") {
                Some(_) => None,
                None => variable("AWS_PROFILE"),
            })
    }
}

fn by_name() -> String {
    format!("tag:{}", CLUSTER_TAG)
}

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

async fn groups(clients: &Clients, filter: Option<GroupFilter>, names: &[String]) -> Result<Vec<Group>, Problem> {
    let request = clients.scaling.describe_auto_scaling_groups();
    let request = request.set_filters(filter.map(|filter| vec![filter]));
    let names = (!names.is_empty()).then(|| names.to_vec());
    let mut pages = request
        .set_auto_scaling_group_names(names)
        .into_paginator()
        .page_size(GROUPS_PAGE)
        .items()
        .send();
    let mut found = Vec::new();
    while let Some(group) = pages.next().await {
        found.push(facts::group(group?));
    }
    Ok(found)
}

async fn instances(clients: &Clients, filter: Filter) -> Result<Vec<Instance>, Problem> {
    let request = clients.ec2.describe_instances().filters(filter);
    let mut pages = request.into_paginator().page_size(PAGE).items().send();
    let mut found = Vec::new();
    while let Some(reservation) = pages.next().await {
        found.extend(
            reservation?
                .instances
                .unwrap_or_default()
                .into_iter()
                .map(facts::instance),
        );
    }
    Ok(found)
}

async fn volumes(clients: &Clients, filter: Filter) -> Result<Vec<Volume>, Problem> {
    let request = clients.ec2.describe_volumes().filters(filter);
    let mut pages = request.into_paginator().page_size(PAGE).items().send();
    let mut found = Vec::new();
    while let Some(volume) = pages.next().await {
        found.push(facts::volume(volume?));
    }
    Ok(found)
}

/// Both lists as one, sorted. AWS' filters know wildcards and may ignore case, so what they found is looked at again.
fn union<T>(
    (mut found, more): (Vec<T>, Vec<T>),
    id: impl Fn(&T) -> &String,
    tags: impl Fn(&T) -> &Tags,
    cluster: &str,
) -> Vec<T> {
    found.extend(more);
    let by_id: BTreeMap<String, T> = found
        .into_iter()
        .filter(|thing| has_tag_of(tags(thing), cluster))
        .map(|thing| (id(&thing).clone(), thing))
        .collect();
    by_id.into_values().collect()
}
