//! Connects a [`Session`] to the real world.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::adapters::clock;
use crate::adapters::kops_config::Files;
use crate::adapters::pack::Packer;
use crate::adapters::stores::{StoreEnvironment, StoreOptions, Stores};
use crate::adapters::unpack::{UnpackOptions, Unpacker};
use crate::cli::output::Format;
use crate::cli::ui::Ui;
use crate::cli::waiting::Patient;
use crate::cli::{AwsArgs, ClusterArgs, UnpackArgs};
use crate::failure::{AnyFailure, UsageError};
use crate::session::Session;
use crate::usecases::choose::Known;

/// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
///
/// # Errors
/// Where the test clock's variable is no time.
pub fn connect(
    cluster: &ClusterArgs,
    aws: &AwsArgs,
    unpack: &UnpackArgs,
    format: Format,
    ui: Ui,
) -> Result<Session, AnyFailure> {
    let now = std::env::var(clock::NOW_VARIABLE).ok();
    let clock = clock::from_variable(now.as_deref()).map_err(|error| UsageError::new(error.to_string()))?;
    if let Some(warning) = clock::warning(now.as_deref()) {
        ui.warn(&warning);
    }
    let options = StoreOptions {
        region: aws.region.clone(),
        profile: aws.state_profile.clone().or_else(|| aws.profile.clone()),
        environment: StoreEnvironment::from_process(),
        silence: aws.aws_timeout,
        ..StoreOptions::default()
    };
    Ok(Session {
        ui,
        format,
        cluster: cluster.clone(),
        lineage: unpack.lineage.clone(),
        settings: Box::new(Files),
        objects: Box::new(Patient::new(Stores::new(options), move |line| ui.note(line))),
        reader: Box::new(Unpacker::new(UnpackOptions {
            temp_dir: unpack.temp_dir.clone(),
            max_db_size: unpack.max_db_size,
        })),
        packer: Box::new(Packer::new(unpack.temp_dir.clone())),
        clock,
        known: Known::default(),
        found: Arc::new(OnceCell::new()),
    })
}
