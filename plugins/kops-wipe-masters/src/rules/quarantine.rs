//! Volumes in quarantine: what is known of each, and what keeps `restore-volumes` and `purge-volumes` from touching it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use runbook_kit::cli::output::steps::{self, Step};
use runbook_kit::cli::output::{self, Cell, Format, checks, column};
use runbook_kit::cli::ui::{Ui, Verdict};
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::fleet::wipe::{ETCD_PREFIX, Selection, is_persistent_volume, name_of, quarantine};
use runbook_kit::model::fleet::{CLUSTER_TAG, Caller, Tags, Volume, VolumeState, cluster_key};
use runbook_kit::model::salvage::{OldVolume, Place};
use runbook_kit::model::shell::ShellCommand;
use runbook_kit::usecases::past_wipes;
use runbook_kit::usecases::wipe_journal::StoredJournal;
use serde::Serialize;

use crate::rules::read_volume::{self, Owner, Reader};
use crate::rules::{plan, report};

/// One volume.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinedVolume {
    pub id: String,
    pub action: &'static str,
    /// Its former `Name` tag.
    pub name: Option<String>,
    /// Its former etcd clusters and members: `main/a`.
    pub members: Vec<String>,
    pub zone: String,
    pub size_gib: i64,
    pub state: VolumeState,
    pub attached_to: Vec<String>,
    /// The wipe that put it into quarantine.
    pub run: Option<String>,
    /// When that wipe started; `None` without its journal.
    pub wiped: Option<Timestamp>,
    /// Whether a journal names it.
    pub in_journal: bool,
    /// Its former tags.
    pub tags: Tags,
    /// Whether kops and etcd-manager cannot find it; if they can, a wipe or a restore was interrupted.
    pub is_hidden: bool,
    #[serde(skip)]
    pub shadow_keys: BTreeSet<String>,
    /// Why its current tags do not fit a volume in quarantine.
    #[serde(skip)]
    pub contradiction: Option<String>,
}

/// What is to be done with them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantinePlan {
    pub cluster: String,
    pub account: String,
    pub account_alias: Option<String>,
    pub region: String,
    pub volumes: Vec<QuarantinedVolume>,
    pub checks: Vec<Check>,
    pub applied: bool,
    pub next_steps: Vec<Step>,
    /// How the first volume is read without restoring it.
    pub read_steps: Vec<Step>,
}

/// What AWS and the state store have.
pub struct Quarantine {
    pub cluster: String,
    pub state_store: String,
    pub caller: Caller,
    pub volumes: Vec<QuarantinedVolume>,
    /// The cluster's running instances.
    pub readers: Vec<Reader>,
    /// The present control plane, without the volumes in quarantine.
    pub control_plane: Selection,
    /// All wipes of this cluster, in their order.
    pub journals: Vec<StoredJournal>,
}

