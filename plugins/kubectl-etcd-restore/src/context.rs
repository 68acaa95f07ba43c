//! What every subcommand works with, and the only place where adapters are connected.

mod connections;

use std::path::PathBuf;
use std::time::Duration;

use runbook_kit::adapters::aws::AwsFleet;
use runbook_kit::adapters::etcd::access::{self, AccessError, Connected, KeySource, Ways};
use runbook_kit::cli::ui::Ui;
use runbook_kit::connect::{self, Flags};
use runbook_kit::failure::AnyFailure;
use runbook_kit::failure::chain;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::cluster_api::ClusterApi;
use runbook_kit::ports::fleet::{Fleet, FleetChange};
use runbook_kit::ports::{EtcdErrorKind, EtcdKv, StoreError};
use runbook_kit::session::Session;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::kops_state::etcd_managers::{EtcdManagers, etcd_managers};

use crate::rules::next_command::Given;

/// The session, and access to AWS.
pub struct Context {
    pub session: Session,
    fleet: AwsFleet,
    /// The AWS flags as they were given.
    aws_flags: Vec<(&'static str, String)>,
    temp_dir: Option<PathBuf>,
}

/// Connects the adapters as the flags and the environment say. It sends no request.
pub fn connect(flags: Flags, ui: Ui) -> Result<Context, AnyFailure> {
    let aws = flags.aws.clone();
    let temp_dir = flags.unpack.temp_dir.clone();
    let session = connect::connect(flags, ui)?;
    let fleet = AwsFleet::new((&aws).into(), session.region_of_spec());
    let given = [
        ("--region", aws.region),
        ("--profile", aws.profile),
        ("--state-profile", aws.state_profile),
    ];
    let given = given.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
    Ok(Context {
        session,
        fleet,
        aws_flags: given.collect(),
        temp_dir,
    })
}

/// Why etcd did not respond.
pub enum NoEtcd {
    /// Its endpoints do not respond.
    Unreachable(String),
    /// No endpoint is known, or access is denied.
    NotChecked(String),
}

impl Context {
    /// A command of this plugin for this cluster, as it can be pasted.
    pub fn command(&self, words: &[&str], cluster: &str) -> ShellCommand {
        let mut command = ShellCommand::new("kubectl")
            .arg("etcd-restore")
            .args(words.iter().copied());
        if !cluster.is_empty() {
            command = command.args(["--name", cluster]);
        }
        let given = &self.session.cluster;
        let stores = &self.session.stores.store;
        if let (true, Ok(Some(state))) = (stores.is_empty(), self.session.state()) {
            command = command.args(["--state".to_owned(), state.to_string()]);
        } else {
            command = command.args(
                given
                    .state
                    .iter()
                    .flat_map(|state| ["--state".to_owned(), state.clone()]),
            );
        }
        command = command.args(stores.iter().flat_map(|store| ["--store".to_owned(), store.clone()]));
        command.options(&self.aws_flags)
    }

    /// The flags that name the stores, for a command of another plugin.
    pub fn store_flags(&self) -> Vec<(&'static str, String)> {
        let stores = &self.session.stores.store;
        match (stores.is_empty(), self.session.state()) {
            (true, Ok(Some(state))) => vec![("--state", state.to_string())],
            _ => stores.iter().map(|store| ("--store", store.clone())).collect(),
        }
    }

    /// The flags that a suggested command needs as well.
    pub fn given(&self, cluster: &str) -> Given {
        Given {
            cluster: cluster.to_owned(),
            state: self.session.cluster.state.clone(),
            stores: self.session.stores.store.clone(),
            aws: self.aws_flags.clone(),
        }
    }

    /// The instances, groups and volumes in AWS.
    pub fn fleet(&self) -> &dyn Fleet {
        &self.fleet
    }

    /// The same, to change them.
    pub fn fleet_change(&self) -> &dyn FleetChange {
        &self.fleet
    }

    /// The API of `cluster`, or why it cannot be reached.
    pub async fn api(&self, cluster: &str, timeout: Duration) -> Result<Box<dyn ClusterApi>, String> {
        let found = self.cluster_api(cluster, timeout).await;
        found.map_err(|error| format!("{}; pass --context or --kubeconfig", chain(&error)))
    }

    /// The etcd-managers of an etcd cluster, by its manifests; `None` where no state store is named. Where the spec cannot be read they are
    /// looked for where kops puts them by default.
    pub async fn etcd_managers(&self, catalog: &Catalog) -> Option<Result<EtcdManagers, StoreError>> {
        let state = self.session.state().ok()??;
        let cluster = &catalog.store.cluster;
        let named = self.session.discover().await.ok();
        let named = named.and_then(|found| found.config_base(&state, cluster).ok());
        let config_base = named.unwrap_or_else(|| state.join(cluster));
        Some(etcd_managers(self.session.objects(), &config_base, &catalog.store).await)
    }

    /// An etcd, reached as the flags say.
    pub async fn etcd(
        &self,
        args: &EtcdAccess,
        etcd: &str,
        key_store: Option<&StoreUrl>,
    ) -> Result<Box<dyn EtcdKv>, NoEtcd> {
        let (kubeconfig, context) = self.session.kube();
        let ways = Ways {
            args,
            etcd,
            kubeconfig,
            context,
            keys: key_store.map(|key_store| KeySource {
                objects: self.session.objects(),
                key_store: key_store.clone(),
            }),
        };
        match access::connect(&ways).await {
            Ok(Connected { kv, .. }) => Ok(kv),
            // Through the Kubernetes API: when the API does not respond, nothing is known about etcd.
            Err(error) if unreachable(&error) && !(args.endpoints.is_empty() && args.host.is_empty()) => {
                Err(NoEtcd::Unreachable(chain(&error)))
            }
            Err(error) => Err(NoEtcd::NotChecked(chain(&error))),
        }
    }
}

fn unreachable(error: &AccessError) -> bool {
    match error {
        AccessError::Etcd(error) => matches!(
            error.kind,
            EtcdErrorKind::Unreachable | EtcdErrorKind::Timeout { .. } | EtcdErrorKind::Lost
        ),
        AccessError::Several(several) => several.iter().any(unreachable),
        _ => false,
    }
}
