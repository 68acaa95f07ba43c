//! `restore-objects --undo`: takes back what a run did.

use std::collections::BTreeMap;
use std::path::Path;

use runbook_kit::cli::confirm;
use runbook_kit::cli::output::{self, Cell, Column, Row, column};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, with_repeating};
use runbook_kit::ports::cluster_objects::ClusterObjects;
use serde::Serialize;

use super::Args;
use crate::context::{self, Context};
use crate::rules::restore_objects::journal::{self, Journal};
use crate::rules::restore_objects::object::ObjectId;
use crate::rules::restore_objects::undo::{UndoAction, UndoItem};
use crate::usecases::restore_objects::apply::{Reason, Stopped};
use crate::usecases::restore_objects::observe;
use crate::usecases::restore_objects::undo::{self, Outcome};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UndoRow {
    /// `delete`, `put back`, `gone` or `leave`; once it is done `deleted` and `put back`.
    action: &'static str,
    #[serde(flatten)]
    id: ObjectId,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Whether it was done.
    done: bool,
}

impl Row for UndoRow {
    fn columns() -> Vec<Column> {
        vec![column("ACTION"), column("OBJECT"), column("NOTE")]
    }

    fn cells(&self) -> Vec<Cell> {
        let verdict = match self.action {
            "leave" => Verdict::Doubtful,
            _ => Verdict::Plain,
        };
        vec![
            Cell::verdict(verdict, self.action),
            Cell::text(self.id.to_string()),
            Cell::text(self.why.as_deref().unwrap_or_default()),
        ]
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}

pub(super) async fn run(args: &Args, file: &Path, context: &Context) -> Result<Exit, AnyFailure> {
    let journal = read(file)?;
    if journal.torn {
        context
            .ui
            .warn(&format!("{}: its last line is not whole", file.display()));
    }
    let api = context::objects(context).await?;
    let api = api.as_ref();
    let served = api.resources().await?;
    let here = observe::cluster_uid(api, &served).await?;
    require_same_cluster(file, &journal, here.as_deref(), api)?;
    let items = undo::look(api, &served, &journal, args.even_if_changed).await?;
    if !items.iter().any(UndoItem::is_change) {
        let rows: Vec<UndoRow> = items.iter().map(|item| row(item, None)).collect();
        output::rows(&context.ui, context.format, &rows, "The file has no changes")?;
        context.ui.note("nothing to do");
        return Ok(Exit::Done);
    }
    let Some(consent) = confirm::plain(args.consent.yes) else {
        let rows: Vec<UndoRow> = items.iter().map(|item| row(item, None)).collect();
        output::rows(&context.ui, context.format, &rows, "The file has no changes")?;
        context.ui.note("nothing was changed; pass --yes to do it");
        return Ok(Exit::Done);
    };
    let changes = items.iter().filter(|item| item.is_change()).count();
    let bar = context.ui.count_progress("undoing", changes as u64);
    let progress = |item: &UndoItem| bar.step(&format!("undoing {}", item.target.id));
    let (outcomes, stopped) = undo::undo(api, &served, &items, &consent, &progress).await;
    drop(bar);
    let rows: Vec<UndoRow> = items
        .iter()
        .map(|item| row(item, outcomes.get(&item.target.id)))
        .collect();
    output::rows(&context.ui, context.format, &rows, "The file has no changes")?;
    ended(stopped, &outcomes)
}

fn read(file: &Path) -> Result<Journal, CommandError> {
    let failed = || CommandError::failed(format!("reading {}", file.display()));
    let content = context::read(file).map_err(|error| failed().source(error))?;
    journal::parse(&content).map_err(|error| failed().source(error))
}

/// A file of another cluster may name objects that are here by accident.
fn require_same_cluster(
    file: &Path,
    journal: &Journal,
    here: Option<&str>,
    api: &dyn ClusterObjects,
) -> Result<(), CommandError> {
    let file = file.display();
    let head = &journal.head;
    let message = match (here, head.cluster_uid.as_deref()) {
        (Some(here), Some(there)) if here == there => return Ok(()),
        (Some(here), Some(there)) => {
            format!("{file} was written for another cluster: there kube-system has UID {there}, here {here}")
        }
        _ if head.server == api.server() => return Ok(()),
        _ => format!(
            "{file} was written for {}, and whether {} is that cluster is not known",
            head.server,
            api.server()
        ),
    };
    Err(CommandError::refused(message).hint("check --context and --kubeconfig"))
}

fn row(item: &UndoItem, outcome: Option<&Outcome>) -> UndoRow {
    let (action, why) = match (&item.action, outcome) {
        (_, Some(Outcome::Deleted)) => ("deleted", None),
        (_, Some(Outcome::PutBack)) => ("put back", None),
        (_, Some(Outcome::Gone)) | (UndoAction::Gone, None) => ("gone", None),
        (_, Some(Outcome::Left(why))) | (UndoAction::Leave(why), None) => ("leave", Some(why.clone())),
        (UndoAction::Delete { .. }, None) => ("delete", item.hint.clone()),
        (UndoAction::PutBack { .. }, None) => ("put back", None),
    };
    UndoRow {
        action,
        id: item.target.id.clone(),
        why,
        done: matches!(outcome, Some(Outcome::Deleted | Outcome::PutBack)),
    }
}

fn ended(stopped: Option<Stopped>, outcomes: &BTreeMap<ObjectId, Outcome>) -> Result<Exit, AnyFailure> {
    let Some(stopped) = stopped else {
        return Ok(Exit::Done);
    };
    let done = outcomes
        .values()
        .filter(|outcome| matches!(outcome, Outcome::Deleted | Outcome::PutBack))
        .count();
    let message = format!("{done} undone; {stopped}");
    let error = match done == 0 && !stopped.in_doubt {
        true => CommandError::failed(message),
        false => CommandError::after_change(message),
    };
    let cure = match &stopped.reason {
        Reason::Api(error) => error.hint(),
        Reason::Journal(_) => None,
    };
    Err(error
        .hint(with_repeating(cure, "does the rest"))
        .source(stopped.reason)
        .into())
}
