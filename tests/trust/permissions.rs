//! The policies beside the manifests: each command gets by with its own, and no policy allows what no command calls.

mod calls;
mod enforced;
mod policy;
mod rbac;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use support::store::CLUSTER;
use support::{AwsAccount, Proxy, S3, paths};

use crate::commands::{Own, ROWS, Row, Target};
use crate::place::{Lines, Place};
use crate::world::{BUCKET, World};
use calls::{Call, of_aws, of_s3};
use policy::Policy;

/// A policy, and the commands that it is for.
pub struct Group {
    pub policy: &'static str,
    pub commands: &'static [&'static str],
}

pub const GROUPS: &[Group] = &[
    Group {
        policy: "etcd-backups-read",
        commands: &[
            "etcd-backups list",
            "etcd-backups show",
            "etcd-backups verify",
            "etcd-backups inspect",
            "etcd-backups diff",
            "etcd-backups diff --live",
            "etcd-backups export",
            "etcd-backups restore-objects",
            "etcd-backups restore-objects --yes",
            "etcd-backups download",
            "etcd-backups timeline",
            "etcd-backups check",
        ],
    },
    Group {
        policy: "etcd-backups-pin",
        commands: &["etcd-backups pin", "etcd-backups unpin"],
    },
    Group {
        policy: "etcd-backups-take",
        commands: &["etcd-backups take"],
    },
    Group {
        policy: "etcd-backups-copy",
        commands: &["etcd-backups copy"],
    },
    Group {
        policy: "etcd-restore-read",
        commands: &[
            "etcd-restore",
            "etcd-restore plan",
            "etcd-restore commands",
            "etcd-restore status",
            "etcd-restore logs",
            "etcd-restore cleanup workers",
            "etcd-restore member list",
            "etcd-restore space",
            "etcd-restore drill",
            "etcd-restore runbook",
        ],
    },
    Group {
        policy: "etcd-restore",
        commands: &[
            "etcd-restore run",
            "etcd-restore queue",
            "etcd-restore cancel",
            "etcd-restore restart-etcd",
            "etcd-restore restart-kubelet",
            "etcd-restore cleanup nodes",
            "etcd-restore cleanup events",
        ],
    },
    Group {
        policy: "etcd-restore-member",
        commands: &["etcd-restore member replace"],
    },
    Group {
        policy: "masterleases",
        commands: &[
            "masterleases list",
            "masterleases check",
            "masterleases prune",
            "masterleases undo",
        ],
    },
    Group {
        policy: "kops-wipe-masters-plan",
        commands: &["kops-wipe-masters", "kops-wipe-masters audit"],
    },
    Group {
        policy: "kops-wipe-masters-apply",
        commands: &[
            "kops-wipe-masters --yes",
            "kops-wipe-masters --yes --etcd-volumes snapshot-then-delete",
            "kops-wipe-masters restore-volumes",
            "kops-wipe-masters purge-volumes",
        ],
    },
];

/// The same commands where they do more: a master outlives its group, and volumes go for good; nothing is left of the masters.
const MORE: &[Row] = &[
    Row {
        name: "kops-wipe-masters --yes --etcd-volumes snapshot-then-delete",
        arguments: "--max-age 4h --confirm super.k8s.local --poll 200ms",
        uses: &[Target::S3, Target::Ec2],
        own: &[Own::Cluster, Own::Store],
        first: None,
    },
    Row {
        name: "kops-wipe-masters",
        arguments: "-o json",
        uses: &[Target::S3, Target::Ec2],
        own: &[Own::Cluster, Own::Store],
        first: None,
    },
];

/// What each command asks of AWS, over lines that write it down.
fn record(world: &World, row: &'static Row) -> BTreeSet<Call> {
    let mut place = Place::new(world, row);
    let (s3, ec2) = (
        Proxy::start_tls(&place.aws().moto, &world.ca).unwrap(),
        Proxy::start_tls(&place.aws().moto, &world.ca).unwrap(),
    );
    let lines = Lines {
        s3: s3.endpoint(),
        ec2: ec2.endpoint(),
        ..place.lines()
    };
    if row.name.contains("snapshot-then-delete") {
        outlive_its_group(&place);
    } else if row.name == "kops-wipe-masters --yes" {
        would_go_with_its_instance(&place);
    } else if row.name == "kops-wipe-masters" && row.changes() {
        place.account = AwsAccount::another(&place.aws().moto, "800000000001").unwrap();
    }
    let ended = place.command(&lines).run().unwrap();
    // Where nothing of the cluster is, the plan refuses.
    let is_elsewhere = row.name == "kops-wipe-masters" && row.changes();
    assert!(
        matches!(ended.exit_code(), Some(0 | 4 | 5)) || (is_elsewhere && ended.exit_code() == Some(3)),
        "{}: {:?}\n{}",
        row.name,
        ended.exit_code(),
        ended.stderr
    );
    let of_store = s3
        .requests()
        .iter()
        .flat_map(|request| of_s3(request, BUCKET))
        .collect::<Vec<_>>();
    let of_machines = ec2.requests().iter().flat_map(of_aws).collect::<Vec<_>>();
    of_store.into_iter().chain(of_machines).collect()
}

