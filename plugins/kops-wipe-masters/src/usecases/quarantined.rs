//! The volumes in quarantine: what `restore-volumes` and `purge-volumes` have in common.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use runbook_kit::cli::output::steps::{self, Step};
use runbook_kit::cli::output::{self, Cell, Format, checks, column};
use runbook_kit::cli::ui::{Ui, Verdict};
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure, with_repeating};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::{ETCD_PREFIX, Selection, is_persistent_volume, name_of, quarantine, select};
use runbook_kit::model::fleet::{CLUSTER_TAG, Caller, Tags, Volume, VolumeState, cluster_key};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::aftermath;
use runbook_kit::usecases::wipe_journal::{self, Newest};
use serde::Serialize;

use crate::commands::wipe;
use crate::context::Context;
use crate::rules::{plan, report};
use crate::usecases::journal::{self, Desk};
use crate::usecases::observe;

/// One of them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    pub id: String,
    pub action: &'static str,
    /// The name that it had.
    pub name: Option<String>,
    /// The etcd clusters and members that it was of: `main/a`.
    pub members: Vec<String>,
    pub zone: String,
    pub size_gib: i64,
    pub state: VolumeState,
    pub attached_to: Vec<String>,
    /// In which run it was put away.
    pub run: Option<String>,
    /// When that run began; `None` where no journal tells.
    pub wiped: Option<Timestamp>,
    /// Whether a wipe's journal names it.
    pub in_journal: bool,
    /// The tags that it had.
    pub tags: Tags,
    /// Whether nothing finds it any more; otherwise a wipe or a restore was interrupted.
    pub is_hidden: bool,
    /// The keys that only a volume in quarantine has.
    #[serde(skip)]
    pub shadow_keys: BTreeSet<String>,
    /// What of its tags as they are says that it is something else.
    #[serde(skip)]
    pub contradiction: Option<String>,
}

/// Which of them are meant.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Which {
    /// Only these volumes
    #[arg(value_name = "VOLUME")]
    pub volumes: Vec<String>,
    /// Only those that this wipe put away; its id, or the beginning of it
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
}

/// What is to be done to them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPlan {
    pub cluster: String,
    pub account: String,
    pub account_alias: Option<String>,
    pub region: String,
    pub volumes: Vec<Held>,
    pub checks: Vec<Check>,
    pub applied: bool,
    pub next_steps: Vec<Step>,
}

/// What is there.
pub struct Seen {
    pub cluster: String,
    pub state_store: String,
    pub caller: Caller,
    pub held: Vec<Held>,
    /// The control plane that is there now, without what is held.
    pub now: Selection,
    /// All wipes of this cluster, in their order.
    pub journals: Vec<Newest>,
}

/// Looks for them; of all, or of those that are named.
pub async fn look(action: &'static str, which: &Which, context: &Context) -> Result<Seen, AnyFailure> {
    let session = &context.session;
    if session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let cluster = wipe::explicit_name(context)?;
    let state = session.required_state()?;
    let desk = Desk {
        objects: session.objects(),
        local_state: context.local_state.as_ref(),
        clock: session.clock.as_ref(),
    };
    let folder = wipe_journal::folder(&state, &cluster);
    journal::require_quiet(desk, &folder).await?;
    let journals = wipe_journal::all(session.objects(), &folder).await?;
    let fleet = context.fleet.as_ref();
    let caller = fleet.caller().await?;
    let (volumes, inventory) = tokio::try_join!(
        fleet.volumes_tagged(quarantine::MARK, &cluster),
        observe::inventory(fleet, &cluster)
    )?;
    if let Some(unknown) = which
        .volumes
        .iter()
        .find(|id| !volumes.iter().any(|volume| volume.id == **id))
    {
        let message = format!("{unknown} is not in quarantine for {cluster}");
        let known: Vec<&str> = volumes.iter().map(|volume| volume.id.as_str()).collect();
        let hint = match known.is_empty() {
            true => format!("none is, in account {} in {}", caller.account, caller.region),
            false => format!("these are: {}", known.join(", ")),
        };
        return Err(CommandError::usage(message).hint(hint).into());
    }
    let run = which.run.as_deref().map(|run| full_run(run, &volumes)).transpose()?;
    let mut now = select(&cluster, &inventory);
    now.volumes
        .retain(|chosen| !volumes.iter().any(|held| held.id == chosen.thing.id));
    let wanted = |volume: &Volume| {
        let of_run = run
            .as_ref()
            .is_none_or(|run| volume.tags.get(quarantine::RUN_TAG) == Some(run));
        of_run && (which.volumes.is_empty() || which.volumes.contains(&volume.id))
    };
    let held = volumes
        .into_iter()
        .filter(|volume| !matches!(volume.state, VolumeState::Deleted | VolumeState::Deleting) && wanted(volume))
        .map(|volume| Held::of(volume, action, &cluster, &journals));
    let held = held.collect();
    Ok(Seen {
        held,
        state_store: state.to_string(),
        cluster,
        caller,
        now,
        journals,
    })
}

