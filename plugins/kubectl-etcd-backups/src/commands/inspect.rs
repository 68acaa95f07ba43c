//! `inspect`: shows what a restore of a backup would bring back.

use runbook_kit::cli::output::{self, Cell, Format, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::contents::report::{Contents, EncryptionCount, ResourceCount};
use runbook_kit::model::kubernetes::builtin;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::units;
use serde::Serialize;

use crate::context::Context;
use crate::usecases::open::{self, Opened};
use runbook_kit::cli::BackupArgs;

/// Show what a restore of a backup would bring back: objects, Nodes, masterleases, leases, encryption
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`-o wide` counts the objects per namespace; `-o name` lists every object, as for `export`.\n\nExamples:\n  kubectl etcd-backups inspect latest-good\n  kubectl etcd-backups inspect main=latest -o name | grep secrets/billing/"
)]
pub struct Args {
    #[command(flatten)]
    wanted: BackupArgs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspected {
    cluster: String,
    etcd: String,
    name: String,
    #[serde(flatten)]
    contents: Contents,
}

pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let catalogs = context.catalogs().await?;
    let mut inspected = Vec::new();
    for chosen in context.choose(&catalogs, &args.wanted).await? {
        context.tell_chosen(&chosen);
        let opened = open::open(context, &chosen).await?;
        if context.format == Format::Name {
            context.ui.result(&names(&opened))?;
            continue;
        }
        let contents = Contents::of(opened.snapshot()).map_err(|problem| opened.unreadable(problem))?;
        inspected.push(Inspected {
            cluster: opened.cluster,
            etcd: opened.etcd,
            name: opened.name,
            contents,
        });
    }
    match context.format {
        Format::Name | Format::Prometheus | Format::Svg => {}
        Format::Table | Format::Wide => {
            let wide = context.format == Format::Wide;
            let details: Vec<String> = inspected.iter().map(|one| details(one, wide)).collect();
            context.ui.result(&details.join("\n"))?;
        }
        Format::Json | Format::Yaml => output::structured(&context.ui, context.format, &inspected)?,
    }
    Ok(Exit::Done)
}

fn names(opened: &Opened) -> String {
    opened
        .content()
        .keys
        .iter()
        .map(|live| format!("{}\n", ObjectKey::parse(&live.key)))
        .collect()
}

fn details(inspected: &Inspected, wide: bool) -> String {
    let contents = &inspected.contents;
    let mut text: String = facts(inspected)
        .iter()
        .map(|(label, value)| format!("{label:<13} {value}\n"))
        .collect();
    if contents.keys == 0 {
        return text + "The backup is empty.\n";
    }
    let parts = [nodes(contents, wide), masterleases(contents), resources(contents, wide)];
    for part in parts.into_iter().flatten() {
        text.push('\n');
        text.push_str(&part);
    }
    text
}

fn facts(inspected: &Inspected) -> Vec<(&'static str, String)> {
    let contents = &inspected.contents;
    let mut lines = vec![
        ("Backup", inspected.name.clone()),
        ("Etcd", format!("{} of {}", inspected.etcd, inspected.cluster)),
        ("Revision", contents.revision.to_string()),
        (
            "Keys",
            format!(
                "{}: {} with a lease, {} without",
                contents.keys, contents.keys_with_lease, contents.keys_without_lease
            ),
        ),
    ];
    if contents.keys > 0 {
        lines.push(("Values", values(contents)));
    }
    if let Some(uid) = &contents.lineage {
        lines.push(("Lineage", format!("{uid} (UID of kube-system)")));
    }
    if let Some(newest) = &contents.newest_object {
        lines.push(("Newest object", format!("{}, {}", newest.created, newest.object)));
    }
    if contents.events.objects > 0 {
        lines.push((
            "Events",
            format!(
                "{}: {} with a lease",
                contents.events.objects, contents.events.with_lease
            ),
        ));
    }
    for encryption in &contents.encryption {
        lines.push(("Encrypted", encrypted(encryption)));
    }
    for object in &contents.undecodable.objects {
        lines.push(("Undecodable", object.clone()));
    }
    let unnamed = contents.undecodable.values - contents.undecodable.objects.len() as u64;
    if unnamed > 0 {
        lines.push(("Undecodable", format!("and {unnamed} more")));
    }
    lines
}

fn encrypted(count: &EncryptionCount) -> String {
    let EncryptionCount {
        by,
        objects,
        readable,
        problem,
        resources,
    } = count;
    let is_readable = match problem {
        None => "readable".to_owned(),
        Some(problem) if *readable == 0 => format!("not readable: {problem}"),
        Some(problem) => format!("{readable} of them readable; of the others: {problem}"),
    };
    format!("{objects} values by {by} ({}), {is_readable}", resources.join(", "))
}

