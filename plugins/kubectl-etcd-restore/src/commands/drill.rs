//! `drill`: restores a backup into a throwaway etcd on this machine.

use runbook_kit::cli::BackupArgs;
use runbook_kit::cli::output::{self, Format};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::backup::contents::report::Contents;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::backup::reference::{BackupRef, Which};
use runbook_kit::model::etcd_manager::EtcdVersion;
use runbook_kit::model::snapshot::Content;
use runbook_kit::model::units;
use runbook_kit::ports::drill::{DrillServer, SnapshotStatus, Tools};
use runbook_kit::ports::{ReadSnapshot, SnapshotFile};
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::ChooseError;
use runbook_kit::usecases::examine::{Examined, examine};
use serde::Serialize;

use crate::context::Context;
use crate::rules::compare_snapshots::{self, Compared};

/// Restore a backup into a throwaway etcd on this machine, and compare the result with the backup
///
/// The installed etcd and etcdutl restore the verified snapshot; the etcd listens on 127.0.0.1 for this process only. Its keys are compared with
/// the backup one by one. All files are removed at the end, also after Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore drill --name k8s.example.com --etcd main\n  \
    kubectl etcd-restore drill --backup main=2026-11-22T15:18 --state s3://kops-state --name k8s.example.com"
)]
pub struct Args {
    /// Backup name, unique prefix, latest or latest-good, with ETCD= in front for one etcd cluster; repeatable
    #[arg(long, value_name = "[ETCD=]BACKUP", default_value = "latest-good")]
    backup: Vec<BackupRef>,
    /// With latest and latest-good: newest backup not after this time
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// The result for one backup.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Drilled {
    cluster: String,
    etcd: String,
    name: String,
    /// Whether everything matches.
    ok: bool,
    problems: Vec<String>,
    tools: ToolsRow,
    /// The snapshot as this plugin reads it.
    snapshot: Numbers,
    /// The snapshot as etcdutl reads it.
    etcdutl: Numbers,
    /// Keys that the restored etcd serves.
    served_keys: u64,
    /// Keys whose lease expired during the drill, as it would in the cluster.
    expired_keys: u64,
    contents: Contents,
}

#[derive(Debug, Serialize)]
struct ToolsRow {
    etcd: EtcdVersion,
    etcdutl: EtcdVersion,
}

#[derive(Debug, Serialize)]
struct Numbers {
    keys: u64,
    revision: i64,
    hash: u32,
}

/// Runs `drill`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let catalogs = session.catalogs().await?;
    let chosen = choose(&args, &catalogs, context).await?;
    let mut drilled = Vec::new();
    for (catalog, backup) in chosen {
        // One directory each: it is removed before the next backup needs the space.
        let ground = context.drill_ground()?;
        let tools = ground.tools().await?;
        ui.note(&format!(
            "{} of etcd {}: etcd {} and etcdutl {} of this machine",
            backup.name, catalog.store.etcd, tools.etcd, tools.etcdutl
        ));
        drilled.push(drill(catalog, backup, ground.as_ref(), tools, context).await?);
    }
    match session.format {
        Format::Json | Format::Yaml => output::structured(ui, session.format, &drilled)?,
        Format::Name => ui.result(&drilled.iter().map(|one| format!("{}\n", one.name)).collect::<String>())?,
        _ => {
            let sheets: Vec<String> = drilled.iter().map(sheet).collect();
            ui.result(&sheets.join("\n"))?;
        }
    }
    Ok(if drilled.iter().all(|one| one.ok) {
        Exit::Done
    } else {
        Exit::Found
    })
}

