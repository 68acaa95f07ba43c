//! `kops-wipe-masters`: remove the control plane of one cluster, so that kops can rebuild it.

mod cli;
mod commands;
mod context;
mod rules;
mod usecases;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kops-wipe-masters",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(cli.flags(), ui)?;
            cli.run(&context).await
        },
    )
}
