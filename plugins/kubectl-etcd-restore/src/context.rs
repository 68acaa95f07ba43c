//! What every subcommand works with, and the only place where adapters are connected.

use runbook_kit::adapters::session;
use runbook_kit::error::AnyFailure;
use runbook_kit::session::Session;
use runbook_kit::ui::Ui;

use crate::cli::Cli;

/// The world, and how to talk of it.
pub struct Context {
    pub session: Session,
}

/// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
pub fn connect(cli: &Cli, ui: Ui) -> Result<Context, AnyFailure> {
    let session = session::connect(&cli.cluster, &cli.aws, &cli.unpack, cli.output.output, ui)?;
    Ok(Context { session })
}
