//! AWS in memory: transitions take no time, and every change is written down.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::consent::Consent;
use crate::model::fleet::wipe::termination::{AtTermination, at_termination};
use crate::model::fleet::{
    Caller, Group, Instance, InstanceState, Inventory, Snapshot, SnapshotState, Tags, Volume, VolumeState, has_tag_of,
};
use crate::ports::fleet::{Fleet, FleetChange, FleetError, FleetErrorKind};

/// An account with what it holds.
#[derive(Default)]
pub struct MemoryFleet {
    caller: Caller,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    inventory: Inventory,
    snapshots: Vec<Snapshot>,
    changes: Vec<String>,
    failing: Vec<(String, FleetErrorKind)>,
    networks: Vec<String>,
    /// AWS takes the wish to keep a volume, and does not follow it.
    deaf: bool,
}

impl MemoryFleet {
    /// With these machines, asked by `caller`.
    #[must_use]
    pub fn new(caller: Caller, inventory: Inventory) -> Self {
        let state = State {
            inventory,
            ..State::default()
        };
        Self {
            caller,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is there now.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.state().inventory.clone()
    }

    /// What was changed, in order: `delete_group NAME`, `terminate i-…`, `tag vol-…`, …
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }

    /// It takes the wish to keep a volume, and does not follow it.
    pub fn turn_deaf(&self) {
        self.state().deaf = true;
    }

    /// It has these VPCs and subnets.
    pub fn add_networks(&self, ids: &[&str]) {
        self.state().networks.extend(ids.iter().map(|id| (*id).to_owned()));
    }

    /// The next change of this name fails, once, and is not carried out.
    pub fn fail_once(&self, change: &str, kind: FleetErrorKind) {
        self.state().failing.push((change.to_owned(), kind));
    }

    fn change(&self, change: String) -> Result<MutexGuard<'_, State>, FleetError> {
        let mut state = self.state();
        if let Some(at) = state.failing.iter().position(|(failing, _)| *failing == change) {
            let (_, kind) = state.failing.remove(at);
            return Err(error(&change, kind));
        }
        state.changes.push(change);
        Ok(state)
    }
}

impl State {
    fn volume(&mut self, id: &str) -> Result<&mut Volume, FleetError> {
        let found = self.inventory.volumes.iter_mut().find(|volume| volume.id == id);
        found.ok_or_else(|| error(id, FleetErrorKind::NotFound))
    }

    fn terminate(&mut self, id: &str) {
        let Inventory { instances, volumes, .. } = &mut self.inventory;
        let is_deleted = |volume: &Volume| {
            let instance = instances.iter().find(|instance| instance.id == id);
            let mut on_it = volume.attachments.iter().filter(|attachment| attachment.instance == id);
            on_it.any(|attachment| at_termination(volume, attachment, instance) == AtTermination::Deleted)
        };
        volumes.retain(|volume| !is_deleted(volume));
        for instance in self.inventory.instances.iter_mut().filter(|instance| instance.id == id) {
            instance.state = InstanceState::Terminated;
            instance.devices.clear();
        }
        for volume in &mut self.inventory.volumes {
            volume.attachments.retain(|attachment| attachment.instance != id);
            if volume.state == VolumeState::InUse && volume.attachments.is_empty() {
                volume.state = VolumeState::Available;
            }
        }
    }
}

fn error(action: &str, kind: FleetErrorKind) -> FleetError {
    FleetError {
        action: action.to_owned(),
        kind,
        source: None,
    }
}

#[async_trait]
impl Fleet for MemoryFleet {
    async fn caller(&self) -> Result<Caller, FleetError> {
        Ok(self.caller.clone())
    }

    async fn groups_of(&self, cluster: &str) -> Result<Vec<Group>, FleetError> {
        let mut found = self.inventory().groups;
        found.retain(|group| has_tag_of(&group.tags, cluster));
        Ok(found)
    }

    async fn instances_of(&self, cluster: &str) -> Result<Vec<Instance>, FleetError> {
        let mut found = self.inventory().instances;
        found.retain(|instance| has_tag_of(&instance.tags, cluster));
        Ok(found)
    }

    async fn volumes_of(&self, cluster: &str) -> Result<Vec<Volume>, FleetError> {
        let mut found = self.inventory().volumes;
        found.retain(|volume| has_tag_of(&volume.tags, cluster));
        Ok(found)
    }

