//! What every subcommand uses. The only place that names adapters.

use std::io;
use std::path::Path;
use std::time::Duration;

pub use runbook_kit::adapters::folder::NewFolder;
use runbook_kit::adapters::journal::FileJournal;
use runbook_kit::adapters::save;
use runbook_kit::adapters::ssh::{Ssh, SshOptions};
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::hosts::HostError;
use runbook_kit::ports::{ClusterObjects, EtcdKv, Journal, ObjectBody, ObjectStore};
pub use runbook_kit::session::{ClusterCatalogs, Session as Context};

/// Connects the adapters as the flags and the environment say. Makes no request yet.
pub fn connect(flags: Flags, ui: Ui) -> Result<Context, AnyFailure> {
    connect::connect(flags, ui)
}

/// Connects to each member of an etcd that the flags lead to; also returns how, as text.
pub async fn members(
    context: &Context,
    access: &EtcdAccess,
    etcd: &str,
) -> Result<Vec<(Box<dyn EtcdKv>, String)>, AnyFailure> {
    let connected = connect::etcd::each_member(context, access, etcd).await?;
    Ok(connected.into_iter().map(|one| (one.kv, one.way)).collect())
}

/// The hosts that the flags name, over the user's ssh.
pub fn hosts(access: &EtcdAccess) -> Result<Ssh, AnyFailure> {
    let first = || access.host.first().cloned().unwrap_or_default();
    Ok(Ssh::new(&SshOptions::from(access)).map_err(|kind| HostError { host: first(), kind })?)
}

/// Stores that are reached with the credentials of another profile.
pub fn other_stores(context: &Context, profile: String) -> Box<dyn ObjectStore> {
    connect::other_stores(context, profile, None)
}

/// The limit of each request to the Kubernetes API: a page of large objects takes its time.
const API_TIMEOUT: Duration = Duration::from_secs(60);

/// The Kubernetes API that the flags and the kubeconfig name. Makes no request yet.
pub async fn objects(context: &Context) -> Result<Box<dyn ClusterObjects>, AnyFailure> {
    Ok(Box::new(connect::kube::kube(context, API_TIMEOUT).await?))
}

/// Saves an object in a file, completely or not at all. Returns the bytes written.
pub async fn save(body: ObjectBody, file: &Path, progress: &(dyn Fn(u64) + Send + Sync)) -> Result<u64, AnyFailure> {
    Ok(save::save(body, file, progress).await?)
}

/// Creates a journal, whole with its first line. Fails if the file exists.
pub fn create_journal(file: &Path, first: &str) -> Result<Box<dyn Journal>, AnyFailure> {
    Ok(Box::new(FileJournal::create(file, first)?))
}

/// Reads a file that the user named.
pub fn read(file: &Path) -> io::Result<Vec<u8>> {
    save::read(file)
}