fn values(contents: &Contents) -> String {
    let encodings = &contents.encodings;
    let counted = [
        (encodings.protobuf, "protobuf"),
        (encodings.json, "JSON"),
        (encodings.encrypted, "encrypted"),
        (encodings.other, "other"),
    ];
    let counted: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!("{}: {}", units::bytes(contents.value_bytes), counted.join(", "))
}

fn nodes(contents: &Contents, with_wide: bool) -> Option<String> {
    let columns = [
        column("NODE"),
        column("ROLE"),
        column("INSTANCE GROUP"),
        column("INTERNAL IP"),
        wide("CREATED"),
        wide("PROVIDER ID"),
    ];
    let dash =
        |text: Option<String>| Cell::text(text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned()));
    let lines = contents.nodes.iter().map(|node| {
        vec![
            Cell::text(&node.name),
            dash(node.role.clone()),
            dash(node.instance_group.clone()),
            dash(Some(node.internal_ips.join(","))),
            dash(node.created.map(|created| created.to_string())),
            dash(node.provider_id.clone()),
        ]
    });
    (!contents.nodes.is_empty()).then(|| output::table(&columns, lines.collect(), with_wide))
}

fn masterleases(contents: &Contents) -> Option<String> {
    let columns = [column("MASTERLEASE"), column("LEASE")];
    let lines = contents.masterleases.iter().map(|found| {
        let lease = match &found.lease {
            Some(lease) => Cell::text(lease),
            None => Cell::verdict(Verdict::Doubtful, "none: never expires"),
        };
        vec![Cell::text(&found.ip), lease]
    });
    (!contents.masterleases.is_empty()).then(|| output::table(&columns, lines.collect(), true))
}

fn resources(contents: &Contents, every_namespace: bool) -> Option<String> {
    let columns = [
        column("RESOURCE"),
        column("OBJECTS"),
        column("SIZE"),
        column("NAMESPACES"),
        wide("GROUP"),
        wide("WITH LEASE"),
    ];
    let mut lines = Vec::new();
    for row in &contents.resources {
        let namespaces = if every_namespace {
            in_namespaces(row)
        } else {
            shortened(row)
        };
        lines.push(vec![
            Cell::text(builtin::label(&row.resource, &row.group)),
            Cell::number(row.objects),
            Cell::number(units::bytes(row.bytes)),
            Cell::text(namespaces),
            Cell::text(if row.group.is_empty() { "-" } else { &row.group }),
            Cell::number(row.with_lease),
        ]);
        if every_namespace {
            lines.extend(row.namespaces.iter().map(|found| {
                let mut cells = vec![Cell::text(""), Cell::number(found.objects), Cell::text("")];
                cells.extend([Cell::text(&found.namespace), Cell::text(""), Cell::text("")]);
                cells
            }));
        }
    }
    (!lines.is_empty()).then(|| output::table(&columns, lines, every_namespace))
}

fn in_namespaces(row: &ResourceCount) -> String {
    match row.namespaces.len() {
        0 => "-".to_owned(),
        1 => "in 1 namespace:".to_owned(),
        count => format!("in {count} namespaces:"),
    }
}

/// The namespaces with the most objects, as many as fit into 80 columns.
fn shortened(row: &ResourceCount) -> String {
    const WIDTH: usize = 28;
    let mut sorted: Vec<_> = row.namespaces.iter().collect();
    sorted.sort_by_key(|found| std::cmp::Reverse(found.objects));
    let mut text = String::new();
    for (index, found) in sorted.iter().enumerate() {
        let next = format!(
            "{}{} {}",
            if index > 0 { ", " } else { "" },
            found.namespace,
            found.objects
        );
        if index > 0 && text.len() + next.len() > WIDTH {
            return format!("{text}, +{}", sorted.len() - index);
        }
        text.push_str(&next);
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::backup::contents::report::NamespaceCount;

    use super::*;

    #[test]
    fn many_namespaces_are_shortened_to_the_largest() {
        let row = |namespaces: &[(&str, u64)]| ResourceCount {
            resource: "secrets".to_owned(),
            group: String::new(),
            objects: 0,
            with_lease: 0,
            bytes: 0,
            namespaces: namespaces
                .iter()
                .map(|(name, objects)| NamespaceCount {
                    namespace: (*name).to_owned(),
                    objects: *objects,
                })
                .collect(),
        };
        assert_eq!(shortened(&row(&[])), "-");
        assert_eq!(shortened(&row(&[("a", 1), ("b", 20)])), "b 20, a 1");
        assert_eq!(
            shortened(&row(&[("billing", 1), ("kube-system", 20), ("shop", 3), ("x", 1)])),
            "kube-system 20, shop 3, +2"
        );
        let long = "a-namespace-with-a-name-longer-than-the-room";
        assert_eq!(shortened(&row(&[(long, 2), ("b", 1)])), format!("{long} 2, +1"));
    }
}
