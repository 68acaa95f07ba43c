//! `kubectl etcd-backups`: find, verify, inspect and compare the backups of etcd-manager.

mod cli;
mod commands;
mod context;
mod rules;
mod usecases;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kubectl-etcd-backups",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(cli.flags(), ui)?;
            cli.command.run(&context).await
        },
    )
}
