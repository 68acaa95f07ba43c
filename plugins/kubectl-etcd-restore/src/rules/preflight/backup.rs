//! Checks of the chosen backup.

use super::{EtcdFacts, Wanted};
use runbook_kit::model::backup::goodness::{MAIN, Rejection};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::shell::quoted;
use runbook_kit::model::units;

pub(super) fn backup(etcd: &EtcdFacts, even_if_poor: bool) -> Check {
    const NAME: &str = "backup";
    let backup = match &etcd.wanted {
        Wanted::Fresh => {
            let message = "not restored: etcd-manager seeds a new, empty cluster once the created marker is removed";
            if etcd.why.is_empty() {
                return Check::passed(NAME, message);
            }
            let message = format!("no intact backup ({}): {message}", etcd.why.join("; "));
            return Check::found(NAME, Severity::Warn, message)
                .cure(format!("to restore one anyway, name it: --backup {}=NAME", etcd.etcd));
        }
        Wanted::Leave => {
            let message = format!("no intact backup ({}): none is needed, it serves", etcd.why.join("; "));
            return Check::passed(NAME, message);
        }
        Wanted::Nothing(reasons) => {
            let message = format!("no good backup: {}", reasons.join("; "));
            let cure = if etcd.etcd == MAIN {
                "check all: `kubectl etcd-backups verify --all`; to use one that is intact but fails sanity checks, name it (main=NAME) and pass --even-if-poor".to_owned()
            } else {
                // The API does not start without it.
                format!(
                    "name another with --backup {0}=NAME, or seed it anew with --fresh {0}",
                    etcd.etcd
                )
            };
            return Check::found(NAME, Severity::Block, message).cure(cure);
        }
        Wanted::Restore(backup) => backup,
    };
    let name = &backup.name;
    let reasons: Vec<String> = backup.rejections.iter().map(ToString::to_string).collect();
    let damaged = backup
        .rejections
        .iter()
        .any(|rejection| matches!(rejection, Rejection::Incomplete | Rejection::Damaged(_)));
    if damaged {
        return Check::found(NAME, Severity::Block, format!("{name}: {}", reasons.join("; ")))
            .cure("choose another: `kubectl etcd-backups verify --all`; etcd-manager would retry this one forever");
    }
    if !reasons.is_empty() && etcd.etcd == MAIN {
        let severity = if even_if_poor { Severity::Warn } else { Severity::Block };
        return Check::found(NAME, severity, format!("{name}: {}", reasons.join("; "))).cure(
            "choose another: `kubectl etcd-backups inspect NAME` shows what it holds; --even-if-poor uses it anyway",
        );
    }
    if !reasons.is_empty() {
        let none_good = if etcd.why.is_empty() {
            ""
        } else {
            "; none is good; this is the newest intact one"
        };
        let message = format!("{name}: {}{none_good}", reasons.join("; "));
        return Check::found(NAME, Severity::Warn, message).cure(format!(
            "name another with --backup {0}=NAME, or seed it anew with --fresh {0}",
            etcd.etcd
        ));
    }
    let from = if backup.in_store {
        ""
    } else {
        ", copied back from where it is pinned"
    };
    let passed = match backup.passed_over.len() {
        0 => String::new(),
        1 => "; 1 newer one is not good".to_owned(),
        several => format!("; {several} newer ones are not good"),
    };
    let good = if etcd.etcd == MAIN {
        "verified, good"
    } else {
        "verified"
    };
    let keys = units::counted(backup.keys, "key");
    let message = format!("{name}: {good}, {keys}{from}{passed}");
    if backup.warnings.is_empty() {
        return Check::passed(NAME, message);
    }
    Check::found(
        NAME,
        Severity::Warn,
        format!("{message}; {}", backup.warnings.join("; ")),
    )
    .cure(format!(
        "see its contents: `kubectl etcd-backups inspect {}={name}`",
        quoted(&etcd.etcd)
    ))
}
