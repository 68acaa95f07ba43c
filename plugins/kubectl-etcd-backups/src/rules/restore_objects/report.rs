//! The plan and what became of it, for people and for programs. Names, fields and reasons; never a value of an object.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runbook_kit::cli::output::{self, Cell, column};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::model::units;
use serde::Serialize;

use super::object::ObjectId;
use super::plan::{Action, Item};

/// Fields that are named in a table.
const FIELDS_SHOWN: usize = 3;

/// The output in JSON and YAML.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub cluster: String,
    pub etcd: String,
    pub backup: String,
    /// The API server's URL.
    pub server: String,
    /// Whether the API is that of the backup's cluster; `null` where that is not known.
    pub same_cluster: Option<bool>,
    /// Whether the plan was applied.
    pub applied: bool,
    pub undo_file: Option<PathBuf>,
    pub counts: BTreeMap<&'static str, usize>,
    pub objects: Vec<ObjectRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRow {
    /// `create`, `overwrite`, `same`, `differs`, `cannot` or `leftOut`.
    pub action: &'static str,
    #[serde(flatten)]
    pub id: ObjectId,
    /// Why it cannot be restored, or is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// JSON pointers to what differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// What became of it: `created`, `overwritten`, `exists by now`, `failed`, `skipped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ObjectRow {
    pub fn of(item: &Item) -> Self {
        let (why, fields) = match &item.action {
            Action::Create(_) | Action::Same => (None, Vec::new()),
            Action::Overwrite(change) => (None, change.fields.clone()),
            Action::Differs(fields) => (None, fields.clone()),
            Action::Cannot(why) | Action::LeftOut(why) => (Some(why.clone()), Vec::new()),
        };
        Self {
            action: word(&item.action),
            id: item.id.clone(),
            why,
            fields,
            hints: item.hints.clone(),
            result: None,
            message: None,
        }
    }
}

pub const CANNOT: &str = "cannot";
const LEFT_OUT: &str = "leftOut";

const fn word(action: &Action) -> &'static str {
    match action {
        Action::Create(_) => "create",
        Action::Overwrite(_) => "overwrite",
        Action::Same => "same",
        Action::Differs(_) => "differs",
        Action::Cannot(_) => CANNOT,
        Action::LeftOut(_) => LEFT_OUT,
    }
}

/// How many there are of each action, also of those of which there is none.
pub fn counts(rows: &[ObjectRow]) -> BTreeMap<&'static str, usize> {
    let words = ["create", "overwrite", "same", "differs", CANNOT, LEFT_OUT];
    let count = |word| rows.iter().filter(|row| row.action == word).count();
    words.map(|word| (word, count(word))).into()
}

/// The plan for people. What nothing is done with is only counted, unless `wide`.
pub fn plan_text(report: &Report, wide: bool) -> String {
    let cluster = match report.same_cluster {
        Some(true) => "the cluster of the backup",
        Some(false) => "ANOTHER CLUSTER: its namespace kube-system has another UID",
        None => "whether it is the cluster of the backup is not known",
    };
    let mut text = format!(
        "Backup   {} of {}, {}\nCluster  {}, {cluster}\n\n",
        report.backup, report.etcd, report.cluster, report.server
    );
    let quiet = |row: &&ObjectRow| wide || !matches!(row.action, "same" | LEFT_OUT);
    let lines = report.objects.iter().filter(quiet);
    let lines: Vec<Vec<Cell>> = lines
        .map(|row| vec![action_cell(row), Cell::text(row.id.to_string()), Cell::text(note(row))])
        .collect();
    if !lines.is_empty() {
        text.push_str(&output::table(
            &[column("ACTION"), column("OBJECT"), column("NOTE")],
            lines,
            wide,
        ));
        text.push('\n');
    }
    let hints = report
        .objects
        .iter()
        .filter(|row| matches!(row.action, "create" | "overwrite"));
    let hints: Vec<String> = hints
        .flat_map(|row| row.hints.iter().map(|hint| format!("{}: {hint}", row.id)))
        .collect();
    if !hints.is_empty() {
        text.push_str("Notes:\n");
        text.extend(hints.iter().map(|hint| format!("  {hint}\n")));
        text.push('\n');
    }
    text.push_str(&summary(&report.objects));
    text
}

fn action_cell(row: &ObjectRow) -> Cell {
    let verdict = match row.action {
        "create" => Verdict::Good,
        "overwrite" | "differs" => Verdict::Doubtful,
        CANNOT => Verdict::Bad,
        _ => Verdict::Plain,
    };
    let word = if row.action == LEFT_OUT { "left out" } else { row.action };
    Cell::verdict(verdict, word)
}

fn note(row: &ObjectRow) -> String {
    if let Some(why) = &row.why {
        return why.clone();
    }
    let shown: Vec<&str> = row.fields.iter().take(FIELDS_SHOWN).map(String::as_str).collect();
    let more = match row.fields.len().saturating_sub(FIELDS_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// What is counted, one line each.
fn summary(rows: &[ObjectRow]) -> String {
    let mut text = String::new();
    let count = |word| rows.iter().filter(|row| row.action == word).count();
    let same = count("same");
    if same > 0 {
        let exist = if same == 1 { "exists" } else { "exist" };
        text.push_str(&format!(
            "{} {exist} as in the backup\n",
            units::counted(same as u64, "object")
        ));
    }
    if count("differs") > 0 {
        text.push_str("What differs is left as it is; --overwrite replaces it\n");
    }
    let mut left_out: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.action == LEFT_OUT) {
        let why = row.why.as_deref().unwrap_or_default();
        *left_out.entry(why).or_default().entry(row.id.resource()).or_default() += 1;
    }
    for (why, resources) in left_out {
        let resources: Vec<String> = resources
            .iter()
            .map(|(resource, count)| format!("{count} {resource}"))
            .collect();
        text.push_str(&format!("Left out, {why}: {}\n", resources.join(", ")));
    }
    text
}

/// What became of what was to be changed, for people: the exceptions by name.
pub fn outcome_text(rows: &[ObjectRow]) -> String {
    let mut text = String::new();
    for row in rows {
        let bad = matches!(row.result, Some("failed" | "skipped" | "exists by now"));
        if let (true, Some(result)) = (bad, row.result) {
            let why = row.message.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            text.push_str(&format!("{} {}{why}\n", Verdict::Bad.paint(result), row.id));
        }
    }
    text
}

/// `12 created, 1 overwritten`; empty where nothing was changed.
pub fn done(rows: &[ObjectRow]) -> String {
    let count = |word| rows.iter().filter(|row| row.result == Some(word)).count();
    let parts = ["created", "overwritten"].map(|word| (count(word), word));
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    parts.join(", ")
}
