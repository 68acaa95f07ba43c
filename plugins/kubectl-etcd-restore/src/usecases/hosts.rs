//! The cluster's machines: which there are, how ssh reaches them, and what is seen on them.

pub mod facts;
pub mod scripts;

use std::collections::BTreeMap;

use futures::future::join_all;
use runbook_kit::cli::ssh::{SshAddress, SshArgs};
use runbook_kit::failure::{AnyFailure, Failure};
use runbook_kit::model::fleet::{Instance, InstanceState, TaggedRole, Volume, role};
use runbook_kit::ports::hosts::{HostError, HostErrorKind, Hosts, Script, ScriptResult};
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use facts::HostFacts;

/// What a machine is for.
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

    /// From the tags that kops gives its instances, of any age. A master carries more than one.
    fn of(instance: &Instance) -> Option<Self> {
        let has = |tag: &str| instance.tags.contains_key(tag);
        let role = role(&instance.tags);
        if matches!(role, TaggedRole::Master(_)) {
            Some(Self::Master)
        } else if matches!(role, TaggedRole::Contradicting(_)) {
            // It must not be guessed.
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
    /// Where ssh goes.
    pub host: String,
    /// Its instance, where AWS told.
    pub instance: Option<String>,
    pub role: Role,
    /// The etcd members whose volumes are attached to it: etcd cluster to member, `main` to `a`.
    pub members: BTreeMap<String, String>,
}

impl Machine {
    /// Named by the user: nothing else is known of it.
    fn named(host: &str, role: Role) -> Self {
        Self {
            host: host.to_owned(),
            instance: None,
            role,
            members: BTreeMap::new(),
        }
    }

    /// What a line of output calls it.
    pub fn label(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.host)
    }
}

/// AWS has no machine to go to.
#[derive(Debug, thiserror::Error)]
#[error("AWS has no running {role} instance of {cluster} with an address")]
pub struct NoMachines {
    role: &'static str,
    cluster: String,
}

impl Failure for NoMachines {
    fn hint(&self) -> Option<String> {
        Some("check --profile and --region, or name the hosts by --host".to_owned())
    }
}

/// The hosts that the user names, else the cluster's running instances of these roles, from AWS.
pub async fn find(args: &SshArgs, roles: &[Role], context: &Context) -> Result<Vec<Machine>, AnyFailure> {
    let role = roles.first().copied().unwrap_or(Role::Master);
    if !args.host.is_empty() {
        return Ok(args.host.iter().map(|host| Machine::named(host, role)).collect());
    }
    let cluster = context.explicit_name()?;
    let instances = context.fleet().instances_of(&cluster).await?;
    let volumes = if roles.contains(&Role::Master) {
        context.fleet().volumes_of(&cluster).await?
    } else {
        Vec::new()
    };
    let found = select(&instances, &volumes, roles, address(args));
    if found.is_empty() {
        let role = role.word();
        return Err(NoMachines { role, cluster }.into());
    }
    Ok(found)
}

/// Whether the public address is the one to go to, where there is one.
fn address(args: &SshArgs) -> Public {
    match args.ssh_address {
        SshAddress::Private => Public::Never,
        SshAddress::Public => Public::Only,
        SshAddress::Auto if args.ssh_jump.is_some() => Public::Never,
        SshAddress::Auto => Public::IfAny,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Public {
    Never,
    IfAny,
    Only,
}

/// Pure: in the order of zones, then ids.
fn select(instances: &[Instance], volumes: &[Volume], roles: &[Role], public: Public) -> Vec<Machine> {
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

/// `k8s.io/etcd/main=a/a,b,c` on a volume attached to the instance says that member `a` of main is there. Two volumes of one
/// etcd tell nothing: which one is mounted, only the host knows.
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

/// Looks at all hosts at once.
pub async fn look(machines: &[Machine], hosts: &dyn Hosts) -> Vec<Result<HostFacts, HostError>> {
    join_all(machines.iter().map(|machine| look_at(machine, hosts))).await
}

/// Looks at one.
pub async fn look_at(machine: &Machine, hosts: &dyn Hosts) -> Result<HostFacts, HostError> {
    let script = scripts::look();
    let (lines, ended) = heard(hosts, &machine.host, &script).await?;
    if ended.code != 0 {
        return Err(failed(machine, &script, &ended));
    }
    Ok(facts::parse(&lines))
}

/// All lines of a script that changes nothing.
pub async fn heard(hosts: &dyn Hosts, host: &str, script: &Script) -> Result<(Vec<String>, ScriptResult), HostError> {
    let lines = Mutex::new(Vec::new());
    let keep = |line: &str| {
        lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line.to_owned());
    };
    let ended = hosts.read(host, script, &keep).await?;
    Ok((lines.into_inner().unwrap_or_else(PoisonError::into_inner), ended))
}

/// A host where nothing tells which containers run.
pub fn no_runtime(machine: &Machine) -> HostError {
    HostError {
        host: machine.host.clone(),
        kind: HostErrorKind::Failed(facts::NO_RUNTIME.to_owned()),
    }
}

/// A script that did not do what it was for.
pub fn failed(machine: &Machine, script: &Script, ended: &ScriptResult) -> HostError {
    let words = ended.said.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let words = words.map_or_else(|| format!("exit code {}", ended.code), str::to_owned);
    HostError {
        host: machine.host.clone(),
        kind: HostErrorKind::Failed(format!("`{}`: {words}", script.what)),
    }
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
