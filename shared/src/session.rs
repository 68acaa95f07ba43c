//! What subcommands of every plugin work with: the stores, the clock, the flags that all have. Ports only: adapters are
//! connected by `connect`.

use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::cli::output::Format;
use crate::cli::ui::Ui;
use crate::cli::{BackupArgs, ClusterArgs, StoreArgs};
use crate::failure::chain;
use crate::failure::{AnyFailure, CommandError};
use crate::model::kops::identity::{self, Origin};
use crate::model::moment;
use crate::model::store_url::StoreUrl;
use crate::ports::{Clock, ObjectSpooler, ObjectStore, SnapshotPacker, SnapshotReader, UserSettings};
use crate::usecases::catalog::{self, Backup, Catalog};
use crate::usecases::choose::{self, ChooseContext, ChooseError, Chosen, Rejected};
use crate::usecases::discover::{self, DiscoverError, Discovered, EtcdStore, ExplicitStore, NotFollowed};
use crate::usecases::encryption::KeyRing;
use crate::usecases::examine::ExamineContext;
use crate::usecases::known_backups::KnownBackups;

/// Clusters whose stores are listed at once.
const CLUSTERS_AT_ONCE: usize = 16;

/// The world, and how to talk of it.
pub struct Session {
    /// How the user is talked to.
    pub ui: Ui,
    /// The shape of the result.
    pub format: Format,
    /// Which cluster, as the flags say.
    pub cluster: ClusterArgs,
    /// Where the backups are, as the flags say.
    pub stores: StoreArgs,
    /// `--etcd`: only these; all where it is empty.
    pub etcds: Vec<String>,
    /// `--lineage`: the prefix of the UID that `latest-good` has to match.
    pub lineage: Option<String>,
    /// What the user's environment and files say where flags do not.
    pub settings: Box<dyn UserSettings>,
    /// State stores and backup stores.
    pub objects: Box<dyn ObjectStore>,
    /// Looks into backups.
    pub reader: Box<dyn SnapshotReader>,
    /// Makes backups.
    pub packer: Box<dyn SnapshotPacker>,
    /// Keeps objects on the disk for a while.
    pub spooler: Box<dyn ObjectSpooler>,
    /// Tells the time.
    pub clock: Box<dyn Clock>,
    /// What was read of backups already.
    pub known: KnownBackups,
    /// What decrypts values that are encrypted at rest.
    pub keys: KeyRing,
    /// What the state store has of the cluster, once it was read.
    pub found: Arc<OnceCell<Discovered>>,
}

/// One cluster of a state store, or why nothing is known of it.
pub struct ClusterCatalogs {
    /// Its name.
    pub cluster: String,
    /// The backups of each of its etcd clusters.
    pub catalogs: Result<Vec<Catalog>, AnyFailure>,
}

impl Session {
    /// Now, in UTC.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// State stores and backup stores.
    #[must_use]
    pub fn objects(&self) -> &dyn ObjectStore {
        self.objects.as_ref()
    }

    /// Looks into backups.
    #[must_use]
    pub fn reader(&self) -> &dyn SnapshotReader {
        self.reader.as_ref()
    }

