//! The interlock: nothing is deleted unless the cluster can be restored.
//!
//! That takes a good backup of `main`, both control files, and an etcd-manager on the new masters that can restore the backup. For other etcd
//! clusters a lack of these only warns: the cluster can be restored without them.

use std::fmt;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use runbook_kit::failure::CommandError;
use runbook_kit::model::backup::goodness::{MAIN, Warning};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::kops::duration;
use runbook_kit::model::shell::{Pipeline, ShellCommand, quoted};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::model::units;
use runbook_kit::usecases::choose::Rejected;
use runbook_kit::usecases::control_files::{Control, ControlFile};
use runbook_kit::usecases::kops_state::etcd_managers::EtcdManagers;
use runbook_kit::usecases::pin::Pin;
use serde::Serialize;

/// What to accept.
#[derive(Clone, Copy, Debug, Args)]
pub struct InterlockArgs {
    /// Maximum age of the backup: an older one refuses to delete volumes, and warns before a quarantine [default: 2h; quarantine: 24h]
    #[arg(long, value_name = "DURATION", value_parser = max_age)]
    pub max_age: Option<SignedDuration>,
    /// Wipe without a good backup; only with --etcd-volumes quarantine
    #[arg(long)]
    pub skip_backup_check: bool,
}

fn max_age(text: &str) -> Result<SignedDuration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// For a permanent deletion.
const MAX_AGE_TO_DELETE: SignedDuration = SignedDuration::from_hours(2);
/// For a quarantine.
const MAX_AGE_TO_QUARANTINE: SignedDuration = SignedDuration::from_hours(24);

impl InterlockArgs {
    /// The maximum age. `reversible`: the volumes are only put into quarantine.
    fn limit(&self, reversible: bool) -> SignedDuration {
        self.max_age.unwrap_or(if reversible {
            MAX_AGE_TO_QUARANTINE
        } else {
            MAX_AGE_TO_DELETE
        })
    }

    /// Whether the flags fit together. `reversible`: the volumes are only put into quarantine.
    pub fn require_reversible(&self, reversible: bool) -> Result<(), CommandError> {
        if self.skip_backup_check && !reversible {
            return Err(
                CommandError::usage("--skip-backup-check is allowed with --etcd-volumes quarantine only")
                    .hint("put the volumes into quarantine: that keeps the data and can be undone"),
            );
        }
        Ok(())
    }
}

/// The state of one etcd cluster's backups.
#[derive(Clone, Debug)]
pub struct EtcdFacts {
    pub etcd: String,
    /// Its backup store.
    pub base: StoreUrl,
    /// The newest good backup, or why there is none.
    pub best: Result<BestBackup, NoBackup>,
    pub control: Control,
    pub managers: EtcdManagers,
}

/// The newest good backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestBackup {
    pub name: BackupName,
    pub size_bytes: u64,
    /// etcd's revision, where the backup was read.
    pub revision: Option<i64>,
    /// From its metadata, without a `v`.
    pub etcd_version: String,
    /// Newer ones that are not good, newest first.
    pub rejected: Vec<Rejected>,
    pub warnings: Vec<Warning>,
    /// Why it does not fit the backup of `main`; only for other etcd clusters.
    pub note: Option<String>,
    /// What is left to do to pin it, or why it cannot be pinned.
    pub pin: Result<Option<Pin>, String>,
}

/// Why there is no good backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoBackup {
    None,
    /// Newest first.
    NoneGood(Vec<Rejected>),
    /// Backups of more than one lineage, with the hint.
    Undecided(String, Option<String>),
    Unreadable(String),
}

impl fmt::Display for NoBackup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no backup"),
            Self::NoneGood(rejected) => {
                write!(f, "none of {} backups is good", rejected.len())?;
                match rejected.first() {
                    Some(newest) => write!(f, ": {newest}"),
                    None => Ok(()),
                }
            }
            Self::Undecided(why, _) => f.write_str(why),
            Self::Unreadable(why) => write!(f, "the backups could not be read: {why}"),
        }
    }
}

/// The result.
#[derive(Clone, Debug, Default)]
pub struct Interlock {
    pub checks: Vec<Check>,
    /// The newest good backup of each etcd cluster.
    pub backups: Vec<PlannedBackup>,
    /// To do before anything is deleted.
    pub pins: Vec<Pin>,
    /// `everything after 03:12 UTC is lost`; `None` without a good backup of `main`.
    pub data_loss: Option<String>,
    /// For the question: backups that are too old.
    pub warnings: Vec<String>,
}

/// A restorable backup, in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBackup {
    pub etcd: String,
    pub name: String,
    pub created: Timestamp,
    pub age_seconds: i64,
    /// The newer ones, newest first, with the reason why they are not good.
    pub passed_over: Vec<String>,
    pub size_bytes: u64,
    pub etcd_version: String,
    /// Whether it is already pinned.
    pub pinned: bool,
}

