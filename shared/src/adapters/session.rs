//! Connects a [`Session`] to the real world.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::clock;
use super::kops_config::Files;
use super::pack::Packer;
use super::stores::{StoreEnvironment, StoreOptions, Stores};
use super::unpack::{UnpackOptions, Unpacker};
use crate::backups::choose::Known;
use crate::cli::{AwsArgs, ClusterArgs, UnpackArgs};
use crate::error::{AnyFailure, UsageError};
use crate::output::Format;
use crate::patience::Patient;
use crate::session::Session;
use crate::ui::Ui;

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
