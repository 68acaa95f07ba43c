//! The interlock: nothing is taken away before there is something to come back from.
//!
//! That is a good backup of `main`, both control files beside it, and an etcd-manager on the masters to come that can restore it. Of other
//! etcd clusters the lack of it warns: the cluster comes back without them.

use std::fmt;

use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::backup::goodness::{MAIN, Warning};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::kops::duration;
use runbook_kit::model::shell::{Pipeline, ShellCommand, quoted};
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::model::units;
use runbook_kit::session::Session;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::choose::{self, ChooseError, Pick, Picked, Rejected};
use runbook_kit::usecases::control_files::{self, Control, ControlFile};
use runbook_kit::usecases::examine;
use runbook_kit::usecases::kops_state::etcd_managers::{EtcdManagers, etcd_managers};
use runbook_kit::usecases::pin::{self, Pin};
use serde::Serialize;

/// What the user accepts.
#[derive(Clone, Copy, Debug, Args)]
pub struct InterlockArgs {
    /// Delete volumes only if the backup is younger; for a quarantine the question says that it is older [default: 2h; quarantine: 24h]
    #[arg(long, value_name = "DURATION", value_parser = max_age)]
    pub max_age: Option<SignedDuration>,
    /// Go on without a good backup; with --etcd-volumes quarantine only
    #[arg(long)]
    pub skip_backup_check: bool,
}

fn max_age(text: &str) -> Result<SignedDuration, String> {
    duration::parse(text).map_err(|error| error.to_string())
}

/// What is deleted for good wants a young backup.
const TO_DELETE: SignedDuration = SignedDuration::from_hours(2);
/// An older one is worth a second thought.
const TO_KEEP: SignedDuration = SignedDuration::from_hours(24);

impl InterlockArgs {
    /// How old a backup may be. `reversible`: the volumes are only put into quarantine.
    fn limit(&self, reversible: bool) -> SignedDuration {
        self.max_age.unwrap_or(if reversible { TO_KEEP } else { TO_DELETE })
    }

    /// Whether the flags go together. `reversible`: the volumes are only put into quarantine.
    pub fn require_reversible(&self, reversible: bool) -> Result<(), CommandError> {
        if self.skip_backup_check && !reversible {
            return Err(
                CommandError::usage("--skip-backup-check goes with --etcd-volumes quarantine only")
                    .hint("put the volumes into quarantine: it keeps the data, and can be undone"),
            );
        }
        Ok(())
    }
}

/// What is known of one etcd cluster.
#[derive(Clone, Debug)]
pub struct EtcdFacts {
    pub etcd: String,
    /// Where its control files are.
    pub base: StoreUrl,
    /// The newest good backup, or why there is none.
    pub best: Result<Best, Lack>,
    pub control: Control,
    pub managers: EtcdManagers,
}

/// The backup to come back from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    pub name: BackupName,
    pub size_bytes: u64,
    /// As its meta has it, without a `v`.
    pub etcd_version: String,
    /// Younger ones that were passed over, newest first.
    pub rejected: Vec<Rejected>,
    /// What should be known of it.
    pub warnings: Vec<Warning>,
    /// Why it is not a good one of `main`'s time, where it is not; of another etcd cluster than `main` only.
    pub note: Option<String>,
    /// Its copy out of retention's reach: what is still to be done for it, or why that is impossible.
    pub pin: Result<Option<Pin>, String>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// There is no backup at all.
    NoBackups,
    /// Not one is good; newest first.
    NoneGood(Vec<Rejected>),
    /// More than one cluster wrote there, and it cannot be told which is meant; with what decides it.
    Undecided(String, Option<String>),
    /// They could not be looked at.
    NotLookedAt(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBackups => f.write_str("there is no backup"),
            Self::NoneGood(rejected) => {
                write!(f, "none of {} backups is good", rejected.len())?;
                match rejected.first() {
                    Some(newest) => write!(f, ": {newest}"),
                    None => Ok(()),
                }
            }
            Self::Undecided(why, _) => f.write_str(why),
            Self::NotLookedAt(why) => write!(f, "the backups could not be looked at: {why}"),
        }
    }
}

/// What the interlock says.
#[derive(Clone, Debug)]
pub struct Interlock {
    pub checks: Vec<Check>,
    /// The backups to come back from, one of each etcd cluster that has one.
    pub backups: Vec<PlannedBackup>,
    /// Copies to be made before anything is deleted.
    pub pins: Vec<Pin>,
    /// `everything after 03:12 UTC is lost`; nothing where no backup of `main` is good.
    pub lost: Option<String>,
    /// What the question has to say beside it: backups that are old.
    pub warned: Vec<String>,
}

