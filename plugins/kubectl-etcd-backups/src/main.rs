//! `kubectl etcd-backups`: find, verify, look into and compare the backups that etcd-manager keeps.

mod check;
mod cli;
mod completion;
mod context;
mod diff;
mod download;
mod export;
mod goods;
mod inspect;
mod list;
mod man;
mod open;
mod pin;
mod prometheus;
mod show;
mod take;
mod timeline;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kubectl-etcd-backups",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(&cli, ui)?;
            cli.command.run(&context).await
        },
    )
}
