//! Looks at everything that matters before a restore is ordered: what `plan`, `queue` and `run` have in common.

use std::time::Duration;

use runbook_kit::backups::catalog::{Backup, Catalog};
use runbook_kit::backups::choose::Judge;
use runbook_kit::backups::examine::{self, Examined, examine};
use runbook_kit::backups::queue::{self, Found};
use runbook_kit::backups::run_record::{self, Ordered, RunRecord};
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::domain::check::{Check, Severity};
use runbook_kit::domain::contents::Snapshot;
use runbook_kit::domain::contents::report::Contents;
use runbook_kit::domain::control::{ClusterCreated, ClusterSpec};
use runbook_kit::domain::fleet::{Instance, InstanceState};
use runbook_kit::domain::layout;
use runbook_kit::domain::restore::follow::EtcdSeen;
use runbook_kit::domain::restore::preflight::{
    self, BackupFacts, ClusterFacts, ControlFact, EtcdFacts, QueuedFact, Told, Wanted,
};
use runbook_kit::domain::snapshot::Content;
use runbook_kit::domain::store_url::StoreUrl;
use runbook_kit::error::AnyFailure;
use runbook_kit::kops_state;
use runbook_kit::ports::{StoreError, StoreErrorKind};
use runbook_kit::ui::{chain, chain_with_hint};

use crate::choose::{self, Before, Choice, WantedArgs};
use crate::context::Context;
use crate::sight::eyes::{ApiSeen, Eyes, Look};

/// More than any control file has.
const LIMIT: u64 = 64 * 1024;
/// A plan must not hang on a network that swallows everything.
pub const AWS_TIMEOUT: Duration = Duration::from_secs(20);
/// Where kops keeps the API servers' encryption config.
const ENCRYPTION_CONFIG: &str = "secrets/encryptionconfig";

/// What is asked for.
pub struct Wish<'a> {
    pub wanted: &'a WantedArgs,
    pub fresh: &'a [String],
    pub access: &'a EtcdAccessArgs,
    /// Whether a run that is under way is gone on with.
    pub resume: bool,
}

/// What was found.
pub struct Survey<'a> {
    pub facts: ClusterFacts,
    pub checks: Vec<Check>,
    pub targets: Vec<Target<'a>>,
    /// A run that is under way.
    pub record: Option<RunRecord>,
    /// Where it is, or would be, noted.
    pub record_at: Option<StoreUrl>,
    /// What is out of sight.
    pub unseen: Vec<String>,
}

/// One etcd cluster, and what is to be done to it.
pub struct Target<'a> {
    pub catalog: &'a Catalog,
    pub choice: Choice<'a>,
    pub spec: Option<ClusterSpec>,
    /// The command that orders this very restore already.
    pub queued: Option<Found>,
    /// What a run under way has ordered, where nothing is to be ordered any more: its command is gone.
    pub ordered: Option<Ordered>,
}

impl Survey<'_> {
    /// Whether something refuses.
    pub fn blocked(&self) -> bool {
        self.checks.iter().any(Check::blocks)
    }

    /// The etcd clusters that would lose what they hold.
    pub fn alive(&self) -> Vec<&str> {
        let over = |etcd: &&str| {
            let mut targets = self.targets.iter();
            !targets.any(|target| target.ordered.is_some() && target.catalog.store.etcd == **etcd)
        };
        self.facts.alive().into_iter().filter(over).collect()
    }
}

/// Whether a run that is under way has ordered just this.
fn is_the_same(ordered: &Ordered, choice: &Choice<'_>) -> bool {
    ordered.ordered
        && match choice {
            Choice::Backup { backup, .. } => ordered.backup.as_deref() == Some(backup.name.as_str()),
            Choice::Gone(name) => ordered.backup.as_ref() == Some(name),
            Choice::Fresh => ordered.backup.is_none(),
            Choice::Nothing(_) => false,
        }
}