/// A backup to come back from, in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedBackup {
    pub etcd: String,
    pub name: String,
    pub created: Timestamp,
    /// How old it is.
    pub age_seconds: i64,
    /// The younger ones, newest first, each with the reason why it is not the one.
    pub passed_over: Vec<String>,
    pub size_bytes: u64,
    pub etcd_version: String,
    /// Whether it is out of retention's reach already.
    pub pinned: bool,
}

/// Looks for the newest good backup of every etcd cluster, and at what it takes to restore it. Backups that cannot be looked at are a
/// fact; a store that does not let itself be listed is an error.
pub async fn look(
    session: &Session,
    catalogs: &[Catalog],
    config_base: &StoreUrl,
) -> Result<Vec<EtcdFacts>, AnyFailure> {
    session.ui.note("looking for the backups to come back from");
    let mut facts = Vec::new();
    for pick in choose::pick_all(session.choose_context(), catalogs, None).await {
        let catalog = pick.catalog;
        facts.push(EtcdFacts {
            etcd: catalog.store.etcd.clone(),
            base: catalog.store.base.clone(),
            best: best(session, pick).await,
            control: control_files::read(session.objects(), catalog).await?,
            managers: etcd_managers(session.objects(), config_base, &catalog.store).await?,
        });
    }
    Ok(facts)
}

