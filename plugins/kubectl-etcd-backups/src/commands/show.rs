//! `show`: details of a backup, without reading its data.

use jiff::{SignedDuration, Timestamp};
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::meta::BackupMeta;
use runbook_kit::model::backup::retention::Keep;
use runbook_kit::model::units;
use runbook_kit::usecases::choose::Chosen;
use runbook_kit::usecases::{control_files, examine};
use serde::Serialize;

use crate::context::Context;
use runbook_kit::cli::BackupArgs;

/// Show details of a backup, without reading its data
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-backups show latest\n  kubectl etcd-backups show main=2026-11-22T15:18"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    cluster: String,
    etcd: String,
    name: String,
    created: Timestamp,
    taken: Option<Timestamp>,
    location: String,
    complete: bool,
    size_bytes: Option<u64>,
    etcd_version: Option<String>,
    member_count: Option<i64>,
    meta_problem: Option<String>,
    keep: Option<Keep>,
    pinned: bool,
    pinned_location: Option<String>,
    in_store: bool,
    queued_by: Vec<String>,
    cluster_spec: Option<control_files::ControlFile>,
    cluster_created: Option<control_files::ControlFile>,
    rejected: Vec<Rejection>,
}

#[derive(Debug, Serialize)]
struct Rejection {
    name: String,
    reasons: Vec<String>,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let chosen = context.choose(&catalogs, &args.wanted).await?;
    let mut shown = Vec::new();
    for one in &chosen {
        shown.push(read(one, context).await?);
    }
    match context.format {
        Format::Table | Format::Wide => {
            let text = shown
                .iter()
                .map(|one| details(one, context.now()))
                .collect::<Vec<_>>()
                .join("\n");
            context.ui.result(&text)?;
        }
        Format::Name => {
            context
                .ui
                .result(&shown.iter().map(|one| format!("{}\n", one.name)).collect::<String>())?;
        }
        special @ (Format::Prometheus | Format::Svg) => output::ordinary(special)?,
        Format::Json | Format::Yaml => output::structured(&context.ui, context.format, &shown)?,
    }
    Ok(Exit::Done)
}

async fn read(chosen: &Chosen<'_>, context: &Context) -> Result<Shown, AnyFailure> {
    let (catalog, backup) = (chosen.catalog, chosen.backup);
    let meta = if backup.has_meta {
        Some(examine::meta(context.objects(), backup).await?)
    } else {
        None
    };
    let (meta, meta_problem) = match meta {
        Some(Ok(meta)) => (Some(meta), None),
        Some(Err(problem)) => (None, Some(problem)),
        None => (None, Some("_etcd_backup.meta is missing".to_owned())),
    };
    let control = control_files::read(context.objects(), catalog).await?;
    let name = backup.name.to_string();
    Ok(Shown {
        cluster: catalog.store.cluster.clone(),
        etcd: catalog.store.etcd.clone(),
        created: backup.name.created(),
        taken: meta.as_ref().and_then(BackupMeta::taken),
        location: backup.folder.to_string(),
        complete: backup.complete(),
        size_bytes: backup.data_size,
        member_count: meta.as_ref().and_then(BackupMeta::member_count),
        etcd_version: meta.map(|meta| meta.etcd_version),
        meta_problem,
        keep: backup.keep,
        pinned: backup.pinned.is_some(),
        pinned_location: backup.pinned.as_ref().map(ToString::to_string),
        in_store: backup.in_store,
        queued_by: control
            .commands
            .iter()
            .filter(|command| command.restores(&name))
            .map(|c| c.path.clone())
            .collect(),
        cluster_spec: control.cluster_spec,
        cluster_created: control.cluster_created,
        rejected: chosen
            .rejected
            .iter()
            .map(|rejected| Rejection {
                name: rejected.name.to_string(),
                reasons: rejected.reasons.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        name,
    })
}

/// The clock may be behind that of the store.
fn ago(age: SignedDuration) -> String {
    if age.is_negative() {
        format!("{} in the future", units::age(age.abs()))
    } else {
        format!("{} ago", units::age(age))
    }
}

fn details(shown: &Shown, now: Timestamp) -> String {
    let mut lines = vec![
        ("Backup", shown.name.clone()),
        ("Etcd", format!("{} of {}", shown.etcd, shown.cluster)),
        (
            "Taken",
            format!("{}, {}", shown.created, ago(now.duration_since(shown.created))),
        ),
        ("Location", shown.location.clone()),
        (
            "Complete",
            if shown.complete {
                "yes"
            } else {
                "NO: data or meta is missing"
            }
            .to_owned(),
        ),
    ];
    if let Some(size) = shown.size_bytes {
        lines.push(("Size", format!("{} compressed", units::bytes(size))));
    }
    match (&shown.etcd_version, &shown.meta_problem) {
        (Some(version), _) => lines.push((
            "Etcd version",
            match shown.member_count {
                Some(count) => format!("{version}, {count} members"),
                None => version.clone(),
            },
        )),
        (None, Some(problem)) => lines.push(("Meta", problem.clone())),
        (None, None) => {}
    }
    if let Some(keep) = shown.keep {
        lines.push(("Kept", format!("{} until {}", keep.class.word(), keep.until)));
    }
    match (&shown.pinned_location, shown.in_store) {
        (Some(at), true) => lines.push(("Pinned", at.clone())),
        (Some(_), false) => lines.push(("Pinned", "yes, this is the only copy".to_owned())),
        (None, _) => lines.push(("Pinned", "no".to_owned())),
    }
    for path in &shown.queued_by {
        lines.push(("Queued", format!("{path} will restore it")));
    }
    for (label, file) in [("Spec", &shown.cluster_spec), ("Created", &shown.cluster_created)] {
        lines.push((
            label,
            file.as_ref()
                .map_or_else(|| "missing in control/".to_owned(), ToString::to_string),
        ));
    }
    for rejected in &shown.rejected {
        lines.push((
            "Passed over",
            format!("{}: {}", rejected.name, rejected.reasons.join("; ")),
        ));
    }
    lines
        .into_iter()
        .map(|(label, value)| format!("{label:<13} {value}\n"))
        .collect()
}
