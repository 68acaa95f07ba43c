//! `kubectl etcd-restore`: restores the etcd clusters from backups, until the API serves.

mod cli;
mod commands;
mod context;
mod rules;
mod usecases;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kubectl-etcd-restore",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(cli.flags(), ui)?;
            cli.run(&context).await
        },
    )
}
