//! Masters that are not there.

use std::collections::BTreeSet;

use runbook_kit::domain::check::Severity;
use runbook_kit::domain::wipe::INSTANCE_GROUP_TAG;

use super::{Finding, Kind};
use crate::audit::facts::Facts;

pub(super) fn start_master(facts: &Facts, instance_group: Option<&str>) -> String {
    match instance_group.and_then(|group| facts.group_of(group)) {
        Some(group) => format!(
            "aws autoscaling describe-scaling-activities --region {} --auto-scaling-group-name {} --max-items 3 (says why it starts none)",
            facts.region, group.name
        ),
        None => format!("kops update cluster --name {} --yes", facts.cluster),
    }
}

pub(super) fn masters(facts: &Facts, found: &mut Vec<Finding>) {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for etcd in &facts.etcds {
        wanted.extend(
            etcd.members
                .iter()
                .filter_map(|member| member.instance_group.as_deref()),
        );
    }
    for group in wanted {
        let runs = facts
            .running()
            .any(|instance| instance.tags.get(INSTANCE_GROUP_TAG).is_some_and(|tag| tag == group));
        if runs {
            continue;
        }
        let what = match facts.group_of(group) {
            Some(scaling) => format!("group {} has no running instance", scaling.name),
            None => format!("instance group {group} has no group in AWS"),
        };
        found.push(Finding {
            finding: Kind::MasterMissing,
            severity: Severity::Block,
            etcd: None,
            objects: vec![group.to_owned()],
            what,
            causes: "its API server and its members of etcd are down".to_owned(),
            command: start_master(facts, Some(group)),
        });
    }
}
