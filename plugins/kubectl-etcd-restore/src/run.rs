//! `run`.
use crate::context::Context;
use runbook_kit::error::AnyFailure;
use runbook_kit::exit::Exit;
/// x
#[derive(Debug, clap::Args)]
pub struct Args {}
pub async fn run(_args: Args, _context: &Context) -> Result<Exit, AnyFailure> {
    Ok(Exit::Done)
}
