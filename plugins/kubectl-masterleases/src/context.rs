//! What every subcommand uses. The only place that names adapters.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use runbook_kit::adapters::api_probe::TlsProbe;
use runbook_kit::adapters::save;
use runbook_kit::cli::output::Format;
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags};
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::{ApiProbe, EtcdKv};
use runbook_kit::session::Session;

/// Masterleases are always in `main`.
const ETCD: &str = "main";

/// The session, and how to probe API servers.
pub struct Context {
    pub ui: Ui,
    pub format: Format,
    session: Session,
    probe: TlsProbe,
}

/// Connects the adapters as the flags and the environment say. Makes no request yet.
pub fn connect(flags: Flags, ui: Ui) -> Result<Context, AnyFailure> {
    Ok(Context {
        ui,
        format: flags.format,
        session: connect::connect(flags, ui)?,
        probe: TlsProbe::default(),
    })
}

impl Context {
    pub fn now(&self) -> Timestamp {
        self.session.now()
    }

    pub fn probe(&self) -> &dyn ApiProbe {
        &self.probe
    }

    /// Connects to etcd `main` as the flags say, and prints how.
    pub async fn etcd(&self, access: &EtcdAccess) -> Result<Box<dyn EtcdKv>, AnyFailure> {
        Ok(connect::etcd::etcd(&self.session, access, ETCD).await?.kv)
    }

    /// Writes a new file, readable by its owner only. Fails if it exists.
    pub fn save_new(&self, file: &Path, content: &[u8]) -> Result<(), AnyFailure> {
        Ok(save::create_private(file, content)?)
    }

    /// Reads a file that the user named.
    pub fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        save::read(file)
    }
}