/// The id of a run by its beginning.
fn full_run(run: &str, volumes: &[Volume]) -> Result<String, CommandError> {
    let runs: BTreeSet<&String> = volumes
        .iter()
        .filter_map(|volume| volume.tags.get(quarantine::RUN_TAG))
        .collect();
    let fits: Vec<&&String> = runs
        .iter()
        .filter(|known| !run.is_empty() && known.starts_with(run))
        .collect();
    let exact = fits.iter().find(|known| known.as_str() == run);
    match (exact, fits.as_slice()) {
        (Some(one), _) | (None, [one]) => Ok((**one).clone()),
        (None, several) => {
            let what = if several.is_empty() { "none" } else { "more than one" };
            let known: Vec<&str> = runs.iter().map(|known| known.as_str()).collect();
            let hint = match known.is_empty() {
                true => "no volume is in quarantine".to_owned(),
                false => format!("these are: {}", known.join(", ")),
            };
            Err(CommandError::usage(format!(
                "{what} of the wipes that put volumes away has an id like `{run}`"
            ))
            .hint(hint))
        }
    }
}

impl Held {
    fn of(volume: Volume, action: &'static str, cluster: &str, journals: &[Newest]) -> Self {
        let tags = quarantine::originals(&volume.tags);
        let run = volume.tags.get(quarantine::RUN_TAG).cloned();
        let attachments = volume.attachments.iter();
        Self {
            action,
            members: aftermath::members_of(&volume),
            wiped: run.as_ref().and_then(|run| aftermath::begun(journals, run)),
            in_journal: journals.iter().any(|journal| journal.entry.puts_away(&volume.id)),
            contradiction: contradiction(&volume.tags, &tags, cluster),
            is_hidden: quarantine::is_hidden(&volume.tags, cluster),
            name: name_of(&tags).map(str::to_owned),
            run,
            shadow_keys: quarantine::shadow_keys(&volume.tags),
            attached_to: attachments.map(|attachment| attachment.instance.clone()).collect(),
            state: volume.state,
            size_gib: volume.size_gib,
            zone: volume.zone,
            id: volume.id,
            tags,
        }
    }
}

/// What says that a volume with the mark of a quarantine is not one that a wipe of this cluster put away. `were` are the tags that it had.
fn contradiction(tags: &Tags, were: &Tags, cluster: &str) -> Option<String> {
    if is_persistent_volume(tags) {
        return Some("it is tagged as the volume of a PersistentVolume".to_owned());
    }
    let own = cluster_key(cluster);
    let of_others = |tags: &Tags, how: &str| {
        let other = tags.get(CLUSTER_TAG).filter(|name| *name != cluster);
        if let Some(other) = other {
            return Some(format!("tag {CLUSTER_TAG} {how} {other}"));
        }
        let mut keys = tags.keys().filter(|key| key.starts_with("kubernetes.io/cluster/"));
        let key = keys.find(|key| **key != own)?;
        Some(format!("tag {key} {how} there"))
    };
    of_others(tags, "is").or_else(|| of_others(were, "was"))
}

impl Held {
    /// Whether something beside the mark shows that a wipe put it away.
    pub fn is_proven(&self) -> bool {
        self.in_journal
            || self
                .tags
                .keys()
                .any(|key| key.len() > ETCD_PREFIX.len() && key.starts_with(ETCD_PREFIX))
    }
}

impl Seen {
    /// The plan, with these checks.
    pub fn plan(&self, checks: Vec<Check>) -> HeldPlan {
        HeldPlan {
            cluster: self.cluster.clone(),
            account: self.caller.account.clone(),
            account_alias: self.caller.alias.clone(),
            region: self.caller.region.clone(),
            volumes: self.held.clone(),
            checks,
            applied: false,
            next_steps: Vec::new(),
        }
    }

    /// Members that more than one of the volumes is of: it cannot be told which is meant.
    pub fn duplicates(&self) -> Vec<Check> {
        let mut by_member: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
        for held in &self.held {
            for member in &held.members {
                by_member.entry(member).or_default().push(&held.id);
            }
        }
        let several = by_member.into_iter().filter(|(_, ids)| ids.len() > 1);
        several
            .map(|(member, ids)| {
                let message = format!(
                    "{} volumes in quarantine were of {member}: {}",
                    ids.len(),
                    ids.join(", ")
                );
                let runs = self.runs().join(", ");
                Check::found("duplicates", Severity::Block, message)
                    .cure(format!("name the wipe that is meant by --run ({runs}), or the volumes"))
            })
            .collect()
    }

    /// The wipes that put volumes away, the youngest first: `0123456789abcdef of 2026-11-22T18:20:00Z`.
    fn runs(&self) -> Vec<String> {
        let runs: BTreeSet<(Option<Timestamp>, &String)> = self
            .held
            .iter()
            .filter_map(|held| Some((held.wiped, held.run.as_ref()?)))
            .collect();
        let words = runs.into_iter().rev().map(|(wiped, run)| match wiped {
            Some(wiped) => format!("{run} of {wiped}"),
            None => run.clone(),
        });
        words.collect()
    }

