//! `commands`: lists the queue.

use crate::usecases::queue::{self, QueuedCommand};
use jiff::Timestamp;
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::shell::quoted;
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::Catalog;
use serde::Serialize;

use crate::context::Context;

/// List the commands that are queued for etcd-manager
#[derive(Debug, clap::Args)]
#[command(
    after_help = "All commands are run in the order shown, and each one wipes etcd again. A command that cannot be read blocks the leader: no other \
                  command is run, and no backup is taken. Exit code 5 if a command cannot be read.\n\nExample:\n  kubectl etcd-restore commands"
)]
pub struct Args {}

/// One queued command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandRow {
    cluster: String,
    etcd: String,
    pub name: String,
    queued: Option<Timestamp>,
    backup: Option<String>,
    member_count: Option<i64>,
    etcd_version: Option<String>,
    /// Why etcd-manager cannot read it; it is blocked then.
    problem: Option<String>,
    at: String,
    #[serde(skip)]
    age: Option<String>,
}

impl CommandRow {
    pub fn new(catalog: &Catalog, found: &QueuedCommand, now: Timestamp) -> Self {
        let order = found
            .command
            .as_ref()
            .ok()
            .and_then(|command| command.restore_backup.as_ref());
        let spec = order.and_then(|order| order.cluster_spec.as_ref());
        let queued = found.queued();
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            name: found.name.clone(),
            queued,
            backup: found.backup().ok().map(str::to_owned),
            member_count: spec.map(|spec| spec.member_count),
            etcd_version: spec.map(|spec| spec.etcd_version.clone()),
            problem: found.backup().err(),
            at: found.at.to_string(),
            age: queued.map(|queued| units::age(now.duration_since(queued))),
        }
    }
}

impl Row for CommandRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("COMMAND"),
            column("AGE"),
            column("RESTORES"),
            column("MEMBERS"),
            column("STATE"),
            wide("AT"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.name),
            Cell::text_or_dash(self.age.clone()),
            Cell::text_or_dash(self.backup.clone()),
            Cell::number_or_dash(self.member_count),
            match &self.problem {
                None => Cell::text("queued"),
                Some(problem) => Cell::verdict(Verdict::Bad, format!("BLOCKS THE LEADER: {problem}")),
            },
            Cell::text(&self.at),
        ]
    }

    fn name(&self) -> String {
        format!("{}={}", self.etcd, self.name)
    }
}

/// Runs `commands`.
pub async fn run(_args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    let mut rows = Vec::new();
    for catalog in &session.catalogs().await? {
        let found = queue::commands(session.objects(), catalog).await?;
        rows.extend(found.iter().map(|found| CommandRow::new(catalog, found, session.now())));
    }
    output::rows(&session.ui, session.format, &rows, "No command is queued")?;
    let broken: Vec<&CommandRow> = rows.iter().filter(|row| row.problem.is_some()).collect();
    for row in &broken {
        session.ui.warn(&format!(
            "{}: {} blocks etcd-manager's leader; `kubectl etcd-restore cancel {}={} --yes` removes it",
            row.etcd,
            row.name,
            quoted(&row.etcd),
            quoted(&row.name)
        ));
    }
    Ok(if broken.is_empty() { Exit::Done } else { Exit::Found })
}
