//! Findings and fixes for a cluster with three masters.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use runbook_kit::model::backup::goodness::Rejection;
use runbook_kit::model::backup::lifecycle::{ExpiryRule, Fate, When};
use runbook_kit::model::check::Severity;
use runbook_kit::model::etcd_manager::Manifest;
use runbook_kit::model::fleet::wipe::select;
use runbook_kit::model::fleet::{Attachment, Group, Instance, InstanceState, Inventory, Tags, Volume, VolumeState};
use runbook_kit::model::kops::cluster::MemberSpec;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::choose::Rejected;
use runbook_kit::usecases::control_files::{Control, ControlFile};
use runbook_kit::usecases::kops_state::Stored;
use runbook_kit::usecases::kops_state::etcd_managers::EtcdManagers;

mod certificates;
mod cures;
mod ladder;
mod living;
mod pasted;
mod properties;
mod store;
mod volumes;

use runbook_kit::usecases::past_wipes::{PastWipes, Quarantine, QuarantinedVolume};

use super::cure::{Cure, smallest};
use super::facts::{Etcd, Facts, NewestBackup};
use super::findings::{Finding, Kind, findings};
use super::observed::Observed;
use super::quorum::QuorumStatus;
use super::rows::rows;
use crate::rules::interlock::{BestBackup, EtcdFacts, NoBackup};

const C: &str = "k8s.example.com";
const ZONES: [&str; 3] = ["a", "b", "c"];

fn tags(more: &[(&str, &str)]) -> Tags {
    let cluster = [
        ("KubernetesCluster", C),
        ("kubernetes.io/cluster/k8s.example.com", "owned"),
    ];
    let all = cluster.iter().chain(more);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn volume(id: &str, etcd: &str, member: &str, zone: &str, on: Option<&str>) -> Volume {
    let value = format!("{member}/a,b,c");
    let key = format!("k8s.io/etcd/{etcd}");
    let name = format!("{member}.etcd-{etcd}.{C}");
    Volume {
        id: id.to_owned(),
        state: on.map_or(VolumeState::Available, |_| VolumeState::InUse),
        zone: format!("us-east-1{zone}"),
        tags: tags(&[(&key, &value), ("Name", &name), ("k8s.io/role/master", "1")]),
        attachments: on
            .map(|instance| Attachment {
                instance: instance.to_owned(),
                ..Attachment::default()
            })
            .into_iter()
            .collect(),
        ..Volume::default()
    }
}

/// Three masters, each with a volume of main and of events.
fn machines() -> Inventory {
    let mut inventory = Inventory::default();
    for zone in ZONES {
        let group = format!("control-plane-{zone}");
        let of = tags(&[
            ("k8s.io/role/control-plane", "1"),
            ("kops.k8s.io/instancegroup", &group),
        ]);
        inventory.groups.push(Group {
            name: format!("{group}.masters.{C}"),
            tags: of.clone(),
            ..Group::default()
        });
        let id = format!("i-{zone}");
        inventory.instances.push(Instance {
            id: id.clone(),
            zone: format!("us-east-1{zone}"),
            tags: of,
            private_ips: vec![format!("10.0.0.{}", zone.as_bytes()[0])],
            ..Instance::default()
        });
        for etcd in ["main", "events"] {
            inventory
                .volumes
                .push(volume(&format!("vol-{etcd}-{zone}"), etcd, zone, zone, Some(&id)));
        }
    }
    inventory
}

fn now() -> Timestamp {
    "2026-11-22T15:20:00Z".parse().unwrap()
}

fn etcd(name: &str) -> Etcd {
    let base: StoreUrl = format!("s3://state/{C}/backups/etcd/{name}").parse().unwrap();
    let file = || {
        Some(ControlFile {
            says: "x".to_owned(),
            problem: None,
        })
    };
    let manifest = Manifest {
        etcd: Some(name.to_owned()),
        image: "x:v3.0.20260707".to_owned(),
        etcd_versions: ["3.5.30".parse().unwrap()].into(),
    };
    let backup = "2026-11-22T15:12:01Z-000001";
    Etcd {
        state: EtcdFacts {
            etcd: name.to_owned(),
            best: Ok(BestBackup {
                name: backup.parse().unwrap(),
                revision: None,
                size_bytes: 7,
                etcd_version: "3.5.35".to_owned(),
                rejected: Vec::new(),
                warnings: Vec::new(),
                note: None,
                pin: Ok(None),
            }),
            control: Control {
                cluster_spec: file(),
                cluster_created: file(),
                commands: Vec::new(),
            },
            managers: EtcdManagers {
                etcd: name.to_owned(),
                folder: base.clone(),
                manifests: vec![Stored {
                    at: base.clone(),
                    read: Ok(manifest),
                }],
                missing: Vec::new(),
                etcd_image: None,
            },
            base,
        },
        members: ZONES
            .iter()
            .map(|zone| MemberSpec {
                name: (*zone).to_owned(),
                instance_group: Some(format!("control-plane-{zone}")),
            })
            .collect(),
        interval: SignedDuration::from_mins(15),
        newest: Some(NewestBackup {
            name: backup.to_owned(),
            created: backup.get(..20).unwrap().parse().unwrap(),
            etcd_version: Some("3.5.35".to_owned()),
        }),
        rules: Ok(Vec::new()),
    }
}

fn facts(inventory: &Inventory) -> Facts {
    Facts {
        cluster: C.to_owned(),
        region: "us-east-1".to_owned(),
        profiles: super::facts::Profiles::default(),
        now: now(),
        state: "s3://state".parse().unwrap(),
        past_wipes: PastWipes::default(),
        selection: select(C, inventory),
        etcds: vec![etcd("main"), etcd("events")],
        observed: Observed::default(),
    }
}

fn command(found: &Finding) -> String {
    found.command.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn note(found: &Finding) -> &str {
    found.note.as_deref().unwrap_or_default()
}

fn kinds(found: &[Finding]) -> Vec<(Kind, String)> {
    found
        .iter()
        .map(|found| (found.finding, found.objects.join(" ")))
        .collect()
}

fn of(kind: Kind, objects: &str) -> (Kind, String) {
    (kind, objects.to_owned())
}

fn diagnosed(inventory: &Inventory) -> (Vec<Finding>, Cure, String) {
    let facts = facts(inventory);
    let found = findings(&facts);
    let cure = smallest(&facts, &found);
    (found, cure.cure, cure.why)
}

fn the_volume<'a>(inventory: &'a mut Inventory, id: &str) -> &'a mut Volume {
    inventory.volumes.iter_mut().find(|volume| volume.id == id).unwrap()
}

fn mount(inventory: &mut Inventory, id: &str, on: Option<&str>) {
    the_volume(inventory, id).attachments = on
        .map(|instance| Attachment {
            instance: instance.to_owned(),
            ..Attachment::default()
        })
        .into_iter()
        .collect();
}
