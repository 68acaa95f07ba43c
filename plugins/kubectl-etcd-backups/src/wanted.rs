//! The backup that a subcommand is about.

use runbook_kit::domain::backup_ref::BackupRef;

/// Which backup is meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Wanted {
    /// A name, the beginning of one, `latest` or `latest-good`, with `ETCD=` before it for one etcd cluster
    #[arg(value_name = "BACKUP")]
    pub backup: BackupRef,
    /// With latest and latest-good: not after this time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

impl From<BackupRef> for Wanted {
    /// Whenever it was taken.
    fn from(backup: BackupRef) -> Self {
        Self { backup, at: None }
    }
}
