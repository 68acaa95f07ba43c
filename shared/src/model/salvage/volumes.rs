//! The volumes that may hold an etcd cluster's data, by their tags.

use jiff::Timestamp;

use crate::model::fleet::wipe::quarantine;
use crate::model::fleet::{
    Instance, InstanceState, Tags, Volume, VolumeState, etcds, has_tag_of, is_persistent_volume,
};

/// Where a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In quarantine.
    Quarantined {
        /// When the wipe began; `None` without its journal.
        since: Option<Timestamp>,
    },
    /// In place, and attached to no instance.
    Detached,
    /// Attached.
    Attached {
        /// `i-…`.
        instance: String,
        /// Its private address, where it runs.
        host: Option<String>,
    },
}

/// A volume of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldVolume {
    /// `vol-…`.
    pub id: String,
    /// Its member: `a`.
    pub member: String,
    /// Its zone.
    pub zone: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Where it is.
    pub place: Place,
}

impl OldVolume {
    /// `vol-1 (a, in quarantine)`.
    #[must_use]
    pub fn shown(&self) -> String {
        let place = match &self.place {
            Place::Quarantined { .. } => "in quarantine".to_owned(),
            Place::Detached => "detached".to_owned(),
            Place::Attached { instance, .. } => format!("on {instance}"),
        };
        format!("{} ({}, {place})", self.id, self.member)
    }
}

/// The volumes of `etcd` in the control plane of `cluster`, sorted by member and id. `wiped` tells when the wipe with this ID began.
#[must_use]
pub fn old_volumes(
    etcd: &str,
    cluster: &str,
    volumes: &[Volume],
    instances: &[Instance],
    wiped: impl Fn(&str) -> Option<Timestamp>,
) -> Vec<OldVolume> {
    let mut found: Vec<OldVolume> = volumes
        .iter()
        .filter(|volume| !matches!(volume.state, VolumeState::Deleting | VolumeState::Deleted))
        .filter(|volume| !is_persistent_volume(&volume.tags))
        .filter_map(|volume| of_volume(etcd, cluster, volume, instances, &wiped))
        .collect();
    found.sort_by(|one, other| (&one.member, &one.id).cmp(&(&other.member, &other.id)));
    found.dedup_by(|one, other| one.id == other.id);
    found
}

fn of_volume(
    etcd: &str,
    cluster: &str,
    volume: &Volume,
    instances: &[Instance],
    wiped: impl Fn(&str) -> Option<Timestamp>,
) -> Option<OldVolume> {
    let member = |tags: &Tags| {
        let tags = etcds(tags);
        let (_, value) = tags.iter().find(|(of, _)| *of == etcd)?;
        Some(value.split('/').next().unwrap_or_default().to_owned())
    };
    let quarantined = volume.tags.get(quarantine::MARK).is_some_and(|mark| mark == cluster);
    let (member, place) = if quarantined {
        let run = volume.tags.get(quarantine::RUN_TAG);
        let since = run.and_then(|run| wiped(run));
        (
            member(&quarantine::originals(&volume.tags))?,
            Place::Quarantined { since },
        )
    } else if has_tag_of(&volume.tags, cluster) {
        let place = match volume.attachments.first() {
            None => Place::Detached,
            Some(attachment) => Place::Attached {
                instance: attachment.instance.clone(),
                host: instances
                    .iter()
                    .find(|instance| instance.id == attachment.instance && instance.state == InstanceState::Running)
                    .and_then(|instance| instance.private_ips.first().cloned()),
            },
        };
        (member(&volume.tags)?, place)
    } else {
        return None;
    };
    Some(OldVolume {
        id: volume.id.clone(),
        member,
        zone: volume.zone.clone(),
        created: volume.created,
        place,
    })
}
