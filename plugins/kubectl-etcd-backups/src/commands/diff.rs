//! `diff`: compares two backups.

use runbook_kit::cli::output::{self, Cell, Format, column};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::diff::{Diff, DiffOptions, HeartbeatCount, ObjectName};
use runbook_kit::model::backup::reference::BackupRef;
use runbook_kit::model::kubernetes::builtin;
use runbook_kit::model::units;
use runbook_kit::usecases::choose::Chosen;
use serde::Serialize;

use crate::context::Context;
use crate::usecases::open;
use runbook_kit::cli::BackupArgs;

/// Compare two backups: gone, new and changed objects
#[derive(Debug, clap::Args)]
#[command(
    after_help = "An object is changed if its stored value differs. Events, leases, masterleases and the status of Nodes change all the time: they are only counted, unless --heartbeats is given.\n\nExamples:\n  kubectl etcd-backups diff latest-good latest\n  kubectl etcd-backups diff main=2026-11-22T15:18 main=2026-11-22T15:19 --summary"
)]
pub struct Args {
    /// The earlier backup: a name, a prefix of one, `latest` or `latest-good`; ETCD=BACKUP for one etcd cluster
    #[arg(value_name = "A")]
    from: BackupRef,
    /// The later backup
    #[arg(value_name = "B")]
    to: BackupRef,
    /// List events, leases, masterleases and the status of Nodes like other objects
    #[arg(long)]
    heartbeats: bool,
    /// Only count the objects
    #[arg(long)]
    summary: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    cluster: String,
    etcd: String,
    from_backup: String,
    to_backup: String,
    #[serde(flatten)]
    diff: Diff,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    if context.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let catalogs = context.catalogs().await?;
    let from = context.choose(&catalogs, &BackupArgs::from(args.from.clone())).await?;
    let to = context.choose(&catalogs, &BackupArgs::from(args.to.clone())).await?;
    let options = DiffOptions {
        heartbeats: args.heartbeats,
    };
    let mut compared = Vec::new();
    for (from, to) in pairs(&args, context, &from, &to)? {
        context.tell_chosen(from);
        context.tell_chosen(to);
        compared.push(compare(context, from, to, options).await?);
    }
    match context.format {
        Format::Table | Format::Wide => {
            let details: Vec<String> = compared.iter().map(|one| details(one, args.summary)).collect();
            context.ui.result(&details.join("\n"))?;
        }
        Format::Name => {
            let lists = compared
                .iter()
                .flat_map(|one| [&one.diff.gone, &one.diff.new, &one.diff.changed]);
            context.ui.result(
                &lists
                    .flatten()
                    .map(|found| format!("{}\n", found.object))
                    .collect::<String>(),
            )?;
        }
        Format::Prometheus => {}
        Format::Json | Format::Yaml => output::structured(&context.ui, context.format, &compared)?,
    }
    Ok(Exit::Done)
}