/// The checks. `reversible`: the volumes are only put into quarantine.
pub fn judge(facts: &[EtcdFacts], args: &InterlockArgs, reversible: bool, now: Timestamp) -> Interlock {
    let mut checks = Vec::new();
    if !facts.iter().any(|etcd| etcd.etcd == MAIN) {
        checks.push(
            Check::found("backup", Severity::Block, "the cluster has no etcd `main`")
                .cure("check --name and --state: is it a kops cluster?"),
        );
    }
    for etcd in facts {
        checks.extend(etcd.judge(args, reversible, now));
    }
    if args.skip_backup_check && reversible {
        for check in &mut checks {
            check.severity = check.severity.min(Severity::Warn);
        }
        let message =
            "backups are not required (--skip-backup-check): keep the volumes in quarantine until the cluster is back";
        checks.push(Check::found("skipped", Severity::Warn, message).cure(
            "`kops-wipe-masters restore-volumes` undoes the quarantine; run `purge-volumes` only after the cluster is back",
        ));
    }
    let best = || {
        facts
            .iter()
            .filter_map(|etcd| Some((&etcd.etcd, etcd.best.as_ref().ok()?)))
    };
    Interlock {
        checks,
        backups: best()
            .map(|(etcd, best)| PlannedBackup {
                etcd: etcd.clone(),
                name: best.name.to_string(),
                created: best.name.created(),
                age_seconds: now.duration_since(best.name.created()).as_secs(),
                passed_over: best.rejected.iter().map(ToString::to_string).collect(),
                size_bytes: best.size_bytes,
                etcd_version: best.etcd_version.clone(),
                pinned: best.pin == Ok(None),
            })
            .collect(),
        pins: best().filter_map(|(_, best)| best.pin.clone().ok().flatten()).collect(),
        data_loss: best()
            .find(|(etcd, _)| *etcd == MAIN)
            .map(|(_, best)| data_loss(best.name.created(), now)),
        warnings: best()
            .filter_map(|(etcd, best)| best.too_old(etcd, args.limit(reversible), now))
            .collect(),
    }
}

/// `everything after 03:12 UTC is lost`, with the date unless it is today.
pub fn data_loss(created: Timestamp, now: Timestamp) -> String {
    let utc = |time: Timestamp| time.to_zoned(TimeZone::UTC);
    let (then, today) = (utc(created), utc(now).date());
    let format = if then.date() == today {
        "%H:%M UTC"
    } else {
        "%Y-%m-%d %H:%M UTC"
    };
    format!("everything after {} is lost", then.strftime(format))
}

impl BestBackup {
    fn passed_over(&self) -> String {
        match self.rejected.len() {
            0 => String::new(),
            count => format!(", {count} newer not good"),
        }
    }

    /// For the question.
    fn too_old(&self, etcd: &str, limit: SignedDuration, now: Timestamp) -> Option<String> {
        let age = now.duration_since(self.name.created());
        (age > limit).then(|| {
            format!(
                "etcd {etcd}: {} is {} old, older than {} (--max-age){}.",
                self.name,
                units::age(age),
                units::age(limit),
                self.passed_over()
            )
        })
    }
}

impl EtcdFacts {
    /// Only `main` is required: the cluster works without the other etcd clusters' data.
    fn judge(&self, args: &InterlockArgs, reversible: bool, now: Timestamp) -> Vec<Check> {
        let severity = if self.etcd == MAIN {
            Severity::Block
        } else {
            Severity::Warn
        };
        let mut checks = match &self.best {
            Ok(best) => self.best_checks(best, args, reversible, now),
            Err(lack) => vec![Check::found("backup", severity, lack.to_string()).cure(self.cure_of(lack))],
        };
        checks.push(self.control_files());
        checks.extend(self.queue());
        for check in &mut checks {
            check.etcd = Some(self.etcd.clone());
            if !check.ok {
                check.severity = check.severity.min(severity);
            }
        }
        checks
    }

    fn best_checks(&self, best: &BestBackup, args: &InterlockArgs, reversible: bool, now: Timestamp) -> Vec<Check> {
        let age = now.duration_since(best.name.created());
        let lost = data_loss(best.name.created(), now);
        let shown = units::age(age);
        let mut checks = vec![match &best.note {
            None => Check::passed(
                "backup",
                format!("{} is good, {shown} old{}: {lost}", best.name, best.passed_over()),
            ),
            Some(why) => Check::found(
                "backup",
                Severity::Warn,
                format!("{why}: {}, {shown} old{}", best.name, best.passed_over()),
            )
            .cure(format!(
                "check it: `kubectl etcd-backups verify --etcd {} {}`",
                self.etcd, best.name
            )),
        }];
        for warning in &best.warnings {
            checks.push(
                Check::found("backup-content", Severity::Warn, warning.to_string()).cure(format!(
                    "check it: `kubectl etcd-backups inspect --etcd {} {}`",
                    self.etcd, best.name
                )),
            );
        }
        if let Some(newest) = best.rejected.first() {
            let count = best.rejected.len();
            let message = match count {
                1 => format!("a newer backup is not good: {newest}"),
                _ => format!("{count} newer backups are not good, the newest: {newest}"),
            };
            checks.push(Check::found("younger-backups", Severity::Warn, message).cure(format!(
                "check them: `kubectl etcd-backups verify --etcd {} --all`",
                quoted(&self.etcd)
            )));
        }
        let limit = args.limit(reversible);
        if reversible && age > limit {
            let message = format!(
                "{} is {shown} old, older than {} (--max-age)",
                best.name,
                units::age(limit)
            );
            checks.push(Check::found("backup-age", Severity::Warn, message).cure(format!(
                "if etcd still runs on a master, take a newer one: `kubectl etcd-backups take --etcd {} --via ssh --host MASTER`",
                self.etcd
            )));
        }
        if !reversible && age > limit {
            let limit = units::age(limit);
            let message = format!(
                "{} is {shown} old; to delete volumes it must be younger than {limit}",
                best.name
            );
            checks.push(Check::found("backup-age", Severity::Block, message).cure(
                "use --etcd-volumes quarantine, which keeps the data, or raise --max-age if newer changes may be lost",
            ));
        }
        if let Err(why) = &best.pin {
            let message = format!("{} cannot be pinned: {why}", best.name);
            checks.push(Check::found("pin", Severity::Block, message).cure("pass --state and --name"));
        }
        checks.push(self.managers.check(&best.etcd_version));
        checks
    }

