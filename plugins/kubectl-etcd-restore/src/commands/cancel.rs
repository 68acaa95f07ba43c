//! `cancel`: takes a command back that was not carried out yet.

use std::str::FromStr;

use crate::usecases::queue::{self, Found};
use crate::usecases::run_record;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::chain;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::ports::{PutMode, StoreError};
use runbook_kit::usecases::catalog::Catalog;

use crate::commands::commands::CommandRow;
use crate::commands::plan::is_text;
use crate::context::Context;

/// Remove commands that etcd-manager has not carried out yet
///
/// Without a name it is the only one that is queued. A command is removed only if it is still the one that was shown. One that is being carried out is not stopped by this, but a loop
/// ends with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore cancel --etcd main --yes\n  \
    kubectl etcd-restore cancel main=2026-11-22T15:20:06Z-000000 events=2026-11-22T15:20:06Z-000000 --yes")]
pub struct Args {
    /// Its name as `commands` shows it, with ETCD= before it for one etcd cluster; repeatable
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
    fn means(&self, catalog: &Catalog, found: &Found) -> bool {
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
            return Err(format!("`{text}` is no command: give its name as `commands` shows it"));
        }
        Ok(Self {
            etcd,
            name: name.to_owned(),
        })
    }
}

/// There is no such command.
#[derive(Debug, thiserror::Error)]
#[error("no command{} is queued{}", called(.name.as_deref()), in_etcd(.etcd.as_deref()))]
struct NotQueued {
    name: Option<String>,
    etcd: Option<String>,
    queued: Vec<String>,
}

fn called(name: Option<&str>) -> String {
    name.map(|name| format!(" `{name}`")).unwrap_or_default()
}

fn in_etcd(etcd: Option<&str>) -> String {
    etcd.map(|etcd| format!(" for etcd {etcd}")).unwrap_or_default()
}

impl Failure for NotQueued {
    fn hint(&self) -> Option<String> {
        Some(if self.queued.is_empty() {
            "nothing is queued; etcd-manager removes a command when it has carried it out: `kubectl etcd-restore status`".to_owned()
        } else {
            format!("queued are {}", self.queued.join(", "))
        })
    }
}

/// Runs `cancel`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    let catalogs = session.catalogs().await?;
    for wanted in &args.commands {
        if let Some(etcd) = &wanted.etcd
            && !catalogs.iter().any(|catalog| catalog.store.etcd == *etcd)
        {
            return Err(CommandError::usage(format!("there is no etcd cluster `{etcd}` here")).into());
        }
    }
    let mut queued: Vec<(&Catalog, Found)> = Vec::new();
    for catalog in &catalogs {
        let found = queue::commands(session.objects(), catalog).await?;
        queued.extend(found.into_iter().map(|found| (catalog, found)));
    }
    let names = |queued: &[(&Catalog, Found)]| -> Vec<String> {
        let names = queued.iter();
        names
            .map(|(catalog, found)| format!("{}={}", catalog.store.etcd, found.name))
            .collect()
    };
    let missing = |wanted: &&CommandRef| !queued.iter().any(|(catalog, found)| wanted.means(catalog, found));
    if let Some(missing) = args.commands.iter().find(missing) {
        return Err(NotQueued {
            name: Some(missing.name.clone()),
            etcd: missing.etcd.clone(),
            queued: names(&queued),
        }
        .into());
    }
    if args.commands.is_empty() {
        match queued.as_slice() {
            [] => {
                return Err(NotQueued {
                    name: None,
                    etcd: None,
                    queued: Vec::new(),
                }
                .into());
            }
            [_] => {}
            several => {
                let message = format!("{} commands are queued: say which are meant", several.len());
                return Err(CommandError::usage(message).hint(names(several).join(" ")).into());
            }
        }
    }
    let meant = |catalog: &Catalog, found: &Found| args.commands.iter().any(|wanted| wanted.means(catalog, found));
    let all = args.commands.is_empty();
    let wanted: Vec<(&Catalog, Found)> = queued
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
        Err(TooLate(gone.join(", ")).into())
    }
}

/// A run that ordered this must not take it for carried out. Where that cannot be noted the user has to tell it.
async fn forget(catalog: &Catalog, found: &Found, context: &Context, consent: &Consent) {
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
        if record.orders.is_empty() {
            run_record::remove(objects, &at, consent).await
        } else {
            run_record::write(objects, &at, &record, PutMode::Replace, consent).await
        }
    };
    if let Err(error) = noted.await {
        context.session.ui.warn(&format!(
            "{}; begin the next run with --anew, else it takes this command for carried out",
            chain(&error)
        ));
    }
}

/// It went while we were about to remove it.
#[derive(Debug, thiserror::Error)]
#[error("{0} went meanwhile: etcd-manager carried it out, or somebody else removed it")]
struct TooLate(String);

impl Failure for TooLate {
    fn hint(&self) -> Option<String> {
        Some("look what became of it: `kubectl etcd-restore status`".to_owned())
    }
}
