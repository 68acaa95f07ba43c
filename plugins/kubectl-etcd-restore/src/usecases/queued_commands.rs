//! The commands that a run has queued: what they will do, and how to remove them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use runbook_kit::cli::ui::Ui;
use runbook_kit::model::shell::ShellCommand;

use crate::context::Context;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub etcd: String,
    pub name: String,
    pub backup: String,
}

impl Command {
    /// What it will do, as `stays` says whether it is queued.
    pub fn describe(&self, stays: &str) -> String {
        let Self { etcd, name, backup } = self;
        format!(
            "command {name} {stays} queued: at the next change of etcd-manager's leader etcd {etcd} is wiped and restored from {backup}"
        )
    }

    /// The command that removes it.
    pub fn cancel(&self, context: &Context, cluster: &str) -> ShellCommand {
        cancel(context, cluster, &self.etcd, &self.name)
    }
}

/// The command that removes one.
pub fn cancel(context: &Context, cluster: &str, etcd: &str, name: &str) -> ShellCommand {
    context.command(&["cancel", name, "--etcd", etcd], cluster).arg("--yes")
}

/// The queued commands by etcd cluster. Those that are left when this is dropped, as by Ctrl-C, are reported.
pub struct QueuedCommands<'a> {
    ui: &'a Ui,
    context: &'a Context,
    cluster: String,
    queued: RefCell<BTreeMap<String, Command>>,
}

impl<'a> QueuedCommands<'a> {
    pub fn new(context: &'a Context, cluster: &str) -> Self {
        Self {
            ui: &context.session.ui,
            context,
            cluster: cluster.to_owned(),
            queued: RefCell::default(),
        }
    }

    /// Adds a queued command.
    pub fn add(&self, command: Command) {
        self.queued.borrow_mut().insert(command.etcd.clone(), command);
    }

    /// Removes a command that left the queue.
    pub fn remove(&self, etcd: &str) {
        self.queued.borrow_mut().remove(etcd);
    }

    /// Takes all of them, so that none is reported on drop.
    pub fn take(&self) -> Vec<Command> {
        let queued = std::mem::take(&mut *self.queued.borrow_mut());
        queued.into_values().collect()
    }

    /// Reports one that stays queued.
    pub fn warn_stays(&self, command: &Command) {
        self.warn_that_it(command, "stays");
    }

    /// Reports one of which it is not known whether it is still queued.
    pub fn warn_may_stay(&self, command: &Command) {
        self.warn_that_it(command, "may still be");
    }

    fn warn_that_it(&self, command: &Command, stays: &str) {
        let cancel = command.cancel(self.context, &self.cluster);
        self.ui
            .warn(&format!("{}; to remove it: {cancel}", command.describe(stays)));
    }
}

impl Drop for QueuedCommands<'_> {
    fn drop(&mut self) {
        for command in self.take() {
            self.warn_stays(&command);
        }
    }
}