    fn cure_of(&self, lack: &NoBackup) -> String {
        let etcd = quoted(&self.etcd);
        match lack {
            NoBackup::None => {
                format!(
                    "if etcd still runs on a master, take one: `kubectl etcd-backups take --etcd {etcd} --via ssh --host MASTER`"
                )
            }
            NoBackup::NoneGood(_) => format!(
                "check them (`kubectl etcd-backups verify --etcd {etcd} --all`), copy an older one back, or take one from a running etcd \
                 (`kubectl etcd-backups take`); else pass --skip-backup-check, with the volumes in quarantine"
            ),
            NoBackup::Undecided(_, cure) => cure
                .clone()
                .unwrap_or_else(|| "select one with --lineage UID".to_owned()),
            NoBackup::Unreadable(_) => "fix that and repeat the command".to_owned(),
        }
    }

    fn control_files(&self) -> Check {
        const NAME: &str = "control-files";
        let at = |file: &str| self.base.join(layout::CONTROL_FOLDER).join(file);
        let marker = at(layout::CLUSTER_CREATED_FILE);
        let spec = at(layout::CLUSTER_SPEC_FILE);
        let broken = |file: &Option<ControlFile>| file.as_ref().is_some_and(|file| file.problem.is_some());
        if self.control.cluster_created.is_none() {
            return Check::found(
                NAME,
                Severity::Block,
                format!("{marker} is missing: the new masters would create a new, empty etcd instead of waiting for a restore"),
            )
            .cure(format!("create it: `{}`", write_marker(&marker, None)));
        }
        if broken(&self.control.cluster_created) {
            let message = format!("{marker} is invalid: etcd-manager would be blocked, and not wait for a restore");
            return Check::found(NAME, Severity::Block, message)
                .cure(format!("create it: `{}`", write_marker(&marker, None)));
        }
        let rewrite = "`kops update cluster --yes` rewrites it; it starts no instance";
        if self.control.cluster_spec.is_none() {
            let message = format!("{spec} is missing: etcd-manager would not know the number of members");
            return Check::found(NAME, Severity::Block, message).cure(rewrite);
        }
        if broken(&self.control.cluster_spec) {
            let message = format!("{spec} is invalid: etcd-manager would be blocked");
            return Check::found(NAME, Severity::Block, message).cure(rewrite);
        }
        Check::passed(NAME, "both exist")
    }

    /// Queued commands: the new masters run all of them first.
    fn queue(&self) -> Option<Check> {
        const NAME: &str = "queue";
        let etcd = quoted(&self.etcd);
        let commands = &self.control.commands;
        let first = commands.first()?;
        if let Some(broken) = commands.iter().find(|command| command.command.is_err()) {
            let message = format!("{} cannot be read: it blocks etcd-manager's leader", broken.path);
            return Some(Check::found(NAME, Severity::Warn, message).cure(format!(
                "`kubectl etcd-restore cancel {etcd}={} --yes` removes it",
                quoted(broken.name())
            )));
        }
        let message = match commands.len() {
            1 => format!("{} is queued: the new masters will run it", first.path),
            count => format!("{count} commands are queued: the new masters will run all of them"),
        };
        Some(Check::found(NAME, Severity::Warn, message).cure(format!(
            "`kubectl etcd-restore commands --etcd {etcd}` shows them, `cancel` removes them"
        )))
    }
}

/// The command that writes the created marker. etcd-manager only checks that it exists and is readable; the time in it does not matter.
pub fn write_marker(at: &StoreUrl, profile: Option<&str>) -> Pipeline {
    let content = ShellCommand::of("echo").arg(r#"{"timestamp":1700000000000000000}"#);
    match at {
        StoreUrl::S3 { .. } => content.pipe(
            ShellCommand::of("aws s3 cp")
                .option_if("--profile", profile)
                .arg("-")
                .arg(at.to_string()),
        ),
        StoreUrl::File { path } => content.into_file(path),
    }
}

#[cfg(test)]
mod tests;
