//! What every subcommand uses. The only place that names adapters.

use std::path::Path;

pub use runbook_kit::adapters::folder::NewFolder;
use runbook_kit::adapters::save;
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::{EtcdKv, ObjectBody};
pub use runbook_kit::session::{ClusterCatalogs, Session as Context};

/// Connects the adapters as the flags and the environment say. Makes no request yet.
pub fn connect(flags: Flags, ui: Ui) -> Result<Context, AnyFailure> {
    connect::connect(flags, ui)
}

/// Connects to an etcd as the flags say; also returns how, as text.
pub async fn etcd(context: &Context, access: &EtcdAccess, etcd: &str) -> Result<(Box<dyn EtcdKv>, String), AnyFailure> {
    let connected = connect::etcd::etcd(context, access, etcd).await?;
    Ok((connected.kv, connected.way))
}

/// Saves an object in a file, completely or not at all. Returns the bytes written.
pub async fn save(body: ObjectBody, file: &Path, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<u64, AnyFailure> {
    Ok(save::save(body, file, progress).await?)
}
