//! The ladder: the cures of a control plane, the least first. One is taken where no lower one works.

use serde::Serialize;

/// A rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Masters, volumes and etcd stay as they are; at most files of the state store change.
    Nothing,
    /// Tags, attachments and stopped instances are put right, so that every master mounts its own volumes.
    Tags,
    /// etcd is compacted and defragmented, and the alarm NOSPACE disarmed.
    Space,
    /// One member after the other is replaced, while the others keep quorum.
    OneMember,
    /// One master after the other is replaced, so that it gets new certificates; its volumes stay.
    Certificates,
    /// The newest data is saved from a member or a volume, and restored without a wipe.
    SalvageAndRestore,
    /// The control plane is deleted, made anew by kops, and etcd restored from a backup.
    WipeAndRestore,
}

impl Rung {
    /// All of them, the lowest first.
    pub const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Tags,
        Self::Space,
        Self::OneMember,
        Self::Certificates,
        Self::SalvageAndRestore,
        Self::WipeAndRestore,
    ];

    /// Its name in a table.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Tags => "tags",
            Self::Space => "space",
            Self::OneMember => "one member",
            Self::Certificates => "certificates",
            Self::SalvageAndRestore => "salvage and restore",
            Self::WipeAndRestore => "wipe and restore",
        }
    }

    /// When it is the right one.
    #[must_use]
    pub const fn applies(self) -> &'static str {
        match self {
            Self::Nothing => "every member runs on its own master and etcd serves",
            Self::Tags => "a volume that has the data is not mounted by the right master, or a master does not run",
            Self::Space => "etcd has the alarm NOSPACE: it refuses writes",
            Self::OneMember => "a member is lost, a learner or corrupt, and the others have quorum",
            Self::Certificates => "certificates have expired, end soon, or are of another CA",
            Self::SalvageAndRestore => "quorum is lost for good, and all masters run",
            Self::WipeAndRestore => {
                "quorum is lost for good, and masters do not run or a restore without a wipe failed"
            }
        }
    }

    /// What is lost by it.
    #[must_use]
    pub const fn loses(self) -> &'static str {
        match self {
            Self::Nothing | Self::Tags => "nothing",
            Self::Space => "the history of keys, no key",
            Self::OneMember => "nothing: the others have all data",
            Self::Certificates => "nothing; the API may be down while a master is replaced",
            Self::SalvageAndRestore => {
                "what came after the newest data that was saved; leases; the API is down meanwhile"
            }
            Self::WipeAndRestore => "what came after the backup; leases; the masters",
        }
    }
}
