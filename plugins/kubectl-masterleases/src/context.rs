//! What every subcommand works with, and the only place where adapters are named.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use runbook_kit::adapters::api_probe::TlsProbe;
use runbook_kit::adapters::etcd::access::{self, KeySource, Ways};
use runbook_kit::adapters::stores::{StoreEnvironment, StoreOptions, Stores};
use runbook_kit::adapters::{clock, kops_config, save};
use runbook_kit::backups::discover;
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::domain::kops::identity::{self, Chosen, SettingsError};
use runbook_kit::domain::store_url::StoreUrl;
use runbook_kit::error::{AnyFailure, UsageError};
use runbook_kit::output::Format;
use runbook_kit::ports::{ApiProbe, Clock, EtcdKv};
use runbook_kit::ui::{Ui, chain};

use crate::cli::{Cli, ClusterArgs};

/// Masterleases are kept there, never in `events` or another one.
const ETCD: &str = "main";

/// The world, and how to talk of it.
pub struct Context {
    pub ui: Ui,
    pub format: Format,
    cluster: ClusterArgs,
    objects: Stores,
    probe: TlsProbe,
    clock: Box<dyn Clock>,
}

impl Context {
    /// Sets up the adapters. Nothing is asked yet.
    pub fn new(cli: &Cli, ui: Ui) -> Result<Self, AnyFailure> {
        let now = std::env::var(clock::NOW_VARIABLE).ok();
        let clock = clock::from_variable(now.as_deref()).map_err(|error| UsageError::new(error.to_string()))?;
        let options = StoreOptions {
            region: cli.aws.region.clone(),
            profile: cli.aws.state_profile.clone().or_else(|| cli.aws.profile.clone()),
            environment: StoreEnvironment::from_process(),
            multipart: Default::default(),
        };
        Ok(Self {
            ui,
            format: cli.output.output,
            cluster: cli.cluster.clone(),
            objects: Stores::new(options),
            probe: TlsProbe::default(),
            clock,
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn probe(&self) -> &dyn ApiProbe {
        &self.probe
    }

    /// Connects to etcd `main` by the way that the flags want or allow, and says which one it is.
    pub async fn etcd(&self, access: &EtcdAccessArgs) -> Result<Box<dyn EtcdKv>, AnyFailure> {
        let ways = Ways {
            args: access,
            etcd: ETCD,
            kubeconfig: self.cluster.kubeconfig.clone(),
            context: self.cluster.context.clone(),
            keys: self.keys(access).await?,
        };
        let connected = access::connect(&ways).await?;
        for failed in &connected.passed_over {
            self.ui.note(&format!("passed over: {failed}"));
        }
        self.ui.note(&format!("etcd {ETCD}: {}", connected.way));
        Ok(connected.kv)
    }

    /// Writes a file that must not be there yet, readable for its owner only.
    pub fn save_new(&self, file: &Path, content: &[u8]) -> Result<(), AnyFailure> {
        Ok(save::create_private(file, content)?)
    }

    /// The key store of the cluster, where state store and cluster are known and no certificate is given.
    async fn keys(&self, access: &EtcdAccessArgs) -> Result<Option<KeySource<'_>>, AnyFailure> {
        if access.cacert.is_some() || access.plain_http {
            return Ok(None);
        }
        let home = home();
        let settings = kops_config::kops_settings(home.as_deref()).map_err(settings_error)?;
        let variable = std::env::var("KOPS_STATE_STORE").ok();
        let state = identity::state_store(self.cluster.state.as_deref(), variable.as_deref(), &settings);
        let (Some(state), Some(name)) = (state.map_err(settings_error)?, self.name()?) else {
            return Ok(None);
        };
        let (state_from, name_from) = (&state.origin, &name.origin);
        let state: StoreUrl = state
            .value
            .parse()
            .map_err(|error| UsageError::new(format!("state store: {error}")))?;
        self.ui.detail(&format!(
            "cluster {} (from {name_from}), state store {state} (from {state_from})",
            name.value
        ));
        let key_store = match discover::cluster(&self.objects, &state, &name.value).await {
            Ok(found) => match found.spec {
                Some(spec) => spec
                    .key_store_in(&state)
                    .map_err(|error| UsageError::new(format!("keyStore: {error}")))?,
                None => state.join(&name.value).join("pki"),
            },
            // Another way to etcd may need no certificate of ours.
            Err(error) if self.cluster.state.is_none() || self.cluster.name.is_none() => {
                self.ui.note(&format!("no certificate can be made: {}", chain(&error)));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Some(KeySource {
            objects: &self.objects,
            key_store,
        }))
    }

    fn name(&self) -> Result<Option<Chosen>, AnyFailure> {
        let variable = std::env::var("KOPS_CLUSTER_NAME").ok();
        let named = self.cluster.name.is_some() || variable.as_deref().is_some_and(|name| !name.is_empty());
        let files = if named {
            Vec::new()
        } else {
            let variable = std::env::var_os("KUBECONFIG");
            kops_config::kubeconfigs(
                self.cluster.kubeconfig.as_deref(),
                variable.as_deref(),
                home().as_deref(),
            )
            .map_err(settings_error)?
        };
        let context = self.cluster.context.as_deref();
        let chosen = identity::cluster_name(self.cluster.name.as_deref(), variable.as_deref(), context, &files);
        Ok(chosen.map_err(settings_error)?)
    }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

fn settings_error(error: SettingsError) -> UsageError {
    UsageError::new(error.to_string())
}