    async fn volumes_tagged(&self, key: &str, value: &str) -> Result<Vec<Volume>, FleetError> {
        let mut found = self.inventory().volumes;
        found.retain(|volume| volume.tags.get(key).is_some_and(|found| found == value));
        Ok(found)
    }

    async fn groups(&self, names: &[String]) -> Result<Vec<Group>, FleetError> {
        let mut found = self.inventory().groups;
        found.retain(|group| names.contains(&group.name));
        Ok(found)
    }

    async fn instances(&self, ids: &[String]) -> Result<Vec<Instance>, FleetError> {
        let mut found = self.inventory().instances;
        found.retain(|instance| ids.contains(&instance.id));
        Ok(found)
    }

    async fn volumes(&self, ids: &[String]) -> Result<Vec<Volume>, FleetError> {
        let mut found = self.inventory().volumes;
        found.retain(|volume| ids.contains(&volume.id));
        Ok(found)
    }

    async fn networks_of(&self, _cluster: &str) -> Result<Vec<String>, FleetError> {
        Ok(Vec::new())
    }

    async fn networks(&self, ids: &[String]) -> Result<Vec<String>, FleetError> {
        let mut found = self.state().networks.clone();
        found.retain(|network| ids.contains(network));
        Ok(found)
    }

    async fn snapshots_of(&self, volumes: &[String]) -> Result<Vec<Snapshot>, FleetError> {
        let mut found = self.state().snapshots.clone();
        found.retain(|snapshot| volumes.contains(&snapshot.volume));
        Ok(found)
    }
}

#[async_trait]
impl FleetChange for MemoryFleet {
    async fn delete_group(&self, name: &str, _consent: &Consent) -> Result<(), FleetError> {
        let mut state = self.change(format!("delete_group {name}"))?;
        let groups = &mut state.inventory.groups;
        let at = groups.iter().position(|group| group.name == name);
        let gone = groups.remove(at.ok_or_else(|| error(name, FleetErrorKind::NotFound))?);
        for member in gone.members {
            state.terminate(&member.instance);
        }
        Ok(())
    }

    async fn terminate(&self, instance: &str, _consent: &Consent) -> Result<(), FleetError> {
        self.change(format!("terminate {instance}"))?.terminate(instance);
        Ok(())
    }

    async fn keep_volume(&self, instance: &str, device: &str, _consent: &Consent) -> Result<(), FleetError> {
        let mut state = self.change(format!("keep_volume {device} of {instance}"))?;
        if state.deaf {
            return Ok(());
        }
        let Inventory { instances, volumes, .. } = &mut state.inventory;
        let on_it = instances.iter_mut().filter(|found| found.id == instance);
        for found in on_it
            .flat_map(|found| &mut found.devices)
            .filter(|found| found.name == device)
        {
            found.delete_on_termination = Some(false);
        }
        let attachments = volumes.iter_mut().flat_map(|volume| &mut volume.attachments);
        for found in attachments.filter(|found| found.instance == instance && found.device == device) {
            found.delete_on_termination = Some(false);
        }
        Ok(())
    }

    async fn tag(&self, volume: &str, tags: &Tags, _consent: &Consent) -> Result<(), FleetError> {
        let mut state = self.change(format!("tag {volume}"))?;
        state.volume(volume)?.tags.extend(tags.clone());
        Ok(())
    }

    async fn untag(&self, volume: &str, keys: &BTreeSet<String>, _consent: &Consent) -> Result<(), FleetError> {
        let mut state = self.change(format!("untag {volume}"))?;
        state.volume(volume)?.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    }

    async fn snapshot(&self, volume: &str, tags: &Tags, _consent: &Consent) -> Result<Snapshot, FleetError> {
        let mut state = self.change(format!("snapshot {volume}"))?;
        state.volume(volume)?;
        let made = Snapshot {
            id: format!("snap-{:04}", state.snapshots.len() + 1),
            volume: volume.to_owned(),
            state: SnapshotState::Completed,
            tags: tags.clone(),
            started: None,
        };
        state.snapshots.push(made.clone());
        Ok(made)
    }

    async fn delete_volume(&self, volume: &str, _consent: &Consent) -> Result<(), FleetError> {
        let mut state = self.change(format!("delete_volume {volume}"))?;
        if !state.volume(volume)?.attachments.is_empty() {
            return Err(error(volume, FleetErrorKind::Other("VolumeInUse".to_owned())));
        }
        state.inventory.volumes.retain(|found| found.id != volume);
        Ok(())
    }
}
