//! Missing masters.

use std::collections::BTreeSet;

use runbook_kit::model::check::Severity;
use runbook_kit::model::fleet::wipe::INSTANCE_GROUP_TAG;
use runbook_kit::model::shell::ShellCommand;

use super::{Finding, Kind};
use crate::rules::audit::facts::Facts;

/// The command, and a note.
pub(super) fn start_master(facts: &Facts, instance_group: Option<&str>) -> (ShellCommand, Option<&'static str>) {
    match instance_group.and_then(|group| facts.group_of(group)) {
        Some(group) => (
            facts
                .aws("autoscaling describe-scaling-activities")
                .option("--auto-scaling-group-name", &group.name)
                .args(["--max-items", "3"]),
            Some("it shows why the group starts no instance"),
        ),
        None => (facts.kops_update(), None),
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
        let (command, note) = start_master(facts, Some(group));
        found.push(Finding {
            finding: Kind::MasterMissing,
            severity: Severity::Block,
            etcd: None,
            objects: vec![group.to_owned()],
            what,
            causes: "its API server and its etcd members are down".to_owned(),
            command: Some(command.into()),
            note: note.map(str::to_owned),
        });
    }
}
