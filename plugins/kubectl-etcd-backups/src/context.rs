//! What every subcommand works with, and the only place where adapters are connected.

use runbook_kit::cli::ui::Ui;
use runbook_kit::connect;
use runbook_kit::failure::AnyFailure;
pub use runbook_kit::session::{ClusterCatalogs, Session as Context};

use crate::cli::Cli;

/// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
pub fn connect(cli: &Cli, ui: Ui) -> Result<Context, AnyFailure> {
    connect::connect(&cli.cluster, &cli.aws, &cli.unpack, cli.output.output, ui)
}
