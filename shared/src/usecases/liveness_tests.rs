use async_trait::async_trait;
use jiff::SignedDuration;

use super::*;
use crate::model::backup::name::BackupName;
use crate::model::etcd_manager::layout::Listing;
use crate::model::kops::cluster::MemberSpec;
use crate::model::liveness::{Liveness, decide};
use crate::testing::MemoryHosts;
use crate::usecases::catalog::Backup;
use crate::usecases::discover::EtcdStore;

const CLUSTER: &str = "k8s.example.com";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn instance(id: &str, role: &str, state: InstanceState, address: &str) -> Instance {
    let tags = [("KubernetesCluster", CLUSTER), (role, "1")];
    Instance {
        id: id.to_owned(),
        state,
        tags: tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        private_ips: vec![address.to_owned(), "ip-10-0-0-7.ec2.internal".to_owned()],
        launched: Some(at("2026-11-22T17:00:00Z")),
        ..Instance::default()
    }
}

fn masters() -> Vec<Instance> {
    ["10.0.0.7", "10.0.0.8"]
        .iter()
        .enumerate()
        .map(|(at, address)| {
            instance(
                &format!("i-{at}"),
                "k8s.io/role/master",
                InstanceState::Running,
                address,
            )
        })
        .collect()
}

fn catalog(etcd: &str, newest: &str, members: usize) -> Catalog {
    let base: StoreUrl = format!("s3://b/{CLUSTER}/backups/etcd/{etcd}").parse().unwrap();
    let name: BackupName = newest.parse().unwrap();
    let member = |at: usize| MemberSpec {
        name: at.to_string(),
        instance_group: None,
    };
    Catalog {
        backups: vec![Backup {
            folder: base.join(name.as_str()),
            name,
            data_size: Some(1),
            data_tag: None,
            has_meta: true,
            in_store: true,
            pinned: None,
            half_pinned: None,
            keep: None,
        }],
        store: EtcdStore {
            cluster: CLUSTER.to_owned(),
            etcd: etcd.to_owned(),
            base,
            recovery: None,
            secrets: Vec::new(),
            interval: SignedDuration::from_mins(15),
            hourly_retention: SignedDuration::from_hours(168),
            daily_retention: SignedDuration::from_hours(2160),
            members: (0..members).map(member).collect(),
            etcd_version: None,
            etcd_image: None,
            manager_image: None,
        },
        listing: Listing::default(),
    }
}

/// Refuses at these addresses and ports; ssh answers at these addresses.
struct Wall {
    refuses: Vec<(&'static str, u16)>,
    ssh: Vec<&'static str>,
}

#[async_trait]
impl HostProbe for Wall {
    async fn probe_port(&self, address: IpAddr, port: u16) -> PortState {
        match self.refuses.contains(&(address.to_string().as_str(), port)) {
            true => PortState::Refused,
            false => PortState::Unknown("no answer".to_owned()),
        }
    }

