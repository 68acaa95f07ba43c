//! Looks at everything that matters before a restore is ordered: what `plan`, `queue` and `run` have in common.

use runbook_kit::model::observed::Observed;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::rules::follow::{EtcdSeen, Seen};
use crate::rules::log_messages::LogEvent;
use crate::rules::preflight::{self, BackupFacts, ClusterFacts, ControlFact, EtcdFacts, LeftOut, QueuedFact, Wanted};
use crate::usecases::queue::{self, Found};
use crate::usecases::run_record::{self, Ordered, Present, RunRecord, Validity};
use jiff::{SignedDuration, Timestamp};
use runbook_kit::failure::AnyFailure;
use runbook_kit::failure::{chain, chain_with_hint};
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::backup::contents::report::Contents;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::etcd_manager::control::{ClusterCreated, ClusterSpec};
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::fleet::{Instance, InstanceState};
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::snapshot::Content;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::ports::{StoreError, StoreErrorKind};
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::{Assessed, Judge};
use runbook_kit::usecases::examine::{self, Examined, examine};
use runbook_kit::usecases::kops_state;
use runbook_kit::usecases::wipe_journal::Entry;

use crate::context::Context;
use crate::usecases::choose::{self, Before, Choice, WantedArgs};
use crate::usecases::observe::age;
use crate::usecases::observe::observer::{ApiSeen, Look, Observer};
use crate::usecases::observe::signs;
use crate::usecases::observe::wiped;

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
    pub access: &'a EtcdAccess,
    /// What is older wants the cluster's name.
    pub max_age: SignedDuration,
    /// Whether a run that is under way is gone on with.
    pub resume: bool,
    /// Whether only commands are queued, for one etcd cluster after the other: then none is seeded unasked, and one left out does not
    /// refuse.
    pub one_by_one: bool,
    /// The etcd clusters of the same cluster that are left out.
    pub beside: &'a Beside,
}

/// The etcd clusters of the cluster that nothing is to be done to.
#[derive(Default)]
pub struct Beside {
    /// Those whose store can be read.
    pub catalogs: Vec<Catalog>,
    /// The names of the others, and why theirs cannot be.
    pub unread: Vec<(String, String)>,
}

impl Beside {
    /// Those that `--etcd` leaves out.
    pub async fn find(context: &Context) -> Result<Self, AnyFailure> {
        let mut found = Self::default();
        for (store, read) in context.session.left_out().await? {
            match read {
                Ok(catalog) => found.catalogs.push(catalog),
                Err(why) => found.unread.push((store.etcd, why)),
            }
        }
        Ok(found)
    }
}

/// What was found.
pub struct Survey<'a> {
    pub facts: ClusterFacts,
    pub checks: Vec<Check>,
    pub targets: Vec<Target<'a>>,
    /// A run that is under way, and of the masters that run now as far as can be told.
    pub record: Option<RunRecord>,
    /// One that holds no more, and why.
    pub void: Option<(RunRecord, String)>,
    /// The masters that run.
    pub masters: Observed<BTreeSet<String>>,
    /// Where it is, or would be, noted.
    pub record_at: Option<StoreUrl>,
    /// What is out of sight.
    pub unseen: Vec<String>,
    /// When it was looked.
    pub now: Timestamp,
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
    /// The content of `etcd-cluster-created`.
    pub created: Option<String>,
    /// What was seen of its etcd.
    pub seen: EtcdSeen,
    /// What proves that it has no members, in words.
    pub no_members: Option<String>,
}

impl Target<'_> {
    /// Whether a run under way has ordered it, as far as can be seen: its command is queued, or was taken.
    fn is_of(&self, record: &RunRecord) -> bool {
        let etcd = &self.catalog.store.etcd;
        let own = |queued: &Found| record.has_command(etcd, &queued.name);
        self.ordered.is_some() || self.queued.as_ref().is_some_and(own)
    }
}

