//! `member`: the members of an etcd cluster.

mod list;
mod replace;

use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::context::Context;

/// Show the members of an etcd cluster, and remove a dead one
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    List(list::Args),
    Replace(replace::Args),
}

/// Runs `member`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    match args.what {
        What::List(args) => list::run(args, context).await,
        What::Replace(args) => replace::run(args, context).await,
    }
}
