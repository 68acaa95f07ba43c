//! `kops-wipe-masters`: remove the control plane of one cluster, so that kops can rebuild it.

mod alive;
mod apply;
mod audit;
mod cli;
mod completion;
mod context;
mod held;
mod interlock;
mod journal;
mod look;
mod man;
mod plan;
mod purge_volumes;
mod report;
mod restore_volumes;
mod steps;
mod wipe;

use std::process::ExitCode;

fn main() -> ExitCode {
    runbook_kit::cli::main(
        "kops-wipe-masters",
        |cli: &cli::Cli| &cli.output,
        |cli, ui| async move {
            let context = context::connect(&cli, ui)?;
            cli.run(&context).await
        },
    )
}
