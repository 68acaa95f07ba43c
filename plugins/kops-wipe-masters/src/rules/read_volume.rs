//! How the data of a volume that no master uses is saved, while the volume stays as it is.

use runbook_kit::cli::output::steps::Step;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::fleet::Instance;
use runbook_kit::model::salvage::{self, OldVolume};

/// An instance to which a copy of a volume can be attached.
#[derive(Clone, Debug)]
pub struct Reader {
    pub instance: String,
    pub address: String,
    pub zone: String,
}

impl Reader {
    /// `None` where it has no address.
    pub fn of(instance: &Instance) -> Option<Self> {
        Some(Self {
            instance: instance.id.clone(),
            address: instance.private_ips.first()?.clone(),
            zone: instance.zone.clone(),
        })
    }
}

/// Of which cluster it is.
pub struct Owner<'a> {
    pub cluster: &'a str,
    pub etcd: &'a str,
    pub region: &'a str,
    pub state: String,
}

/// The commands, in order. A reader of its zone is named, where there is one.
pub fn steps(volume: &OldVolume, owner: &Owner<'_>, readers: &[Reader]) -> Vec<Step> {
    let reader = readers.iter().find(|reader| reader.zone == volume.zone);
    let reader = reader.map(|reader| (reader.instance.as_str(), reader.address.as_str()));
    let store = [("--state", owner.state.clone())];
    let take = salvage::take(owner.etcd, owner.cluster, &store, &EtcdAccess::default());
    salvage::attach(volume, owner.region, reader, &take)
        .into_iter()
        .map(|(line, what)| Step::new(line).when(what))
        .collect()
}
