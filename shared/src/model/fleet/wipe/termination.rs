//! Whether AWS deletes a volume with its instance: the flag `DeleteOnTermination` of the attachment.
//!
//! etcd-manager attaches volumes with the flag off; a person, a launch template or an image may have turned it on. Source: EC2 API reference,
//! `VolumeAttachment` and `EbsInstanceBlockDevice`.

use crate::model::fleet::{Attachment, Instance, Volume};

/// The volume when its instance is terminated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTermination {
    /// It is kept.
    Kept,
    /// AWS deletes it.
    Deleted,
    /// Not reported by AWS.
    Unknown,
}

/// AWS reports the flag for the volume and for the instance; `true` in either counts.
#[must_use]
pub fn at_termination(volume: &Volume, attachment: &Attachment, instance: Option<&Instance>) -> AtTermination {
    let device = instance.and_then(|instance| instance.devices.iter().find(|device| device.volume == volume.id));
    let flags = [
        attachment.delete_on_termination,
        device.and_then(|device| device.delete_on_termination),
    ];
    if flags.contains(&Some(true)) {
        AtTermination::Deleted
    } else if flags.contains(&Some(false)) {
        AtTermination::Kept
    } else {
        AtTermination::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::Device;

    #[test]
    fn deleted_in_either_report_counts_and_no_report_is_unknown() {
        use AtTermination::{Deleted, Kept, Unknown};
        let (no, yes) = (Some(false), Some(true));
        for (by_volume, by_instance, wanted) in [
            (None, None, Unknown),
            (no, None, Kept),
            (None, no, Kept),
            (no, no, Kept),
            (yes, None, Deleted),
            (None, yes, Deleted),
            (yes, no, Deleted),
            (no, yes, Deleted),
            (yes, yes, Deleted),
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
        assert_eq!(at_termination(&alone, &Attachment::default(), None), Unknown);
    }
}
