//! `kubectl masterleases`: find and prune the masterleases that a restore of etcd made immortal.

mod cli;
mod commands;
mod context;
mod rules;
mod usecases;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kubectl-masterleases",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(cli.flags(), ui)?;
            cli.command.run(&context).await
        },
    )
}