impl Survey<'_> {
    /// Whether something refuses.
    pub fn blocked(&self) -> bool {
        self.checks.iter().any(Check::blocks)
    }

    /// The etcd clusters that are proven alive, and lose what they hold.
    pub fn alive(&self) -> Vec<&str> {
        let alive = self.at_risk().into_iter().filter(|etcd| etcd.life.is_alive());
        alive.map(|etcd| etcd.etcd.as_str()).collect()
    }

    /// Those that are not proven dead, and something is to be done to them: what is ordered already is not asked again.
    pub fn at_risk(&self) -> Vec<&EtcdFacts> {
        let both = self.facts.etcds.iter().zip(&self.targets);
        let open = both.filter(|(etcd, target)| target.ordered.is_none() && etcd.at_risk());
        open.map(|(etcd, _)| etcd).collect()
    }
}

/// Whether a run that is under way has ordered just this.
fn is_the_same(ordered: &Ordered, choice: &Choice<'_>) -> bool {
    ordered.ordered
        && match choice {
            Choice::Backup { backup, .. } => ordered.backup.as_deref() == Some(backup.name.as_str()),
            Choice::Gone(name) => ordered.backup.as_ref() == Some(name),
            Choice::Fresh(_) | Choice::Leave(_) => ordered.backup.is_none(),
            Choice::Nothing(_) => false,
        }
}

/// Whether what a record says of an etcd cluster counts. One that holds does. Of one of which nobody can tell only what can be seen counts:
/// a command of its own that is still queued, or an etcd that is there and another than before.
fn counts(
    record: &RunRecord,
    doubtful: bool,
    etcd: &str,
    queue: &[Found],
    seen: &EtcdSeen,
    created: Option<&str>,
) -> bool {
    let Some(ordered) = record.of(etcd) else {
        return true;
    };
    if !doubtful || queue.iter().any(|found| record.has_command(etcd, &found.name)) {
        return true;
    }
    match seen {
        EtcdSeen::Serving(answer) if ordered.backup.is_some() => ordered.served() != Some(answer.cluster),
        EtcdSeen::Serving(_) => created.is_some() && created != ordered.created.as_deref(),
        EtcdSeen::Quarantined(_) => ordered.backup.is_some(),
        EtcdSeen::Silent(_) | EtcdSeen::NotAsked(_) => false,
    }
}

/// What the store says of a cluster beside its backups, before anything is chosen.
struct Known {
    queues: Vec<Vec<Found>>,
    created: Vec<Option<String>>,
    wipe: Observed<Option<Entry>>,
    record_at: Option<StoreUrl>,
    record: Option<RunRecord>,
}

impl Known {
    async fn read(wish: &Wish<'_>, catalogs: &[Catalog], context: &Context) -> Result<Self, AnyFailure> {
        let objects = context.session.objects();
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
        let (mut queues, mut created) = (Vec::new(), Vec::new());
        for catalog in catalogs {
            queues.push(queue::commands(objects, catalog).await?);
            created.push(marker(catalog, context).await?);
        }
        Ok(Self {
            queues,
            created,
            wipe: wiped::newest(catalogs, context).await,
            record_at,
            record,
        })
    }
}

