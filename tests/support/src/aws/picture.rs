//! All that an account holds, to be compared with what it holds later.

use std::collections::{BTreeMap, BTreeSet};

use super::AwsAccount;
use super::xml::Element;
use crate::error::Error;

/// What each group, instance and volume is like, by its id. Instances that are gone are left out, as AWS forgets them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture(pub BTreeMap<String, String>);

impl Picture {
    /// What is there that is not in `ids`.
    #[must_use]
    pub fn without<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        let out: BTreeSet<&str> = ids.into_iter().collect();
        let rest = self.0.iter().filter(|(id, _)| !out.contains(id.as_str()));
        Self(rest.map(|(id, what)| (id.clone(), what.clone())).collect())
    }

    /// Whether this one is there.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

impl AwsAccount {
    /// All that is there now.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn picture(&self) -> Result<Picture, Error> {
        let mut all = BTreeMap::new();
        let groups = self.scaling("DescribeAutoScalingGroups", &[])?;
        for group in groups.items(&["DescribeAutoScalingGroupsResult", "AutoScalingGroups"]) {
            let members: Vec<String> = group
                .items(&["Instances"])
                .iter()
                .map(|member| member.text_at(&["InstanceId"]))
                .collect();
            let tags = tags(group.items(&["Tags"]), "Key", "Value");
            all.insert(
                group.text_at(&["AutoScalingGroupName"]),
                format!("members {members:?}, tags {tags:?}"),
            );
        }
        for reservation in self.ec2("DescribeInstances", &[])?.items(&["reservationSet"]) {
            for instance in reservation.items(&["instancesSet"]) {
                let state = instance.text_at(&["instanceState", "name"]);
                if state == "terminated" {
                    continue;
                }
                let tags = tags(instance.items(&["tagSet"]), "key", "value");
                all.insert(instance.text_at(&["instanceId"]), format!("{state}, tags {tags:?}"));
            }
        }
        for volume in self.ec2("DescribeVolumes", &[])?.items(&["volumeSet"]) {
            let attached: Vec<String> = volume
                .items(&["attachmentSet"])
                .iter()
                .map(|attachment| attachment.text_at(&["instanceId"]))
                .collect();
            let tags = tags(volume.items(&["tagSet"]), "key", "value");
            let state = volume.text_at(&["status"]);
            all.insert(
                volume.text_at(&["volumeId"]),
                format!("{state}, attached to {attached:?}, tags {tags:?}"),
            );
        }
        Ok(Picture(all))
    }

    /// The tags of a volume; empty where there is no such volume.
    ///
    /// # Errors
    /// When the account refuses.
    pub fn volume_tags(&self, id: &str) -> Result<BTreeMap<String, String>, Error> {
        let filter = [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", id)];
        let found = self.ec2("DescribeVolumes", &filter)?;
        let volume = found.at(&["volumeSet", "item"]).cloned().unwrap_or_default();
        Ok(tags(volume.items(&["tagSet"]), "key", "value"))
    }
}

fn tags(items: Vec<&Element>, key: &str, value: &str) -> BTreeMap<String, String> {
    items
        .iter()
        .map(|tag| (tag.text_at(&[key]), tag.text_at(&[value])))
        .collect()
}
