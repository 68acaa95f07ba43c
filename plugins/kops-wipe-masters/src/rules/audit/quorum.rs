//! How many members of an etcd cluster AWS shows.

use super::facts::{Etcd, Facts, attached_to};

/// The members of an etcd cluster, as far as AWS shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    pub etcd: String,
    pub members: usize,
    /// Members whose volume is on a running master of their own.
    pub mounted: usize,
    /// Members that have a volume.
    pub with_data: usize,
}

impl QuorumStatus {
    pub fn of(facts: &Facts, etcd: &Etcd) -> Self {
        let name = etcd.name();
        let mut status = Self {
            etcd: name.to_owned(),
            members: 0,
            mounted: 0,
            with_data: 0,
        };
        let mut used: Vec<&str> = Vec::new();
        for member in etcd.member_names(facts) {
            status.members += 1;
            let volumes: Vec<_> = facts.volumes_of(name).filter(|(_, of)| *of == member).collect();
            status.with_data += usize::from(!volumes.is_empty());
            // Of two members on one instance only one runs.
            let mut on = volumes.iter().flat_map(|(volume, _)| attached_to(volume));
            let runs = on.find(|id| !used.contains(id) && facts.running().any(|instance| instance.id == *id));
            if let Some(instance) = runs {
                used.push(instance);
                status.mounted += 1;
            }
        }
        status
    }

    pub const fn quorum(&self) -> usize {
        self.members / 2 + 1
    }

    pub const fn has_quorum(&self) -> bool {
        self.mounted >= self.quorum()
    }
}