    /// What has the mark of a quarantine, and was not put there by a wipe of this cluster.
    pub fn strangers(&self) -> Vec<Check> {
        let found = self.held.iter().filter_map(|held| {
            let why = held.contradiction.as_ref()?;
            let message = format!("volume {} has the mark of a quarantine, but {why}", held.id);
            let cure = "find out whose it is, and take the mark off it, or name the volumes that are meant";
            Some(Check::found("owner", Severity::Block, message).cure(cure))
        });
        found.collect()
    }

    /// A volume that something uses is not one that is put away.
    pub fn attached(&self) -> Vec<Check> {
        let used = self.held.iter().filter(|held| !held.attached_to.is_empty());
        used.map(|held| {
            let message = format!("volume {} is attached to {}", held.id, held.attached_to.join(", "));
            let detach = ShellCommand::new("aws").args(["ec2", "detach-volume", "--region", &self.caller.region]);
            let detach = detach.arg("--volume-id").arg(&held.id);
            let cure = format!("find out what uses it, then detach it: `{detach}`");
            Check::found("volume-in-use", Severity::Block, message).cure(cure)
        })
        .collect()
    }
}

impl HeldPlan {
    /// The account's number and alias.
    pub fn account_in_words(&self) -> String {
        plan::in_words(&self.account, self.account_alias.as_deref())
    }

    /// There are none, and where they were looked for.
    pub fn none_held(&self) -> String {
        let (cluster, account, region) = (&self.cluster, self.account_in_words(), &self.region);
        format!("no volume of {cluster} is in quarantine in account {account}, region {region}")
    }

    /// Shows it to people.
    pub fn show(&self, ui: &Ui, format: Format) -> Result<(), AnyFailure> {
        if !report::is_text(format) {
            return Ok(());
        }
        let columns = [
            column("ACTION"),
            column("VOLUME"),
            column("NAME"),
            column("MEMBER"),
            column("ZONE"),
            column("STATE"),
            column("RUN"),
            column("WIPED"),
        ];
        let rows = self.volumes.iter().map(|held| {
            vec![
                Cell::text(held.action),
                Cell::text(&held.id),
                Cell::text_or_dash(held.name.as_deref()),
                Cell::text(held.members.join(" ")),
                Cell::text(&held.zone),
                Cell::text(report::word(&held.state)),
                Cell::text_or_dash(held.run.as_deref()),
                Cell::text_or_dash(held.wiped.map(|wiped| wiped.to_string()).as_deref()),
            ]
        });
        let head = format!(
            "Cluster      {}\nAccount      {}\nRegion       {}\n",
            self.cluster,
            self.account_in_words(),
            self.region
        );
        let table = output::table(&columns, rows.collect(), format == Format::Wide);
        let checks = match self.checks.is_empty() {
            true => String::new(),
            false => format!("\nChecks:\n{}", checks::sheet(&self.checks)),
        };
        ui.result(&format!("{head}\n{table}{checks}"))?;
        Ok(())
    }

    /// Ends it: for programs all of it, for people what comes next.
    pub fn finish(&self, ui: &Ui, format: Format) -> Result<Exit, AnyFailure> {
        match format {
            Format::Json | Format::Yaml => output::structured(ui, format, self)?,
            Format::Name => {
                let ids: String = self.volumes.iter().map(|held| format!("{}\n", held.id)).collect();
                ui.result(&ids)?;
            }
            Format::Table | Format::Wide | Format::Prometheus => {
                if self.applied {
                    ui.result(&format!("\n{}\n", Verdict::Good.paint("done")))?;
                }
                ui.result(&steps::next(&self.next_steps))?;
            }
        }
        Ok(Exit::Done)
    }

    /// Whether a check refuses.
    pub fn is_blocked(&self) -> bool {
        self.checks.iter().any(Check::blocks)
    }

    /// Fails where a check refuses.
    pub fn require_no_blocker(&self) -> Result<(), AnyFailure> {
        let blockers: Vec<&Check> = self.checks.iter().filter(|check| check.blocks()).collect();
        match blockers.first() {
            None => Ok(()),
            Some(first) => Err(wipe::Refused::of(blockers.len(), first).into()),
        }
    }
}

/// Some of them are done, and then it ended.
#[derive(Debug, thiserror::Error)]
#[error("{action} stopped at {at}: {why}; done: {}", if done.is_empty() { "none".to_owned() } else { done.join(", ") })]
pub struct Midway {
    pub action: &'static str,
    pub at: String,
    pub why: String,
    pub done: Vec<String>,
    /// Whether something was changed, or may have been.
    pub changed: bool,
    pub cure: Option<String>,
}

impl Failure for Midway {
    fn exit(&self) -> Exit {
        match self.changed {
            true => Exit::FailedAfterChange,
            false => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(with_repeating(self.cure.clone(), "goes on with the rest"))
    }
}
