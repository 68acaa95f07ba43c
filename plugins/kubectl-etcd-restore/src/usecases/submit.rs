//! Applies a confirmed plan: queues the restore, or removes the created marker.

use crate::usecases::queue::{self, Queued, RestoreRequest};
use jiff::Timestamp;
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError};

use crate::context::Context;
use crate::usecases::choose::Choice;
use crate::usecases::target::Target;

/// The result for one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// A command was queued.
    Queued(Queued),
    /// The command was already queued.
    Adopted(String),
    /// The created marker was removed.
    MarkerRemoved,
    /// There was nothing to do.
    Nothing,
}

/// Applies the choice for one etcd cluster; the command is named by `time`, or by the current time. The preflight must have passed.
pub async fn submit(
    target: &Target<'_>,
    time: Option<Timestamp>,
    context: &Context,
    consent: &Consent,
) -> Result<Done, AnyFailure> {
    let session = &context.session;
    let etcd = &target.catalog.store.etcd;
    if let Some(queued) = &target.queued {
        session
            .ui
            .note(&format!("{etcd}: command {} is already queued; resuming", queued.name));
        copy_back(target, context, consent).await?;
        return Ok(Done::Adopted(queued.name.clone()));
    }
    // Another user may have queued a command since the plan was shown.
    let meanwhile = queue::commands(session.objects(), target.catalog).await?;
    if let Some(found) = meanwhile.first() {
        let wanted = match &target.choice {
            Choice::Backup { backup, .. } => Some(backup.name.as_str()),
            _ => None,
        };
        if meanwhile.len() == 1 && wanted.is_some() && found.backup().ok() == wanted {
            session.ui.note(&format!(
                "{etcd}: the same restore was just queued ({}); resuming",
                found.name
            ));
            copy_back(target, context, consent).await?;
            return Ok(Done::Adopted(found.name.clone()));
        }
        let message = format!("{etcd}: command {} was queued after the plan was shown", found.name);
        return Err(CommandError::refused(message)
            .hint("check it with `kubectl etcd-restore commands`, then repeat the command")
            .into());
    }
    match (&target.choice, &target.spec) {
        (Choice::Backup { backup, .. }, Some(spec)) => {
            let request = RestoreRequest {
                catalog: target.catalog,
                backup,
                spec: spec.clone(),
                time,
            };
            let waiting = |name: &str| {
                session.ui.note(&format!(
                    "{etcd}: another command is named {name}: waiting for the next second"
                ));
            };
            let queued = queue::queue(session.objects(), session.clock.as_ref(), &request, consent, &waiting).await?;
            session
                .ui
                .note(&format!("{etcd}: queued {} to restore {}", queued.name, backup.name));
            Ok(Done::Queued(queued))
        }
        (Choice::Fresh(_), _) => {
            queue::remove_created_marker(session.objects(), target.catalog, consent).await?;
            session.ui.note(&format!(
                "{etcd}: removed etcd-cluster-created: etcd-manager seeds it anew"
            ));
            Ok(Done::MarkerRemoved)
        }
        _ => Ok(Done::Nothing),
    }
}

/// Copies a deleted backup back from its pin.
async fn copy_back(target: &Target<'_>, context: &Context, consent: &Consent) -> Result<(), AnyFailure> {
    let session = &context.session;
    let Choice::Backup { backup, .. } = &target.choice else {
        return Ok(());
    };
    if queue::copy_back(session.objects(), target.catalog, backup, consent).await? {
        session.ui.note(&format!(
            "{}: copied {} back from where it is pinned",
            target.catalog.store.etcd, backup.name
        ));
    }
    Ok(())
}
