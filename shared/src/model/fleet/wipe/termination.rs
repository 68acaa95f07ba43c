//! What becomes of a volume when the instance that it is attached to is terminated.
//!
//! An attachment has a flag, `DeleteOnTermination`: where it is on, AWS deletes the volume together with the instance, whatever tags it has.
//! Volumes that etcd-manager attaches have it off; a hand, a launch template or an image may have turned it on. Source: EC2 API reference,
//! `VolumeAttachment` and `EbsInstanceBlockDevice`.

use crate::model::fleet::{Attachment, Instance, Volume};

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTermination {
    /// It stays.
    Stays,
    /// AWS deletes it.
    IsDeleted,
    /// AWS does not say.
    NotTold,
}

/// What becomes of `volume` when the instance of one of its attachments is terminated. AWS tells it of the volume and of the instance; where
/// one of them says that it is deleted, that counts.
#[must_use]
pub fn at_termination(volume: &Volume, attachment: &Attachment, instance: Option<&Instance>) -> AtTermination {
    let device = instance.and_then(|instance| instance.devices.iter().find(|device| device.volume == volume.id));
    let told = [
        attachment.delete_on_termination,
        device.and_then(|device| device.delete_on_termination),
    ];
    if told.contains(&Some(true)) {
        AtTermination::IsDeleted
    } else if told.contains(&Some(false)) {
        AtTermination::Stays
    } else {
        AtTermination::NotTold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::Device;

    #[test]
    fn whoever_says_that_it_is_deleted_is_believed_and_silence_is_no_promise() {
        use AtTermination::{IsDeleted, NotTold, Stays};
        let (no, yes) = (Some(false), Some(true));
        for (by_volume, by_instance, wanted) in [
            (None, None, NotTold),
            (no, None, Stays),
            (None, no, Stays),
            (no, no, Stays),
            (yes, None, IsDeleted),
            (None, yes, IsDeleted),
            (yes, no, IsDeleted),
            (no, yes, IsDeleted),
            (yes, yes, IsDeleted),
        ] {
            let attachment = Attachment {
                instance: "i-1".into(),
                delete_on_termination: by_volume,
                ..Attachment::default()
            };
            let volume = Volume {
                id: "vol-1".into(),
                attachments: vec![attachment.clone()],
                ..Volume::default()
            };
            let device = |volume: &str, delete_on_termination| Device {
                name: "/dev/xvdu".into(),
                volume: volume.into(),
                delete_on_termination,
            };
            let instance = Instance {
                devices: vec![device("vol-root", yes), device("vol-1", by_instance)],
                ..Instance::default()
            };
            assert_eq!(at_termination(&volume, &attachment, Some(&instance)), wanted);
        }
        let alone = Volume::default();
        assert_eq!(at_termination(&alone, &Attachment::default(), None), NotTold);
    }
}
