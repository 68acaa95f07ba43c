//! Commands that lie in the queue when nobody follows them any more: what they will do, and how each is taken back.

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
    /// What it will do.
    pub fn describe(&self, stays: &str) -> String {
        let Self { etcd, name, backup } = self;
        format!(
            "command {name} {stays} queued: at the next change of etcd-manager's leader etcd {etcd} is wiped and restored from {backup}"
        )
    }

    /// What removes it.
    pub fn cancel(&self, context: &Context, cluster: &str) -> ShellCommand {
        cancel(context, cluster, &self.etcd, &self.name)
    }
}

/// What removes a command.
pub fn cancel(context: &Context, cluster: &str, etcd: &str, name: &str) -> ShellCommand {
    context.command(&["cancel", name, "--etcd", etcd], cluster).arg("--yes")
}

/// Those that are queued, by etcd cluster. Dropped before it is disarmed, as by Ctrl-C, it tells of each that was there at the last look.
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

    /// It was queued.
    pub fn add(&self, command: Command) {
        self.queued.borrow_mut().insert(command.etcd.clone(), command);
    }

    /// It is in the queue no more.
    pub fn remove(&self, etcd: &str) {
        self.queued.borrow_mut().remove(etcd);
    }

    /// Nothing is to be said when it is dropped. Gives those that are queued.
    pub fn take(&self) -> Vec<Command> {
        let queued = std::mem::take(&mut *self.queued.borrow_mut());
        queued.into_values().collect()
    }

    /// Tells of one that stays.
    pub fn tell(&self, command: &Command) {
        self.tell_that_it(command, "stays");
    }

    /// Tells of one of which nobody knows, since no answer came.
    pub fn warn_may_stay(&self, command: &Command) {
        self.tell_that_it(command, "may still be");
    }

    fn tell_that_it(&self, command: &Command, stays: &str) {
        let cancel = command.cancel(self.context, &self.cluster);
        self.ui
            .warn(&format!("{}; to remove it: {cancel}", command.describe(stays)));
    }
}

impl Drop for QueuedCommands<'_> {
    fn drop(&mut self) {
        for command in self.take() {
            self.tell(&command);
        }
    }
}