/// Looks.
pub async fn survey<'a>(wish: &Wish<'_>, catalogs: &'a [Catalog], context: &Context) -> Result<Survey<'a>, AnyFailure> {
    let objects = context.session.objects();
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let record_at = catalogs
        .iter()
        .find_map(|catalog| run_record::place(catalog.store.recovery.as_ref()?));
    let record = match (&record_at, wish.resume) {
        (Some(at), true) => match run_record::read(objects, at).await? {
            Ok(record) => record,
            Err(why) => {
                context
                    .session
                    .ui
                    .warn(&format!("{at} cannot be read and is passed over: {why}"));
                None
            }
        },
        _ => None,
    };
    let mut queues = Vec::new();
    for catalog in catalogs {
        queues.push(queue::commands(objects, catalog).await?);
    }
    let eyes = Eyes::open(context, catalogs, wish.access).await;
    let before: Vec<Before<'a, '_>> = catalogs
        .iter()
        .zip(&queues)
        .map(|(catalog, queue)| Before {
            catalog,
            queue,
            record: record.as_ref(),
        })
        .collect();
    // Masters that are gone are waited for while backups are verified.
    let (look, masters, choices) = tokio::join!(
        eyes.look(),
        masters(context, &cluster),
        choose::choose(&before, wish.wanted, wish.fresh, context)
    );
    let choices = choices?;
    let mut etcds = Vec::new();
    let mut targets = Vec::new();
    let each = catalogs.iter().zip(queues).zip(choices).zip(&look.etcds);
    for (index, (((catalog, queue), choice), seen)) in each.enumerate() {
        let (mut facts, content) = of_etcd(catalog, &queue, &choice, context).await?;
        facts.alive = seen.etcd.clone();
        let queued = facts.adopted().map(|own| own.name.clone());
        let ordered = record.as_ref().and_then(|record| record.of(&catalog.store.etcd));
        let ordered = ordered.filter(|ordered| queue.is_empty() && is_the_same(ordered, &choice));
        if let (EtcdSeen::Serving(answer), Some(content), None) = (&seen.etcd, &content, ordered) {
            facts.losses = Some(if answer.leader {
                eyes.losses(index, content).await
            } else {
                Told::NotKnown("it has no leader, since too few of its members are up".to_owned())
            });
        }
        targets.push(Target {
            catalog,
            ordered: ordered.cloned(),
            queued: queued.and_then(|name| queue.into_iter().find(|found| found.name == name)),
            choice,
            spec: match &facts.spec {
                ControlFact::Says(spec) => Some(spec.clone()),
                _ => None,
            },
        });
        etcds.push(facts);
    }
    let facts = ClusterFacts {
        encryption_keys: encryption_keys(context, &cluster).await,
        api_ready: api_ready(&look),
        cluster,
        etcds,
        masters,
        even_if_poor: wish.wanted.even_if_poor,
    };
    // What is ordered already is not judged again: that its etcd serves is what was wanted.
    let over = |check: &Check| {
        let of = |target: &Target<'_>| Some(&target.catalog.store.etcd) == check.etcd.as_ref();
        targets.iter().any(|target| target.ordered.is_some() && of(target))
    };
    let mut checks = preflight::checks(&facts, context.session.now());
    checks.retain(|check| !over(check));
    Ok(Survey {
        checks,
        unseen: Eyes::unseen(&look, catalogs),
        facts,
        targets,
        record,
        record_at,
    })
}

fn api_ready(look: &Look) -> Told<bool> {
    match &look.api {
        ApiSeen::NotAsked(why) => Told::NotKnown(why.clone()),
        seen => Told::Is(seen.serves() == Some(true)),
    }
}

/// And what the chosen backup holds.
async fn of_etcd(
    catalog: &Catalog,
    queue: &[Found],
    choice: &Choice<'_>,
    context: &Context,
) -> Result<(EtcdFacts, Option<Content>), AnyFailure> {
    let mut content = None;
    let (wanted, manager) = match choice {
        Choice::Fresh => (Wanted::Fresh, Vec::new()),
        Choice::Nothing(reasons) => (Wanted::Nothing(reasons.clone()), Vec::new()),
        Choice::Gone(name) => (Wanted::Nothing(vec![format!("{name} is gone")]), Vec::new()),
        Choice::Backup {
            backup,
            passed_over,
            good,
        } => {
            let (facts, version, held) = of_backup(catalog, backup, passed_over, *good, context).await?;
            content = held;
            let manager = match version {
                Some(version) => manager(catalog, &version, context).await,
                None => None,
            };
            (Wanted::Restore(Box::new(facts)), manager.into_iter().collect())
        }
    };
    let control = queue::control_folder(catalog);
    let spec = file(context, &control.join(layout::CLUSTER_SPEC_FILE)).await?;
    let created = file(context, &control.join(layout::CLUSTER_CREATED_FILE)).await?;
    let facts = EtcdFacts {
        etcd: catalog.store.etcd.clone(),
        control: control.to_string(),
        wanted,
        spec: fact(spec, |bytes| {
            ClusterSpec::parse(bytes).map_err(|error| error.to_string())
        }),
        created: fact(created, |bytes| {
            ClusterCreated::parse(bytes)
                .map(drop)
                .map_err(|error| error.to_string())
        }),
        spec_members: catalog.store.members.len(),
        commands: queue
            .iter()
            .map(|found| QueuedFact {
                name: found.name.clone(),
                backup: found.backup().map(str::to_owned),
                there: found.backup().is_ok_and(|name| is_there(catalog, name)),
            })
            .collect(),
        alive: EtcdSeen::NotAsked(String::new()),
        losses: None,
        newest: catalog.latest().map(|backup| backup.name.created()),
        manager,
    };
    Ok((facts, content))
}

/// Whether a backup of this name is whole, in the store or where it is pinned.
fn is_there(catalog: &Catalog, name: &str) -> bool {
    let mut backups = catalog.backups.iter();
    backups.any(|backup| backup.name.as_str() == name && backup.complete())
}

