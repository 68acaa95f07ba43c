//! `status`: the state of each restore.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::rules::follow::{EtcdSeen, Follow, Restart, Seen, State};
use crate::rules::log_messages::LoopCause;
use jiff::Timestamp;
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::shell::quoted;
use runbook_kit::usecases::catalog::Catalog;
use serde::Serialize;
use tokio::time::Instant;

use crate::commands::plan::is_text;
use crate::context::Context;
use crate::rules::observation::{ApiSeen, NO_ANSWER, Observation};
use crate::usecases::observe::observer::Observer;

/// Show the state of the restore of each etcd cluster
///
/// The state is derived from the store, etcd and the API, where they can be reached: waiting (no members), queued, restoring, restored, serving,
/// looping (the restore keeps failing) or idle (nothing is queued). Exit code 5 if a restore is looping.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kubectl etcd-restore status\n  \
    kubectl etcd-restore status --watch --endpoints main=https://10.0.0.7:4001,events=https://10.0.0.7:4002")]
pub struct Args {
    /// Watch until Ctrl-C, and print each change
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    access: EtcdAccess,
}

/// How long the first table of `--watch` waits for what does not answer.
const FIRST_TABLE: Duration = Duration::from_secs(3);

/// One etcd cluster.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusRow {
    pub cluster: String,
    pub etcd: String,
    pub state: State,
    /// Why it loops.
    pub cause: Option<LoopCause>,
    /// How to fix it.
    pub way_out: Option<String>,
    pub command: Option<String>,
    pub backup: Option<String>,
    /// The newest backup in the store.
    newest_backup: Option<String>,
    /// The answer of etcd.
    etcd_says: String,
    revision: Option<i64>,
    /// Whether etcd-manager has to be restarted so that it takes the command; `null` where that is not known.
    restart_needed: Option<bool>,
    waits_for: &'static str,
    /// What blocks the restore.
    problem: Option<String>,
    /// Of the whole cluster: `ready`, `answers`, `elsewhere` (by a master's address only), `silent` or `not-asked`.
    api: &'static str,
}

impl StatusRow {
    pub fn new(catalog: &Catalog, follow: &Follow, seen: &Seen, api: &ApiSeen) -> Self {
        let (etcd_says, revision) = match &seen.etcd {
            EtcdSeen::NotAsked(why) => (format!("not checked: {why}"), None),
            EtcdSeen::Unanswered => (NO_ANSWER.to_owned(), None),
            EtcdSeen::Silent(why) => (format!("unreachable: {why}"), None),
            EtcdSeen::Quarantined(answer) => ("answers in quarantine".to_owned(), Some(answer.revision)),
            EtcdSeen::Serving(answer) if !answer.leader => (
                "answers, and has no leader: too few members are up".to_owned(),
                Some(answer.revision),
            ),
            EtcdSeen::Serving(answer) => ("serves".to_owned(), Some(answer.revision)),
        };
        let store = seen.store.as_ref().ok();
        let queued = store.and_then(|store| store.commands.first());
        Self {
            cluster: catalog.store.cluster.clone(),
            etcd: catalog.store.etcd.clone(),
            state: follow.state,
            cause: follow.cause.as_ref().map(|cause| cause.cause),
            way_out: follow.cause.as_ref().map(|cause| cause.cause.fix().to_owned()),
            command: queued.map(|command| command.name.clone()),
            backup: queued.and_then(|command| command.backup.clone().ok()),
            newest_backup: store.and_then(|store| store.newest.clone()),
            etcd_says,
            revision,
            restart_needed: match follow.restart(seen) {
                Restart::NotNeeded => Some(false),
                Restart::Leader => Some(true),
                Restart::Unknown => None,
            },
            waits_for: follow.waits_for(),
            problem: problem(catalog, follow),
            api: api.name(),
        }
    }
}

/// A problem that was observed, or a queued command for a backup that is missing: that restore will keep failing.
fn problem(catalog: &Catalog, follow: &Follow) -> Option<String> {
    let missing = || {
        let wanted = follow.backup.as_ref().filter(|_| follow.state != State::Serving)?;
        let found = catalog.backups.iter().find(|backup| backup.name.as_str() == wanted);
        let whole = found.filter(|backup| backup.complete());
        let queued = matches!(follow.state, State::Queued | State::Restoring | State::Looping);
        let cure = whole.map(|_| {
            let etcd = quoted(&catalog.store.etcd);
            format!(
                "; it is pinned: `kubectl etcd-restore queue {etcd}={} --yes` copies it back",
                quoted(wanted)
            )
        });
        (queued && !whole.is_some_and(|backup| backup.in_store)).then(|| {
            format!(
                "{wanted} is not complete in the store: etcd-manager retries it forever{}",
                cure.unwrap_or_default()
            )
        })
    };
    follow.problem.clone().or_else(missing)
}

