//! The cluster's machines by their tags and volumes, as AWS lists them.

use std::collections::BTreeMap;

use runbook_kit::model::fleet::{Instance, InstanceState, TaggedRole, Volume, is_master, role};

/// The role of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// etcd and an API server run there.
    Master,
    /// An API server runs there.
    ApiServer,
    /// Workloads.
    Worker,
}

impl Role {
    /// As kops names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "control-plane",
            Self::ApiServer => "apiserver",
            Self::Worker => "node",
        }
    }

    /// By the tags of any kops version.
    fn of(instance: &Instance) -> Option<Self> {
        let has = |tag: &str| instance.tags.contains_key(tag);
        let role = role(&instance.tags);
        if matches!(role, TaggedRole::Master(_)) {
            Some(Self::Master)
        } else if matches!(role, TaggedRole::Contradicting(_)) {
            // Contradicting tags: unknown.
            None
        } else if has("k8s.io/role/apiserver") || has("k8s.io/role/api-server") {
            Some(Self::ApiServer)
        } else if has("k8s.io/role/node") {
            Some(Self::Worker)
        } else {
            None
        }
    }
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The address for ssh.
    pub host: String,
    /// Its instance id, where AWS was asked.
    pub instance: Option<String>,
    pub role: Role,
    /// The etcd members whose volumes are attached to it: etcd cluster to member, `main` to `a`.
    pub members: BTreeMap<String, String>,
}

impl Machine {
    /// A host named by the user.
    pub fn named(host: &str, role: Role) -> Self {
        Self {
            host: host.to_owned(),
            instance: None,
            role,
            members: BTreeMap::new(),
        }
    }

    /// Its name in output.
    pub fn label(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.host)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    Never,
    IfAny,
    Only,
}

/// In the order of zones, then ids.
pub fn select(instances: &[Instance], volumes: &[Volume], roles: &[Role], public: Public) -> Vec<Machine> {
    let mut found: Vec<(&Instance, Role, String)> = instances
        .iter()
        .filter(|instance| instance.state == InstanceState::Running)
        .filter_map(|instance| {
            let role = Role::of(instance).filter(|role| roles.contains(role))?;
            let private = instance.private_ips.first();
            let host = match public {
                Public::Never => private,
                Public::IfAny => instance.public_ip.as_ref().or(private),
                Public::Only => instance.public_ip.as_ref(),
            };
            Some((instance, role, host?.clone()))
        })
        .collect();
    found.sort_by(|(a, ..), (b, ..)| (&a.zone, &a.id).cmp(&(&b.zone, &b.id)));
    let machine = |(instance, role, host): (&Instance, Role, String)| Machine {
        host,
        role,
        instance: Some(instance.id.clone()),
        members: members(&instance.id, volumes),
    };
    found.into_iter().map(machine).collect()
}

/// By the tag `k8s.io/etcd/main=a/a,b,c` of an attached volume, member `a` of main is there. With two volumes of one etcd cluster the member is not
/// known.
fn members(instance: &str, volumes: &[Volume]) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let attached = |volume: &&Volume| {
        volume
            .attachments
            .iter()
            .any(|attachment| attachment.instance == instance)
    };
    for volume in volumes.iter().filter(attached) {
        for (key, value) in &volume.tags {
            if let (Some(etcd), Some((member, _))) = (key.strip_prefix("k8s.io/etcd/"), value.split_once('/')) {
                found.entry(etcd.to_owned()).or_default().push(member);
            }
        }
    }
    let only = |(etcd, members): (String, Vec<&str>)| match members.as_slice() {
        [one] => Some((etcd, (*one).to_owned())),
        _ => None,
    };
    found.into_iter().filter_map(only).collect()
}

/// Whether it is a running control plane instance of this cluster.
pub fn is_running_master(instance: &Instance, cluster: &str) -> bool {
    instance.state == InstanceState::Running && is_master(&instance.tags, cluster)
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::fleet::{Attachment, Tags};

    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    fn instance(id: &str, zone: &str, role: &str, state: InstanceState) -> Instance {
        Instance {
            id: id.to_owned(),
            state,
            tags: tags(&[(role, "1")]),
            zone: zone.to_owned(),
            private_ips: vec![format!("10.0.0.{}", id.len())],
            public_ip: (id == "i-22").then(|| "198.51.100.7".to_owned()),
            ..Instance::default()
        }
    }

    fn volume(instance: &str, etcd: &str, value: &str) -> Volume {
        Volume {
            tags: tags(&[(&format!("k8s.io/etcd/{etcd}"), value)]),
            attachments: vec![Attachment {
                instance: instance.to_owned(),
                ..Attachment::default()
            }],
            ..Volume::default()
        }
    }

    #[test]
    fn running_machines_of_the_roles_are_chosen_with_their_members() {
        use InstanceState::{Running, Terminated};
        let instances = [
            instance("i-333", "b", "k8s.io/role/master", Running),
            instance("i-22", "a", "k8s.io/role/control-plane", Running),
            instance("i-4444", "a", "k8s.io/role/control-plane", Terminated),
            instance("i-55555", "a", "k8s.io/role/node", Running),
            instance("i-666666", "a", "k8s.io/role/bastion", Running),
            instance("i-7777777", "c", "k8s.io/role/apiserver", Running),
        ];
        let volumes = [
            volume("i-22", "main", "a/a,b"),
            volume("i-22", "events", "b/a,b"),
            volume("i-333", "main", "b/a,b"),
            volume("i-333", "main", "a/a,b"),
        ];
        let found = select(&instances, &volumes, &[Role::Master], Public::IfAny);
        let hosts: Vec<&str> = found.iter().map(|machine| machine.host.as_str()).collect();
        assert_eq!(hosts, ["198.51.100.7", "10.0.0.5"]);
        assert_eq!(found[0].members, tags(&[("main", "a"), ("events", "b")]));
        assert!(found[1].members.is_empty());
        assert_eq!(
            select(&instances, &[], &[Role::Master], Public::Never)[0].host,
            "10.0.0.4"
        );
        assert_eq!(select(&instances, &[], &[Role::Master], Public::Only).len(), 1);
        assert_eq!(select(&instances, &[], &[Role::Worker], Public::IfAny).len(), 1);
        assert_eq!(
            select(&instances, &[], &[Role::Master, Role::ApiServer], Public::IfAny).len(),
            3
        );
    }
}
