//! Connects a [`Session`] to the real world: what the plugins' `context.rs` have in common.

#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(all(feature = "etcd", feature = "ssh"))]
pub mod evidence;
#[cfg(feature = "kube")]
pub mod kube;
pub mod program;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::adapters::backup_notes::NotesFolder;
use crate::adapters::clock;
use crate::adapters::encryption_config;
use crate::adapters::kops_config::Files;
use crate::adapters::pack::Packer;
use crate::adapters::store_options::{StoreEnvironment, StoreOptions};
use crate::adapters::stores::Stores;
use crate::adapters::unpack::{UnpackOptions, Unpacker};
use crate::adapters::waiting::WaitNotices;
use crate::cli::output::Format;
use crate::cli::ui::Ui;
use crate::cli::{AwsArgs, ClusterArgs, EtcdArgs, StoreArgs, UnpackArgs};
use crate::failure::{AnyFailure, CommandError};
use crate::ports::ObjectStore;
use crate::session::Session;
use crate::usecases::encryption::KeyRing;
use crate::usecases::known_backups::KnownBackups;

/// The flags of every session.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// Which cluster.
    pub cluster: ClusterArgs,
    /// Where its backups are.
    pub stores: StoreArgs,
    /// Which of its etcd clusters.
    pub etcds: EtcdArgs,
    /// AWS credentials and region.
    pub aws: AwsArgs,
    /// Which backups are looked into, and how.
    pub unpack: UnpackArgs,
    /// The shape of the result.
    pub format: Format,
}

/// Creates the adapters from the flags and the environment. No request is made yet.
///
/// # Errors
/// Where the test clock's variable is no time.
pub fn connect(flags: Flags, ui: Ui) -> Result<Session, AnyFailure> {
    let Flags {
        cluster,
        stores,
        etcds,
        aws,
        unpack,
        format,
    } = flags;
    let now = std::env::var(clock::NOW_VARIABLE).ok();
    let clock = clock::from_variable(now.as_deref()).map_err(|error| CommandError::usage(error.to_string()))?;
    if let Some(warning) = clock::warning(now.as_deref()) {
        ui.warn(&warning);
    }
    let keys = unpack
        .encryption_config
        .as_deref()
        .map(encryption_config::read)
        .transpose()?;
    let options = store_options(aws.region, aws.state_profile.or(aws.profile), aws.aws_timeout);
    Ok(Session {
        ui,
        format,
        cluster,
        stores,
        etcds: etcds.etcd,
        lineage: unpack.lineage,
        settings: Box::new(Files),
        objects: Box::new(WaitNotices::new(Stores::new(options), move |line| ui.note(line))),
        reader: Box::new(Unpacker::new(UnpackOptions {
            temp_dir: unpack.temp_dir.clone(),
            max_db_size: unpack.max_db_size,
        })),
        packer: Box::new(Packer::new(unpack.temp_dir.clone())),
        spooler: Box::new(Packer::new(unpack.temp_dir)),
        clock,
        known: match unpack.no_cache {
            true => KnownBackups::default(),
            false => KnownBackups::with_notes(Box::new(NotesFolder::of_user())),
        },
        keys: KeyRing::new(keys, move |line| ui.warn(line)),
        found: Arc::new(OnceCell::new()),
    })
}

fn store_options(region: Option<String>, profile: Option<String>, silence: Option<Duration>) -> StoreOptions {
    StoreOptions {
        region,
        profile,
        environment: StoreEnvironment::from_process(),
        silence,
        ..StoreOptions::default()
    }
}

/// Stores that are reached with other credentials than the session's own.
#[must_use]
pub fn other_stores(session: &Session, profile: String, silence: Option<Duration>) -> Box<dyn ObjectStore> {
    let ui = session.ui;
    let options = store_options(None, Some(profile), silence);
    Box::new(WaitNotices::new(Stores::new(options), move |line| ui.note(line)))
}

#[cfg(feature = "aws")]
impl From<&AwsArgs> for crate::adapters::aws::FleetOptions {
    fn from(args: &AwsArgs) -> Self {
        Self {
            region: args.region.clone(),
            profile: args.profile.clone(),
            silence: args.aws_timeout,
        }
    }
}
