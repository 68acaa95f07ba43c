//! What every subcommand works with: the stores, the clock, the flags that all have.

use std::path::PathBuf;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use runbook_kit::adapters::clock;
use runbook_kit::adapters::kops_config;
use runbook_kit::adapters::pack::Packer;
use runbook_kit::adapters::stores::{StoreEnvironment, StoreOptions, Stores};
use runbook_kit::adapters::unpack::{UnpackOptions, Unpacker};
use runbook_kit::backups::catalog::{self, Backup, Catalog};
use runbook_kit::backups::choose::{self, ChooseError, Chosen, Looking, Rejected};
use runbook_kit::backups::discover::{self, Discovered, EtcdStore, ExplicitStore};
use runbook_kit::cli::ClusterArgs;
use runbook_kit::domain::kops::identity;
use runbook_kit::domain::moment;
use runbook_kit::domain::store_url::StoreUrl;
use runbook_kit::error::{AnyFailure, UsageError};
use runbook_kit::output::Format;
use runbook_kit::ports::{Clock, ObjectStore, SnapshotPacker, SnapshotReader};
use runbook_kit::ui::Ui;

use crate::cli::Cli;
use crate::wanted::Wanted;

/// Clusters whose stores are listed at once.
const CLUSTERS_AT_ONCE: usize = 16;

/// The world, and how to talk of it.
pub struct Context {
    pub ui: Ui,
    pub format: Format,
    cluster: ClusterArgs,
    objects: Box<dyn ObjectStore>,
    reader: Box<dyn SnapshotReader>,
    packer: Box<dyn SnapshotPacker>,
    clock: Box<dyn Clock>,
}

/// One cluster of a state store, or why nothing is known of it.
pub struct ClusterCatalogs {
    pub cluster: String,
    pub catalogs: Result<Vec<Catalog>, AnyFailure>,
}

