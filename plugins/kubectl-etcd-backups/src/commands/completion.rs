//! `completion`, and what kubectl calls for it.

use clap::CommandFactory;
use runbook_kit::cli::completion::{self, Args, Words};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::cli::Cli;
use crate::context::Context;

/// The file that kubectl looks for: it turns the dashes of `kubectl etcd-backups` into underscores.
const FILE: &str = "kubectl-etcd_backups";

/// Runs `completion`.
pub fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    completion::run(args, Cli::command(), FILE, &context.ui)
}

/// Runs `__complete`.
pub fn complete(words: Words, context: &Context) -> Result<Exit, AnyFailure> {
    completion::complete(words, Cli::command(), FILE, &context.ui)
}
