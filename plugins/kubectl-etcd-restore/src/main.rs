//! `kubectl etcd-restore`: restore the etcd clusters from their backups, until the API serves.

mod agree;
mod armed;
mod bare;
mod cancel;
mod choose;
mod cleanup;
mod cli;
mod commands;
mod completion;
mod context;
mod drill;
mod follow;
mod hosts;
mod logs;
mod man;
mod order;
mod plan;
mod queue;
mod restart_etcd;
mod restart_kubelet;
mod run;
mod runbook;
mod sight;
mod status;

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
