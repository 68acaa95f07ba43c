//! The volumes in quarantine: what `restore-volumes` and `purge-volumes` have in common.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::backups::wipe_journal;
use runbook_kit::domain::check::{Check, Severity};
use runbook_kit::domain::fleet::{Caller, Tags, Volume, VolumeState};
use runbook_kit::domain::wipe::{ETCD_PREFIX, Selection, name_of, quarantine, select};
use runbook_kit::error::{AnyFailure, Failure, UsageError, with_repeating};
use runbook_kit::exit::Exit;
use runbook_kit::output::{self, Cell, Format, checks, column, wide};
use runbook_kit::ui::{Ui, Verdict};
use serde::Serialize;

use crate::context::Context;
use crate::journal::{self, Desk};
use crate::{look, report, wipe};

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
    /// The tags that it had.
    pub tags: Tags,
    /// Whether nothing finds it any more; otherwise a wipe or a restore was interrupted.
    pub is_hidden: bool,
    /// The keys that only a volume in quarantine has.
    #[serde(skip)]
    pub shadow_keys: BTreeSet<String>,
}

/// What is to be done to them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldPlan {
    pub cluster: String,
    pub account: String,
    pub region: String,
    pub volumes: Vec<Held>,
    pub checks: Vec<Check>,
    pub applied: bool,
    pub next_steps: Vec<String>,
}

/// What is there.
pub struct Seen {
    pub cluster: String,
    pub state_store: String,
    pub caller: Caller,
    pub held: Vec<Held>,
    /// The control plane that is there now, without what is held.
    pub now: Selection,
}

/// Looks for them; of all, or of those that are named.
pub async fn look(action: &'static str, named: &[String], context: &Context) -> Result<Seen, AnyFailure> {
    let session = &context.session;
    if session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let cluster = wipe::explicit_name(context)?;
    let state = session.required_state()?;
    let desk = Desk {
        objects: session.objects(),
        notebook: context.notebook.as_ref(),
        clock: session.clock.as_ref(),
    };
    journal::require_quiet(desk, &wipe_journal::folder(&state, &cluster)).await?;
    let fleet = context.fleet.as_ref();
    let caller = fleet.caller().await?;
    let (volumes, inventory) = tokio::try_join!(look::quarantined(fleet, &cluster), look::inventory(fleet, &cluster))?;
    if let Some(unknown) = named.iter().find(|id| !volumes.iter().any(|volume| volume.id == **id)) {
        let message = format!("{unknown} is not in quarantine for {cluster}");
        let known: Vec<&str> = volumes.iter().map(|volume| volume.id.as_str()).collect();
        let hint = match known.is_empty() {
            true => format!("none is, in account {} in {}", caller.account, caller.region),
            false => format!("these are: {}", known.join(", ")),
        };
        return Err(UsageError::new(message).hint(hint).into());
    }
    let mut now = select(&cluster, &inventory);
    now.volumes
        .retain(|chosen| !volumes.iter().any(|held| held.id == chosen.thing.id));
    let wanted = |volume: &Volume| named.is_empty() || named.contains(&volume.id);
    let held = volumes
        .into_iter()
        .filter(|volume| !matches!(volume.state, VolumeState::Deleted | VolumeState::Deleting) && wanted(volume))
        .map(|volume| Held::of(volume, action, &cluster));
    let held = held.collect();
    Ok(Seen {
        held,
        state_store: state.to_string(),
        cluster,
        caller,
        now,
    })
}

impl Held {
    fn of(volume: Volume, action: &'static str, cluster: &str) -> Self {
        let tags = quarantine::originals(&volume.tags);
        let members = tags.iter().filter_map(|(key, value)| {
            let etcd = key.strip_prefix(ETCD_PREFIX)?;
            Some(format!("{etcd}/{}", value.split('/').next().unwrap_or_default()))
        });
        let attachments = volume.attachments.iter();
        Self {
            action,
            members: members.collect(),
            is_hidden: quarantine::is_hidden(&volume.tags, cluster),
            name: name_of(&tags).map(str::to_owned),
            run: volume.tags.get(quarantine::RUN_TAG).cloned(),
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

impl Seen {
    /// The plan, with these checks.
    pub fn plan(&self, checks: Vec<Check>) -> HeldPlan {
        HeldPlan {
            cluster: self.cluster.clone(),
            account: self.caller.account.clone(),
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
                Check::found("duplicates", Severity::Block, message)
                    .cure("name the volumes that are meant; `-o wide` shows in which run each was put away")
            })
            .collect()
    }
}

impl HeldPlan {
    /// There are none, and where they were looked for.
    pub fn none_held(&self) -> String {
        let (cluster, account, region) = (&self.cluster, &self.account, &self.region);
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
            wide("RUN"),
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
            ]
        });
        let head = format!(
            "Cluster      {}\nAccount      {}\nRegion       {}\n",
            self.cluster, self.account, self.region
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
                if !self.next_steps.is_empty() {
                    let steps: String = self.next_steps.iter().map(|step| format!("  {step}\n")).collect();
                    ui.result(&format!("\nNext:\n{steps}"))?;
                }
            }
        }
        Ok(Exit::Done)
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
