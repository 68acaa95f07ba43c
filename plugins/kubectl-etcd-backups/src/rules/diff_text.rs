//! Differences as people read them.

use runbook_kit::cli::output::{self, Cell, column};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::backup::contents::diff::fields::FieldDifference;
use runbook_kit::model::backup::contents::diff::{Changed, Count, Diff, HeartbeatCount, ObjectName};
use runbook_kit::model::kubernetes::builtin;
use runbook_kit::model::units;

/// What is shown of a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Only numbers.
    pub summary: bool,
    /// The fields of what is changed.
    pub fields: bool,
}

/// A label and its value a line.
pub fn facts(lines: &[(&str, String)]) -> String {
    lines
        .iter()
        .map(|(label, value)| format!("{label:<13} {value}\n"))
        .collect()
}

/// The difference of two backups; `head` says which.
pub fn of_backups(head: &str, names: (&str, &str), diff: &Diff, shown: Shown) -> String {
    let side = |name: &str, keys, revision| format!("{name}: {}, revision {revision}", units::counted(keys, "key"));
    let mut lines = vec![
        ("Etcd", head.to_owned()),
        ("From", side(names.0, diff.from.keys, diff.from.revision)),
        ("To", side(names.1, diff.to.keys, diff.to.revision)),
    ];
    match diff.same_lineage {
        Some(true) => lines.push(("Lineage", "the same cluster".to_owned())),
        Some(false) => lines.push((
            "Lineage",
            "ANOTHER CLUSTER: namespace kube-system has another UID".to_owned(),
        )),
        None => {}
    }
    if diff.leases_lost > 0 {
        lines.push((
            "Leases lost",
            format!("{}, as by a restore: these keys never expire", diff.leases_lost),
        ));
    }
    if diff.leases_gained > 0 {
        lines.push(("Leases gained", diff.leases_gained.to_string()));
    }
    if !diff.heartbeats.is_empty() {
        lines.push(("Heartbeats", heartbeats(&diff.heartbeats)));
    }
    let mut text = facts(&lines);
    if diff.is_empty() {
        return text + "No differences.\n";
    }
    text.push('\n');
    text.push_str(&counts(&diff.counts, ["GONE", "NEW", "CHANGED"]));
    if !shown.summary {
        text.push('\n');
        text.push_str(&changes(diff));
    }
    if shown.fields && !diff.changed.is_empty() {
        text.push('\n');
        text.push_str(&fields(&diff.changed));
    }
    text
}

/// `events: 3 new; leases: 1 changed`.
pub fn heartbeats(counts: &[HeartbeatCount]) -> String {
    let one = |count: &HeartbeatCount| {
        let tally = count.tally;
        let parts = [(tally.gone, "gone"), (tally.new, "new"), (tally.changed, "changed")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        format!("{}: {}", count.resource, parts.join(", "))
    };
    counts.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The table of numbers. `heads`: how it calls what is gone, new and changed.
pub fn counts(counts: &[Count], heads: [&'static str; 3]) -> String {
    let [gone, new, changed] = heads;
    let columns = [
        column("RESOURCE"),
        column("NAMESPACE"),
        column(gone),
        column(new),
        column(changed),
    ];
    let lines = counts.iter().map(|count| {
        vec![
            Cell::text(builtin::label(&count.resource, &count.group)),
            Cell::text(count.namespace.as_deref().unwrap_or("-")),
            Cell::number(count.tally.gone),
            Cell::number(count.tally.new),
            Cell::number(count.tally.changed),
        ]
    });
    output::table(&columns, lines.collect(), true)
}

fn changes(diff: &Diff) -> String {
    let changed: Vec<&ObjectName> = diff.changed.iter().map(|one| &one.name).collect();
    let lists: [(&str, Verdict, Vec<&ObjectName>); 3] = [
        ("gone", Verdict::Bad, diff.gone.iter().collect()),
        ("new", Verdict::Good, diff.new.iter().collect()),
        ("changed", Verdict::Doubtful, changed),
    ];
    let lines = lists.iter().flat_map(|(word, verdict, list)| {
        list.iter()
            .map(|found| vec![Cell::verdict(*verdict, *word), Cell::text(&found.object)])
    });
    output::table(&[column("CHANGE"), column("OBJECT")], lines.collect(), true)
}

/// Each object with its fields below.
pub fn fields(changed: &[Changed]) -> String {
    changed
        .iter()
        .map(|one| format!("{}\n{}", one.name.object, fields_of(one, "  ")))
        .collect()
}

/// One field a line.
pub fn fields_of(changed: &Changed, indent: &str) -> String {
    let mut lines: Vec<String> = changed.fields.iter().flatten().map(field).collect();
    if lines.is_empty() && changed.unread.is_none() && changed.fields.is_some() {
        lines.push("only metadata.managedFields: pass --show-managed-fields to see them".to_owned());
    }
    lines.extend(changed.unread.clone());
    lines.iter().map(|line| format!("{indent}{line}\n")).collect()
}

fn field(field: &FieldDifference) -> String {
    let path = if field.path.is_empty() {
        "(all of it)"
    } else {
        &field.path
    };
    match (&field.old, &field.new) {
        (Some(old), Some(new)) => format!("{path}: {old} → {new}"),
        (Some(old), None) => format!("{path}: {old} removed"),
        (None, Some(new)) => format!("{path}: {new} added"),
        (None, None) => path.to_owned(),
    }
}
