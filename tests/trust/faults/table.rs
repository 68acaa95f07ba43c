//! What came of it all, as a table; the one in the project is held against it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use support::paths;

use super::judge::Tried;
use super::{Cell, FAULTS};
use crate::commands::{Row, Target};

/// One line of the table.
pub struct Line {
    pub name: String,
    /// Without a fault, and then one each; `None` where there is no such trial. Codes, and seconds rounded up.
    pub cells: Vec<Option<(String, u64)>>,
}

/// Lines of the commands and of whom they talk to.
pub fn lines(rows: &[&Row], healthy: &BTreeMap<&str, Tried>, tried: &[(&Row, Cell, Tried)]) -> Vec<Line> {
    let cell = |trial: &Tried| {
        let code = trial.code().map_or_else(|| "-".to_owned(), |code| code.to_string());
        (code, trial.took.as_secs() + 1)
    };
    let mut lines = Vec::new();
    for row in rows {
        let without = Some(cell(&healthy[row.name]));
        if row.uses.is_empty() {
            let mut cells = vec![without];
            cells.extend(FAULTS.iter().map(|_| None));
            lines.push(Line {
                name: format!("`{}` | nobody", row.name),
                cells,
            });
            continue;
        }
        for target in row.uses {
            let under = |(fault, _): &(super::Fault, &str)| {
                let found = tried
                    .iter()
                    .find(|(of, at, _)| of.name == row.name && *at == (*target, *fault));
                found.map(|(_, _, trial)| cell(trial))
            };
            let mut cells = vec![without.clone()];
            cells.extend(FAULTS.iter().map(under));
            lines.push(Line {
                name: format!("`{}` | {}", row.name, word(*target)),
                cells,
            });
        }
    }
    lines
}

const fn word(target: Target) -> &'static str {
    match target {
        Target::S3 => "S3",
        Target::Ec2 => "AWS",
        Target::Etcd => "etcd",
        Target::Api => "API",
    }
}

const INTRODUCTION: &str = "\
# Commands under faults

What every command ends with when one of the lines that it uses is bad, as `cargo test --test trust every_command_under_every_fault` found it; `UPDATE_FAULTS=1`
writes this file anew. Each cell is the exit code and the time it took in seconds, rounded up, with `--aws-timeout 3s` and
`--etcd-timeout 3s`; the test holds the codes, never the times. Everything goes through TLS, and the faults are below it.

- **delay**: 50 ms more for all that is said; **slow**: 256 KiB/s; **busy**: 503 to every request.
- **cut**: connections break in the middle of answers; **corrupt**: flipped bits in them; **hang**: no answer ever; **refused**: nobody listens.

0 done, 1 failed and nothing was changed, 3 refused, 4 failed after a change, 5 something was found. Commands that look at more than they need say
what they could not see, and go on. `etcd-restore run` meets no etcd-manager here, so it ends with 4: it queues, waits and says what it waits for.
";

/// As the file is.
pub fn markdown(lines: &[Line]) -> String {
    let mut text = format!("{INTRODUCTION}\n| command | line to | none |");
    for (_, name) in FAULTS {
        text.push_str(&format!(" {name} |"));
    }
    text.push_str("\n|---|---|---|---|---|---|---|---|---|---|\n");
    for line in lines {
        text.push_str(&format!("| {} |", line.name));
        for cell in &line.cells {
            match cell {
                Some((code, seconds)) => text.push_str(&format!(" {code} ({seconds} s) |")),
                None => text.push_str(" – |"),
            }
        }
        text.push('\n');
    }
    text
}

/// The code that the file in the project, `kept`, has for this trial.
pub fn held_code(kept: &str, row: &Row, (target, fault): Cell) -> Option<i32> {
    let start = format!("| `{}` | {} |", row.name, word(target));
    let mut cells = kept.lines().find_map(|line| line.strip_prefix(&start))?.split('|');
    // The first one is without a fault.
    let at = FAULTS.iter().position(|(other, _)| *other == fault)? + 1;
    cells.nth(at)?.split_whitespace().next()?.parse().ok()
}

fn file() -> PathBuf {
    paths::root().join("tests/FAULTS.md")
}

/// The file in the project.
pub fn kept() -> String {
    fs::read_to_string(file()).unwrap()
}

/// Compares all but the times with the file in the project, or writes it.
pub fn hold(written: &str) {
    if std::env::var_os("UPDATE_FAULTS").is_some() {
        fs::write(file(), written).unwrap();
        return;
    }
    let kept = kept();
    let differ: Vec<String> = timeless(&kept)
        .lines()
        .zip(timeless(written).lines())
        .filter(|(kept, now)| kept != now)
        .map(|(kept, now)| format!("- {kept}\n+ {now}"))
        .collect();
    assert!(
        differ.is_empty() && kept.lines().count() == written.lines().count(),
        "tests/FAULTS.md is not what was found (UPDATE_FAULTS=1 writes it):\n{}",
        differ.join("\n")
    );
}

/// Without what stands in parentheses after a code.
fn timeless(table: &str) -> String {
    let mut text = String::new();
    for line in table.lines() {
        let mut kept = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once(" (") {
            let Some((inside, more)) = after.split_once(')') else {
                break;
            };
            kept.push_str(before);
            if !inside.ends_with(" s") {
                kept.push_str(&format!(" ({inside})"));
            }
            rest = more;
        }
        text.push_str(&kept);
        text.push_str(rest);
        text.push('\n');
    }
    text
}