/// The pairs of backups of the same etcd cluster.
fn pairs<'c, 'a>(
    args: &Args,
    context: &Context,
    from: &'c [Chosen<'a>],
    to: &'c [Chosen<'a>],
) -> Result<Vec<(&'c Chosen<'a>, &'c Chosen<'a>)>, CommandError> {
    let same = |a: &Chosen<'_>, b: &Chosen<'_>| a.catalog.store.base == b.catalog.store.base;
    let pairs: Vec<_> = from
        .iter()
        .filter_map(|a| to.iter().find(|b| same(a, b)).map(|b| (a, b)))
        .collect();
    if pairs.is_empty() {
        let etcds = |side: &[Chosen<'_>]| {
            side.iter()
                .map(|chosen| chosen.catalog.store.etcd.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let message = format!(
            "{} is a backup of etcd {}, {} of etcd {}: they cannot be compared",
            args.from,
            etcds(from),
            args.to,
            etcds(to)
        );
        return Err(CommandError::usage(message).hint("name two backups of the same etcd cluster: `list` shows them"));
    }
    for alone in from
        .iter()
        .chain(to)
        .filter(|one| !pairs.iter().any(|(a, b)| same(a, one) || same(b, one)))
    {
        context.ui.note(&format!(
            "etcd {}: skipped, only one of the two backups exists",
            alone.catalog.store.etcd
        ));
    }
    Ok(pairs)
}

async fn compare(
    context: &Context,
    from: &Chosen<'_>,
    to: &Chosen<'_>,
    options: DiffOptions,
) -> Result<Compared, AnyFailure> {
    let from = open::open(context, from).await?;
    let to = open::open(context, to).await?;
    let diff = Diff::between(from.snapshot(), to.snapshot(), options).map_err(|problem| to.unreadable(problem))?;
    Ok(Compared {
        cluster: from.cluster,
        etcd: from.etcd,
        from_backup: from.name,
        to_backup: to.name,
        diff,
    })
}

fn details(compared: &Compared, summary: bool) -> String {
    let diff = &compared.diff;
    let mut lines = vec![
        ("Etcd", format!("{} of {}", compared.etcd, compared.cluster)),
        (
            "From",
            format!(
                "{}: {}, revision {}",
                compared.from_backup,
                units::counted(diff.from.keys, "key"),
                diff.from.revision
            ),
        ),
        (
            "To",
            format!(
                "{}: {}, revision {}",
                compared.to_backup,
                units::counted(diff.to.keys, "key"),
                diff.to.revision
            ),
        ),
    ];
    match diff.same_lineage {
        Some(true) => lines.push(("Lineage", "the same cluster".to_owned())),
        Some(false) => lines.push((
            "Lineage",
            "ANOTHER CLUSTER: namespace kube-system has another UID".to_owned(),
        )),
        None => {}
    }
    if diff.leases_lost > 0 {
        lines.push((
            "Leases lost",
            format!("{}, as by a restore: these keys never expire", diff.leases_lost),
        ));
    }
    if diff.leases_gained > 0 {
        lines.push(("Leases gained", diff.leases_gained.to_string()));
    }
    if !diff.heartbeats.is_empty() {
        lines.push(("Heartbeats", heartbeats(&diff.heartbeats)));
    }
    let mut text: String = lines
        .iter()
        .map(|(label, value)| format!("{label:<13} {value}\n"))
        .collect();
    if diff.is_empty() {
        return text + "No differences.\n";
    }
    text.push('\n');
    text.push_str(&counts(diff));
    if !summary {
        text.push('\n');
        text.push_str(&changes(diff));
    }
    text
}

fn heartbeats(counts: &[HeartbeatCount]) -> String {
    let one = |count: &HeartbeatCount| {
        let tally = count.tally;
        let parts = [(tally.gone, "gone"), (tally.new, "new"), (tally.changed, "changed")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        format!("{}: {}", count.resource, parts.join(", "))
    };
    counts.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn counts(diff: &Diff) -> String {
    let columns = [
        column("RESOURCE"),
        column("NAMESPACE"),
        column("GONE"),
        column("NEW"),
        column("CHANGED"),
    ];
    let lines = diff.counts.iter().map(|count| {
        vec![
            Cell::text(builtin::label(&count.resource, &count.group)),
            Cell::text(count.namespace.as_deref().unwrap_or("-")),
            Cell::number(count.tally.gone),
            Cell::number(count.tally.new),
            Cell::number(count.tally.changed),
        ]
    });
    output::table(&columns, lines.collect(), true)
}

fn changes(diff: &Diff) -> String {
    let lists: [(&str, Verdict, &[ObjectName]); 3] = [
        ("gone", Verdict::Bad, &diff.gone),
        ("new", Verdict::Good, &diff.new),
        ("changed", Verdict::Doubtful, &diff.changed),
    ];
    let lines = lists.iter().flat_map(|(word, verdict, list)| {
        list.iter()
            .map(|found| vec![Cell::verdict(*verdict, *word), Cell::text(&found.object)])
    });
    output::table(&[column("CHANGE"), column("OBJECT")], lines.collect(), true)
}
