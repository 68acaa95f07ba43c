//! `audit`: why the control plane is unhealthy, and the smallest fix.

use clap::Args as ClapArgs;
use runbook_kit::cli::output::{self, Format};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;

use crate::context::Context;
use crate::rules::audit::cure::{self, SmallestCure};
use crate::rules::audit::findings::{self, Finding};
use crate::rules::audit::rows::{rows, verdict};
use crate::rules::report::word;
use crate::usecases::audit;

/// Find out why the control plane is unhealthy, and the smallest fix
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  kops-wipe-masters audit --name k8s.example.com\n\nExits with 5 if a problem is found. Changes nothing."
)]
pub struct Args {}

/// Runs `audit`.
pub async fn run(_args: &Args, context: &Context) -> Result<Exit, AnyFailure> {
    if context.session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let facts = audit::gather(context).await?;
    let findings = findings::findings(&facts);
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
    let exit = if findings.is_empty() { Exit::Done } else { Exit::Found };
    match context.session.format {
        Format::Table => ui.result(&text(&findings, &cure))?,
        format => {
            output::rows(ui, format, &rows(findings, cure), "")?;
        }
    }
    Ok(exit)
}

/// For people: a table has no room for causes and fixes.
fn text(findings: &[Finding], cure: &SmallestCure) -> String {
    let mut text = String::new();
    for (at, found) in findings.iter().enumerate() {
        let etcd = found
            .etcd
            .as_ref()
            .map(|etcd| format!("etcd {etcd}: "))
            .unwrap_or_default();
        let head = verdict(found.severity).paint(&word(&found.finding));
        text.push_str(&format!(
            "{}. {head}  {etcd}{}\n   causes  {}\n",
            at + 1,
            found.what,
            found.causes
        ));
        if let Some(command) = &found.command {
            text.push_str(&format!("   fix     {}\n", command.lines().join("\n           ")));
        }
        if let Some(note) = &found.note {
            text.push_str(&format!("   note    {note}\n"));
        }
        text.push('\n');
    }
    match findings.is_empty() {
        true => text.push_str(&format!("{}\n", cure.why)),
        false => text.push_str(&format!("smallest fix  {}\n", cure.why)),
    }
    if let Some(command) = &cure.command {
        text.push_str(&format!("next          {}\n", command.lines().join("\n              ")));
    }
    text
}