/// moto leaves what is protected from scale-in behind when it deletes a group.
fn outlive_its_group(place: &Place<'_>) {
    let picture = place.account.picture().unwrap().0;
    let group = picture.keys().find(|name| name.contains(".masters.")).unwrap();
    let instance = picture.keys().find(|id| id.starts_with("i-")).unwrap();
    let protect = [
        ("AutoScalingGroupName", group.as_str()),
        ("InstanceIds.member.1", instance.as_str()),
        ("ProtectedFromScaleIn", "true"),
    ];
    place.account.scaling("SetInstanceProtection", &protect).unwrap();
}

/// AWS would delete a volume of etcd with its master.
fn would_go_with_its_instance(place: &Place<'_>) {
    let picture = place.account.picture().unwrap().0;
    let instance = picture.keys().find(|id| id.starts_with("i-")).unwrap();
    let on = [
        ("InstanceId", instance.as_str()),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvdu"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
    ];
    place.account.ec2("ModifyInstanceAttribute", &on).unwrap();
}

/// What every command calls, by its name.
fn recorded(world: &World) -> BTreeMap<&'static str, BTreeSet<Call>> {
    let mut called: BTreeMap<_, BTreeSet<Call>> = BTreeMap::new();
    for row in ROWS.iter().chain(MORE).filter(|row| !row.uses.is_empty()) {
        called.entry(row.name).or_default().extend(record(world, row));
    }
    called
}

#[test]
fn each_policy_allows_what_its_commands_call_and_nothing_else() {
    let world = World::new();
    let called = recorded(&world);
    let mut wrong = Vec::new();
    let grouped: BTreeSet<&str> = GROUPS.iter().flat_map(|group| group.commands).copied().collect();
    for name in called.keys() {
        if !grouped.contains(name) {
            wrong.push(format!("{name} is in no group"));
        }
    }
    for group in GROUPS {
        let policy = Policy::read(group.policy);
        let mut used = BTreeSet::new();
        for name in group.commands {
            for call in &called[name] {
                used.insert(call.action.clone());
                if !policy.allows(call, CLUSTER) {
                    wrong.push(format!(
                        "{} does not allow {name} {} {}",
                        group.policy, call.action, call.on
                    ));
                }
            }
        }
        for action in policy.actions().difference(&used) {
            wrong.push(format!("{} allows {action}, which nobody calls", group.policy));
        }
    }
    let table = table(&called);
    assert!(wrong.is_empty(), "{}\n{table}", wrong.join("\n"));
    hold(&table);
}

/// Command, its policy, the actions that it calls, and its role in the cluster.
fn table(called: &BTreeMap<&'static str, BTreeSet<Call>>) -> String {
    let mut text = "| command | IAM policy | what it calls | RBAC |\n|---|---|---|---|\n".to_owned();
    for group in GROUPS {
        for name in group.commands {
            let actions: BTreeSet<&str> = called[name].iter().map(|call| call.action.as_str()).collect();
            let actions: Vec<&str> = actions.into_iter().collect();
            let role = rbac::role_of(name).map_or("–".to_owned(), |role| format!("`{role}.yaml`"));
            text.push_str(&format!(
                "| `{name}` | `{}.json` | {} | {role} |\n",
                group.policy,
                actions.join(", ")
            ));
        }
    }
    text
}

/// The table in the project, between its head and what follows it; `UPDATE_PERMISSIONS=1` writes it anew.
fn hold(table: &str) {
    let path = paths::root().join("krew-manifests/permissions/README.md");
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find("| command |").unwrap();
    let end = begin + text[begin..].find("\n\n").map_or(text.len() - begin, |at| at + 1);
    if std::env::var_os("UPDATE_PERMISSIONS").is_some() {
        fs::write(&path, format!("{}{table}{}", &text[..begin], &text[end..])).unwrap();
        return;
    }
    assert_eq!(&text[begin..end], table, "UPDATE_PERMISSIONS=1 writes it");
}