    async fn service_at(&self, address: IpAddr) -> Option<String> {
        self.ssh
            .contains(&address.to_string().as_str())
            .then(|| "ssh on port 22".to_owned())
    }
}

const OLD: &str = "2026-11-22T15:18:01Z-000001";

fn silent() -> ProbeResult {
    ProbeResult::NoResponse("connection refused at 127.0.0.1:4001".to_owned())
}

async fn evidence(machines: Machines, wall: &Wall, hosts: Option<(&MemoryHosts, &[String])>) -> Evidence {
    let etcds = ["main".to_owned(), "events".to_owned()];
    let ssh = hosts.map(|(hosts, names)| OverSsh { hosts, names });
    Evidence::gather(machines, None, &etcds, None, wall, ssh).await
}

fn life(observed: &Signals) -> Liveness {
    decide(observed, at("2026-11-22T18:00:00Z"))
}

#[tokio::test]
async fn the_masters_own_refusal_proves_it_port_by_port() {
    let wall = Wall {
        refuses: vec![
            ("10.0.0.7", 4001),
            ("10.0.0.8", 4001),
            ("10.0.0.7", 4002),
            ("10.0.0.7", 443),
            ("10.0.0.8", 443),
        ],
        ssh: vec!["10.0.0.7", "10.0.0.8"],
    };
    let machines = Machines::of(CLUSTER, &masters(), &[], Ok(&[]));
    let found = evidence(machines, &wall, None).await;
    let (main, events) = (catalog("main", OLD, 2), catalog("events", OLD, 2));
    assert_eq!(
        life(&found.of_etcd(&main, silent())).describe(),
        "dead: all running masters refuse connections: i-0 (10.0.0.7, where ssh on port 22 answers), i-1 (10.0.0.8, where ssh on port 22 answers)"
    );
    // One of them was not probe to refuse.
    assert!(life(&found.of_etcd(&events, silent())).may_live());
    assert!(!life(&found.of_api(&[main, events], silent())).may_live());
}

#[tokio::test]
async fn a_loopback_address_and_a_host_that_says_nothing_else_prove_nothing() {
    let here = [instance(
        "i-0",
        "k8s.io/role/master",
        InstanceState::Running,
        "127.0.0.1",
    )];
    let wall = Wall {
        refuses: vec![("127.0.0.1", 4001), ("10.0.0.7", 4001), ("10.0.0.8", 4001)],
        ssh: vec!["127.0.0.1", "10.0.0.8"],
    };
    let main = catalog("main", OLD, 1);
    for instances in [here.to_vec(), masters()] {
        let found = evidence(Machines::of(CLUSTER, &instances, &[], Ok(&[])), &wall, None).await;
        assert!(life(&found.of_etcd(&main, silent())).may_live(), "{instances:?}");
    }
}

#[tokio::test]
async fn an_api_server_beside_the_masters_has_to_refuse_as_well() {
    let wall = Wall {
        refuses: vec![("10.0.0.7", 443), ("10.0.0.8", 443)],
        ssh: vec!["10.0.0.7", "10.0.0.8"],
    };
    let mut instances = masters();
    instances.push(instance(
        "i-api",
        "k8s.io/role/apiserver",
        InstanceState::Running,
        "10.0.0.9",
    ));
    let found = evidence(Machines::of(CLUSTER, &instances, &[], Ok(&[])), &wall, None).await;
    assert!(life(&found.of_api(&[catalog("main", OLD, 2)], silent())).may_live());
}

#[tokio::test]
async fn hosts_prove_it_over_ssh_where_they_are_all_there_are() {
    let names = ["a".to_owned(), "b".to_owned()];
    let hosts = MemoryHosts::default();
    let quiet = |id: &'static str, address: &'static str| {
        [
            "@identity",
            id,
            "@addresses",
            address,
            "@listen",
            "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*",
        ]
    };
    let what = "look whether etcd is served";
    hosts.answer("a", what, &quiet("1", "10.0.0.7"), 0);
    hosts.answer("b", what, &quiet("2", "10.0.0.8"), 0);
    let wall = Wall {
        refuses: Vec::new(),
        ssh: Vec::new(),
    };
    let main = catalog("main", OLD, 2);
    for machines in [
        Machines::not_known("no credentials"),
        Machines::of(CLUSTER, &masters(), &[], Ok(&[])),
    ] {
        let found = evidence(machines, &wall, Some((&hosts, &names))).await;
        assert!(!life(&found.of_etcd(&main, silent())).may_live());
        let young = catalog("main", "2026-11-22T17:45:01Z-000001", 2);
        assert!(life(&found.of_etcd(&young, silent())).may_live());
    }
    // The second one is the first by another name; or does not answer.
    let half = MemoryHosts::default();
    half.answer("a", what, &quiet("1", "10.0.0.7"), 0);
    let found = evidence(Machines::not_known("x"), &wall, Some((&half, &names))).await;
    assert!(life(&found.of_etcd(&main, silent())).may_live());
    half.answer("b", what, &quiet("1", "10.0.0.7"), 0);
    let found = evidence(Machines::not_known("x"), &wall, Some((&half, &names))).await;
    assert!(life(&found.of_etcd(&main, silent())).may_live());
}

#[test]
fn what_aws_has_is_told_by_tags_and_states() {
    let of = |instances: &[Instance], volumes: Result<&[Volume], String>| match Machines::of(
        CLUSTER,
        instances,
        &[],
        volumes,
    )
    .masters
    {
        Masters::Known {
            running,
            known_here,
            oldest_volume,
        } => (running.len(), known_here, oldest_volume),
        Masters::Unknown(why) => panic!("{why}"),
    };
    assert_eq!(of(&[], Ok(&[])), (0, false, Ok(None)));
    for (state, running) in [
        (InstanceState::Running, 1),
        (InstanceState::Pending, 1),
        (InstanceState::Stopping, 1),
        (InstanceState::ShuttingDown, 1),
        (InstanceState::Unknown, 1),
        (InstanceState::Stopped, 0),
        (InstanceState::Terminated, 0),
    ] {
        let master = instance("i-0", "k8s.io/role/control-plane", state, "10.0.0.7");
        assert_eq!(of(&[master], Ok(&[])).0, running, "{state:?}");
    }
    let node = instance("i-0", "k8s.io/role/node", InstanceState::Terminated, "10.0.0.7");
    let mut others = instance("i-0", "k8s.io/role/master", InstanceState::Running, "10.0.0.7");
    others
        .tags
        .insert("KubernetesCluster".to_owned(), format!("x.{CLUSTER}"));
    assert_eq!(of(&[node, others], Ok(&[])), (0, false, Ok(None)));
    let volume = |key: &str, created: Option<&str>, state| Volume {
        tags: [(key.to_owned(), "a/a".to_owned())].into(),
        created: created.map(at),
        state,
        ..Volume::default()
    };
    let (young, old) = ("2026-11-22T17:00:00Z", "2026-11-20T17:00:00Z");
    let volumes = [
        volume("k8s.io/etcd/main", Some(young), VolumeState::InUse),
        volume("k8s.io/etcd/main", Some(old), VolumeState::Deleting),
        volume("kops-recovery/was/k8s.io/etcd/main", Some(old), VolumeState::Available),
    ];
    assert_eq!(of(&[], Ok(&volumes)).2, Ok(Some(at(young))));
    let unknown = [volume("k8s.io/etcd/main", None, VolumeState::InUse)];
    assert_eq!(of(&[], Ok(&unknown)).2, Ok(Some(Timestamp::MIN)));
    assert!(of(&[], Err("denied".to_owned())).2.is_err());
    let group = Group {
        tags: instance("", "k8s.io/role/master", InstanceState::Running, "").tags,
        ..Group::default()
    };
    let machines = Machines::of(CLUSTER, &[], &[group], Ok(&[]));
    assert!(matches!(machines.masters, Masters::Known { known_here: true, .. }));
}

/// That no master runs proves that etcd is dead: one whose tags kops does not write, or that are two clusters', may be one.
#[test]
fn a_machine_whose_tags_are_not_clear_counts_among_those_that_run() {
    let gone: Vec<Instance> = masters()
        .into_iter()
        .map(|instance| Instance {
            state: InstanceState::Terminated,
            ..instance
        })
        .collect();
    let running = |instances: &[Instance]| match Machines::of(CLUSTER, instances, &[], Ok(&[])).masters {
        Masters::Known {
            running, known_here, ..
        } => (running.len(), known_here),
        Masters::Unknown(why) => panic!("{why}"),
    };
    assert_eq!(running(&gone), (0, true));
    for (key, value) in [
        ("k8s.io/role/master", "true"),
        ("k8s.io/role/node", "1"),
        ("kubernetes.io/cluster/other.example.com", "owned"),
    ] {
        let mut unclear = instance("i-9", "k8s.io/role/master", InstanceState::Running, "10.0.0.9");
        unclear.tags.insert(key.to_owned(), value.to_owned());
        let all: Vec<Instance> = gone.iter().cloned().chain([unclear.clone()]).collect();
        assert_eq!(running(&all), (1, true), "{key}={value}");
        // Alone it does not show that the control plane is here, either.
        assert_eq!(running(&[unclear]), (1, false), "{key}={value}");
    }
    // A node is none.
    let node = instance("i-9", "k8s.io/role/node", InstanceState::Running, "10.0.0.9");
    let all: Vec<Instance> = gone.iter().cloned().chain([node]).collect();
    assert_eq!(running(&all), (0, true));
}
