//! `audit`: why the control plane is unhealthy, and the smallest fix.

use clap::Args as ClapArgs;
use runbook_kit::cli::output::{self, Format, steps};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::context::Context;
use crate::rules::audit::cure::{self, SmallestCure};
use crate::rules::audit::findings::{self, Finding};
use crate::rules::audit::rows::{rows, verdict};
use crate::rules::report::word;
use crate::usecases::audit;
use crate::usecases::audit_look::LookArgs;

/// Find out why the control plane is unhealthy, and the smallest fix
///
/// Reads AWS, the state store and the backups, and looks at what can be reached: the certificates that the masters show, the members of etcd, the
/// alarms. What cannot be reached is said, and nothing waits for it longer than a few seconds. At the end stands the ladder of cures, the least
/// first: nothing, tags, space, one member, certificates, salvage and restore, wipe and restore; which to take, and why no lower one is enough.
/// In JSON it is the field `ladder` of the last row.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  kops-wipe-masters audit --name k8s.example.com\n  kops-wipe-masters audit --name k8s.example.com --host 10.0.0.7 --host \
    10.0.0.8 --host 10.0.0.9\n\nExits with 5 if a problem is found. Changes nothing."
)]
pub struct Args {
    #[command(flatten)]
    look: LookArgs,
}

/// Runs `audit`.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, AnyFailure> {
    let facts = audit::gather(context, &args.look).await?;
    let findings = findings::findings(&facts);
    let advice = findings::advice(&facts);
    let cure = cure::smallest(&facts, &findings);
    let ui = &context.session.ui;
    for etcd in &facts.etcds {
        if let Err(why) = &etcd.rules {
            ui.note(&format!(
                "the lifecycle rules of the bucket of etcd {} could not be read: {why}",
                etcd.name()
            ));
        }
    }
    for line in &facts.observed.not_seen {
        ui.note(&format!("not seen: {line}"));
    }
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Found };
    match context.session.format {
        Format::Table => ui.result(&text(&findings, &advice, &cure))?,
        format => {
            // Where nothing is wrong the result is empty.
            for advice in advice.iter().filter(|_| findings.is_empty()) {
                ui.note(&format!("advice: {}", advice.what));
            }
            output::rows(ui, format, &rows(findings, cure, advice, facts.observed.not_seen), "")?;
        }
    }
    Ok(exit)
}

/// For people: a table has no room for causes and fixes.
fn text(findings: &[Finding], advice: &[Finding], cure: &SmallestCure) -> String {
    let mut text = String::new();
    for (at, found) in findings.iter().enumerate() {
        text.push_str(&paragraph(&format!("{}.", at + 1), found));
    }
    match findings.is_empty() {
        true => text.push_str(&format!("{}\n", cure.why)),
        false => {
            text.push_str("ladder, the least first\n");
            for step in &cure.ladder {
                text.push_str(&format!(
                    "  {:<19}  {:<10}  {}\n",
                    step.rung.title(),
                    step.verdict.word(),
                    step.why
                ));
            }
            text.push_str(&format!("\nsmallest fix  {}\n", cure.why));
        }
    }
    if let Some(command) = &cure.command {
        text.push_str(&format!("next          {}\n", command.lines().join("\n              ")));
    }
    if !cure.read_steps.is_empty() {
        text.push_str("\nTo save the data of a volume that no master uses, which stays as it is:\n");
        text.push_str(&steps::list(&cure.read_steps));
    }
    for found in advice {
        text.push('\n');
        text.push_str(paragraph("advice:", found).trim_end());
        text.push('\n');
    }
    text
}

fn paragraph(head: &str, found: &Finding) -> String {
    let etcd = found
        .etcd
        .as_ref()
        .map(|etcd| format!("etcd {etcd}: "))
        .unwrap_or_default();
    let kind = verdict(found.severity).paint(&word(&found.finding));
    let mut text = format!("{head} {kind}  {etcd}{}\n   causes  {}\n", found.what, found.causes);
    if let Some(command) = &found.command {
        text.push_str(&format!("   fix     {}\n", command.lines().join("\n           ")));
    }
    if let Some(note) = &found.note {
        text.push_str(&format!("   note    {note}\n"));
    }
    text.push('\n');
    text
}
