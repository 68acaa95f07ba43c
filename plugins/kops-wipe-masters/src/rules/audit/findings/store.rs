//! Problems in the state store: control files, lifecycle rules, manifests and backups.

use jiff::SignedDuration;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::check::Severity;
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::model::units;

use super::{Finding, Kind, finding};
use crate::rules::audit::facts::{Etcd, Facts};
use crate::rules::interlock::{NoBackup, write_marker};

pub(super) fn control_files(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let at = |file: &str| etcd.state.base.join(layout::CONTROL_FOLDER).join(file);
    let control = &etcd.state.control;
    let files = [
        (
            at(layout::CLUSTER_CREATED_FILE),
            &control.cluster_created,
            "at its next start etcd-manager creates a new, empty etcd instead of waiting for a restore",
        ),
        (
            at(layout::CLUSTER_SPEC_FILE),
            &control.cluster_spec,
            "etcd-manager does not know the number of members, and a restore cannot be queued",
        ),
    ];
    for (url, file, without) in files {
        let (what, causes) = match file {
            None => (format!("{url} is missing"), without.to_owned()),
            Some(file) => match &file.problem {
                Some(problem) => (
                    format!("{url} is invalid: {problem}"),
                    "etcd-manager's leader is blocked: no restores and no backups".to_owned(),
                ),
                None => continue,
            },
        };
        let about = Finding {
            objects: vec![url.to_string()],
            what,
            causes,
            ..finding(Kind::ControlFile, Severity::Block, etcd)
        };
        found.push(match url.name() == layout::CLUSTER_CREATED_FILE {
            true => about.fix(write_marker(&url, facts.profiles.state.as_deref())),
            false => about
                .fix(facts.kops_update())
                .note("it rewrites the file, and starts no instance"),
        });
    }
    for broken in control.commands.iter().filter(|command| command.command.is_err()) {
        let url = etcd.state.base.join(&broken.path);
        let about = Finding {
            what: format!("{url} cannot be read"),
            objects: vec![url.to_string()],
            causes: "etcd-manager's leader is blocked: no restores and no backups".to_owned(),
            ..finding(Kind::ControlFile, Severity::Block, etcd)
        };
        let cancel = ShellCommand::of("kubectl etcd-restore cancel").arg(format!("{}={}", etcd.name(), broken.name()));
        let cancel = cancel
            .option("--name", &facts.cluster)
            .option("--state", facts.state.to_string());
        found.push(about.fix(cancel.arg("--yes")).note("it removes the command"));
    }
}

pub(super) fn lifecycle(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let base = &etcd.state.base;
    let StoreUrl::S3 { bucket, key } = base else {
        return;
    };
    let Ok(rules) = &etcd.rules else {
        return;
    };
    // Some thirty bytes, written once: the first object that a rule by age removes.
    let marker = format!("{key}/{}/{}", layout::CONTROL_FOLDER, layout::CLUSTER_CREATED_FILE);
    for rule in rules.iter().filter(|rule| rule.applies_to(&marker, 33)) {
        let about = Finding {
            objects: vec![format!("s3://{bucket}")],
            what: format!(
                "lifecycle rule {} of bucket {bucket} {} objects below {}",
                rule.name(),
                rule.fate,
                base.join(layout::CONTROL_FOLDER)
            ),
            causes: "it removes the created marker: at its next start etcd-manager creates a new, empty etcd over the old one".to_owned(),
            ..finding(Kind::LifecycleRule, Severity::Block, etcd)
        };
        let shown = facts
            .aws_s3("s3api get-bucket-lifecycle-configuration")
            .option("--bucket", bucket);
        found.push(about.fix(shown).note(
            "then narrow the rule's prefix or disable the rule, and write all rules back with put-bucket-lifecycle-configuration",
        ));
    }
}

pub(super) fn managers(etcd: &Etcd, found: &mut Vec<Finding>) {
    let newest = etcd
        .newest
        .as_ref()
        .and_then(|newest| Some((newest.name.as_str(), newest.etcd_version.as_deref()?)));
    let best = etcd.state.best.as_ref().ok();
    let Some((name, version)) = newest.or_else(|| best.map(|best| (best.name.as_str(), best.etcd_version.as_str())))
    else {
        return;
    };
    let check = etcd.state.managers.check(version);
    if check.ok {
        return;
    }
    found.push(Finding {
        objects: vec![name.to_owned()],
        what: format!("etcd-manager and backup {name}: {}", check.message),
        causes: "a restore stops etcd, moves its data aside, fails, and starts again in a loop".to_owned(),
        note: check.cure,
        ..finding(Kind::EtcdManager, check.severity, etcd)
    });
}

pub(super) fn backups(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let name = etcd.name();
    let verify = facts
        .of_cluster("kubectl etcd-backups verify")
        .option("--etcd", name)
        .arg("--all");
    let severity = if name == MAIN { Severity::Block } else { Severity::Warn };
    match &etcd.state.best {
        Err(lack) => {
            let about = Finding {
                objects: vec![etcd.state.base.to_string()],
                what: lack.to_string(),
                causes: "nothing can be restored: do not wipe".to_owned(),
                ..finding(Kind::NoGoodBackup, severity, etcd)
            };
            let take = facts.of_cluster("kubectl etcd-backups take").option("--etcd", name);
            found.push(match lack {
                NoBackup::None => about
                    .fix(take.args(["--via", "ssh", "--host", "MASTER"]))
                    .note("works while etcd runs; MASTER is the address of a master"),
                NoBackup::NoneGood(_) | NoBackup::Undecided(..) | NoBackup::Unreadable(_) => about.fix(verify),
            });
        }
        Ok(best) => {
            if let Some(why) = &best.note {
                found.push(Finding {
                    objects: vec![best.name.to_string()],
                    what: why.clone(),
                    causes: format!("etcd {name} is restored from {}", best.name),
                    command: Some(verify.into()),
                    ..finding(Kind::NoGoodBackup, Severity::Warn, etcd)
                });
            }
            if let Some(newest) = best.rejected.first() {
                let about = Finding {
                    objects: vec![newest.name.to_string()],
                    what: format!("the newest backup is not good: {newest}"),
                    causes: format!(
                        "retention will remove the good backups; the newest good one is {}",
                        best.name
                    ),
                    ..finding(Kind::NewestBackupNotGood, Severity::Warn, etcd)
                };
                found.push(about.fix(pin(facts, name, &best.name)));
            }
        }
    }
    let Some(newest) = &etcd.newest else {
        return;
    };
    let age = facts.now.duration_since(newest.created);
    if age >= etcd.interval.checked_mul(2).unwrap_or(SignedDuration::MAX) {
        let about = Finding {
            objects: vec![newest.name.clone()],
            what: format!(
                "no backup for {}: one is due every {}",
                units::age(age),
                units::age(etcd.interval)
            ),
            causes: "etcd-manager has no working leader: no quorum, a blocked queue, or no access to the bucket"
                .to_owned(),
            ..finding(Kind::BackupsStopped, Severity::Warn, etcd)
        };
        found.push(about.fix(facts.of_cluster("kubectl etcd-restore logs").option("--etcd", name)));
    }
}

fn pin(facts: &Facts, etcd: &str, name: &BackupName) -> ShellCommand {
    ShellCommand::of("kubectl etcd-backups pin")
        .arg(format!("{etcd}={name}"))
        .option("--name", &facts.cluster)
        .option("--state", facts.state.to_string())
        .arg("--yes")
}
