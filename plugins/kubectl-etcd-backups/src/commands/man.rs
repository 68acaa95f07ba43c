//! `man`: the manual page.

use clap::CommandFactory;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::cli::Cli;
use crate::context::Context;

/// Print the manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  kubectl etcd-backups man | man -l -")]
pub struct Args {}

/// Runs `man`.
pub fn run(_args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let command = runbook_kit::cli::command::<Cli>("kubectl etcd-backups");
    context
        .ui
        .raw(&runbook_kit::cli::man::page(&command, Cli::command().get_name())?)?;
    Ok(Exit::Done)
}
