//! `cleanup`: removes what a restore leaves behind.

mod events;
mod nodes;
mod workers;

use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::context::Context;

/// Remove what a restore leaves behind: Nodes without an instance, events that never expire
///
/// For stale masterleases use `kubectl masterleases`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Nodes(Box<nodes::Args>),
    Events(Box<events::Args>),
    Workers(workers::Args),
}

/// Runs `cleanup`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    match args.what {
        What::Nodes(args) => nodes::run(*args, context).await,
        What::Events(args) => events::run(*args, context).await,
        What::Workers(args) => workers::run(args, context).await,
    }
}
