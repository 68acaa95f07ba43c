//! What a host reports: its containers, listening ports, addresses and processes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;

/// The tool of the container runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// containerd, by `crictl`.
    Crictl,
    /// containerd, by its own `ctr`: kops 1.34 and later install no crictl on a master.
    Ctr,
    /// Docker, on old clusters.
    Docker,
}

impl Runtime {
    /// Its program.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Crictl => "crictl",
            Self::Ctr => "ctr",
            Self::Docker => "docker",
        }
    }
}

/// The reason for a host without a working tool.
const NO_RUNTIME: &str = "none of crictl, ctr and docker works there";

/// A running container of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    /// The name in its pod: the same for every etcd cluster.
    pub name: String,
    /// The name of its pod: `etcd-manager-main-i-0123`.
    pub pod: String,
}

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The tool that listed the containers; `None` where none works: then nothing is known of them.
    pub runtime: Option<Runtime>,
    pub containers: Vec<Container>,
    /// What the tools that are there and failed said: `ctr: context deadline exceeded`.
    pub broken: Vec<String>,
    /// The open TCP ports; `None` where they are not known.
    pub listening: Option<BTreeSet<u16>>,
    pub addresses: BTreeSet<IpAddr>,
    /// etcd-manager's entries in /etc/hosts: the addresses and names of each etcd cluster.
    peers: BTreeMap<String, Vec<(IpAddr, String)>>,
    /// Ages of the etcd processes in seconds.
    pub etcd_ages: Vec<u64>,
    /// The same for kube-apiserver.
    pub api_server_ages: Vec<u64>,
}

impl HostFacts {
    /// The etcd-manager container of an etcd cluster. `known` are all etcd clusters: the pod `etcd-manager-main-x-…` may belong to `main` or `main-x`.
    pub fn etcd_manager(&self, etcd: &str, known: &[String]) -> Option<&Container> {
        self.containers
            .iter()
            .filter(|container| container.name == "etcd-manager")
            .find(|container| etcd_of(&container.pod, known) == Some(etcd))
    }

    /// Why nothing is known of the containers, where no tool listed them.
    pub fn no_runtime(&self) -> String {
        match self.broken.as_slice() {
            [] => NO_RUNTIME.to_owned(),
            said => format!("the containers could not be listed: {}", said.join("; ")),
        }
    }

    /// The kube-apiserver container.
    pub fn api_server(&self) -> Option<&Container> {
        self.containers
            .iter()
            .find(|container| container.name == "kube-apiserver")
    }

    /// The id of this host's etcd-manager peer: `etcd-a`, `etcd-events-a`.
    pub fn peer(&self, etcd: &str) -> Option<&str> {
        let peers = self.peers.get(etcd)?;
        let own = peers.iter().find(|(address, _)| self.addresses.contains(address));
        own.map(|(_, name)| name.as_str())
    }

    /// Whether kube-apiserver is older than an etcd on the same host: a restore always starts a new etcd.
    pub fn api_server_outlived_etcd(&self) -> Option<bool> {
        let api = self.api_server_ages.iter().max()?;
        let etcd = self.etcd_ages.iter().min()?;
        Some(api > etcd)
    }
}

fn etcd_of<'k>(pod: &str, known: &'k [String]) -> Option<&'k str> {
    let rest = pod.strip_prefix("etcd-manager-")?;
    let of = |etcd: &&String| {
        rest.strip_prefix(etcd.as_str())
            .is_some_and(|node| node.starts_with('-'))
    };
    known
        .iter()
        .filter(of)
        .map(String::as_str)
        .max_by_key(|etcd| etcd.len())
}

