//! The facts of the cluster for its runbook.

use jiff::Timestamp;
use runbook_kit::model::shell::ShellCommand;

/// One etcd cluster.
#[derive(Clone, Debug)]
pub struct EtcdFacts {
    pub name: String,
    pub base: String,
    pub port: Option<u16>,
    pub version: Option<String>,
    /// Name and instance group.
    pub members: Vec<(String, Option<String>)>,
    /// Whether its etcd-manager is known to replace a member that comes up empty by itself.
    pub replaces: bool,
}

impl EtcdFacts {
    /// The shell variable that holds the name of its backup: `BACKUP_main`.
    pub fn variable(&self) -> String {
        let plain = |character: char| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '_'
            }
        };
        format!("BACKUP_{}", self.name.chars().map(plain).collect::<String>())
    }
}

/// One master.
#[derive(Clone, Debug)]
pub struct Master {
    pub host: String,
    pub instance: Option<String>,
    /// Its member of main.
    pub member: Option<String>,
}

/// The container tool on the masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// kops 1.34 and later.
    Ctr,
    /// kops 1.24 to 1.33: containerd only.
    Crictl,
    /// Older, or not known.
    Unknown,
}

impl Tool {
    /// By `kops-version.txt`: `1.34.2`.
    pub fn of_kops(version: Option<&str>) -> Self {
        let mut numbers = version.unwrap_or_default().trim_start_matches('v').split('.');
        let mut number = || numbers.next().and_then(|text| text.parse::<u32>().ok());
        match number().zip(number()) {
            Some(version) if version >= (1, 34) => Self::Ctr,
            // 1.24 removed Docker.
            Some(version) if version >= (1, 24) => Self::Crictl,
            _ => Self::Unknown,
        }
    }
}

/// The facts of the cluster.
#[derive(Clone, Debug)]
pub struct Facts {
    pub cluster: String,
    pub state: Option<String>,
    pub account: Option<String>,
    pub region: Option<String>,
    /// As `kops-version.txt` has it.
    pub kops: Option<String>,
    pub etcds: Vec<EtcdFacts>,
    pub masters: Vec<Master>,
    pub user: Option<String>,
    pub jump: Option<String>,
    pub written: Timestamp,
}

impl Facts {
    pub fn state(&self) -> &str {
        self.state.as_deref().unwrap_or("STATE_STORE")
    }

    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("REGION")
    }

    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or("ACCOUNT")
    }

    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("SSH_USER")
    }

    /// `ssh` with the flags of this user, up to the host.
    pub fn ssh(&self) -> ShellCommand {
        ShellCommand::of("ssh")
            .option_if("-J", self.jump.as_ref())
            .option("-l", self.user())
    }

    /// A command of this plugin with its ssh flags.
    pub fn with_ssh(&self, command: &str) -> ShellCommand {
        ShellCommand::of(command)
            .option_if("--ssh-user", self.user.as_ref())
            .option_if("--ssh-jump", self.jump.as_ref())
    }

    /// The instance groups of the members, sorted.
    pub fn instance_groups(&self) -> Vec<&str> {
        let members = self.etcds.iter().flat_map(|etcd| &etcd.members);
        let mut groups: Vec<&str> = members.filter_map(|(_, group)| group.as_deref()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The Auto Scaling groups of the masters, by kops' naming.
    pub fn groups(&self) -> Vec<String> {
        let groups = self.instance_groups();
        groups
            .iter()
            .map(|group| format!("{group}.masters.{}", self.cluster))
            .collect()
    }

    /// The container tool on the masters.
    pub fn tool(&self) -> Tool {
        Tool::of_kops(self.kops.as_deref())
    }

    /// Whether the backups are in a bucket.
    pub fn in_bucket(&self) -> bool {
        self.etcds.iter().all(|etcd| etcd.base.starts_with("s3://"))
    }

    /// Its running instances of the control plane, for `--filters`.
    pub fn instance_filters(&self) -> [String; 3] {
        [
            format!("Name=tag:KubernetesCluster,Values={}", self.cluster),
            "Name=tag-key,Values=k8s.io/role/master,k8s.io/role/control-plane".to_owned(),
            "Name=instance-state-name,Values=running".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_goes_by_kops_version() {
        let cases = [
            (Some("1.34.0"), Tool::Ctr),
            (Some("v1.37.0-alpha.1"), Tool::Ctr),
            (Some("2.0.0"), Tool::Ctr),
            (Some("1.33.9"), Tool::Crictl),
            (Some("1.24.0"), Tool::Crictl),
            (Some("1.23.4"), Tool::Unknown),
            (Some("ours"), Tool::Unknown),
            (None, Tool::Unknown),
        ];
        for (version, tool) in cases {
            assert_eq!(Tool::of_kops(version), tool, "{version:?}");
        }
    }
}
