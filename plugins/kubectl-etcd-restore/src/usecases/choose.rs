//! Which backup of each etcd cluster is meant.

use crate::usecases::queue::QueuedCommand;
use crate::usecases::run_record::RunRecord;
use jiff::Timestamp;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::reference::{BackupRef, Which};
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::{self, ChooseError, Chosen, Pick, Picked};

use crate::context::Context;

/// Which backups, as the flags say.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WantedArgs {
    /// A name, the beginning of one, latest or latest-good, with ETCD= before it for one etcd cluster; repeatable
    #[arg(long, value_name = "[ETCD=]BACKUP")]
    pub backup: Vec<BackupRef>,
    /// With latest and latest-good: not after this time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Take a backup of main that is sound and not good: empty, bare, or of another cluster
    #[arg(long)]
    pub even_if_poor: bool,
}

/// What is to be done to one etcd cluster.
pub enum Choice<'a> {
    /// Restore this one.
    Backup {
        /// Which.
        backup: &'a Backup,
        /// The younger ones that were passed over, in words.
        passed_over: Vec<String>,
        /// Whether it is known to be good.
        good: bool,
        /// Why no good one is taken, where none is; empty elsewhere.
        why: Vec<String>,
        /// What should be known of it.
        warnings: Vec<String>,
    },
    /// A run under way has ordered this one, and etcd-manager has taken the command; the backup itself is in the store no more.
    Deleted(String),
    /// Seed it anew: the user says so, or, for these reasons, nothing can be restored.
    Fresh(Vec<String>),
    /// It serves, and for these reasons nothing can be restored: leave it as it is.
    Leave(Vec<String>),
    /// Nothing can be done, for these reasons.
    Nothing(Vec<String>),
}

/// What is known before anything is chosen, for one etcd cluster.
pub struct Before<'a, 'q> {
    pub catalog: &'a Catalog,
    pub queue: &'q [QueuedCommand],
    /// The one command in the queue, where it is ours or young enough to be gone on with.
    pub adoptable: Option<&'q QueuedCommand>,
    /// A run under way, where what it says of this etcd cluster holds.
    pub record: Option<&'q RunRecord>,
}

/// Chooses for each etcd cluster, in the order given: what the user names; else what is ordered already; else the newest good
/// one, of main first and of the others not much after it; and of the others, where none is good, the newest sound one, and where there is none
/// a new start. With `seed` as `false` nothing is seeded that the user has not named.
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
    let mut matched_by_name = false;
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
            // Picked below, as where nothing is named: of the others than main one of about main's time.
        } else if let Some(wanted) = named {
            let wanted = BackupRef {
                etcd: None,
                which: wanted.which.clone(),
            };
            match choose::choose(looking, std::slice::from_ref(one.catalog), &wanted, at).await {
                Ok(chosen) => {
                    matched_by_name = true;
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
                // A name without `ETCD=` need not be a backup of each of them. But it is main's that is meant: taking another one of main
                // because the name is one of events would restore what nobody named.
                Err(error @ ChooseError::NotFound { .. }) if !is_for(args, etcd) && etcd != MAIN => {
                    not_found.get_or_insert(error);
                }
                // Nor has each of them a latest one.
                Err(ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. })
                    if etcd != MAIN && !is_for(args, etcd) =>
                {
                    matched_by_name = true;
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
        Some(error) if !matched_by_name => Err(error.into()),
        _ => Ok(choices.into_iter().flatten().collect()),
    }
}

/// Of another etcd cluster than main, of which no backup is sound: with `seed` a new start. Without it the API would not come.
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

/// What there is not is a finding; what could not be looked at is a failure.
fn nothing(error: ChooseError) -> Result<Vec<String>, AnyFailure> {
    match error {
        ChooseError::NoneGood { rejected, .. } => Ok(rejected.iter().map(ToString::to_string).collect()),
        ChooseError::NoBackups { .. } | ChooseError::NoneBefore { .. } => Ok(vec![error.to_string()]),
        _ => Err(error.into()),
    }
}

/// What is ordered already: by the one command in the queue, else by a run that is under way.
fn submitted<'a>(one: &Before<'a, '_>) -> Option<&'a Backup> {
    let by_queue = one.adoptable.and_then(|only| only.backup().ok()).map(str::to_owned);
    let etcd = &one.catalog.store.etcd;
    let by_record = || one.record?.of(etcd)?.backup.clone();
    let name = by_queue.or_else(by_record)?;
    let mut backups = one.catalog.backups.iter();
    backups.find(|backup| backup.name.as_str() == name)
}

/// What a run under way has ordered and etcd-manager has taken, where retention has removed it since: there is nothing left to order, and
/// another backup must not be restored in its place.
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

/// What the flags name for an etcd cluster: with its own name before all else.
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
                "--backup {wanted}: another one is named for the same etcd cluster"
            ))
            .into());
        }
    }
    if fresh.iter().any(|etcd| etcd == MAIN) {
        return Err(CommandError::usage("--fresh main would throw the whole cluster away").into());
    }
    Ok(())
}