/// Reads the output of the script that asks a host.
pub fn parse(lines: &[String]) -> HostFacts {
    let mut facts = HostFacts::default();
    let mut answers: Vec<(Runtime, Vec<Container>)> = Vec::new();
    for section in lines.chunk_by(|_, next| !is_head(next)) {
        let Some((head, body)) = section.split_first() else {
            continue;
        };
        match head.as_str() {
            "@crictl" => answers.extend(of_crictl(&body.join("\n")).map(|found| (Runtime::Crictl, found))),
            "@ctr" => answers.push((Runtime::Ctr, body.iter().filter_map(|line| of_line(line)).collect())),
            "@docker" => answers.push((Runtime::Docker, body.iter().filter_map(|line| of_line(line)).collect())),
            "@broken" => facts
                .broken
                .extend(body.iter().filter(|line| !line.is_empty()).cloned()),
            "@listen" if body.iter().all(|line| line != "unknown") => {
                facts.listening = Some(body.iter().filter_map(|line| port(line)).collect());
            }
            "@addresses" => {
                let words = body.iter().flat_map(|line| line.split_whitespace());
                facts.addresses = words.filter_map(|word| word.parse().ok()).collect();
            }
            "@hosts" => facts.peers = peers(body),
            "@processes" => {
                facts.etcd_ages = ages(body, "etcd");
                facts.api_server_ages = ages(body, "kube-apiserver");
            }
            _ => {}
        }
    }
    // A host with Docker has containerd, too, but without Kubernetes containers: use the tool that lists some.
    let shows_some = answers.iter().position(|(_, containers)| !containers.is_empty());
    if let Some((runtime, containers)) = answers.into_iter().nth(shows_some.unwrap_or(0)) {
        facts.runtime = Some(runtime);
        facts.containers = containers;
    }
    facts
}

/// Why kubelet has not started a container again, as far as its unit and its log tell.
pub fn why_not_back(lines: &[String]) -> Option<String> {
    let state = lines
        .iter()
        .find_map(|line| line.strip_prefix("kubelet "))
        .unwrap_or_default();
    if !state.is_empty() && state != "active" {
        return Some(format!("kubelet is {state}"));
    }
    let full: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("full ")).collect();
    match full.as_slice() {
        [] => {}
        [one] => return Some(format!("the file system {one} is full")),
        several => return Some(format!("the file systems {} are full", several.join(", "))),
    }
    let line = lines.iter().rev().find(|line| line.starts_with("back-off "))?;
    let pause = line.split_whitespace().nth(1)?;
    Some(format!(
        "CrashLoopBackOff, kubelet waits {pause} (at most 5m0s) after each end; a restart of kubelet ends that"
    ))
}

fn is_head(line: &str) -> bool {
    [
        "@crictl",
        "@ctr",
        "@docker",
        "@broken",
        "@listen",
        "@addresses",
        "@hosts",
        "@processes",
    ]
    .contains(&line)
}

#[derive(Deserialize)]
struct CrictlList {
    #[serde(default)]
    containers: Vec<CrictlContainer>,
}