/// The backups to drill. Where none is named, an etcd cluster other than main without a good backup is skipped.
async fn choose<'a>(
    args: &Args,
    catalogs: &'a [Catalog],
    context: &Context,
) -> Result<Vec<(&'a Catalog, &'a Backup)>, AnyFailure> {
    let session = &context.session;
    let mut found: Vec<(&Catalog, &Backup)> = Vec::new();
    for wanted in &args.backup {
        let general = wanted.etcd.is_none() && !matches!(wanted.which, Which::Named(_));
        let each: Vec<&[Catalog]> = if general {
            catalogs.chunks(1).collect()
        } else {
            vec![catalogs]
        };
        for some in each {
            let wanted = BackupArgs {
                backup: wanted.clone(),
                at: args.at.clone(),
            };
            let looking = session.choose_context();
            let at = session.moment(wanted.at.as_deref(), "--at")?;
            match runbook_kit::usecases::choose::choose(looking, some, &wanted.backup, at).await {
                Ok(chosen) => {
                    for one in &chosen {
                        session.tell_chosen(one);
                    }
                    found.extend(chosen.iter().map(|one| (one.catalog, one.backup)));
                }
                Err(error @ (ChooseError::NoneGood { .. } | ChooseError::NoBackups { .. }))
                    if general && some.iter().all(|catalog| catalog.store.etcd != MAIN) =>
                {
                    session.ui.warn(&chain(&error));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    found.sort_by_key(|(catalog, backup)| {
        (
            catalog.store.etcd != MAIN,
            catalog.store.etcd.clone(),
            backup.name.clone(),
        )
    });
    found.dedup_by_key(|(catalog, backup)| (catalog.store.etcd.clone(), backup.name.clone()));
    Ok(found)
}

async fn drill(
    catalog: &Catalog,
    backup: &Backup,
    ground: &dyn DrillServer,
    tools: Tools,
    context: &Context,
) -> Result<Drilled, AnyFailure> {
    let session = &context.session;
    let name = backup.name.to_string();
    let progress = session
        .ui
        .bytes_progress("reading", backup.data_size.unwrap_or_default());
    let examined = examine(session.examine_context(), &catalog.store, backup, &|read| {
        progress.set(read)
    })
    .await?;
    drop(progress);
    let written = examined.meta.as_ref().and_then(|meta| meta.etcd_version.parse().ok());
    check_versions(written, &tools, &name)?;
    let (content, db) = whole(examined, &name)?;
    let snapshot = Snapshot::new(&content, db.as_ref());
    let contents = Contents::of(snapshot).map_err(|problem| damaged(&name, &[problem.to_string()]))?;

    let file = ground.folder().join("snapshot.db");
    db.save_copy(&file)?;
    let status = ground.status(&file).await?;
    session.ui.note("restoring");
    let throwaway = ground.restore(&file).await?;
    session.ui.note("comparing");
    let stream = throwaway.kv().snapshot().await?;
    let packed = session.packer().pack(stream, &|_| {}).await?;
    let body = packed
        .open()
        .await
        .map_err(|error| damaged(&name, &[error.to_string()]))?;
    let served = session.reader().read(body, &|_| {}).await?;
    let (served_content, served_db) = whole_snapshot(served, "the throwaway etcd's own snapshot")?;
    let compared = compare_snapshots::compare(snapshot, Snapshot::new(&served_content, served_db.as_ref()))
        .map_err(|problem| damaged(&name, &[problem.to_string()]))?;
    drop(throwaway);

    let ours = Numbers {
        keys: content.keys.len() as u64,
        revision: content.revision,
        hash: content.hash,
    };
    let problems = problems(&ours, status, &tools, &compared);
    Ok(Drilled {
        cluster: catalog.store.cluster.clone(),
        etcd: catalog.store.etcd.clone(),
        name,
        ok: problems.is_empty(),
        problems,
        tools: ToolsRow {
            etcd: tools.etcd,
            etcdutl: tools.etcdutl,
        },
        snapshot: ours,
        etcdutl: Numbers {
            keys: status.total_keys,
            revision: status.revision,
            hash: status.hash,
        },
        served_keys: served_content.keys.len() as u64,
        expired_keys: compared.expired,
        contents,
    })
}

fn whole(examined: Examined, name: &str) -> Result<(Content, Box<dyn SnapshotFile>), CommandError> {
    let problems = examined.facts.problems;
    match examined.snapshot {
        Some(snapshot) if problems.is_empty() => whole_snapshot(snapshot, name),
        _ => Err(damaged(name, &problems)),
    }
}

fn whole_snapshot(read: ReadSnapshot, name: &str) -> Result<(Content, Box<dyn SnapshotFile>), CommandError> {
    match (read.content, read.db) {
        (Some(content), Some(db)) if read.problems.is_empty() => Ok((content, db)),
        _ => {
            let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
            Err(damaged(name, &problems))
        }
    }
}

/// An etcd reads data of its own minor release and of the one before; both programs must be of the same minor release.
fn check_versions(written: Option<EtcdVersion>, tools: &Tools, name: &str) -> Result<(), CommandError> {
    let wrong = |written: Option<EtcdVersion>| {
        CommandError::failed(format!(
            "backup {name} was written by etcd {}; installed are etcd {} and etcdutl {}",
            written.map_or_else(|| "of an unknown version".to_owned(), |version| version.to_string()),
            tools.etcd,
            tools.etcdutl
        ))
        .hint("put etcd and etcdutl of the backup's minor version, or of the next one, first on the PATH")
    };
    if !tools.etcd.same_minor(&tools.etcdutl) {
        return Err(wrong(written));
    }
    let fits = |written: &EtcdVersion| {
        written.major == tools.etcd.major && (written.minor..=written.minor + 1).contains(&tools.etcd.minor)
    };
    match written {
        Some(written) if !fits(&written) => Err(wrong(Some(written))),
        _ => Ok(()),
    }
}

fn problems(ours: &Numbers, theirs: SnapshotStatus, tools: &Tools, compared: &Compared) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, ours: String, theirs: String| {
        if ours != theirs {
            found.push(format!("{what}: {ours} by this plugin, {theirs} by etcdutl"));
        }
    };
    differ("revision", ours.revision.to_string(), theirs.revision.to_string());
    // Older releases hash differently, and count the records of all buckets.
    if tools.etcdutl >= EtcdVersion::new(3, 6, 6) {
        differ("keys", ours.keys.to_string(), theirs.total_keys.to_string());
        differ("hash", ours.hash.to_string(), theirs.hash.to_string());
    }
    for (what, keys) in [
        ("not served", &compared.missing),
        ("served and not in the backup", &compared.added),
        ("served with another value", &compared.changed),
    ] {
        if keys.count > 0 {
            found.push(format!("{} keys {what}: {}", keys.count, keys.some.join(", ")));
        }
    }
    found
}

fn sheet(one: &Drilled) -> String {
    let contents = &one.contents;
    let verdict = if one.ok {
        Verdict::Good.paint("it restores: the restored data matches the backup")
    } else {
        Verdict::Bad.paint("the restored data does NOT match the backup")
    };
    let masters = contents.nodes.iter().filter(|node| node.is_control_plane()).count();
    let mut lines = vec![
        ("Backup", one.name.clone()),
        ("Etcd", format!("{} of {}", one.etcd, one.cluster)),
        ("Verdict", verdict),
        (
            "Keys",
            format!(
                "{} in the backup, {} served{}",
                one.snapshot.keys,
                one.served_keys,
                expired(one.expired_keys)
            ),
        ),
        (
            "Snapshot",
            format!(
                "revision {}, hash {}; etcdutl {}: {}",
                one.snapshot.revision, one.snapshot.hash, one.tools.etcdutl, one.etcdutl.hash
            ),
        ),
        ("Values", units::bytes(contents.value_bytes)),
    ];
    if !contents.nodes.is_empty() {
        lines.push((
            "Nodes",
            format!("{}, {masters} of them control-plane", contents.nodes.len()),
        ));
    }
    if !contents.masterleases.is_empty() {
        let ips: Vec<&str> = contents.masterleases.iter().map(|lease| lease.ip.as_str()).collect();
        lines.push((
            "Masterleases",
            format!("{}: without a lease after a restore", ips.join(", ")),
        ));
    }
    if let Some(newest) = &contents.newest_object {
        lines.push(("Newest object", format!("{} of {}", newest.object, newest.created)));
    }
    let mut text: String = lines
        .iter()
        .map(|(label, value)| format!("{label:<13} {value}\n"))
        .collect();
    for problem in &one.problems {
        text.push_str(&format!("{:<13} {problem}\n", "Problem"));
    }
    for resource in &contents.resources {
        let name = if resource.group.is_empty() {
            resource.resource.clone()
        } else {
            format!("{}.{}", resource.resource, resource.group)
        };
        text.push_str(&format!("  {:>7}  {name}\n", resource.objects));
    }
    text
}

fn expired(count: u64) -> String {
    if count == 0 {
        return String::new();
    }
    format!("; the leases of {count} expired during the drill")
}

fn damaged(name: &str, problems: &[String]) -> CommandError {
    CommandError::found(format!("backup {name} does not verify: {}", problems.join("; ")))
        .hint("check the other backups: `kubectl etcd-backups verify --all`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(written: &str, etcd: [u32; 3], etcdutl: [u32; 3]) -> bool {
        let version = |[major, minor, patch]: [u32; 3]| EtcdVersion::new(major, minor, patch);
        let tools = Tools {
            etcd: version(etcd),
            etcdutl: version(etcdutl),
        };
        check_versions(written.parse().ok(), &tools, "b").is_ok()
    }

    #[test]
    fn the_programs_must_be_of_one_minor_release_that_reads_the_backup() {
        assert!(fits("3.5.35", [3, 5, 30], [3, 5, 9]));
        assert!(fits("3.5.35", [3, 6, 16], [3, 6, 16]));
        assert!(!fits("3.5.35", [3, 7, 3], [3, 7, 3]));
        assert!(!fits("3.6.11", [3, 5, 35], [3, 5, 35]));
        assert!(!fits("3.6.11", [3, 6, 11], [3, 5, 35]));
        assert!(fits("", [3, 6, 16], [3, 6, 16]));
    }
}
