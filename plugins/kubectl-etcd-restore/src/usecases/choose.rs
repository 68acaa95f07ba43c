//! Chooses a backup for each etcd cluster.

use crate::usecases::queue::QueuedCommand;
use crate::usecases::run_record::RunRecord;
use jiff::Timestamp;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::reference::{BackupRef, Which};
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::{self, ChooseError, Chosen, Pick, Picked};

use crate::context::Context;

/// The flags that select backups.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WantedArgs {
    /// Backup name, unique prefix, latest or latest-good, with ETCD= in front for one etcd cluster; repeatable
    #[arg(long, value_name = "[ETCD=]BACKUP")]
    pub backup: Vec<BackupRef>,
    /// With latest and latest-good: newest backup not after this time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Accept a backup of main that is intact, but fails sanity checks: empty, without workloads, or of another cluster
    #[arg(long)]
    pub even_if_poor: bool,
}

/// What is to be done to one etcd cluster.
pub enum Choice<'a> {
    /// Restore this one.
    Backup {
        backup: &'a Backup,
        /// The newer ones that were skipped, with reasons.
        passed_over: Vec<String>,
        /// Whether it is known to be good.
        good: bool,
        /// Why no good one is taken; empty where one is.
        why: Vec<String>,
        /// Warnings about it.
        warnings: Vec<String>,
    },
    /// Already queued by an unfinished run and taken by etcd-manager; the backup is no longer in the store.
    Deleted(String),
    /// Seed it anew: the user asked for it, or nothing can be restored, for these reasons.
    Fresh(Vec<String>),
    /// Leave it as it is: it serves, and nothing can be restored, for these reasons.
    Leave(Vec<String>),
    /// Nothing can be done, for these reasons.
    Nothing(Vec<String>),
}

/// What is known of one etcd cluster before a backup is chosen.
pub struct Before<'a, 'q> {
    pub catalog: &'a Catalog,
    pub queue: &'q [QueuedCommand],
    /// The only command in the queue, where it is from this run or recent enough to resume it.
    pub adoptable: Option<&'q QueuedCommand>,
    /// The record of an unfinished run, where it is valid for this etcd cluster.
    pub record: Option<&'q RunRecord>,
}

/// Chooses for each etcd cluster: the backup that the user names; else the one that is already queued; else the newest good one, for the others
/// not much newer than main's. Etcd clusters other than main without a good backup get the newest intact one, else they are seeded anew. Without
/// `seed`, only etcd clusters that the user names are seeded.
pub async fn choose<'a>(
    before: &[Before<'a, '_>],
    args: &WantedArgs,
    fresh: &[String],
    seed: bool,
    context: &Context,
) -> Result<Vec<Choice<'a>>, AnyFailure> {
    let at = context.session.moment(args.at.as_deref(), "--at")?;
    known(before, args, fresh)?;
    let mut order: Vec<usize> = (0..before.len()).collect();
    order.sort_by_key(|index| before.get(*index).is_none_or(|one| one.catalog.store.etcd != MAIN));
    let mut main_time: Option<Timestamp> = None;
    let mut choices: Vec<Option<Choice<'a>>> = before.iter().map(|_| None).collect();
    let mut found_by_name = false;
    let mut not_found: Option<ChooseError> = None;
    for index in order {
        let (Some(one), Some(place)) = (before.get(index), choices.get_mut(index)) else {
            continue;
        };
        let etcd = &one.catalog.store.etcd;
        let begun_fresh = || {
            let submitted = one.record.and_then(|record| record.of(etcd));
            submitted.is_some_and(|submitted| submitted.backup.is_none()) && named(args, etcd).is_none()
        };
        if fresh.contains(etcd) || begun_fresh() {
            *place = Some(Choice::Fresh(Vec::new()));
            continue;
        }
        let looking = context.session.choose_context();
        let named = named(args, etcd);
        if named.is_some_and(|wanted| wanted.which == Which::LatestGood) {
            // Picked below, as where nothing is named.
        } else if let Some(wanted) = named {
            let wanted = BackupRef {
                etcd: None,
                which: wanted.which.clone(),
            };
            match choose::choose(looking, std::slice::from_ref(one.catalog), &wanted, at).await {
                Ok(chosen) => {
                    found_by_name = true;
                    let choice = of_chosen(chosen);
                    note_time(&choice, etcd, &mut main_time);
                    *place = Some(choice);
                    continue;
                }
                Err(ChooseError::NotFound { text, .. })
                    if deleted_backup(one).is_some_and(|name| name.starts_with(&text)) =>
                {
                    *place = deleted_backup(one).map(Choice::Deleted);
                    continue;
                }
                // A name without `ETCD=` need not exist in every etcd cluster, but it must exist in main: else another backup of main would
                // be restored than the one that was named.
                Err(error @ ChooseError::NotFound { .. }) if !is_for(args, etcd) && etcd != MAIN => {
                    not_found.get_or_insert(error);
                }
                // Not every etcd cluster has a latest backup.
                Err(ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. })
                    if etcd != MAIN && !is_for(args, etcd) =>
                {
                    found_by_name = true;
                }
                Err(error) => {
                    *place = Some(Choice::Nothing(nothing(error)?));
                    continue;
                }
            }
        } else if let Some(backup) = submitted(one) {
            let choice = Choice::Backup {
                backup,
                passed_over: Vec::new(),
                good: false,
                why: Vec::new(),
                warnings: Vec::new(),
            };
            note_time(&choice, etcd, &mut main_time);
            *place = Some(choice);
            continue;
        } else if let Some(name) = deleted_backup(one) {
            *place = Some(Choice::Deleted(name));
            continue;
        }
        let picked = choose::pick(looking, one.catalog, at, main_time).await;
        let choice = of_picked(picked, seed && !is_for(args, etcd))?;
        note_time(&choice, etcd, &mut main_time);
        *place = Some(choice);
    }
    match not_found {
        Some(error) if !found_by_name => Err(error.into()),
        _ => Ok(choices.into_iter().flatten().collect()),
    }
}

