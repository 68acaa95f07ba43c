//! Without a subcommand: the state of the recovery, and the next command.

use runbook_kit::cli::output::{self, Cell, Column, Format, column, paragraph, table};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use serde::Serialize;

use crate::context::Context;
use crate::rules::next_command::pasted;
use crate::rules::stage::{Stage, Statement, recovery_stage, statements};
use crate::usecases::observe::overview;

/// JSON and YAML output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    cluster: String,
    stage: Stage,
    why: String,
    /// The next command; `null` where there is nothing to do.
    next: Option<String>,
    /// What is known, with its evidence.
    statements: Vec<Statement>,
    findings: Vec<Finding>,
    /// What was not checked.
    unseen: Vec<String>,
}

#[derive(Serialize)]
struct Finding {
    of: String,
    says: String,
}

/// Shows the overview.
pub async fn run(access: EtcdAccess, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    let catalogs = session.catalogs().await?;
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let facts = overview::observe(&catalogs, &access, context).await?;
    let (verdict, statements) = (recovery_stage(&facts), statements(&facts));
    let given = context.given(&cluster);
    let report = Report {
        stage: verdict.stage,
        why: verdict.why,
        next: verdict.next.map(|next| pasted(&next, &given).to_string()),
        cluster,
        findings: statements
            .iter()
            .filter(|told| told.checked)
            .map(|told| Finding {
                of: told.subject.clone(),
                says: format!("{}; {}", told.state, told.evidence),
            })
            .collect(),
        unseen: statements
            .iter()
            .filter(|told| !told.checked)
            .map(|told| format!("{}: {}", told.subject, told.evidence))
            .collect(),
        statements,
    };
    show(&report, context)?;
    Ok(Exit::Done)
}

fn show(report: &Report, context: &Context) -> Result<(), AnyFailure> {
    let session = &context.session;
    match session.format {
        Format::Json | Format::Yaml => return output::structured(&session.ui, session.format, report),
        Format::Name => {
            if let Some(next) = &report.next {
                session.ui.result(&format!("{next}\n"))?;
            }
            return Ok(());
        }
        _ => {}
    }
    let columns: [Column; 3] = [column("WHAT"), column("STATE"), column("EVIDENCE")];
    let row = |told: &Statement| {
        let state = match told.checked {
            true => Cell::text(&told.state),
            false => Cell::verdict(Verdict::Doubtful, &told.state),
        };
        vec![Cell::text(&told.subject), state, Cell::text(&told.evidence)]
    };
    let rows = report.statements.iter().map(row).collect();
    let mut text = format!("{}\n\n{}", report.cluster, table(&columns, rows, false));
    text.push_str(&format!("\n{}", paragraph(&report.why)));
    match &report.next {
        Some(next) => text.push_str(&format!("\nNext:\n  {next}\n")),
        None => text.push_str("\nNothing to do.\n"),
    }
    session.ui.result(&text)?;
    Ok(())
}