async fn best(session: &Session, pick: Pick<'_>) -> Result<Best, Lack> {
    let not_looked_at = |error: &dyn std::error::Error| Lack::NotLookedAt(chain(error));
    let chosen = match pick.picked {
        Picked::Good(chosen) | Picked::Sound { chosen, .. } => chosen,
        Picked::None(error) => {
            return Err(match error {
                ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. } => Lack::NoBackups,
                ChooseError::NoneGood { rejected, .. } => Lack::NoneGood(rejected),
                ChooseError::Undecided { .. }
                | ChooseError::NoSuchLineage { .. }
                | ChooseError::AmbiguousLineage { .. } => Lack::Undecided(chain(&error), error.hint()),
                error => not_looked_at(&error),
            });
        }
    };
    let meta = examine::meta(session.objects(), chosen.backup).await;
    let meta = meta
        .map_err(|error| not_looked_at(&error))?
        .map_err(Lack::NotLookedAt)?;
    Ok(Best {
        name: chosen.backup.name.clone(),
        size_bytes: chosen.backup.data_size.unwrap_or_default(),
        etcd_version: meta.etcd_version,
        rejected: chosen.rejected,
        warnings: chosen.warnings,
        note: pick.note,
        pin: pin::plan_pin(pick.catalog, chosen.backup).map_err(|error| chain(&error)),
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// What it means. `reversible`: the volumes are only put into quarantine.
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
        let message = "the backups are not insisted on (--skip-backup-check): keep the quarantined volumes until the cluster is back";
        checks.push(Check::found("skipped", Severity::Warn, message).cure(
            "`kops-wipe-masters restore-volumes` undoes the quarantine; `purge-volumes` is for when the cluster is back",
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
        lost: best()
            .find(|(etcd, _)| *etcd == MAIN)
            .map(|(_, best)| lost_after(best.name.created(), now)),
        warned: best()
            .filter_map(|(etcd, best)| best.too_old(etcd, args.limit(reversible), now))
            .collect(),
    }
}

/// `everything after 03:12 UTC is lost`, with the date where that is another one than today's.
pub fn lost_after(created: Timestamp, now: Timestamp) -> String {
    let utc = |time: Timestamp| time.to_zoned(TimeZone::UTC);
    let (then, today) = (utc(created), utc(now).date());
    let format = if then.date() == today {
        "%H:%M UTC"
    } else {
        "%Y-%m-%d %H:%M UTC"
    };
    format!("everything after {} is lost", then.strftime(format))
}

impl Best {
    fn passed_over(&self) -> String {
        match self.rejected.len() {
            0 => String::new(),
            count => format!(", {count} younger passed over"),
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
    /// Without `main` there is no cluster; without another one the cluster comes back poorer.
    fn judge(&self, args: &InterlockArgs, reversible: bool, now: Timestamp) -> Vec<Check> {
        let severity = if self.etcd == MAIN {
            Severity::Block
        } else {
            Severity::Warn
        };
        let mut checks = match &self.best {
            Ok(best) => self.of_best(best, args, reversible, now),
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

    fn of_best(&self, best: &Best, args: &InterlockArgs, reversible: bool, now: Timestamp) -> Vec<Check> {
        let age = now.duration_since(best.name.created());
        let lost = lost_after(best.name.created(), now);
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
                "look at it: `kubectl etcd-backups verify --etcd {} {}`",
                self.etcd, best.name
            )),
        }];
        for warning in &best.warnings {
            checks.push(
                Check::found("backup-content", Severity::Warn, warning.to_string()).cure(format!(
                    "look at it: `kubectl etcd-backups inspect --etcd {} {}`",
                    self.etcd, best.name
                )),
            );
        }
        if let Some(newest) = best.rejected.first() {
            let count = best.rejected.len();
            let message = match count {
                1 => format!("a younger backup is not good: {newest}"),
                _ => format!("{count} younger backups are not good, the newest: {newest}"),
            };
            checks.push(Check::found("younger-backups", Severity::Warn, message).cure(format!(
                "look at them: `kubectl etcd-backups verify --etcd {} --all`",
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
                "if etcd still runs on a master, take a younger one: `kubectl etcd-backups take --etcd {} --via ssh --host MASTER`",
                self.etcd
            )));
        }
        if !reversible && age > limit {
            let limit = units::age(limit);
            let message = format!(
                "{} is {shown} old, and volumes are only deleted for one younger than {limit}",
                best.name
            );
            checks.push(Check::found("backup-age", Severity::Block, message).cure(
                "leave --etcd-volumes at quarantine, which keeps the data; or raise --max-age if you can do without what came after",
            ));
        }
        if let Err(why) = &best.pin {
            let message = format!("{} cannot be pinned: {why}", best.name);
            checks.push(Check::found("pin", Severity::Block, message).cure("pass --state and --name"));
        }
        checks.push(self.managers.check(&best.etcd_version));
        checks
    }

    fn cure_of(&self, lack: &Lack) -> String {
        let etcd = quoted(&self.etcd);
        match lack {
            Lack::NoBackups => {
                format!(
                    "if etcd still runs on a master, take one: `kubectl etcd-backups take --etcd {etcd} --via ssh --host MASTER`"
                )
            }
            Lack::NoneGood(_) => format!(
                "look at them (`kubectl etcd-backups verify --etcd {etcd} --all`), copy an older one back, or take one from an etcd that still runs \
                 (`kubectl etcd-backups take`); else --skip-backup-check, with the volumes in quarantine"
            ),
            Lack::Undecided(_, cure) => cure.clone().unwrap_or_else(|| "name one by --lineage UID".to_owned()),
            Lack::NotLookedAt(_) => "mend that and repeat the command".to_owned(),
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
                format!("{marker} is missing: the new masters would seed a new, empty etcd and not wait for a restore"),
            )
            .cure(format!("write it: `{}`", write_marker(&marker, None)));
        }
        if broken(&self.control.cluster_created) {
            let message =
                format!("{marker} cannot be used: etcd-manager would be blocked, and not even wait for a restore");
            return Check::found(NAME, Severity::Block, message)
                .cure(format!("write it: `{}`", write_marker(&marker, None)));
        }
        let rewrite = "`kops update cluster --yes` writes it anew; it starts no machine";
        if self.control.cluster_spec.is_none() {
            let message = format!("{spec} is missing: etcd-manager would not know how many members there are to be");
            return Check::found(NAME, Severity::Block, message).cure(rewrite);
        }
        if broken(&self.control.cluster_spec) {
            let message = format!("{spec} cannot be used: etcd-manager would be blocked");
            return Check::found(NAME, Severity::Block, message).cure(rewrite);
        }
        Check::passed(NAME, "both are there")
    }

    /// Commands that are still queued: the new masters run them all, in turn, before anything else.
    fn queue(&self) -> Option<Check> {
        const NAME: &str = "queue";
        let etcd = quoted(&self.etcd);
        let commands = &self.control.commands;
        let first = commands.first()?;
        if let Some(broken) = commands.iter().find(|command| command.command.is_err()) {
            let message = format!(
                "{} cannot be read: it blocks etcd-manager's leader altogether",
                broken.path
            );
            return Some(Check::found(NAME, Severity::Warn, message).cure(format!(
                "`kubectl etcd-restore cancel {etcd}={} --yes` removes it",
                quoted(broken.name())
            )));
        }
        let message = match commands.len() {
            1 => format!("{} is queued: the new masters carry it out by themselves", first.path),
            count => format!("{count} commands are queued: the new masters carry them all out, in turn"),
        };
        Some(Check::found(NAME, Severity::Warn, message).cure(format!(
            "`kubectl etcd-restore commands --etcd {etcd}` shows them, `cancel` takes them back"
        )))
    }
}

/// The command that writes the created marker. etcd-manager only asks whether it is there and can be read; the time in it does not matter.
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
#[path = "interlock_tests.rs"]
mod tests;
