//! The findings: what is wrong, what it causes, and what fixes it.

mod certificates;
mod etcd;
mod masters;
mod state;
mod store;
mod volumes;

use runbook_kit::model::check::Severity;
use runbook_kit::model::shell::ShellScript;
use serde::Serialize;

use super::facts::{Etcd, Facts};

pub use state::advice;
pub use volumes::retagged;

/// What is wrong. The serialized names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Two volumes are tagged as the same member.
    DuplicateEtcdTag,
    /// One instance has two volumes of one etcd cluster.
    TwoVolumesOneInstance,
    /// A member's volume is on no running master.
    MemberNotMounted,
    /// A member has no volume.
    MemberMissing,
    /// A volume belongs to a member that is not in the spec.
    MemberUnknown,
    /// A member's instance group has no running instance.
    MasterMissing,
    /// A control file is missing or broken.
    ControlFile,
    /// A lifecycle rule of the bucket deletes or archives what a restore needs.
    LifecycleRule,
    /// etcd-manager cannot restore the newest backup.
    EtcdManager,
    /// No backup is good.
    NoGoodBackup,
    /// The newest backup is not good.
    NewestBackupNotGood,
    /// No new backups arrive.
    BackupsStopped,
    /// Members answer, and none knows a leader.
    EtcdNoLeader,
    /// The alarm NOSPACE.
    EtcdNoSpace,
    /// The alarm CORRUPT.
    EtcdCorrupt,
    /// The database is near its quota.
    EtcdNearlyFull,
    /// A registered member that etcd-manager does not have.
    EtcdMemberUnknown,
    /// A member without a vote, or one that never started.
    EtcdLearner,
    /// Members of several versions.
    EtcdVersions,
    /// An upgrade that may bring removed members to life.
    EtcdZombies,
    /// A server's certificate has ended.
    CertificateExpired,
    /// A server's certificate is not signed by the CA of the state store.
    CertificateOfAnotherCa,
    /// A server's certificate ends soon.
    CertificateEnding,
    /// A master is older than its certificates.
    MasterOld,
    /// A CA of the state store has ended, or ends soon.
    CaEnding,
    /// The clock of this machine or of a master is wrong.
    Clock,
    /// kops 1.37 refuses gossip.
    Gossip,
    /// Another kops than the one that last updated the cluster.
    KopsVersion,
    /// Copies are missing or old.
    CopyOld,
    /// The bucket keeps no older versions.
    StateVersioning,
    /// No copy elsewhere is known.
    NoCopy,
}

impl Kind {
    /// Whether it is about volumes and instances, which a wipe replaces.
    #[cfg(test)]
    pub fn is_about_machines(self) -> bool {
        matches!(
            self,
            Self::DuplicateEtcdTag
                | Self::TwoVolumesOneInstance
                | Self::MemberNotMounted
                | Self::MemberMissing
                | Self::MemberUnknown
                | Self::MasterMissing
        )
    }

    /// Whether it is cured by new certificates on a master.
    pub const fn is_about_certificates(self) -> bool {
        matches!(
            self,
            Self::CertificateExpired | Self::CertificateOfAnotherCa | Self::CertificateEnding | Self::MasterOld
        )
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub finding: Kind,
    /// `block` if etcd or a restore cannot work, else `warn`.
    pub severity: Severity,
    pub etcd: Option<String>,
    /// Ids of instances and volumes, names of members, URLs.
    pub objects: Vec<String>,
    pub what: String,
    pub causes: String,
    /// The commands that fix it; words in capitals are placeholders.
    pub command: Option<ShellScript>,
    /// What else to know or do.
    pub note: Option<String>,
}

impl Finding {
    fn fix(mut self, command: impl Into<ShellScript>) -> Self {
        self.command = Some(command.into());
        self
    }

    fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }
}

/// All problems, by etcd cluster, the most severe kind first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for etcd in &facts.etcds {
        let mut of_etcd = Vec::new();
        volumes::duplicates(facts, etcd, &mut of_etcd);
        volumes::two_on_one(facts, etcd, &mut of_etcd);
        volumes::members(facts, etcd, &mut of_etcd);
        volumes::unknown_members(facts, etcd, &mut of_etcd);
        store::control_files(facts, etcd, &mut of_etcd);
        store::lifecycle(facts, etcd, &mut of_etcd);
        store::managers(etcd, &mut of_etcd);
        store::backups(facts, etcd, &mut of_etcd);
        etcd::etcd(facts, etcd, &mut of_etcd);
        of_etcd.sort_by(|a, b| (a.finding, &a.objects).cmp(&(b.finding, &b.objects)));
        found.extend(of_etcd);
    }
    masters::masters(facts, &mut found);
    certificates::certificates(facts, &mut found);
    state::state(facts, &mut found);
    found
}

fn finding(kind: Kind, severity: Severity, etcd: &Etcd) -> Finding {
    Finding {
        finding: kind,
        severity,
        etcd: Some(etcd.name().to_owned()),
        objects: Vec::new(),
        what: String::new(),
        causes: String::new(),
        command: None,
        note: None,
    }
}
