//! What every subcommand works with, and the only place where adapters are named.

use std::path::Path;

use jiff::Timestamp;
use runbook_kit::adapters::api_probe::TlsProbe;
use runbook_kit::adapters::etcd::access;
use runbook_kit::adapters::save;
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::cli::output::Format;
use runbook_kit::cli::ui::Ui;
use runbook_kit::cli::{self, UnpackArgs};
use runbook_kit::connect;
use runbook_kit::failure::AnyFailure;
use runbook_kit::ports::{ApiProbe, EtcdKv};
use runbook_kit::session::Session;

use crate::cli::Cli;

/// Masterleases are kept there, never in `events` or another one.
const ETCD: &str = "main";

/// The world, and how to talk of it.
pub struct Context {
    pub ui: Ui,
    pub format: Format,
    session: Session,
    probe: TlsProbe,
}

impl Context {
    /// Sets up the adapters. Nothing is asked yet.
    pub fn new(cli: &Cli, ui: Ui) -> Result<Self, AnyFailure> {
        let cluster = cli::ClusterArgs {
            state: cli.cluster.state.clone(),
            name: cli.cluster.name.clone(),
            context: cli.cluster.context.clone(),
            kubeconfig: cli.cluster.kubeconfig.clone(),
            ..cli::ClusterArgs::default()
        };
        let format = cli.output.output;
        Ok(Self {
            ui,
            format,
            session: connect::connect(&cluster, &cli.aws, &UnpackArgs::default(), format, ui)?,
            probe: TlsProbe::default(),
        })
    }

    pub fn now(&self) -> Timestamp {
        self.session.now()
    }

    pub fn probe(&self) -> &dyn ApiProbe {
        &self.probe
    }

    /// Connects to etcd `main` by the way that the flags want or allow, and says which one it is.
    pub async fn etcd(&self, access: &EtcdAccessArgs) -> Result<Box<dyn EtcdKv>, AnyFailure> {
        Ok(access::connect_for(&self.session, access, ETCD).await?.kv)
    }

    /// Writes a file that must not be there yet, readable for its owner only.
    pub fn save_new(&self, file: &Path, content: &[u8]) -> Result<(), AnyFailure> {
        Ok(save::create_private(file, content)?)
    }
}
