//! The chosen backup: whether it can be restored, and whether it should be.

use super::{EtcdFacts, Wanted};
use crate::domain::check::{Check, Severity};
use crate::domain::goodness::{MAIN, Rejection};

pub(super) fn backup(etcd: &EtcdFacts, even_if_poor: bool) -> Check {
    const NAME: &str = "backup";
    let backup = match &etcd.wanted {
        Wanted::Fresh => {
            let message = "is not restored: etcd-manager seeds it anew, empty, when its created marker is gone";
            return Check::passed(NAME, message);
        }
        Wanted::Nothing(reasons) => {
            let severity = if etcd.etcd == MAIN {
                Severity::Block
            } else {
                Severity::Warn
            };
            let message = format!("no good backup: {}", reasons.join("; "));
            return Check::found(NAME, severity, message).cure(if etcd.etcd == MAIN {
                "look at them all: `kubectl etcd-backups verify --all`; to take one that is sound and not good all the same, name it (main=NAME) and pass --even-if-poor"
            } else {
                "name one by --backup, or leave it out: --fresh events, or --etcd main"
            });
        }
        Wanted::Restore(backup) => backup,
    };
    let name = &backup.name;
    let reasons: Vec<String> = backup.rejections.iter().map(ToString::to_string).collect();
    let unsound = backup
        .rejections
        .iter()
        .any(|rejection| matches!(rejection, Rejection::Incomplete | Rejection::Damaged(_)));
    if unsound {
        return Check::found(NAME, Severity::Block, format!("{name}: {}", reasons.join("; ")))
            .cure("choose another: `kubectl etcd-backups verify --all`; etcd-manager would try this one for ever");
    }
    if !reasons.is_empty() {
        let severity = if etcd.etcd == MAIN && !even_if_poor {
            Severity::Block
        } else {
            Severity::Warn
        };
        return Check::found(NAME, severity, format!("{name}: {}", reasons.join("; ")))
            .cure("choose another: `kubectl etcd-backups inspect NAME` shows what it holds; --even-if-poor takes it all the same");
    }
    let from = if backup.in_store {
        ""
    } else {
        ", copied back from where it is pinned"
    };
    let passed = match backup.passed_over.len() {
        0 => String::new(),
        1 => "; 1 younger one is not good".to_owned(),
        several => format!("; {several} younger ones are not good"),
    };
    let good = if etcd.etcd == MAIN {
        "verified, good"
    } else {
        "verified"
    };
    Check::passed(NAME, format!("{name}: {good}, {} keys{from}{passed}", backup.keys))
}