/// The content of `etcd-cluster-created`. What is no text is told by the preflight.
pub async fn marker(catalog: &Catalog, context: &Context) -> Result<Option<String>, StoreError> {
    let at = queue::control_folder(catalog).join(layout::CLUSTER_CREATED_FILE);
    let content = file(context, &at).await?;
    Ok(content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Looks.
pub async fn survey<'a>(wish: &Wish<'_>, catalogs: &'a [Catalog], context: &Context) -> Result<Survey<'a>, AnyFailure> {
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let known = Known::read(wish, catalogs, context).await?;
    let observer = Observer::open(context, catalogs, &wish.beside.catalogs, wish.access).await;
    let choose = async |records: &[Option<&RunRecord>]| {
        let now = context.session.now();
        let before: Vec<Before<'a, '_>> = catalogs
            .iter()
            .zip(&known.queues)
            .zip(records)
            .map(|((catalog, queue), record)| Before {
                catalog,
                adoptable: match queue.as_slice() {
                    [only] if queued_fact(only, catalog, *record, now).is_of_now() => Some(only),
                    _ => None,
                },
                queue,
                record: *record,
            })
            .collect();
        choose::choose(&before, wish.wanted, wish.fresh, !wish.one_by_one, context).await
    };
    let (look, signs, masters, validity, choices, records) = match &known.record {
        // Masters that are gone are waited for while backups are verified.
        None => {
            let records: Vec<Option<&RunRecord>> = catalogs.iter().map(|_| None).collect();
            let (look, signs, masters, choices) = tokio::join!(
                observer.look(),
                signs::gather(context, &cluster, catalogs, wish.access, None),
                masters(context, &cluster),
                choose(&records)
            );
            (look, signs, masters, Validity::Holds, choices?, records)
        }
        // What is chosen goes by the record, and that by the masters.
        Some(record) => {
            let (look, signs, masters) = tokio::join!(
                observer.look(),
                signs::gather(context, &cluster, catalogs, wish.access, None),
                masters(context, &cluster)
            );
            let created: Vec<(&str, Option<String>)> = catalogs
                .iter()
                .map(|catalog| catalog.store.etcd.as_str())
                .zip(known.created.iter().cloned())
                .collect();
            let validity = record.validity(&Present {
                masters: &ids(&masters),
                wiped: wiped::last(&known.wipe),
                created: &created,
            });
            let doubtful = matches!(validity, Validity::Doubtful(_));
            let each = catalogs.iter().zip(&known.queues).zip(&look.etcds).zip(&known.created);
            let records: Vec<Option<&RunRecord>> = each
                .map(|(((catalog, queue), seen), created)| {
                    let etcd = &catalog.store.etcd;
                    let holds = !matches!(validity, Validity::Void(_))
                        && counts(record, doubtful, etcd, queue, &seen.etcd, created.as_deref());
                    holds.then_some(record)
                })
                .collect();
            let choices = choose(&records).await?;
            (look, signs, masters, validity, choices, records)
        }
    };
    let now = context.session.now();
    let mut etcds = Vec::new();
    let mut targets = Vec::new();
    let each = catalogs.iter().zip(&known.queues).zip(choices).zip(&look.etcds);
    let each = each.zip(&known.created).zip(&records);
    for (index, (((((catalog, queue), choice), seen), created), record)) in each.enumerate() {
        let choice = match (choice, &seen.etcd) {
            // Nobody has named it, and every etcd is to serve in the end.
            (Choice::Fresh(why), EtcdSeen::Serving(_)) if !why.is_empty() => Choice::Leave(why),
            (choice, _) => choice,
        };
        let queued: Vec<QueuedFact> = queue
            .iter()
            .map(|found| queued_fact(found, catalog, *record, context.session.now()))
            .collect();
        let (mut facts, content) = of_etcd(catalog, queued, &choice, created.as_deref(), context).await?;
        facts.alive = seen.etcd.clone();
        facts.life = signs.of(catalog, &seen.etcd, &look.api, now);
        let queued = facts.adopted().map(|own| own.name.clone());
        let ordered = record.and_then(|record| record.of(&catalog.store.etcd));
        let ordered = ordered.filter(|ordered| queue.is_empty() && is_the_same(ordered, &choice));
        if let (EtcdSeen::Serving(answer), Some(content), None) = (&seen.etcd, &content, ordered) {
            facts.losses = Some(if answer.leader {
                observer.losses(index, content).await
            } else {
                Observed::Unknown("it has no leader, since too few of its members are up".to_owned())
            });
        }
        targets.push(Target {
            catalog,
            ordered: ordered.cloned(),
            queued: queued.and_then(|name| queue.iter().find(|found| found.name == name).cloned()),
            choice,
            spec: match &facts.spec {
                ControlFact::Says(spec) => Some(spec.clone()),
                _ => None,
            },
            created: created.clone(),
            seen: seen.etcd.clone(),
            no_members: wiped::no_members(&known.wipe, catalog, &masters),
        });
        etcds.push(facts);
    }
    let beside = look.etcds.get(catalogs.len()..).unwrap_or_default();
    let facts = ClusterFacts {
        encryption_keys: encryption_keys(context, &cluster).await,
        api_ready: api_ready(&look),
        cluster,
        etcds,
        masters: match &masters {
            Observed::Known(masters) => Observed::Known(masters.iter().map(|master| master.id.clone()).collect()),
            Observed::Unknown(why) => Observed::Unknown(why.clone()),
        },
        even_if_poor: wish.wanted.even_if_poor,
        left_out: left_out(wish.beside, beside, &known.wipe),
        one_by_one: wish.one_by_one,
    };
    // What is ordered already is not judged again: that its etcd serves is what was wanted.
    let over = |check: &Check| {
        let of = |target: &Target<'_>| Some(&target.catalog.store.etcd) == check.etcd.as_ref();
        targets.iter().any(|target| target.ordered.is_some() && of(target))
    };
    let mut checks = preflight::checks(&facts, now);
    checks.extend(
        targets
            .iter()
            .filter_map(|target| age::check(target, wish.max_age, now)),
    );
    checks.retain(|check| !over(check));
    let (record, void) = match (known.record, validity) {
        (Some(record), Validity::Void(why)) => (None, Some((record, why))),
        // Nothing of it can be seen: a new run is noted, with the masters of now.
        (Some(record), Validity::Doubtful(why)) if !targets.iter().any(|target| target.is_of(&record)) => {
            (None, Some((record, format!("{why}, and nothing of it can be seen"))))
        }
        (Some(record), Validity::Doubtful(why)) => {
            context.session.ui.warn(&format!(
                "of the run begun at {:.0} only what can be seen counts: {why}",
                record.started
            ));
            (Some(record), None)
        }
        (record, _) => (record, None),
    };
    Ok(Survey {
        checks,
        unseen: Observer::unseen(&look, catalogs),
        facts,
        targets,
        record,
        now,
        void,
        masters: ids(&masters),
        record_at: known.record_at,
    })
}

fn ids(masters: &Observed<Vec<Instance>>) -> Observed<BTreeSet<String>> {
    match masters {
        Observed::Known(masters) => Observed::Known(masters.iter().map(|master| master.id.clone()).collect()),
        Observed::Unknown(why) => Observed::Unknown(why.clone()),
    }
}

fn queued_fact(found: &Found, catalog: &Catalog, record: Option<&RunRecord>, now: jiff::Timestamp) -> QueuedFact {
    let queued = found.command.as_ref().ok().and_then(|command| command.queued());
    QueuedFact {
        name: found.name.clone(),
        backup: found.backup().map(str::to_owned),
        there: found.backup().is_ok_and(|name| is_there(catalog, name)),
        age: queued.map(|queued| now.duration_since(queued)),
        own: record.is_some_and(|record| record.has_command(&catalog.store.etcd, &found.name)),
    }
}

fn left_out(beside: &Beside, seen: &[Seen], wipe: &Observed<Option<Entry>>) -> Vec<LeftOut> {
    let mut found = Vec::new();
    for (catalog, seen) in beside.catalogs.iter().zip(seen) {
        let says_so = seen
            .log
            .iter()
            .flatten()
            .any(|event| *event == LogEvent::WaitsForCommand);
        found.push(LeftOut {
            etcd: catalog.store.etcd.clone(),
            commands: match &seen.store {
                Ok(store) => Observed::Known(store.commands.iter().map(|command| command.name.clone()).collect()),
                Err(why) => Observed::Unknown(why.clone()),
            },
            created: seen.store.as_ref().map_or(true, |store| store.created),
            seen: seen.etcd.clone(),
            no_members: match says_so {
                true => Some("etcd-manager's log says so".to_owned()),
                false => wiped::no_restore_since(wipe, catalog),
            },
        });
    }
    found.extend(beside.unread.iter().map(|(etcd, why)| LeftOut {
        etcd: etcd.clone(),
        commands: Observed::Unknown(why.clone()),
        created: true,
        seen: EtcdSeen::NotAsked("its store cannot be read".to_owned()),
        no_members: None,
    }));
    found
}

fn api_ready(look: &Look) -> Observed<bool> {
    match &look.api {
        ApiSeen::NotAsked(why) => Observed::Unknown(why.clone()),
        seen => Observed::Known(seen.serves() == Some(true)),
    }
}

/// And what the chosen backup holds.
async fn of_etcd(
    catalog: &Catalog,
    commands: Vec<QueuedFact>,
    choice: &Choice<'_>,
    created: Option<&str>,
    context: &Context,
) -> Result<(EtcdFacts, Option<Content>), AnyFailure> {
    let mut content = None;
    let why = match choice {
        Choice::Backup { why, .. } | Choice::Fresh(why) | Choice::Leave(why) => why.clone(),
        Choice::Gone(_) | Choice::Nothing(_) => Vec::new(),
    };
    let (wanted, manager) = match choice {
        Choice::Fresh(_) => (Wanted::Fresh, Vec::new()),
        Choice::Leave(_) => (Wanted::Leave, Vec::new()),
        Choice::Nothing(reasons) => (Wanted::Nothing(reasons.clone()), Vec::new()),
        Choice::Gone(name) => (Wanted::Nothing(vec![format!("{name} is gone")]), Vec::new()),
        Choice::Backup {
            backup,
            passed_over,
            good,
            warnings,
            ..
        } => {
            let (mut facts, version, held) = of_backup(catalog, backup, passed_over, *good, context).await?;
            facts.warnings.extend(warnings.iter().cloned());
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
    let facts = EtcdFacts {
        etcd: catalog.store.etcd.clone(),
        control: control.to_string(),
        wanted,
        why,
        spec: fact(spec, |bytes| {
            ClusterSpec::parse(bytes).map_err(|error| error.to_string())
        }),
        created: fact(created.map(|text| text.as_bytes().to_vec()), |bytes| {
            ClusterCreated::parse(bytes)
                .map(drop)
                .map_err(|error| error.to_string())
        }),
        spec_members: catalog.store.members.len(),
        commands,
        alive: EtcdSeen::NotAsked(String::new()),
        life: Liveness::not_checked("not checked"),
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
    let looking = session.choose_context();
    let label = format!("verifying {} {}", catalog.store.etcd, backup.name);
    let progress = session.ui.bytes_progress(&label, backup.data_size.unwrap_or_default());
    let examined = examine(looking.objects, looking.reader, backup, &|read| progress.set(read)).await?;
    drop(progress);
    let assessed = if good && examined.verifies() {
        Assessed::default()
    } else {
        let mut judge = Judge::new(looking, catalog);
        judge.learn(examined.facts.clone());
        judge.assess(backup).await?
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
            rejections: assessed.rejections,
            warnings: assessed.warnings.iter().map(ToString::to_string).collect(),
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
async fn masters(context: &Context, cluster: &str) -> Observed<Vec<Instance>> {
    if cluster.is_empty() {
        return Observed::Unknown("no cluster is named".to_owned());
    }
    let asked = tokio::time::timeout(AWS_TIMEOUT, context.fleet().instances_of(cluster));
    let Ok(answer) = asked.await else {
        return Observed::Unknown(format!("AWS gave no answer within {} s", AWS_TIMEOUT.as_secs()));
    };
    match answer {
        Ok(instances) => {
            let running = instances.into_iter();
            Observed::Known(
                running
                    .filter(|instance| is_running_master(instance, cluster))
                    .collect(),
            )
        }
        Err(error) => Observed::Unknown(chain_with_hint(&error)),
    }
}

pub fn is_running_master(instance: &Instance, cluster: &str) -> bool {
    instance.state == InstanceState::Running && is_master(&instance.tags, cluster)
}

pub use runbook_kit::model::fleet::is_master;

/// The keys of the cluster's encryption config, as `aescbc:key1`. kops keeps it as `{"Data": base64}`.
/// Source: kubernetes/kops `upup/pkg/fi/secrets.go`.
async fn encryption_keys(context: &Context, cluster: &str) -> Observed<Vec<String>> {
    let Ok(Some(state)) = context.session.state() else {
        return Observed::Unknown("no state store is named".to_owned());
    };
    match file(context, &state.join(cluster).join(ENCRYPTION_CONFIG)).await {
        Ok(None) => Observed::Known(Vec::new()),
        Ok(Some(bytes)) => match runbook_kit::model::kops::encryption::keys(&bytes) {
            Ok(keys) => Observed::Known(keys),
            Err(why) => Observed::Unknown(why),
        },
        Err(error) => Observed::Unknown(chain(&error)),
    }
}
