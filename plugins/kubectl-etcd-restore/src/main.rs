//! `kubectl etcd-restore`: restore the etcd clusters from their backups, until the API serves.

mod cleanup;
mod cli;
mod completion;
mod context;
mod flags;
mod man;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kubectl-etcd-restore",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(&cli, ui)?;
            cli.run(&context).await
        },
    )
}
