//! The steps of a run: record it, pin the backups, queue the restores. Each step is recorded, so that an interrupted run can be resumed.

use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError, chain, with_repeating};
use runbook_kit::model::shell::quoted;
use runbook_kit::ports::{PutMode, StoreErrorKind};
use runbook_kit::usecases::pin;

use crate::context::Context;
use crate::rules::etcd_manager::command_name;
use crate::rules::follow::EtcdSeen;
use crate::usecases::choose::Choice;
use crate::usecases::observe::survey::Survey;
use crate::usecases::run_record::{self, RecordEntry, RunRecord};
use crate::usecases::submit::{Done, submit};
use crate::usecases::target::Target;

/// Records the start of the run before anything is queued. Of two runs that start at the same time, one is refused.
pub async fn begin(
    survey: &Survey<'_>,
    anew: bool,
    context: &Context,
    consent: &Consent,
) -> Result<RunRecord, AnyFailure> {
    if let Some(record) = &survey.record {
        return Ok(record.clone());
    }
    let record = RunRecord::begin(context.session.now(), &survey.masters);
    let Some(at) = &survey.record_at else {
        context
            .session
            .ui
            .note("no state store is named: an interrupted run cannot be resumed; follow it with `status`");
        return Ok(record);
    };
    if let Some((void, _)) = &survey.void {
        // Of two runs that start at the same time, the next write refuses one.
        run_record::discard(context.session.objects(), at, void, consent).await?;
    }
    let mode = if anew { PutMode::Replace } else { PutMode::Create };
    match run_record::write(context.session.objects(), at, &record, mode, consent).await {
        Ok(()) => Ok(record),
        Err(error) if error.kind == StoreErrorKind::AlreadyExists => Err(CommandError::refused(
            "another run of this cluster has just begun: nothing was changed",
        )
        .hint("repeat the command to resume that run")
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Pins the backup, so that it is not deleted while etcd-manager reads it. A failure is only a warning. Gives what was pinned.
pub async fn pin_backup(
    target: &Target<'_>,
    survey: &Survey<'_>,
    context: &Context,
    consent: &Consent,
) -> Option<String> {
    let session = &context.session;
    let Choice::Backup { backup, .. } = &target.choice else {
        return None;
    };
    if target.submitted.is_some() {
        return None;
    }
    let etcd = &target.catalog.store.etcd;
    // Without a state store there is no place for a pin.
    let pin = pin::plan_pin(target.catalog, backup).ok()??;
    session.ui.note(&format!(
        "$ kubectl etcd-backups pin {}={} --name {} --yes",
        quoted(etcd),
        backup.name,
        quoted(&survey.facts.cluster)
    ));
    if let Err(error) = pin::pin(session.objects(), &pin, consent).await {
        session.ui.warn(&format!(
            "{etcd}: {} could not be pinned: {}",
            backup.name,
            chain(&error)
        ));
        return None;
    }
    Some(format!("{etcd}={}", backup.name))
}

/// Queues the restore unless it was queued before, and records it before and after. The command is named by the start of the run, so that two users
/// who resume it queue it once.
pub async fn queue_restore(
    target: &Target<'_>,
    record: &mut RunRecord,
    survey: &Survey<'_>,
    context: &Context,
    consent: &Consent,
) -> Result<(), AnyFailure> {
    let session = &context.session;
    let etcd = &target.catalog.store.etcd;
    if let Some(submitted) = &target.submitted {
        let what = submitted.command.as_deref().unwrap_or("its seeding");
        session.ui.note(&format!(
            "{etcd}: {what} was already queued and has left the queue; following it"
        ));
        return Ok(());
    }
    let backup = match &target.choice {
        Choice::Backup { backup, .. } => Some(backup.name.to_string()),
        // Queued already.
        Choice::Deleted(_) => return Ok(()),
        Choice::Fresh(_) => None,
        // The plan says why.
        Choice::Leave(_) | Choice::Nothing(_) => return Ok(()),
    };
    match &backup {
        Some(backup) => session.ui.note(&format!(
            "$ kubectl etcd-restore queue {}={backup} --name {} --yes",
            quoted(etcd),
            quoted(&survey.facts.cluster)
        )),
        None => session.ui.note(&format!("{etcd} will be seeded anew")),
    }
    let time = record.started;
    let mut noted = RecordEntry {
        etcd: etcd.clone(),
        command: backup.is_some().then(|| command_name(time)),
        backup,
        submitted: false,
        own: true,
        created: target.created.clone(),
        served: match &target.seen {
            EtcdSeen::Serving(answer) => Some(format!("{:x}", answer.cluster)),
            _ => None,
        },
        newest: target.catalog.latest().map(|backup| backup.name.to_string()),
        no_members: target.no_members.is_some(),
    };
    // A resumed command is this run's own where the record says so.
    if let (Some(queued), Some(before)) = (&target.queued, record.of(etcd))
        && before.command.as_ref() == Some(&queued.name)
    {
        noted.own = before.own;
    } else if target.queued.is_some() {
        noted.own = false;
    }
    note(record, noted.clone(), survey, context, consent).await?;
    match submit(target, Some(time), context, consent).await? {
        Done::Queued(queued) => noted.command = Some(queued.name),
        Done::Adopted(name) => {
            if target.queued.is_none() {
                noted.own = false;
            }
            noted.command = Some(name);
        }
        Done::MarkerRemoved | Done::Nothing => {}
    }
    noted.submitted = true;
    note(record, noted, survey, context, consent).await
}

async fn note(
    record: &mut RunRecord,
    submitted: RecordEntry,
    survey: &Survey<'_>,
    context: &Context,
    consent: &Consent,
) -> Result<(), AnyFailure> {
    record.note(submitted);
    if let Some(at) = &survey.record_at {
        run_record::write(context.session.objects(), at, record, PutMode::Replace, consent).await?;
    }
    Ok(())
}

/// What failed after something was changed: `pinned` were so just now. A failure before any change is returned as it is.
pub fn half_done(record: &RunRecord, noted: bool, pinned: &[String], etcd: &str, error: AnyFailure) -> AnyFailure {
    let submitted = record.entries.iter().filter(|entry| entry.submitted);
    let submitted: Vec<&str> = submitted.map(|entry| entry.etcd.as_str()).collect();
    let done = if !submitted.is_empty() {
        format!("queued the restore of {}", submitted.join(" and "))
    } else if !pinned.is_empty() {
        format!("pinned {} and queued nothing", pinned.join(" and "))
    } else if noted {
        "recorded the start of the run and queued nothing".to_owned()
    } else {
        return error;
    };
    CommandError::after_change(format!("{done}, then {etcd} failed: {}", chain(error.as_ref())))
        .hint(with_repeating(error.hint(), "resumes where it stopped"))
        .into()
}