/// Where no backup of an etcd cluster other than main is intact, it is seeded anew: the API does not start without it.
fn of_picked(pick: Pick<'_>, seed: bool) -> Result<Choice<'_>, AnyFailure> {
    Ok(match pick.picked {
        Picked::Good(chosen) => {
            let note = pick.note.into_iter();
            Choice::Backup {
                backup: chosen.backup,
                passed_over: words(&chosen.rejected),
                good: true,
                why: Vec::new(),
                warnings: note.chain(words(&chosen.warnings)).collect(),
            }
        }
        Picked::Sound { chosen, reasons } => Choice::Backup {
            backup: chosen.backup,
            passed_over: words(&chosen.rejected),
            good: false,
            why: pick.note.into_iter().chain(words(&reasons)).collect(),
            warnings: words(&chosen.warnings),
        },
        Picked::None(error) => {
            let why = nothing(error)?;
            if seed && pick.catalog.store.etcd != MAIN {
                Choice::Fresh(why)
            } else {
                Choice::Nothing(why)
            }
        }
    })
}

fn words<T: ToString>(each: &[T]) -> Vec<String> {
    each.iter().map(ToString::to_string).collect()
}

fn of_chosen(chosen: Vec<Chosen<'_>>) -> Choice<'_> {
    match chosen.into_iter().next() {
        Some(one) => Choice::Backup {
            backup: one.backup,
            passed_over: words(&one.rejected),
            good: false,
            why: Vec::new(),
            warnings: words(&one.warnings),
        },
        None => Choice::Nothing(vec!["no backup found".to_owned()]),
    }
}

fn note_time(choice: &Choice<'_>, etcd: &str, main_time: &mut Option<Timestamp>) {
    if let (Choice::Backup { backup, .. }, true) = (choice, etcd == MAIN) {
        *main_time = Some(backup.name.created());
    }
}

/// Missing backups are reasons; stores that cannot be read are failures.
fn nothing(error: ChooseError) -> Result<Vec<String>, AnyFailure> {
    match error {
        ChooseError::NoneGood { rejected, .. } => Ok(rejected.iter().map(ToString::to_string).collect()),
        ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. } => Ok(vec![error.to_string()]),
        _ => Err(error.into()),
    }
}

/// The backup that is already queued: by the only command in the queue, else by an unfinished run.
fn submitted<'a>(one: &Before<'a, '_>) -> Option<&'a Backup> {
    let by_queue = one.adoptable.and_then(|only| only.backup().ok()).map(str::to_owned);
    let etcd = &one.catalog.store.etcd;
    let by_record = || one.record?.of(etcd)?.backup.clone();
    let name = by_queue.or_else(by_record)?;
    let mut backups = one.catalog.backups.iter();
    backups.find(|backup| backup.name.as_str() == name)
}

/// The backup that an unfinished run has queued and etcd-manager has taken, where it was deleted since: another backup must not be restored in its
/// place.
fn deleted_backup(one: &Before<'_, '_>) -> Option<String> {
    if !one.queue.is_empty() {
        return None;
    }
    let noted = one
        .record?
        .of(&one.catalog.store.etcd)
        .filter(|noted| noted.submitted)?;
    let name = noted.backup.clone()?;
    let mut backups = one.catalog.backups.iter();
    (!backups.any(|backup| backup.name.as_str() == name)).then_some(name)
}

/// The flag for an etcd cluster; one with its name wins.
fn named<'a>(args: &'a WantedArgs, etcd: &str) -> Option<&'a BackupRef> {
    let own = args.backup.iter().find(|wanted| wanted.etcd.as_deref() == Some(etcd));
    own.or_else(|| args.backup.iter().find(|wanted| wanted.etcd.is_none()))
}

fn is_for(args: &WantedArgs, etcd: &str) -> bool {
    args.backup.iter().any(|wanted| wanted.etcd.as_deref() == Some(etcd))
}

fn known(before: &[Before<'_, '_>], args: &WantedArgs, fresh: &[String]) -> Result<(), AnyFailure> {
    let known: Vec<String> = before.iter().map(|one| one.catalog.store.etcd.clone()).collect();
    let named = args.backup.iter().filter_map(|wanted| wanted.etcd.as_ref());
    if let Some(name) = named.chain(fresh).find(|name| !known.contains(name)) {
        return Err(ChooseError::NoSuchEtcd {
            name: name.clone(),
            known,
        }
        .into());
    }
    for (index, wanted) in args.backup.iter().enumerate() {
        if args
            .backup
            .iter()
            .skip(index + 1)
            .any(|other| other.etcd == wanted.etcd)
        {
            return Err(CommandError::usage(format!(
                "--backup {wanted}: another backup is given for the same etcd cluster"
            ))
            .into());
        }
    }
    if fresh.iter().any(|etcd| etcd == MAIN) {
        return Err(CommandError::usage("--fresh main would delete the whole cluster's data").into());
    }
    Ok(())
}