impl Row for StatusRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("STATE"),
            column("COMMAND"),
            column("RESTORES"),
            column("WAITING FOR"),
            wide("REVISION"),
            wide("NEWEST BACKUP"),
            wide("ETCD"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let verdict = match self.state {
            State::Serving => Verdict::Good,
            State::Looping => Verdict::Bad,
            State::Idle => Verdict::Plain,
            _ => Verdict::Doubtful,
        };
        vec![
            Cell::text(&self.etcd),
            Cell::verdict(verdict, self.state.name()),
            Cell::text_or_dash(self.command.clone()),
            Cell::text_or_dash(self.backup.clone()),
            Cell::text(self.waits_for),
            Cell::number_or_dash(self.revision),
            Cell::text_or_dash(self.newest_backup.clone()),
            Cell::text(&self.etcd_says),
        ]
    }

    fn name(&self) -> String {
        format!("{} {}", self.etcd, self.state.name())
    }
}

/// Notes below the table.
pub fn remarks(row: &StatusRow, follow: &Follow) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(cause) = &follow.cause {
        let line = cause.line.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
        said.push(format!(
            "{} is looping: {}{line}; {}",
            row.etcd,
            cause.cause.describe(),
            cause.cause.fix()
        ));
    }
    if let Some(problem) = &row.problem {
        said.push(format!("{}: {problem}", row.etcd));
    }
    if row.restart_needed == Some(true) {
        said.push(format!(
            "{}: it has members, so the command is read only by a new leader: `kubectl etcd-restore restart-etcd --etcd {}`",
            row.etcd,
            quoted(&row.etcd)
        ));
    }
    if follow.state == State::Restored && follow.new_backup.is_some() {
        said.push(format!("{}: a first backup was taken since", row.etcd));
    }
    said
}

/// Runs `status`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    let catalogs = session.catalogs().await?;
    let observer = Observer::open(context, &catalogs, &[], &args.access).await;
    if args.watch {
        return Err(watch(&observer, &catalogs, context).await);
    }
    let now = session.now();
    let observation = observer.observe().await;
    let follows: Vec<Follow> = observation
        .etcds
        .iter()
        .map(|seen| Follow::default().step(seen, now))
        .collect();
    show(&observation, &follows, &catalogs, context)?;
    let loops = follows.iter().any(|follow| follow.state == State::Looping);
    Ok(if loops { Exit::Found } else { Exit::Done })
}

/// Shows everything once it is known, or soon after the start, and then each change. It ends by Ctrl-C, or where nothing can be printed.
async fn watch(observer: &Observer<'_>, catalogs: &[Catalog], context: &Context) -> AnyFailure {
    let session = &context.session;
    let mut follows: Vec<Follow> = catalogs.iter().map(|_| Follow::default()).collect();
    let mut before: Option<Observation> = None;
    let begun = Instant::now();
    observer
        .watch(|news| {
            let now = session.now();
            let known = news.api.is_some() && news.etcds.iter().all(Option::is_some);
            if before.is_none() && !known && begun.elapsed() < FIRST_TABLE {
                return ControlFlow::Continue(());
            }
            let observation = news.so_far();
            let mut changed = before
                .as_ref()
                .is_some_and(|before| before.api.name() != observation.api.name());
            for (follow, seen) in follows.iter_mut().zip(&observation.etcds) {
                let next = follow.step(seen, now);
                changed |= next.state != follow.state || next.cause != follow.cause || next.problem != follow.problem;
                *follow = next;
            }
            let told = match before {
                None => show(&observation, &follows, catalogs, context)
                    .inspect(|()| session.ui.note("watching until Ctrl-C")),
                Some(_) if changed => tell(&observation, &follows, catalogs, context, now),
                Some(_) => Ok(()),
            };
            before = Some(observation);
            told.map_or_else(ControlFlow::Break, ControlFlow::Continue)
        })
        .await
}

fn rows(observation: &Observation, follows: &[Follow], catalogs: &[Catalog]) -> Vec<StatusRow> {
    let seen = observation.etcds.iter().zip(follows).zip(catalogs);
    seen.map(|((seen, follow), catalog)| StatusRow::new(catalog, follow, seen, &observation.api))
        .collect()
}

fn show(
    observation: &Observation,
    follows: &[Follow],
    catalogs: &[Catalog],
    context: &Context,
) -> Result<(), AnyFailure> {
    let session = &context.session;
    let rows = rows(observation, follows, catalogs);
    output::rows(&session.ui, session.format, &rows, "No etcd cluster found")?;
    if is_text(session.format) {
        session.ui.result(&format!("API: {}\n", observation.api.describe()))?;
    }
    for (row, follow) in rows.iter().zip(follows) {
        for remark in remarks(row, follow) {
            session.ui.note(&remark);
        }
    }
    for unseen in observation.unseen(catalogs) {
        session.ui.note(&format!("not checked: {unseen}"));
    }
    Ok(())
}

/// Prints a change, with its time.
fn tell(
    observation: &Observation,
    follows: &[Follow],
    catalogs: &[Catalog],
    context: &Context,
    now: Timestamp,
) -> Result<(), AnyFailure> {
    let session = &context.session;
    if !is_text(session.format) {
        return show(observation, follows, catalogs, context);
    }
    let states: Vec<String> = catalogs
        .iter()
        .zip(follows)
        .map(|(catalog, follow)| format!("{} {}", catalog.store.etcd, follow.state.name()))
        .collect();
    let line = format!("{now:.0}  {}, API {}\n", states.join(", "), observation.api.name());
    session.ui.result(&line)?;
    for (row, follow) in rows(observation, follows, catalogs).iter().zip(follows) {
        for remark in remarks(row, follow) {
            session.ui.note(&remark);
        }
    }
    Ok(())
}
