//! What holds for any account, however hostile its names and tags: 100,000 of them, made from numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::select;
use crate::model::fleet::{
    Attachment, CLUSTER_TAG, Group, GroupMember, Instance, InstanceState, Inventory, Tags, Volume, VolumeState,
    cluster_key,
};

const ACCOUNTS: u64 = 100_000;

/// SplitMix64: the same account for the same number, on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.roll(all.len())]
    }
}

const C: &str = "a.example.com";
/// Names of other clusters that resemble this one.
const OTHERS: [&str; 9] = [
    "x.a.example.com",
    "a.example.com.x",
    "masters.a.example.com",
    "aa.example.com",
    "a.example.co",
    "A.example.com",
    "a-example.com",
    "*.example.com",
    "a.example.com ",
];
/// Keys that resemble the deciding ones, and must not decide anything.
const NOISE: [(&str, &str); 14] = [
    ("k8s.io/role", "master"),
    ("K8s.io/role/master", "1"),
    ("k8s.io/roles/master", "1"),
    ("k8s.io/etcd", "main"),
    ("k8s.io/etcd/", "a/a,b,c"),
    ("kubernetesCluster", C),
    ("KubernetesCluster ", C),
    ("kubernetes.io/clusters/a.example.com", "owned"),
    ("Owner", C),
    ("team", "control-plane"),
    ("aws:cloudformation:stack-name", "masters.a.example.com"),
    ("kops-recovery/was/KubernetesCluster", C),
    ("kops-recovery/was/k8s.io/etcd/main", "a/a"),
    ("", ""),
];

