//! `kubectl masterleases`: find and prune the masterleases that a restore of etcd made immortal.

mod apply;
mod check;
mod cli;
mod completion;
mod context;
mod list;
mod look;
mod man;
mod plan;
mod prune;
mod rows;
mod settle;
mod undo;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kubectl-masterleases",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::Context::new(&cli, ui)?;
            cli.command.run(&context).await
        },
    )
}
