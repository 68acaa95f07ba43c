//! What is known of one etcd cluster: its control files, and the backup that is chosen for it.

use runbook_kit::failure::{AnyFailure, chain};
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::backup::contents::report::Contents;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::etcd_manager::control::{ClusterCreated, ClusterSpec};
use runbook_kit::model::etcd_manager::layout;
use runbook_kit::model::liveness::Liveness;
use runbook_kit::model::salvage;
use runbook_kit::model::snapshot::Content;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::{Assessed, Judge};
use runbook_kit::usecases::examine::{self, Examined, examine};

use crate::context::Context;
use crate::rules::follow::EtcdSeen;
use crate::rules::preflight::{BackupFacts, ControlFact, EtcdFacts, QueuedFact, Wanted};
use crate::usecases::choose::Choice;
use crate::usecases::observe::control_file;
use crate::usecases::queue;

/// The facts, and the content of the chosen backup.
pub async fn of_etcd(
    catalog: &Catalog,
    commands: Vec<QueuedFact>,
    choice: &Choice<'_>,
    created: Option<&str>,
    context: &Context,
) -> Result<(EtcdFacts, Option<Content>), AnyFailure> {
    let mut content = None;
    let why = match choice {
        Choice::Backup { why, .. } | Choice::Fresh(why) | Choice::Leave(why) => why.clone(),
        Choice::Deleted(_) | Choice::Nothing(_) => Vec::new(),
    };
    let (wanted, manager) = match choice {
        Choice::Fresh(_) => (Wanted::Fresh, Vec::new()),
        Choice::Leave(_) => (Wanted::Leave, Vec::new()),
        Choice::Nothing(reasons) => (Wanted::Nothing(reasons.clone()), Vec::new()),
        Choice::Deleted(name) => (
            Wanted::Nothing(vec![format!("{name} is no longer in the store")]),
            Vec::new(),
        ),
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
    let spec = control_file::read(context, &control.join(layout::CLUSTER_SPEC_FILE)).await?;
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
        observed: EtcdSeen::NotAsked(String::new()),
        liveness: Liveness::not_checked("not checked"),
        data_loss: None,
        newest: catalog.latest().map(|backup| backup.name.created()),
        manager,
        salvage: salvage::Facts::default(),
    };
    Ok((facts, content))
}

/// Whether a backup of this name is complete, in the store or pinned.
pub fn is_there(catalog: &Catalog, name: &str) -> bool {
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
    let examined = examine(looking.examine(), &catalog.store, backup, &|read| progress.set(read)).await?;
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

/// The encryption keys of its values, as `aescbc:key1`.
fn encrypted_by(examined: &Examined) -> Vec<String> {
    let Some(snapshot) = &examined.snapshot else {
        return Vec::new();
    };
    let (Some(content), Some(db)) = (&snapshot.content, &snapshot.db) else {
        return Vec::new();
    };
    // Values that cannot be read are reported as damage elsewhere.
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

/// Whether the cluster's etcd-managers can restore it.
async fn manager(catalog: &Catalog, version: &str, context: &Context) -> Option<Check> {
    match context.etcd_managers(catalog).await {
        None => Some(Check::found(
            "etcd-manager",
            Severity::Warn,
            "no state store is named: not checked whether it can restore this backup",
        )),
        Some(Ok(found)) => {
            let mut check = found.check(version);
            // Only a warning: a cluster that has lost its manifests must be restorable, too.
            if found.manifests.is_empty() {
                check.severity = Severity::Warn;
            }
            Some(check)
        }
        Some(Err(error)) => Some(Check::found("etcd-manager", Severity::Warn, chain(&error))),
    }
}

fn fact<T>(bytes: Option<Vec<u8>>, parse: impl Fn(&[u8]) -> Result<T, String>) -> ControlFact<T> {
    match bytes.map(|bytes| parse(&bytes)) {
        None => ControlFact::Missing,
        Some(Ok(says)) => ControlFact::Valid(says),
        Some(Err(why)) => ControlFact::Broken(why),
    }
}