    /// The context for choosing backups.
    #[must_use]
    pub fn choose_context(&self) -> ChooseContext<'_> {
        ChooseContext {
            objects: self.objects(),
            reader: self.reader(),
            lineage: self.lineage.as_deref(),
            known: &self.known,
            keys: &self.keys,
        }
    }

    /// The context for reading one backup.
    #[must_use]
    pub fn examine_context(&self) -> ExamineContext<'_> {
        self.choose_context().examine()
    }

    /// Makes backups.
    #[must_use]
    pub fn packer(&self) -> &dyn SnapshotPacker {
        self.packer.as_ref()
    }

    /// `--kubeconfig` and `--context`.
    #[must_use]
    pub fn kube(&self) -> (Option<PathBuf>, Option<String>) {
        (self.cluster.kubeconfig.clone(), self.cluster.context.clone())
    }

    /// Where the cluster's CAs lie, where state store and cluster are known.
    ///
    /// # Errors
    /// Where flags name a cluster that cannot be found. One that the environment names is only noted: a way to etcd may need
    /// no certificate of ours.
    pub async fn key_store(&self) -> Result<Option<StoreUrl>, AnyFailure> {
        let (Some(state), Some(name)) = (self.state()?, self.name()?) else {
            return Ok(None);
        };
        self.ui.detail(&format!(
            "cluster {} (from {}), state store {state}",
            name.value, name.origin
        ));
        match self.found(&state, &name.value).await {
            Ok(found) => Ok(Some(match &found.spec {
                Some(spec) => spec
                    .key_store_in(&state)
                    .map_err(|error| CommandError::usage(format!("keyStore: {error}")))?,
                None => state.join(&name.value).join("pki"),
            })),
            Err(error) if self.cluster.state.is_none() || self.cluster.name.is_none() => {
                self.ui.note(&format!("no certificate can be made: {}", chain(&error)));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The cluster of state store and name; read once per command.
    ///
    /// # Errors
    /// Where the cluster is not there, or the store refuses.
    pub async fn found(&self, state: &StoreUrl, name: &str) -> Result<&Discovered, DiscoverError> {
        let looking = || async {
            let found = discover::cluster(self.objects(), state, name).await?;
            if let Some(elsewhere) = &found.elsewhere {
                self.ui.warn(&elsewhere.to_string());
            }
            Ok(found)
        };
        self.found.get_or_try_init(looking).await
    }

    /// Fails where something is to be changed (`yes`), it would be in another place than the state store that was named, and nobody
    /// said that this is meant. To be asked once the cluster was looked for.
    ///
    /// # Errors
    /// [`NotFollowed`].
    pub fn require_own_place(&self, yes: bool) -> Result<(), NotFollowed> {
        let elsewhere = self.found.get().and_then(|found| found.elsewhere.clone());
        let is_meant = !self.stores.store.is_empty() || self.stores.follow_spec;
        match elsewhere {
            Some(elsewhere) if yes && !is_meant => Err(NotFollowed(elsewhere)),
            _ => Ok(()),
        }
    }

    /// The AWS region of the cluster's spec, once that was read.
    #[must_use]
    pub fn region_of_spec(&self) -> Box<dyn Fn() -> Option<String> + Send + Sync> {
        let found = Arc::clone(&self.found);
        Box::new(move || found.get()?.spec.as_ref()?.region.clone())
    }

    /// The backups of each selected etcd cluster.
    ///
    /// # Errors
    /// Where nothing is named, or a store refuses.
    pub async fn catalogs(&self) -> Result<Vec<Catalog>, AnyFailure> {
        let found = self.discover().await?;
        for note in &found.notes {
            self.ui.note(&format!("note: {note}"));
        }
        let stores = self.asked(found.stores)?;
        Ok(catalog::read(self.objects(), &stores, self.now()).await?)
    }

    /// The etcd clusters of the same cluster that `--etcd` leaves out, each as far as its store can be read. An etcd that is left out may
    /// be what the API waits for.
    ///
    /// # Errors
    /// Where nothing is named, or the state store refuses.
    pub async fn left_out(&self) -> Result<Vec<(EtcdStore, Result<Catalog, String>)>, AnyFailure> {
        let stores = self.discover().await?.stores;
        let left_out: Vec<EtcdStore> = stores.into_iter().filter(|store| !self.is_asked(&store.etcd)).collect();
        let read = left_out.into_iter().map(|store| async move {
            let read = catalog::read(self.objects(), std::slice::from_ref(&store), self.now()).await;
            let found = match read {
                Ok(mut catalogs) => catalogs.pop().ok_or_else(|| "it has no store".to_owned()),
                Err(error) => Err(chain(&error)),
            };
            (store, found)
        });
        Ok(futures::future::join_all(read).await)
    }

    /// The same for every cluster of the state store. One that fails does not hide the others.
    ///
    /// # Errors
    /// Where no state store is named, or it refuses.
    pub async fn every_cluster(&self) -> Result<Vec<ClusterCatalogs>, AnyFailure> {
        let state = self.required_state()?;
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
    ///
    /// # Errors
    /// Where there is no such backup, or none that is good.
    pub async fn choose<'a>(
        &self,
        catalogs: &'a [Catalog],
        wanted: &BackupArgs,
    ) -> Result<Vec<Chosen<'a>>, AnyFailure> {
        let at = self.moment(wanted.at.as_deref(), "--at")?;
        let chosen = choose::choose(self.choose_context(), catalogs, &wanted.backup, at).await;
        if let Err(ChooseError::NoneGood { rejected, .. }) = &chosen {
            // The error itself lists them.
            self.ui.detail(&format!("{} backups were looked at", rejected.len()));
        }
        Ok(chosen?)
    }

    /// What the user named, of one etcd cluster only.
    ///
    /// # Errors
    /// The same; or where it is of several.
    pub async fn choose_one<'a>(
        &self,
        catalogs: &'a [Catalog],
        wanted: &BackupArgs,
    ) -> Result<(&'a Catalog, &'a Backup), AnyFailure> {
        let chosen = self.choose(catalogs, wanted).await?;
        match chosen.as_slice() {
            [one] => {
                self.tell_chosen(one);
                Ok((one.catalog, one.backup))
            }
            several => {
                let etcds: Vec<&str> = several.iter().map(|one| one.catalog.store.etcd.as_str()).collect();
                let wanted = &wanted.backup;
                let message = format!("{wanted} is a backup of {}: specify which one", etcds.join(" and of "));
                let etcd = etcds.first().copied().unwrap_or_default();
                Err(CommandError::usage(message)
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

    /// The same, and what should be known of the one that was chosen.
    pub fn tell_chosen(&self, chosen: &Chosen<'_>) {
        self.tell_rejected(&chosen.rejected);
        for warning in &chosen.warnings {
            let (etcd, name) = (&chosen.catalog.store.etcd, &chosen.backup.name);
            self.ui.warn(&format!("{etcd} {name}: {warning}"));
        }
    }

    /// A time that a flag gave.
    ///
    /// # Errors
    /// Where it is none.
    pub fn moment(&self, text: Option<&str>, flag: &str) -> Result<Option<Timestamp>, AnyFailure> {
        let read =
            |text| moment::parse(text, self.now()).map_err(|error| CommandError::usage(format!("{flag}: {error}")));
        Ok(text.map(read).transpose()?)
    }

    /// The etcd clusters of `--store`, or of state store and name.
    ///
    /// # Errors
    /// Where nothing is named, or the store refuses.
    pub async fn discover(&self) -> Result<Discovered, AnyFailure> {
        if !self.stores.store.is_empty() {
            let given: Vec<ExplicitStore> = self
                .stores
                .store
                .iter()
                .map(|text| {
                    text.parse()
                        .map_err(|error| CommandError::usage(format!("--store: {error}")))
                })
                .collect::<Result<_, _>>()?;
            // A state store of the environment may be another cluster's: only flags place a store.
            let state = self.cluster.state.as_deref().map(parse_state).transpose()?;
            let found = discover::explicit(self.objects(), &given, state.as_ref(), self.cluster.name.as_deref());
            return Ok(found.await?);
        }
        let state = self.required_state()?;
        let name = self.name()?;
        let Some(name) = name else {
            let hint = self.name_hint(&state).await?;
            return Err(CommandError::usage("no cluster is named").hint(hint).into());
        };
        self.ui.detail(&format!(
            "cluster {} (from {}), state store {state}",
            name.value, name.origin
        ));
        Ok(self.found(&state, &name.value).await?.clone())
    }

    /// How to name the cluster, with those that the state store has.
    ///
    /// # Errors
    /// Where the state store refuses.
    pub async fn name_hint(&self, state: &StoreUrl) -> Result<String, AnyFailure> {
        let found = discover::clusters(self.objects(), state).await?;
        let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
        Ok(format!(
            "pass --name or set KOPS_CLUSTER_NAME; {state} holds {}",
            names.join(", ")
        ))
    }

    fn asked(&self, stores: Vec<EtcdStore>) -> Result<Vec<EtcdStore>, AnyFailure> {
        let known: Vec<String> = stores.iter().map(|store| store.etcd.clone()).collect();
        if let Some(name) = self.etcds.iter().find(|name| !known.contains(name)) {
            return Err(ChooseError::NoSuchEtcd {
                name: name.clone(),
                known,
            }
            .into());
        }
        Ok(stores.into_iter().filter(|store| self.is_asked(&store.etcd)).collect())
    }

    fn is_asked(&self, etcd: &str) -> bool {
        self.etcds.is_empty() || self.etcds.iter().any(|name| name == etcd)
    }

    /// The state store, where one is named.
    ///
    /// # Errors
    /// Where a settings file cannot be read, or its value is no URL.
    pub fn state(&self) -> Result<Option<StoreUrl>, AnyFailure> {
        let chosen = self.settings.state_store(self.cluster.state.as_deref());
        Ok(chosen
            .map_err(settings_error)?
            .map(|chosen| parse_state(&chosen.value))
            .transpose()?)
    }

    /// The same, where nothing can be done without.
    ///
    /// # Errors
    /// Where none is named, or it is no URL.
    pub fn required_state(&self) -> Result<StoreUrl, AnyFailure> {
        self.state()?.ok_or_else(no_state)
    }

    /// The cluster's name and where it is from, where there is one. What cannot be taken back must not go by a kubectl context.
    ///
    /// # Errors
    /// Where a settings file that would have to tell cannot be read.
    pub fn name(&self) -> Result<Option<identity::Chosen>, AnyFailure> {
        let cluster = &self.cluster;
        let chosen = self.settings.cluster_name(
            cluster.name.as_deref(),
            cluster.context.as_deref(),
            cluster.kubeconfig.as_deref(),
        );
        Ok(chosen.map_err(settings_error)?)
    }

    /// The cluster's name for a command that changes something: from `--name` or the environment, with `or_settings` also from a kops
    /// settings file, never from a kubectl context.
    ///
    /// # Errors
    /// Where it is not named, or only by what does not count. The hint lists the clusters of the state store, where it can be read.
    pub async fn explicit_name(&self, or_settings: bool) -> Result<String, AnyFailure> {
        let (why, ignored) = match self.name() {
            Ok(Some(identity::Chosen { value, origin })) => match origin {
                Origin::Flag | Origin::Environment(_) => return Ok(value),
                Origin::KopsSettings(_) if or_settings => return Ok(value),
                Origin::KubectlContext(_) | Origin::KopsSettings(_) => {
                    (String::new(), format!(": {origin} is never taken for this command"))
                }
            },
            Ok(None) => (String::new(), String::new()),
            Err(error) => (format!(": {}", chain(&*error)), String::new()),
        };
        let clusters = match self.state() {
            Ok(Some(state)) => self.name_hint(&state).await.ok(),
            _ => None,
        };
        let hint = clusters.unwrap_or_else(|| "pass --name or set KOPS_CLUSTER_NAME".to_owned());
        Err(CommandError::usage(format!("no cluster is named{why}"))
            .hint(format!("{hint}{ignored}"))
            .into())
    }
}

fn parse_state(text: &str) -> Result<StoreUrl, CommandError> {
    text.parse()
        .map_err(|error| CommandError::usage(format!("state store: {error}")))
}

fn settings_error(error: identity::SettingsError) -> CommandError {
    CommandError::usage(error.to_string())
}

fn no_state() -> AnyFailure {
    CommandError::usage("no state store is named")
        .hint("pass --state s3://BUCKET or set KOPS_STATE_STORE; or name one backup store by --store URL")
        .into()
}