#[derive(Deserialize)]
struct CrictlContainer {
    id: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// `None` where crictl failed.
fn of_crictl(json: &str) -> Option<Vec<Container>> {
    let list = serde_json::from_str::<CrictlList>(json).ok()?;
    let container = |mut found: CrictlContainer| {
        Some(Container {
            id: found.id,
            name: found.labels.remove("io.kubernetes.container.name")?,
            pod: found.labels.remove("io.kubernetes.pod.name")?,
        })
    };
    Some(list.containers.into_iter().filter_map(container).collect())
}

/// `ID NAME POD`.
fn of_line(line: &str) -> Option<Container> {
    let mut words = line.split_whitespace().map(str::to_owned);
    Some(Container {
        id: words.next()?,
        name: words.next()?,
        pod: words.next()?,
    })
}

/// `LISTEN 0 4096 127.0.0.1:4001 0.0.0.0:*`.
fn port(line: &str) -> Option<u16> {
    let local = line.split_whitespace().nth(3)?;
    local.rsplit_once(':')?.1.parse().ok()
}

/// Guarded blocks of the file: `# Begin host entries managed by etcd-manager[etcd] …`, where the key is `etcd` for main and
/// `etcd-<name>` for others, then `ADDRESS NAME…` with the peer's id as the first label. Source: kubernetes-sigs/etcd-manager
/// `pkg/hosts/hosts.go`.
fn peers(lines: &[String]) -> BTreeMap<String, Vec<(IpAddr, String)>> {
    let mut found: BTreeMap<String, Vec<(IpAddr, String)>> = BTreeMap::new();
    let mut inside: Option<String> = None;
    for line in lines {
        if let Some((_, rest)) = line.split_once("# Begin host entries managed by etcd-manager[") {
            let key = rest.split(']').next().unwrap_or_default();
            inside = Some(key.strip_prefix("etcd-").unwrap_or("main").to_owned());
        } else if line.starts_with("# End host entries") {
            inside = None;
        } else if let Some(etcd) = &inside {
            let mut words = line.split_whitespace();
            let address = words.next().and_then(|word| word.parse().ok());
            if let (Some(address), Some(name)) = (address, words.next()) {
                let id = name.split('.').next().unwrap_or(name).to_owned();
                found.entry(etcd.clone()).or_default().push((address, id));
            }
        }
    }
    found
}

/// `  3600 /opt/etcd-v3.5.30/etcd --name …`: of the processes whose program has this name.
fn ages(lines: &[String], program: &str) -> Vec<u64> {
    let age = |line: &String| {
        let mut words = line.split_whitespace();
        let (seconds, command) = (words.next()?, words.next()?);
        let name = command.rsplit('/').next().unwrap_or(command);
        (name == program).then(|| seconds.parse().ok()).flatten()
    };
    lines.iter().filter_map(age).collect()
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::etcd_manager::peer_id;

    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    const LOOK: &str = r#"@crictl
{
  "containers": [
    {"id": "aaa111", "labels": {"io.kubernetes.container.name": "etcd-manager", "io.kubernetes.pod.name": "etcd-manager-main-i-0123"}},
    {"id": "bbb222", "labels": {"io.kubernetes.container.name": "etcd-manager", "io.kubernetes.pod.name": "etcd-manager-events-i-0123"}},
    {"id": "ccc333", "labels": {"io.kubernetes.container.name": "kube-apiserver", "io.kubernetes.pod.name": "kube-apiserver-i-0123"}},
    {"id": "ddd444", "labels": {}}
  ]
}
@listen
LISTEN 0      4096       127.0.0.1:4001       0.0.0.0:*
LISTEN 0      4096               *:3996             *:*
LISTEN 0      4096            [::]:443           [::]:*
@addresses
172.20.1.10 2001:db8::10 
@hosts
127.0.0.1 localhost

# Begin host entries managed by etcd-manager[etcd] - do not edit
172.20.1.10	etcd-b.internal.k8s.example.com
172.20.2.10	etcd-a.internal.k8s.example.com
# End host entries managed by etcd-manager[etcd]
# Begin host entries managed by etcd-manager[etcd-events] - do not edit
172.20.1.10	etcd-events-b.internal.k8s.example.com
# End host entries managed by etcd-manager[etcd-events]
@processes
   3600 /usr/local/bin/kube-apiserver --advertise-address=172.20.1.10
   3601 /go-runner --log-file=/var/log/kube-apiserver.log /usr/local/bin/kube-apiserver
    120 /opt/etcd-v3.5.30/etcd
   9000 /opt/etcd-v3.5.30/etcd
      1 grep etcd
"#;

    #[test]
    fn the_output_of_a_host_is_read() {
        let facts = parse(&lines(LOOK));
        let known = ["main".to_owned(), "events".to_owned()];
        assert_eq!(facts.runtime, Some(Runtime::Crictl));
        assert_eq!(facts.etcd_manager("main", &known).unwrap().id, "aaa111");
        assert_eq!(facts.etcd_manager("events", &known).unwrap().id, "bbb222");
        assert_eq!(facts.etcd_manager("cilium", &known), None);
        assert_eq!(facts.api_server().unwrap().id, "ccc333");
        assert_eq!(facts.listening.as_ref().unwrap(), &BTreeSet::from([443, 3996, 4001]));
        assert_eq!(
            (facts.peer("main"), facts.peer("events")),
            (Some("etcd-b"), Some("etcd-events-b"))
        );
        assert_eq!(facts.peer("main").unwrap(), peer_id("main", "b"));
        assert_eq!(facts.peer("events").unwrap(), peer_id("events", "b"));
        assert_eq!(
            (facts.etcd_ages.as_slice(), facts.api_server_ages.as_slice()),
            ([120, 9000].as_slice(), [3600].as_slice())
        );
        assert_eq!(facts.api_server_outlived_etcd(), Some(true));
    }

    #[test]
    fn what_keeps_a_container_from_coming_back_is_told_the_first_cause_first() {
        let why = |text: &str| why_not_back(&lines(text));
        let (full, back_off) = (
            "full /\n",
            "back-off 40s restarting failed container=etcd-manager pod=x_\n",
        );
        assert_eq!(
            why(&format!("kubelet inactive\n{full}")).unwrap(),
            "kubelet is inactive"
        );
        assert_eq!(
            why(&format!("kubelet active\n{full}{back_off}")).unwrap(),
            "the file system / is full"
        );
        assert_eq!(
            why("kubelet active\nfull /\nfull /var/log\n").unwrap(),
            "the file systems /, /var/log are full"
        );
        assert!(
            why(&format!("kubelet active\n{back_off}"))
                .unwrap()
                .contains("kubelet waits 40s")
        );
        assert_eq!(why("kubelet active\n"), None);
    }

    #[test]
    fn docker_and_a_host_that_tells_little_are_read_too() {
        let facts = parse(&lines(
            "@docker\nabc etcd-manager etcd-manager-main-ip-10-0-0-7.ec2.internal\nabd POD x\nabe\n@listen\nunknown\n@addresses\n@hosts\n@processes",
        ));
        assert_eq!((facts.runtime, facts.containers.len()), (Some(Runtime::Docker), 2));
        assert_eq!(facts.etcd_manager("main", &["main".to_owned()]).unwrap().id, "abc");
        assert_eq!(
            (
                facts.listening.as_ref(),
                facts.peer("main"),
                facts.api_server_outlived_etcd()
            ),
            (None, None, None)
        );
        let nothing = parse(&lines("what is this\n@crictl\nnot json"));
        assert_eq!((nothing.runtime, nothing.containers.len()), (None, 0));
        assert_eq!(parse(&[]), HostFacts::default());
    }

    #[test]
    fn the_tool_that_shows_containers_is_the_one_to_use() {
        let of = |text: &str| {
            let facts = parse(&lines(text));
            (facts.runtime, facts.containers.len())
        };
        const CTR: &str = "@ctr\naaa etcd-manager etcd-manager-main-i-0\nccc kube-apiserver kube-apiserver-i-0\n";
        assert_eq!(of(CTR), (Some(Runtime::Ctr), 2));
        assert_eq!(
            of("@crictl\nit is not set up\n@ctr\naaa etcd-manager x"),
            (Some(Runtime::Ctr), 1)
        );
        assert_eq!(
            of(&format!("@crictl\n{{\"containers\": []}}\n\n{CTR}")),
            (Some(Runtime::Ctr), 2)
        );
        // Docker's own containerd has nothing in k8s.io.
        assert_eq!(of("@ctr\n\n@docker\nabc etcd-manager x"), (Some(Runtime::Docker), 1));
        assert_eq!(of("@crictl\n{}\n@ctr\n"), (Some(Runtime::Crictl), 0));
        assert_eq!(of("@ctr\n\n@listen\n"), (Some(Runtime::Ctr), 0));
    }

    #[test]
    fn a_pod_is_of_the_etcd_with_the_longest_name_that_fits() {
        let known = ["main".to_owned(), "main-x".to_owned()];
        assert_eq!(etcd_of("etcd-manager-main-x-i-0", &known), Some("main-x"));
        assert_eq!(etcd_of("etcd-manager-main-i-0", &known), Some("main"));
        assert_eq!(etcd_of("etcd-manager-mainly", &known), None);
        assert_eq!(etcd_of("kube-apiserver-i-0", &known), None);
    }
}
