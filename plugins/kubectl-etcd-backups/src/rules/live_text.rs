//! The difference between a backup and the living cluster, as people read it.

use std::collections::BTreeMap;

use runbook_kit::model::backup::contents::diff::{Changed, ObjectName};
use runbook_kit::model::backup::contents::live::{LiveDiff, NotCompared, Reason};
use runbook_kit::model::kubernetes::builtin;
use runbook_kit::model::units;

use super::diff_text::{self, Shown};

/// How many names of resources are printed in one line.
const NAMES: usize = 6;

/// What a person reads of the comparison. `head` says of which etcd, `backup` of which backup, `age` how old that is.
pub fn of_live(head: &str, backup: &str, age: &str, diff: &LiveDiff, shown: Shown) -> String {
    let mut lines = vec![
        ("Etcd", head.to_owned()),
        (
            "Backup",
            format!(
                "{backup}, {age} old: {}, revision {}",
                units::counted(diff.from.keys, "key"),
                diff.from.revision
            ),
        ),
        ("Live", diff.live.server.clone()),
    ];
    match (diff.same_lineage, &diff.from.lineage) {
        (Some(true), _) => lines.push(("Lineage", "the same cluster".to_owned())),
        (Some(false), _) => lines.push((
            "Lineage",
            "ANOTHER CLUSTER: namespace kube-system has another UID".to_owned(),
        )),
        (None, Some(_)) => lines.push((
            "Lineage",
            "unknown: namespace kube-system of the cluster cannot be read".to_owned(),
        )),
        (None, None) => {}
    }
    if !diff.heartbeats.is_empty() {
        lines.push(("Heartbeats", diff_text::heartbeats(&diff.heartbeats)));
    }
    if diff.defaulted > 0 {
        lines.push((
            "Defaulted",
            format!(
                "{}: the API server adds fields when it reads; nobody has written since",
                units::counted(diff.defaulted, "object")
            ),
        ));
    }
    for (index, line) in not_compared(&diff.not_compared).into_iter().enumerate() {
        lines.push((if index == 0 { "Not compared" } else { "" }, line));
    }
    let mut text = diff_text::facts(&lines);
    if diff.is_empty() {
        text.push_str(match diff.is_partial() {
            true => "No differences in what could be compared.\n",
            false => "No differences.\n",
        });
    } else {
        text.push('\n');
        text.push_str(&diff_text::counts(&diff.counts, ["LOST", "MADE", "CHANGED"]));
    }
    if !shown.summary {
        text.push_str(&lists(diff));
    }
    text
}

fn lists(diff: &LiveDiff) -> String {
    let names = |names: &[ObjectName]| {
        names
            .iter()
            .map(|name| format!("  {}\n", name.object))
            .collect::<String>()
    };
    let changed = |list: &[Changed]| {
        list.iter()
            .map(|one| format!("  {}\n{}", one.name.object, diff_text::fields_of(one, "    ")))
            .collect::<String>()
    };
    let parts = [
        (
            "Lost since the backup: in the backup, not in the cluster",
            names(&diff.gone),
        ),
        ("Made since the backup: a restore would lose them", names(&diff.new)),
        (
            "Changed since the backup: a restore would take the changes back",
            changed(&diff.changed),
        ),
        (
            "Not changed: fields that the API server adds when it reads",
            changed(&diff.defaulted_fields),
        ),
    ];
    parts
        .iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(title, list)| format!("\n{title}\n{list}"))
        .collect()
}

/// A line for each reason.
fn not_compared(all: &[NotCompared]) -> Vec<String> {
    let mut by_reason: BTreeMap<(Reason, &str), Vec<&NotCompared>> = BTreeMap::new();
    for one in all {
        by_reason.entry((one.reason, &one.why)).or_default().push(one);
    }
    let line = |((_, why), found): ((Reason, &str), Vec<&NotCompared>)| format!("{}: {why}", labels(&found));
    by_reason.into_iter().map(line).collect()
}

/// `secrets (12), configmaps and 3 more`.
pub fn labels(found: &[&NotCompared]) -> String {
    let label = |one: &&NotCompared| {
        let label = builtin::label(&one.resource, &one.group);
        match one.objects {
            0 => label.into_owned(),
            objects => format!("{label} ({objects})"),
        }
    };
    let named: Vec<String> = found.iter().take(NAMES).map(label).collect();
    match found.len().saturating_sub(NAMES) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// A warning for each reason why something is missing that should be there.
pub fn missing(diff: &LiveDiff) -> Vec<String> {
    let failures: Vec<NotCompared> = diff
        .not_compared
        .iter()
        .filter(|one| one.reason.is_failure())
        .cloned()
        .collect();
    let line = |line: String| format!("not compared: {line}");
    not_compared(&failures).into_iter().map(line).collect()
}