/// What was generated, and its control plane.
#[derive(Default)]
struct Account {
    inventory: Inventory,
    masters: BTreeSet<String>,
    /// Masters that no doubt of another thing may hide: what kops itself makes.
    plain: BTreeSet<String>,
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn of_cluster(cluster: &str, dice: &mut Dice) -> Tags {
    let key = cluster_key(cluster);
    match dice.roll(3) {
        // An older one.
        0 => tags(&[(CLUSTER_TAG, cluster)]),
        _ => tags(&[(CLUSTER_TAG, cluster), (&key, "owned")]),
    }
}

fn noise(tags: &mut Tags, dice: &mut Dice) {
    for _ in 0..dice.roll(3) {
        let (key, value) = NOISE[dice.roll(NOISE.len())];
        tags.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
}

fn roles(tags: &mut Tags, dice: &mut Dice) {
    let pairs: &[&str] = match dice.roll(3) {
        0 => &["k8s.io/role/master"],
        1 => &["k8s.io/role/control-plane"],
        _ => &["k8s.io/role/control-plane", "k8s.io/role/master"],
    };
    tags.extend(pairs.iter().map(|key| ((*key).to_owned(), "1".to_owned())));
}

impl Account {
    fn roll(dice: &mut Dice) -> Self {
        let mut account = Self::default();
        for number in 0..=dice.roll(6) {
            account.thing(number, dice);
        }
        account
    }

    /// One of the things that an account may hold, with what belongs to it.
    fn thing(&mut self, number: usize, dice: &mut Dice) {
        match dice.roll(10) {
            0..=2 => self.master(number, dice),
            3 => self.worker(number, dice),
            4 => self.of_another(number, dice),
            5 => self.shared(number, dice),
            6 => self.persistent_volume(number, dice),
            7 => self.contradicting(number, dice),
            8 => self.unknown_role(number, dice),
            _ => self.anything(number, dice),
        }
    }

    fn group(&mut self, name: &str, id: &str, tags: &Tags, instance_tags: &Tags) {
        self.inventory.groups.push(Group {
            name: name.to_owned(),
            tags: tags.clone(),
            members: vec![GroupMember {
                instance: id.to_owned(),
                ..GroupMember::default()
            }],
            ..Group::default()
        });
        self.inventory.instances.push(Instance {
            id: id.to_owned(),
            tags: instance_tags.clone(),
            ..Instance::default()
        });
    }

    fn volume(&mut self, id: &str, tags: Tags, attached: Option<&str>) {
        self.inventory.volumes.push(Volume {
            id: id.to_owned(),
            state: if attached.is_some() {
                VolumeState::InUse
            } else {
                VolumeState::Available
            },
            attachments: attached
                .map(|instance| Attachment {
                    instance: instance.to_owned(),
                    ..Attachment::default()
                })
                .into_iter()
                .collect(),
            tags,
            ..Volume::default()
        });
    }

    /// As kops makes it, in whatever state it is now.
    fn master(&mut self, number: usize, dice: &mut Dice) {
        let (id, name) = (format!("i-m{number}"), format!("control-plane-{number}.masters.{C}"));
        let mut group = of_cluster(C, dice);
        roles(&mut group, dice);
        let mut instance = group.clone();
        noise(&mut group, dice);
        noise(&mut instance, dice);
        match dice.roll(4) {
            // Detached by hand, or left over from a group that is gone.
            0 => {
                if dice.one_in(2) {
                    instance.insert("kops.k8s.io/detached-from-asg".into(), name.clone());
                } else {
                    instance.insert("aws:autoscaling:groupName".into(), name.clone());
                }
                self.inventory.instances.push(Instance {
                    id: id.clone(),
                    tags: instance,
                    ..Instance::default()
                });
            }
            _ => {
                self.group(&name, &id, &group, &instance);
                self.masters.insert(name.clone());
                self.plain.insert(name);
            }
        }
        self.masters.insert(id.clone());
        self.plain.insert(id.clone());
        for etcd in ["main", "events", "cilium"].into_iter().take(1 + dice.roll(3)) {
            let volume = format!("vol-m{number}-{etcd}");
            let mut tags = of_cluster(C, dice);
            tags.insert(format!("k8s.io/etcd/{etcd}"), format!("{number}/0,1,2"));
            if dice.one_in(2) {
                roles(&mut tags, dice);
            }
            noise(&mut tags, dice);
            self.volume(&volume, tags, dice.one_in(2).then_some(id.as_str()));
            self.masters.insert(volume.clone());
            self.plain.insert(volume);
        }
    }

    fn worker(&mut self, number: usize, dice: &mut Dice) {
        let role = dice.of(&["node", "apiserver", "bastion"]);
        let name = format!(
            "{}-{number}.{}",
            dice.of(&["nodes", "master", "control-plane.masters"]),
            C
        );
        let mut tags = of_cluster(C, dice);
        tags.insert(format!("k8s.io/role/{role}"), "1".into());
        noise(&mut tags, dice);
        self.group(&name, &format!("i-w{number}"), &tags.clone(), &tags);
        // Its root volume, tagged as kops' launch templates do.
        self.volume(&format!("vol-w{number}"), tags, Some(&format!("i-w{number}")));
    }

    /// All that we look for, of a cluster whose name looks like ours.
    fn of_another(&mut self, number: usize, dice: &mut Dice) {
        let cluster = dice.of(&OTHERS);
        let mut tags = of_cluster(cluster, dice);
        roles(&mut tags, dice);
        noise(&mut tags, dice);
        let name = format!("control-plane-{number}.masters.{}", dice.of(&[C, cluster]));
        self.group(&name, &format!("i-o{number}"), &tags.clone(), &tags);
        tags.insert("k8s.io/etcd/main".into(), "a/a,b,c".into());
        tags.insert("Name".into(), format!("a.etcd-main.{C}"));
        self.volume(&format!("vol-o{number}"), tags, None);
    }

    fn shared(&mut self, number: usize, dice: &mut Dice) {
        let mut tags = tags(&[(&cluster_key(C), "shared")]);
        if dice.one_in(2) {
            tags.insert(CLUSTER_TAG.into(), dice.of(&[C, OTHERS[0]]).to_owned());
        }
        roles(&mut tags, dice);
        self.group(
            &format!("shared-{number}.masters.{C}"),
            &format!("i-s{number}"),
            &tags.clone(),
            &tags,
        );
        tags.insert("k8s.io/etcd/main".into(), "a/a,b,c".into());
        self.volume(&format!("vol-s{number}"), tags, None);
    }

    fn persistent_volume(&mut self, number: usize, dice: &mut Dice) {
        let mut tags = of_cluster(C, dice);
        tags.insert(
            dice.of(&[
                "kubernetes.io/created-for/pvc/name",
                "kubernetes.io/created-for/pv/name",
                "CSIVolumeName",
                "ebs.csi.aws.com/cluster",
            ])
            .to_owned(),
            "x".into(),
        );
        tags.insert("Name".into(), format!("a.etcd-main.{C}"));
        if dice.one_in(3) {
            tags.insert("k8s.io/etcd/main".into(), "a/a,b,c".into());
            roles(&mut tags, dice);
        }
        noise(&mut tags, dice);
        self.volume(&format!("vol-p{number}"), tags, None);
    }

    /// Ours and another's at the same time.
    fn contradicting(&mut self, number: usize, dice: &mut Dice) {
        let mut tags = of_cluster(C, dice);
        match dice.roll(3) {
            0 => {
                tags.insert(CLUSTER_TAG.into(), dice.of(&OTHERS).to_owned());
                tags.insert(cluster_key(C), "owned".into());
            }
            1 => {
                tags.insert(cluster_key(dice.of(&OTHERS)), dice.of(&["owned", "shared"]).to_owned());
            }
            _ => {
                tags.insert(cluster_key(C), dice.of(&["", "Owned", "owned ", "true"]).to_owned());
            }
        }
        roles(&mut tags, dice);
        self.group(
            &format!("c-{number}.masters.{C}"),
            &format!("i-c{number}"),
            &tags.clone(),
            &tags,
        );
        tags.insert("k8s.io/etcd/main".into(), "a/a,b,c".into());
        self.volume(&format!("vol-c{number}"), tags, None);
    }

    fn unknown_role(&mut self, number: usize, dice: &mut Dice) {
        let mut tags = of_cluster(C, dice);
        let (key, value) = [
            ("k8s.io/role/etcd", "1"),
            ("k8s.io/role/", "1"),
            ("k8s.io/role/Master", "1"),
            ("k8s.io/role/master ", "1"),
            ("k8s.io/role/master", "0"),
            ("k8s.io/role/control-plane", ""),
        ][dice.roll(6)];
        tags.insert(key.into(), value.into());
        self.group(
            &format!("u-{number}.masters.{C}"),
            &format!("i-u{number}"),
            &tags.clone(),
            &tags,
        );
    }

    /// Any of the tags that count, with any value.
    fn anything(&mut self, number: usize, dice: &mut Dice) {
        let mut tags = Tags::new();
        for _ in 0..dice.roll(6) {
            let (key, value) = match dice.roll(7) {
                0 => (CLUSTER_TAG.to_owned(), dice.of(&[C, OTHERS[0], OTHERS[7], ""])),
                1 => (cluster_key(C), dice.of(&["owned", "shared", ""])),
                2 => (cluster_key(dice.of(&OTHERS)), "owned"),
                3 => (
                    format!("k8s.io/role/{}", dice.of(&["master", "node", "bastion", "x"])),
                    dice.of(&["1", "0"]),
                ),
                4 => (
                    format!("k8s.io/etcd/{}", dice.of(&["main", "events", "a.example.com"])),
                    "a/a",
                ),
                5 => ("kubernetes.io/created-for/pv/name".to_owned(), "x"),
                _ => (
                    "aws:autoscaling:groupName".to_owned(),
                    dice.of(&["nodes", "control-plane-0.masters.a.example.com"]),
                ),
            };
            tags.insert(key, value.to_owned());
        }
        let (group, id, volume) = (
            format!("any-{number}"),
            format!("i-a{number}"),
            format!("vol-a{number}"),
        );
        let is_ours = is_ours(&tags);
        let is_master = is_ours && masters_role(&tags);
        if is_master {
            self.masters.extend([group.clone(), id.clone()]);
        }
        if is_ours
            && tags.keys().any(|key| key.starts_with("k8s.io/etcd/"))
            && !tags.keys().any(|key| key.contains("created-for"))
        {
            self.masters.insert(volume.clone());
        }
        match dice.one_in(2) {
            true => self.group(&group, &id, &tags, &tags),
            false => self.inventory.instances.push(Instance {
                id,
                tags: tags.clone(),
                state: InstanceState::Stopped,
                ..Instance::default()
            }),
        }
        self.volume(&volume, tags, None);
    }
}

/// The rule, written independently: one of the two tags, and none that contradicts.
fn is_ours(tags: &Tags) -> bool {
    let clusters: BTreeMap<&String, &String> = tags
        .iter()
        .filter(|(key, _)| key.starts_with("kubernetes.io/cluster/"))
        .collect();
    let by_name = tags.get("KubernetesCluster").map(|name| name == "a.example.com");
    let by_key: Vec<bool> = clusters
        .iter()
        .map(|(key, value)| *key == "kubernetes.io/cluster/a.example.com" && *value == "owned")
        .collect();
    by_name != Some(false) && by_key.iter().all(|owned| *owned) && (by_name == Some(true) || !by_key.is_empty())
}

fn masters_role(tags: &Tags) -> bool {
    let roles: Vec<(&String, &String)> = tags.iter().filter(|(key, _)| key.starts_with("k8s.io/role/")).collect();
    !roles.is_empty()
        && roles
            .iter()
            .all(|(key, value)| (key.ends_with("/master") || key.ends_with("/control-plane")) && *value == "1")
}

#[test]
fn exactly_the_control_plane_is_chosen() {
    let (mut chosen_in_all, mut left_in_all, mut blocked_in_all) = (0, 0, 0);
    for number in 0..ACCOUNTS {
        let mut dice = Dice(number);
        let account = Account::roll(&mut dice);
        let selection = select(C, &account.inventory);
        let groups = selection.groups.iter().map(|chosen| &chosen.thing.name);
        let instances = selection.instances.iter().map(|chosen| &chosen.thing.id);
        let volumes = selection.volumes.iter().map(|chosen| &chosen.thing.id);
        let chosen: BTreeSet<&String> = groups.chain(instances).chain(volumes).collect();
        for id in &chosen {
            assert!(
                account.masters.contains(*id),
                "account {number}: {id} was chosen\n{:#?}",
                account.inventory
            );
        }
        for id in &account.plain {
            assert!(
                chosen.contains(id),
                "account {number}: {id} was not chosen\n{:#?}",
                account.inventory
            );
        }
        for miss in &selection.near_misses {
            assert!(
                !chosen.contains(&miss.id),
                "account {number}: {} is chosen and not chosen",
                miss.id
            );
            assert!(!miss.reason.is_empty());
        }
        // What is chosen is each thing once, and what goes along with a group is chosen itself.
        let count = selection.groups.len() + selection.instances.len() + selection.volumes.len();
        assert_eq!(count, chosen.len(), "account {number}");
        let blocked = selection.checks.iter().any(|check| check.blocks());
        for member in selection.groups.iter().flat_map(|group| &group.thing.members) {
            assert!(
                blocked || chosen.contains(&member.instance),
                "account {number}: {} would go along unseen",
                member.instance
            );
        }
        chosen_in_all += chosen.len();
        left_in_all += selection.near_misses.len();
        blocked_in_all += usize::from(blocked);
    }
    // The accounts are worth the name: much is chosen, much is left, many are doubtful.
    assert!(
        chosen_in_all > 300_000 && left_in_all > 200_000,
        "{chosen_in_all} {left_in_all}"
    );
    assert!((10_000..90_000).contains(&blocked_in_all), "{blocked_in_all}");
}