impl QuarantinedVolume {
    pub fn of(volume: Volume, action: &'static str, cluster: &str, journals: &[StoredJournal]) -> Self {
        let tags = quarantine::originals(&volume.tags);
        let run = volume.tags.get(quarantine::RUN_TAG).cloned();
        let attachments = volume.attachments.iter();
        Self {
            action,
            members: past_wipes::members_of(&volume),
            wiped: run.as_ref().and_then(|run| past_wipes::began(journals, run)),
            in_journal: journals.iter().any(|journal| journal.entry.quarantines(&volume.id)),
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

/// Why a volume with the quarantine tag was not put there by a wipe of this cluster. `were` are its former tags.
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

impl QuarantinedVolume {
    /// Whether anything besides the quarantine tag shows that a wipe put it there.
    pub fn is_proven(&self) -> bool {
        self.in_journal
            || self
                .tags
                .keys()
                .any(|key| key.len() > ETCD_PREFIX.len() && key.starts_with(ETCD_PREFIX))
    }
}

impl Quarantine {
    /// The plan, with these checks.
    pub fn plan(&self, checks: Vec<Check>) -> QuarantinePlan {
        QuarantinePlan {
            cluster: self.cluster.clone(),
            account: self.caller.account.clone(),
            account_alias: self.caller.alias.clone(),
            region: self.caller.region.clone(),
            volumes: self.volumes.clone(),
            checks,
            applied: false,
            next_steps: Vec::new(),
            read_steps: Vec::new(),
        }
    }

    /// How the data of one volume, of `main` where there is one, is saved while it stays in quarantine.
    pub fn read_steps(&self) -> Vec<Step> {
        let of = |volume: &QuarantinedVolume| {
            let member = volume.members.first()?.clone();
            Some((volume.id.clone(), volume.zone.clone(), member))
        };
        let members = self.volumes.iter().filter_map(of);
        let Some((id, zone, member)) =
            members.min_by_key(|(_, _, member)| (!member.starts_with("main/"), member.clone()))
        else {
            return Vec::new();
        };
        let (etcd, name) = member.split_once('/').unwrap_or((&member, ""));
        let volume = OldVolume {
            id,
            member: name.to_owned(),
            created: None,
            place: Place::Quarantined { since: None },
            zone,
        };
        let owner = Owner {
            cluster: &self.cluster,
            etcd,
            region: &self.caller.region,
            state: self.state_store.clone(),
        };
        read_volume::steps(&volume, &owner, &self.readers)
    }

    /// Members with more than one volume in quarantine.
    pub fn duplicates(&self) -> Vec<Check> {
        let mut by_member: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
        for volume in &self.volumes {
            for member in &volume.members {
                by_member.entry(member).or_default().push(&volume.id);
            }
        }
        let several = by_member.into_iter().filter(|(_, ids)| ids.len() > 1);
        several
            .map(|(member, ids)| {
                let message = format!(
                    "{} volumes in quarantine are of {member}: {}",
                    ids.len(),
                    ids.join(", ")
                );
                let runs = self.runs().join(", ");
                Check::found("duplicates", Severity::Block, message)
                    .cure(format!("select one wipe with --run ({runs}), or name the volumes"))
            })
            .collect()
    }

    /// The wipes that these volumes are from, newest first: `0123456789abcdef of 2026-11-22T18:20:00Z`.
    fn runs(&self) -> Vec<String> {
        let runs: BTreeSet<(Option<Timestamp>, &String)> = self
            .volumes
            .iter()
            .filter_map(|volume| Some((volume.wiped, volume.run.as_ref()?)))
            .collect();
        let words = runs.into_iter().rev().map(|(wiped, run)| match wiped {
            Some(wiped) => format!("{run} of {wiped}"),
            None => run.clone(),
        });
        words.collect()
    }

    /// Volumes with the quarantine tag that no wipe of this cluster put there.
    pub fn foreign(&self) -> Vec<Check> {
        let found = self.volumes.iter().filter_map(|volume| {
            let why = volume.contradiction.as_ref()?;
            let message = format!("volume {} has the quarantine tag, but {why}", volume.id);
            let cure = "find out what it is, and remove the quarantine tag from it, or name the volumes to use";
            Some(Check::found("owner", Severity::Block, message).cure(cure))
        });
        found.collect()
    }

    /// Volumes in use.
    pub fn attached(&self) -> Vec<Check> {
        let used = self.volumes.iter().filter(|volume| !volume.attached_to.is_empty());
        used.map(|volume| {
            let message = format!("volume {} is attached to {}", volume.id, volume.attached_to.join(", "));
            let detach = ShellCommand::new("aws").args(["ec2", "detach-volume", "--region", &self.caller.region]);
            let detach = detach.arg("--volume-id").arg(&volume.id);
            let cure = format!("find out what uses it, then detach it: `{detach}`");
            Check::found("volume-in-use", Severity::Block, message).cure(cure)
        })
        .collect()
    }
}

impl QuarantinePlan {
    /// The account's number and alias.
    pub fn account_label(&self) -> String {
        plan::account_label(&self.account, self.account_alias.as_deref())
    }

    /// There are none, and where.
    pub fn no_volumes(&self) -> String {
        let (cluster, account, region) = (&self.cluster, self.account_label(), &self.region);
        format!("no volume of {cluster} is in quarantine in account {account}, region {region}")
    }

    /// Shows it as text.
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
        let rows = self.volumes.iter().map(|volume| {
            vec![
                Cell::text(volume.action),
                Cell::text(&volume.id),
                Cell::text_or_dash(volume.name.as_deref()),
                Cell::text(volume.members.join(" ")),
                Cell::text(&volume.zone),
                Cell::text(report::word(&volume.state)),
                Cell::text_or_dash(volume.run.as_deref()),
                Cell::text_or_dash(volume.wiped.map(|wiped| wiped.to_string()).as_deref()),
            ]
        });
        let head = format!(
            "Cluster      {}\nAccount      {}\nRegion       {}\n",
            self.cluster,
            self.account_label(),
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

    /// Prints the result: everything for programs, the next steps for people.
    pub fn finish(&self, ui: &Ui, format: Format) -> Result<Exit, AnyFailure> {
        match format {
            Format::Json | Format::Yaml => output::structured(ui, format, self)?,
            Format::Name => {
                let ids: String = self.volumes.iter().map(|volume| format!("{}\n", volume.id)).collect();
                ui.result(&ids)?;
            }
            Format::Table | Format::Wide | Format::Prometheus | Format::Svg => {
                if self.applied {
                    ui.result(&format!("\n{}\n", Verdict::Good.paint("done")))?;
                }
                if let ([_, ..], false) = (self.read_steps.as_slice(), self.applied) {
                    ui.result("\nTo save the newest data of a volume first, which stays in quarantine (the same for the others):\n")?;
                    ui.result(&steps::list(&self.read_steps))?;
                }
                ui.result(&steps::next(&self.next_steps))?;
            }
        }
        Ok(Exit::Done)
    }
}
