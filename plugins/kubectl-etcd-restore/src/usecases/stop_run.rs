//! What is done when a run stops before everything serves.

use runbook_kit::consent::Consent;
use runbook_kit::failure::chain;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{PutMode, StoreError};

use crate::context::Context;
use crate::usecases::follow::Stopped;
use crate::usecases::observe::survey::Survey;
use crate::usecases::queue::{cancel, commands};
use crate::usecases::queued_commands::{Command, QueuedCommands};
use crate::usecases::run_record::{self, RunRecord};
use crate::usecases::target::Target;

/// Cleans up after a run that stopped.
pub struct Aftermath<'a> {
    pub survey: &'a Survey<'a>,
    pub queued_commands: &'a QueuedCommands<'a>,
    pub leave_queued: bool,
    pub context: &'a Context,
    pub consent: &'a Consent,
}

impl Aftermath<'_> {
    /// Removes the commands of this run that etcd-manager has not taken in time, unless etcd is dead; reports those that stay; and updates the
    /// record, so that the next run queues the removed ones again.
    pub async fn of(&self, stopped: &Stopped, mut record: RunRecord) {
        let ui = &self.context.session.ui;
        let before = record.clone();
        for command in self.queued_commands.take() {
            let target = self.survey.targets.iter();
            let target = target
                .filter(|target| target.catalog.store.etcd == command.etcd)
                .find(|_| record.has_command(&command.etcd, &command.name));
            let own = record.of(&command.etcd).is_some_and(|order| order.own);
            let mut facts = self.survey.facts.etcds.iter();
            let liveness = facts
                .find(|facts| facts.etcd == command.etcd)
                .map(|facts| &facts.liveness);
            let dead = matches!(liveness, Some(Liveness::Dead(_))) || stopped.no_members.contains(&command.etcd);
            if let (Some(target), true, true, false, false) =
                (target, stopped.why.untaken(), own, dead, self.leave_queued)
            {
                match self.remove(target, &command).await {
                    Ok(true) => {
                        record.forget(&command.etcd, &command.name);
                        ui.warn(&format!(
                            "{}: removed command {}: a later leader would have wiped etcd; repeat the command to queue it again",
                            command.etcd, command.name
                        ));
                        continue;
                    }
                    Ok(false) => {
                        ui.warn(&format!(
                            "{}: command {} was gone before it could be removed: check `kubectl etcd-restore status`",
                            command.etcd, command.name
                        ));
                        continue;
                    }
                    Err(error) => {
                        let (etcd, name) = (&command.etcd, &command.name);
                        ui.warn(&format!("{etcd}: removing {name}: {}", chain(&error)));
                        if error.may_have_happened() {
                            self.queued_commands.warn_may_stay(&command);
                            continue;
                        }
                    }
                }
            }
            self.queued_commands.warn_stays(&command);
        }
        if let Some(etcd) = stopped.why.removed()
            && let Some(command) = record.of(etcd).and_then(|order| order.command.clone())
        {
            record.forget(etcd, &command);
        }
        if record != before
            && let Some(at) = &self.survey.record_at
            && let Err(error) = self.note(at, &record).await
        {
            ui.warn(&format!(
                "{}; start the next run with --anew; otherwise it treats the removed command as done",
                chain(&error)
            ));
        }
    }

    async fn remove(&self, target: &Target<'_>, command: &Command) -> Result<bool, StoreError> {
        let objects = self.context.session.objects();
        let queued = commands(objects, target.catalog).await?;
        match queued.iter().find(|found| found.name == command.name) {
            Some(found) => cancel(objects, found, self.consent).await,
            None => Ok(false),
        }
    }

    async fn note(&self, at: &StoreUrl, record: &RunRecord) -> Result<(), StoreError> {
        let objects = self.context.session.objects();
        if record.entries.is_empty() {
            run_record::remove(objects, at, self.consent).await
        } else {
            run_record::write(objects, at, record, PutMode::Replace, self.consent).await
        }
    }
}
