//! Carries out what was planned and agreed to: queues the commands, or forgets a created marker.

use crate::usecases::queue::{self, Queued, RestoreRequest};
use jiff::Timestamp;
use runbook_kit::consent::Consent;
use runbook_kit::failure::{AnyFailure, CommandError};

use crate::context::Context;
use crate::usecases::choose::Choice;
use crate::usecases::target::Target;

/// What was done to one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// A command was queued.
    Queued(Queued),
    /// It was queued already.
    Adopted(String),
    /// The created marker was removed.
    MarkerRemoved,
    /// There was nothing to do.
    Nothing,
}

/// Orders what the target's choice says; `time` names the command, now where it is none. The preflight must have been shown, and nothing in it refuses.
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
    // The plan was shown a while ago: somebody else may have ordered something meanwhile.
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

/// A backup that retention has taken from under its command is copied back from where it is pinned.
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
