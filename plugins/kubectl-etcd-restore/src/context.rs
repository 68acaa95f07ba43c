//! What every subcommand works with, and the only place where adapters are connected.

mod hands;

use runbook_kit::adapters::aws::{AwsFleet, FleetOptions};
use runbook_kit::adapters::session;
use runbook_kit::error::AnyFailure;
use runbook_kit::ports::fleet::Fleet;
use runbook_kit::session::Session;
use runbook_kit::ui::Ui;

use crate::cli::Cli;

/// The world, and how to talk of it.
pub struct Context {
    pub session: Session,
    fleet: AwsFleet,
}

/// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
pub fn connect(cli: &Cli, ui: Ui) -> Result<Context, AnyFailure> {
    let session = session::connect(&cli.cluster, &cli.aws, &cli.unpack, cli.output.output, ui)?;
    let fleet = AwsFleet::new(FleetOptions {
        region: cli.aws.region.clone(),
        profile: cli.aws.profile.clone(),
    });
    Ok(Context { session, fleet })
}

impl Context {
    /// AWS' machines.
    pub fn fleet(&self) -> &dyn Fleet {
        &self.fleet
    }
}
