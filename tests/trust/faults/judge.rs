//! Whether a command behaved.

use std::time::Duration;

use super::{Cell, Fault};
use crate::commands::{Own, Row, Target};

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Code, stdout and stderr; or that it did not end.
    pub ended: Result<(Option<i32>, String, String), String>,
    pub took: Duration,
    pub before: Vec<String>,
    pub after: Vec<String>,
}

impl Tried {
    /// The code; `None` where there is none.
    pub fn code(&self) -> Option<i32> {
        self.ended.as_ref().ok().and_then(|(code, _, _)| *code)
    }
}

/// These look at more than they need, and say what they could not see; by which words.
const GOES_ON: [(&str, &[Target]); 8] = [
    ("etcd-restore", &[Target::Ec2, Target::Etcd, Target::Api]),
    ("etcd-restore plan", &[Target::Ec2, Target::Etcd, Target::Api]),
    ("etcd-restore run", &[Target::Ec2, Target::Etcd, Target::Api]),
    ("etcd-restore queue", &[Target::Ec2, Target::Etcd, Target::Api]),
    ("etcd-restore status", &[Target::Etcd, Target::Api]),
    ("etcd-restore member list", &[Target::Ec2, Target::Api]),
    ("etcd-restore runbook", &[Target::Ec2]),
    ("kops-wipe-masters", &[Target::Etcd, Target::Api]),
];
const SAYS_SO: [&str; 11] = [
    "may be alive",
    // The API is seen to be silent; that etcd is alive is seen of etcd itself.
    "\"api\": \"silent\"",
    "IT IS ALIVE",
    "\"unseen\": [
",
    "not checked",
    "unreachable",
    "no response",
    "no answer",
    "could not be",
    "not seen: ",
    "placeholders",
];

/// What an SDK's or Rust's own dump of an error looks like.
const DUMPS: [&str; 9] = [
    "panicked at",
    "SdkError",
    "DispatchFailure",
    "ServiceError {",
    "ConnectorError",
    "Unhandled(",
    "Os {",
    "Kind(",
    "Status {",
];

/// What is wrong with the command where nothing is wrong with its lines.
pub fn healthy(row: &Row, tried: &Tried) -> Vec<String> {
    let (code, stdout, stderr) = match &tried.ended {
        Ok(ended) => ended,
        Err(error) => return vec![format!("{}: {error}", row.name)],
    };
    // A masterlease is stale, a backup is empty, no kubelet renews its Lease: that is what this world is for. No etcd-manager takes
    // the command.
    let right = match row.name {
        "masterleases check" | "etcd-backups verify" | "etcd-restore cleanup workers" => 5,
        "etcd-restore run" => 4,
        _ => 0,
    };
    let mut wrong = Vec::new();
    if *code != Some(right) {
        wrong.push(format!("{}: {code:?} instead of {right}\n{stdout}\n{stderr}", row.name));
    }
    if row.changes() && tried.before == tried.after {
        wrong.push(format!("{}: it changed nothing\n{stdout}\n{stderr}", row.name));
    }
    wrong
}

/// What is wrong with the command under this fault.
pub fn judge(row: &Row, (target, fault): Cell, tried: &Tried, healthy: &Tried) -> Vec<String> {
    let at = format!("{} / {target:?} / {fault:?}", row.name);
    let (code, stdout, stderr) = match &tried.ended {
        Ok((Some(code), stdout, stderr)) => (*code, stdout, stderr),
        Ok((None, _, stderr)) => return vec![format!("{at}: killed by a signal\n{stderr}")],
        Err(error) => return vec![format!("{at}: {error}")],
    };
    let mut wrong = Vec::new();
    let mut tell = |what: &str| {
        wrong.push(format!(
            "{at}: {what} (exit {code})\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        ))
    };
    if let Some(dump) = DUMPS
        .iter()
        .find(|dump| stderr.contains(**dump) || stdout.contains(**dump))
    {
        tell(&format!("`{dump}` is for programmers"));
    }
    let may_go_on = GOES_ON
        .iter()
        .any(|(name, targets)| *name == row.name && targets.contains(&target));
    let as_ever = Some(code) == healthy.code();
    let same = match row.changes() {
        true => tried.after == healthy.after,
        false => healthy.ended.as_ref().is_ok_and(|(_, healthy, _)| healthy == stdout),
    };
    let says_so = SAYS_SO
        .iter()
        .any(|words| stdout.contains(words) || stderr.contains(words));
    match fault {
        Fault::Delay | Fault::Slow if !(as_ever && same) => tell(&format!(
            "a slow line changes what comes of it\nafter {:#?}\nelse {:#?}",
            tried.after, healthy.after
        )),
        Fault::Delay | Fault::Slow => {}
        // A success, or the very finding: the right one, or one that says what it could not see.
        _ if code == 0 || as_ever => {
            let is_told = may_go_on && says_so;
            if !(same || is_told) {
                tell("a success that is none");
            }
        }
        _ => {
            let allowed: &[i32] = match (row.changes(), may_go_on) {
                (true, true) => &[1, 3, 4],
                (true, false) => &[1, 4],
                (false, true) => &[1, 3, 5],
                (false, false) => &[1],
            };
            if !allowed.contains(&code) {
                tell("no documented code for this");
            }
            if !stderr.contains("error: ") {
                tell("it does not say what failed");
            }
            if code == 4 && !stderr.contains("hint:") {
                tell("it does not say how to go on");
            }
        }
    }
    // What is seen of hosts and machines only afterwards may have been changed by what was asked for before the fault.
    let untouched = tried.before == tried.after;
    if row.changes() && code != 0 && code != 4 && !untouched {
        tell(&format!(
            "it says that nothing was changed\nbefore {:#?}\nafter {:#?}",
            tried.before, tried.after
        ));
    }
    if code == 0 && row.changes() && !row.own.contains(&Own::Turn) && untouched {
        tell("it says that it did what it did not do");
    }
    wrong
}
