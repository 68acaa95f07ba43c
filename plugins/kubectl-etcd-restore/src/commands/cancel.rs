//! `cancel`: removes queued commands.

use std::str::FromStr;

use crate::usecases::queue::{self, QueuedCommand};
use crate::usecases::run_record;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, chain};
use runbook_kit::ports::{PutMode, StoreError};
use runbook_kit::usecases::catalog::Catalog;

use crate::commands::commands::CommandRow;
use crate::commands::plan::is_text;
use crate::context::Context;

/// Remove commands that etcd-manager has not carried out yet
///
/// Without a name, the only queued command is removed. A command is removed only if it has not changed since it was shown. A restore that is
/// already running is not stopped, but it is not repeated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore cancel --etcd main --yes\n  \
    kubectl etcd-restore cancel main=2026-11-22T15:20:06Z-000000 events=2026-11-22T15:20:06Z-000000 --yes")]
pub struct Args {
    /// Command name as shown by `commands`, with ETCD= in front for one etcd cluster; repeatable
    #[arg(value_name = "[ETCD=]NAME")]
    commands: Vec<CommandRef>,
    #[command(flatten)]
    consent: ConsentArgs,
}

/// `[ETCD=]NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandRef {
    etcd: Option<String>,
    name: String,
}

impl CommandRef {
    fn matches(&self, catalog: &Catalog, found: &QueuedCommand) -> bool {
        self.name == found.name && self.etcd.as_ref().is_none_or(|etcd| catalog.store.etcd == *etcd)
    }
}

impl FromStr for CommandRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (etcd, name) = match text.split_once('=') {
            Some((etcd, name)) => (Some(etcd.to_owned()), name),
            None => (None, text),
        };
        if name.is_empty() || etcd.as_deref() == Some("") {
            return Err(format!(
                "`{text}` is not a command name: use the name shown by `commands`"
            ));
        }
        Ok(Self {
            etcd,
            name: name.to_owned(),
        })
    }
}

/// No such command is queued. `queued` are those that are.
fn not_queued(wanted: Option<&CommandRef>, queued: &[String]) -> CommandError {
    let name = wanted.map(|wanted| format!(" `{}`", wanted.name)).unwrap_or_default();
    let etcd = wanted.and_then(|wanted| wanted.etcd.as_ref());
    let etcd = etcd.map(|etcd| format!(" for etcd {etcd}")).unwrap_or_default();
    CommandError::failed(format!("no command{name} is queued{etcd}")).hint(if queued.is_empty() {
        "the queue is empty; etcd-manager removes a command once the restore is done: `kubectl etcd-restore status`"
            .to_owned()
    } else {
        format!("queued commands: {}", queued.join(", "))
    })
}

/// Runs `cancel`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    let catalogs = session.catalogs().await?;
    for wanted in &args.commands {
        if let Some(etcd) = &wanted.etcd
            && !catalogs.iter().any(|catalog| catalog.store.etcd == *etcd)
        {
            return Err(CommandError::usage(format!("no such etcd cluster: `{etcd}`")).into());
        }
    }
    let mut queued: Vec<(&Catalog, QueuedCommand)> = Vec::new();
    for catalog in &catalogs {
        let found = queue::commands(session.objects(), catalog).await?;
        queued.extend(found.into_iter().map(|found| (catalog, found)));
    }
    let names = |queued: &[(&Catalog, QueuedCommand)]| -> Vec<String> {
        let names = queued.iter();
        names
            .map(|(catalog, found)| format!("{}={}", catalog.store.etcd, found.name))
            .collect()
    };
    let missing = |wanted: &&CommandRef| !queued.iter().any(|(catalog, found)| wanted.matches(catalog, found));
    if let Some(missing) = args.commands.iter().find(missing) {
        return Err(not_queued(Some(missing), &names(&queued)).into());
    }
    if args.commands.is_empty() {
        match queued.as_slice() {
            [] => return Err(not_queued(None, &[]).into()),
            [_] => {}
            several => {
                let message = format!("{} commands are queued: name the ones to remove", several.len());
                return Err(CommandError::usage(message).hint(names(several).join(" ")).into());
            }
        }
    }
    let meant =
        |catalog: &Catalog, found: &QueuedCommand| args.commands.iter().any(|wanted| wanted.matches(catalog, found));
    let all = args.commands.is_empty();
    let wanted: Vec<(&Catalog, QueuedCommand)> = queued
        .into_iter()
        .filter(|(catalog, found)| all || meant(catalog, found))
        .collect();
    let rows: Vec<CommandRow> = wanted
        .iter()
        .map(|(catalog, found)| CommandRow::new(catalog, found, session.now()))
        .collect();
    output::rows(&session.ui, session.format, &rows, "")?;
    session.require_own_place(args.consent.yes)?;
    let Some(consent) = confirm::plain(args.consent.yes) else {
        session
            .ui
            .note("nothing was changed; pass --yes to remove what is shown");
        return Ok(Exit::Done);
    };
    let mut gone = Vec::new();
    for (catalog, found) in &wanted {
        let name = format!("{}={}", catalog.store.etcd, found.name);
        if queue::cancel(session.objects(), found, &consent).await? {
            forget(catalog, found, context, &consent).await;
            if is_text(session.format) {
                session.ui.result(&format!("removed {name}\n"))?;
            }
        } else {
            gone.push(name);
        }
    }
    if gone.is_empty() {
        Ok(Exit::Done)
    } else {
        let message = format!(
            "{} no longer queued: etcd-manager took it, or another user removed it",
            gone.join(", ")
        );
        Err(CommandError::failed(message)
            .hint("check the restore: `kubectl etcd-restore status`")
            .into())
    }
}

/// Removes it from the record of the run that queued it: that run would take it for done. Where that fails the user has to pass --anew.
async fn forget(catalog: &Catalog, found: &QueuedCommand, context: &Context, consent: &Consent) {
    let objects = context.session.objects();
    let Some(at) = catalog.store.recovery.as_ref().and_then(run_record::place) else {
        return;
    };
    let noted = async {
        let Ok(Some(mut record)) = run_record::read(objects, &at).await? else {
            return Ok::<(), StoreError>(());
        };
        if !record.forget(&catalog.store.etcd, &found.name) {
            return Ok(());
        }
        if record.entries.is_empty() {
            run_record::remove(objects, &at, consent).await
        } else {
            run_record::write(objects, &at, &record, PutMode::Replace, consent).await
        }
    };
    if let Err(error) = noted.await {
        context.session.ui.warn(&format!(
            "{}; start the next run with --anew; otherwise it treats this command as done",
            chain(&error)
        ));
    }
}