async fn of_backup(
    catalog: &Catalog,
    backup: &Backup,
    passed_over: &[String],
    good: bool,
    context: &Context,
) -> Result<(BackupFacts, Option<String>, Option<Content>), AnyFailure> {
    let session = &context.session;
    let looking = session.looking();
    let label = format!("verifying {} {}", catalog.store.etcd, backup.name);
    let progress = session.ui.bytes_progress(&label, backup.data_size.unwrap_or_default());
    let examined = examine(looking.objects, looking.reader, backup, &|read| progress.set(read)).await?;
    drop(progress);
    let rejections = if good && examined.verifies() {
        Vec::new()
    } else {
        let mut judge = Judge::new(looking, catalog);
        judge.learn(examined.facts.clone());
        judge.judge(backup).await?
    };
    let version = match &examined.meta {
        Some(meta) => Some(meta.etcd_version.clone()),
        None if backup.has_meta => examine::meta(looking.objects, backup)
            .await?
            .ok()
            .map(|meta| meta.etcd_version),
        None => None,
    };
    Ok((
        BackupFacts {
            name: backup.name.clone(),
            rejections,
            passed_over: passed_over.to_vec(),
            keys: examined.facts.keys(),
            in_store: backup.in_store && backup.folder == catalog.store.base.join(backup.name.as_str()),
            encrypted_by: encrypted_by(&examined),
        },
        version,
        examined.snapshot.and_then(|snapshot| snapshot.content),
    ))
}

/// The keys that values are encrypted by, as `aescbc:key1`.
fn encrypted_by(examined: &Examined) -> Vec<String> {
    let Some(snapshot) = &examined.snapshot else {
        return Vec::new();
    };
    let (Some(content), Some(db)) = (&snapshot.content, &snapshot.db) else {
        return Vec::new();
    };
    // A value that cannot be read was reported as damage already.
    let contents = Contents::of(Snapshot::new(content, db.as_ref())).unwrap_or_default();
    let mut keys: Vec<String> = contents
        .encryption
        .iter()
        .map(|count| format!("{}:{}", count.by.provider, count.by.key_name))
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What the etcd-managers of the masters can restore; `None` where no state store shows them.
async fn manager(catalog: &Catalog, version: &str, context: &Context) -> Option<Check> {
    let session = &context.session;
    let Ok(Some(state)) = session.state() else {
        return Some(Check::found(
            "etcd-manager",
            Severity::Warn,
            "no state store is named, so nobody can tell what it can restore",
        ));
    };
    let config_base = match session.discover().await {
        Ok(found) => found.config_base(&state, &catalog.store.cluster).ok()?,
        Err(_) => state.join(&catalog.store.cluster),
    };
    match kops_state::etcd_managers::etcd_managers(session.objects(), &config_base, &catalog.store).await {
        Ok(found) => {
            let mut check = found.check(version);
            // What nobody can tell warns, as without a state store: a cluster that has lost its manifests must come back, too.
            if found.manifests.is_empty() {
                check.severity = Severity::Warn;
            }
            Some(check)
        }
        Err(error) => Some(Check::found("etcd-manager", Severity::Warn, chain(&error))),
    }
}

async fn file(context: &Context, at: &StoreUrl) -> Result<Option<Vec<u8>>, StoreError> {
    match context.session.objects().get(at, LIMIT).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn fact<T>(bytes: Option<Vec<u8>>, parse: impl Fn(&[u8]) -> Result<T, String>) -> ControlFact<T> {
    match bytes.map(|bytes| parse(&bytes)) {
        None => ControlFact::Missing,
        Some(Ok(says)) => ControlFact::Says(says),
        Some(Err(why)) => ControlFact::Broken(why),
    }
}

/// The masters that run, by AWS.
async fn masters(context: &Context, cluster: &str) -> Told<Vec<String>> {
    if cluster.is_empty() {
        return Told::NotKnown("no cluster is named".to_owned());
    }
    let asked = tokio::time::timeout(AWS_TIMEOUT, context.fleet().instances_of(cluster));
    let Ok(answer) = asked.await else {
        return Told::NotKnown(format!("AWS gave no answer within {} s", AWS_TIMEOUT.as_secs()));
    };
    match answer {
        Ok(instances) => {
            let running = instances.iter().filter(|instance| is_running_master(instance, cluster));
            Told::Is(running.map(|instance| instance.id.clone()).collect())
        }
        Err(error) => Told::NotKnown(chain_with_hint(&error)),
    }
}

pub fn is_running_master(instance: &Instance, cluster: &str) -> bool {
    instance.state == InstanceState::Running && is_master(&instance.tags, cluster)
}

pub use runbook_kit::domain::fleet::is_master;

/// The keys of the cluster's encryption config, as `aescbc:key1`. kops keeps it as `{"Data": base64}`.
/// Source: kubernetes/kops `upup/pkg/fi/secrets.go`.
async fn encryption_keys(context: &Context, cluster: &str) -> Told<Vec<String>> {
    let Ok(Some(state)) = context.session.state() else {
        return Told::NotKnown("no state store is named".to_owned());
    };
    match file(context, &state.join(cluster).join(ENCRYPTION_CONFIG)).await {
        Ok(None) => Told::Is(Vec::new()),
        Ok(Some(bytes)) => match runbook_kit::domain::kops::encryption::keys(&bytes) {
            Ok(keys) => Told::Is(keys),
            Err(why) => Told::NotKnown(why),
        },
        Err(error) => Told::NotKnown(chain(&error)),
    }
}
