//! `kubectl masterleases`: find and delete the masterleases that never expire after a restore of etcd.

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