impl Context {
    /// Connects the adapters to what the flags and the environment say. Nothing is asked yet.
    pub fn connect(cli: &Cli, ui: Ui) -> Result<Self, AnyFailure> {
        let now = std::env::var(clock::NOW_VARIABLE).ok();
        let clock = clock::from_variable(now.as_deref()).map_err(|error| UsageError::new(error.to_string()))?;
        let options = StoreOptions {
            region: cli.aws.region.clone(),
            profile: cli.aws.state_profile.clone().or_else(|| cli.aws.profile.clone()),
            environment: StoreEnvironment::from_process(),
            ..StoreOptions::default()
        };
        let unpack = UnpackOptions {
            temp_dir: cli.unpack.temp_dir.clone(),
            max_db_size: cli.unpack.max_db_size,
        };
        Ok(Self {
            ui,
            format: cli.output.output,
            cluster: cli.cluster.clone(),
            objects: Box::new(Stores::new(options)),
            reader: Box::new(Unpacker::new(unpack)),
            packer: Box::new(Packer::new(cli.unpack.temp_dir.clone())),
            clock,
        })
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn objects(&self) -> &dyn ObjectStore {
        self.objects.as_ref()
    }

    pub fn reader(&self) -> &dyn SnapshotReader {
        self.reader.as_ref()
    }

    pub fn packer(&self) -> &dyn SnapshotPacker {
        self.packer.as_ref()
    }

    /// `--kubeconfig` and `--context`.
    pub fn kube(&self) -> (Option<PathBuf>, Option<String>) {
        (self.cluster.kubeconfig.clone(), self.cluster.context.clone())
    }

    /// Where the cluster's CAs lie, where state store and cluster are known and the cluster is in it.
    pub async fn key_store(&self) -> Result<Option<StoreUrl>, AnyFailure> {
        let (Some(state), Some(name)) = (self.state()?, self.name()?) else {
            return Ok(None);
        };
        let place = match discover::cluster(self.objects(), &state, &name.value).await {
            Ok(found) => match found.spec.map(|spec| spec.key_store_in(&state)) {
                Some(place) => place.map_err(|error| error.to_string()),
                None => Ok(state.join(&name.value).join("pki")),
            },
            Err(error) => Err(error.to_string()),
        };
        Ok(place
            .map_err(|error| self.ui.detail(&format!("no certificate can be made: {error}")))
            .ok())
    }

    /// The backups of each etcd cluster that was asked for.
    pub async fn catalogs(&self) -> Result<Vec<Catalog>, AnyFailure> {
        let found = self.discover().await?;
        for note in &found.notes {
            self.ui.note(&format!("note: {note}"));
        }
        let stores = self.asked(found.stores)?;
        Ok(catalog::read(self.objects(), &stores, self.now()).await?)
    }

    /// The same for every cluster of the state store. One that fails does not hide the others.
    pub async fn every_cluster(&self) -> Result<Vec<ClusterCatalogs>, AnyFailure> {
        let state = self.state()?.ok_or_else(no_state)?;
        let clusters = discover::clusters(self.objects(), &state).await?;
        Ok(stream::iter(clusters)
            .map(|(cluster, found)| async move {
                let catalogs = async {
                    let wanted = found?
                        .stores
                        .into_iter()
                        .filter(|store| self.is_asked(&store.etcd))
                        .collect::<Vec<_>>();
                    Ok::<_, AnyFailure>(catalog::read(self.objects(), &wanted, self.now()).await?)
                };
                ClusterCatalogs {
                    cluster,
                    catalogs: catalogs.await,
                }
            })
            .buffered(CLUSTERS_AT_ONCE)
            .collect()
            .await)
    }

    /// What the user named, at most one of each etcd cluster.
    pub async fn choose<'a>(&self, catalogs: &'a [Catalog], wanted: &Wanted) -> Result<Vec<Chosen<'a>>, AnyFailure> {
        let at = self.moment(wanted.at.as_deref(), "--at")?;
        let looking = Looking {
            objects: self.objects(),
            reader: self.reader(),
        };
        let chosen = choose::choose(looking, catalogs, &wanted.backup, at).await;
        if let Err(ChooseError::NoneGood { rejected, .. }) = &chosen {
            // The error itself lists them.
            self.ui.detail(&format!("{} backups were looked at", rejected.len()));
        }
        Ok(chosen?)
    }

    /// What the user named, of one etcd cluster only.
    pub async fn choose_one<'a>(
        &self,
        catalogs: &'a [Catalog],
        wanted: &Wanted,
    ) -> Result<(&'a Catalog, &'a Backup), AnyFailure> {
        let chosen = self.choose(catalogs, wanted).await?;
        match chosen.as_slice() {
            [one] => {
                self.tell_rejected(&one.rejected);
                Ok((one.catalog, one.backup))
            }
            several => {
                let etcds: Vec<&str> = several.iter().map(|one| one.catalog.store.etcd.as_str()).collect();
                let wanted = &wanted.backup;
                let message = format!("{wanted} is a backup of {}: say which is meant", etcds.join(" and of "));
                let etcd = etcds.first().copied().unwrap_or_default();
                Err(UsageError::new(message)
                    .hint(format!("{etcd}={wanted}, or --etcd {etcd}"))
                    .into())
            }
        }
    }

    /// Why younger backups were passed over.
    pub fn tell_rejected(&self, rejected: &[Rejected]) {
        for one in rejected {
            self.ui.note(&format!("passed over {one}"));
        }
    }

    /// A time that a flag gave.
    pub fn moment(&self, text: Option<&str>, flag: &str) -> Result<Option<Timestamp>, AnyFailure> {
        let read = |text| moment::parse(text, self.now()).map_err(|error| UsageError::new(format!("{flag}: {error}")));
        Ok(text.map(read).transpose()?)
    }

    async fn discover(&self) -> Result<Discovered, AnyFailure> {
        if !self.cluster.store.is_empty() {
            let given: Vec<ExplicitStore> = self
                .cluster
                .store
                .iter()
                .map(|text| {
                    text.parse()
                        .map_err(|error| UsageError::new(format!("--store: {error}")))
                })
                .collect::<Result<_, _>>()?;
            // A state store of the environment may be another cluster's: only flags place a store.
            let state = self.cluster.state.as_deref().map(parse_state).transpose()?;
            let found = discover::explicit(self.objects(), &given, state.as_ref(), self.cluster.name.as_deref());
            return Ok(found.await?);
        }
        let state = self.state()?.ok_or_else(no_state)?;
        let name = self.name()?;
        let Some(name) = name else {
            let hint = match discover::clusters(self.objects(), &state).await {
                Ok(found) => {
                    let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
                    format!(
                        "pass --name or set KOPS_CLUSTER_NAME; {state} holds {}",
                        names.join(", ")
                    )
                }
                Err(error) => return Err(error.into()),
            };
            return Err(UsageError::new("no cluster is named").hint(hint).into());
        };
        self.ui.detail(&format!(
            "cluster {} (from {}), state store {state}",
            name.value, name.origin
        ));
        Ok(discover::cluster(self.objects(), &state, &name.value).await?)
    }

    fn asked(&self, stores: Vec<EtcdStore>) -> Result<Vec<EtcdStore>, AnyFailure> {
        let known: Vec<String> = stores.iter().map(|store| store.etcd.clone()).collect();
        if let Some(name) = self.cluster.etcd.iter().find(|name| !known.contains(name)) {
            return Err(ChooseError::NoSuchEtcd {
                name: name.clone(),
                known,
            }
            .into());
        }
        Ok(stores.into_iter().filter(|store| self.is_asked(&store.etcd)).collect())
    }

    fn is_asked(&self, etcd: &str) -> bool {
        self.cluster.etcd.is_empty() || self.cluster.etcd.iter().any(|name| name == etcd)
    }

    fn state(&self) -> Result<Option<StoreUrl>, AnyFailure> {
        let settings = kops_config::kops_settings(home().as_deref()).map_err(settings_error)?;
        let variable = std::env::var("KOPS_STATE_STORE").ok();
        let chosen = identity::state_store(self.cluster.state.as_deref(), variable.as_deref(), &settings);
        Ok(chosen
            .map_err(settings_error)?
            .map(|chosen| parse_state(&chosen.value))
            .transpose()?)
    }

    fn name(&self) -> Result<Option<identity::Chosen>, AnyFailure> {
        let variable = std::env::var("KOPS_CLUSTER_NAME").ok();
        let kubeconfig = std::env::var_os("KUBECONFIG");
        // Only looked at where neither flag nor variable names the cluster: a broken kubeconfig is nobody's business then.
        let named = self.cluster.name.is_some() || variable.as_deref().is_some_and(|name| !name.is_empty());
        let files = if named {
            Vec::new()
        } else {
            kops_config::kubeconfigs(
                self.cluster.kubeconfig.as_deref(),
                kubeconfig.as_deref(),
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

fn parse_state(text: &str) -> Result<StoreUrl, UsageError> {
    text.parse()
        .map_err(|error| UsageError::new(format!("state store: {error}")))
}

fn settings_error(error: identity::SettingsError) -> UsageError {
    UsageError::new(error.to_string())
}

fn no_state() -> AnyFailure {
    UsageError::new("no state store is named")
        .hint("pass --state s3://BUCKET or set KOPS_STATE_STORE; or name one backup store by --store URL")
        .into()
}
