//! The steps up to new, empty masters.

use runbook_kit::model::shell::{Pipeline, ShellCommand, ShellScript, quoted};

use super::block::{Block, Step, Ways, chosen};
use super::facts::{EtcdFacts, Facts};

pub fn look(facts: &Facts) -> Step {
    let replaces = !facts.etcds.is_empty() && facts.etcds.iter().all(|etcd| etcd.replaces);
    let about = if replaces {
        "A wipe may not be needed. While two of three members of an etcd run, etcd-manager replaces the third by itself when it comes up with an empty \
         volume."
    } else {
        "A wipe may not be needed. While two of three members of an etcd run, the third can be replaced: remove it from etcd (`etcdctl member list`, \
         `etcdctl member remove ID`), then give it an empty volume. This etcd-manager is not known to do that by itself."
    };
    let volumes = volumes(facts).args([
        "--query",
        "Volumes[].[VolumeId,State,Tags[?Key=='Name']|[0].Value]",
        "--output",
        "text",
    ]);
    Step {
        title: "Look, before anything is changed",
        about: about.to_owned(),
        ways: Ways::ours(vec![
            Block::new(
                "Where the cluster stands",
                ShellCommand::of("kubectl etcd-restore"),
                "you have read every line, and what it names as next is not less than a wipe",
            ),
            Block::new(
                "What is wrong, and the least that mends it",
                ShellCommand::of("kops-wipe-masters audit"),
                "`smallest cure` says that a wipe is needed",
            ),
            Block::new(
                "Which backups there are",
                ShellCommand::of("kubectl etcd-backups list"),
                "each etcd has some from before the trouble began",
            ),
        ])
        .or(
            "By hand",
            vec![
                Block::new("Whether the API answers", ShellCommand::of("kubectl get nodes"), "it does not answer"),
                Block::lines(
                    "What the masters say",
                    [r#"for master in $(masters); do on_master "$master" 'sudo tail -n 20 /var/log/etcd.log /var/log/kube-apiserver.log'; done"#],
                    "you know why etcd has no quorum",
                ),
                Block::new(
                    "Which volumes etcd has",
                    volumes,
                    "you know which members have lost theirs",
                ),
            ],
        ),
        stop: "where the API answers, or where two of three members of main run: mend one member instead",
    }
}

pub fn choose(facts: &Facts) -> Step {
    let main = "main";
    let ours = vec![
        Block::lines(
            "The newest good backup of main, chosen now",
            chosen(
                "BACKUP_main",
                ShellCommand::of("kubectl etcd-backups show latest-good --etcd main -o name"),
            ),
            "it names one backup, of a time from which you can go on: everything after it is lost",
        ),
        Block::new(
            "Whether it is whole",
            ShellCommand::of("kubectl etcd-backups verify").expand(r#"main="${BACKUP_main:?}""#),
            "the verdict is `ok`",
        ),
        Block::new(
            "Whether it comes back, in a throwaway etcd on this machine",
            ShellCommand::of("kubectl etcd-restore drill --etcd main --backup").expand(r#"main="${BACKUP_main:?}""#),
            "it counts the Nodes and namespaces that you know",
        ),
        Block::new(
            "Keep it out of the clean-up's reach",
            ShellCommand::of("kubectl etcd-backups pin")
                .expand(r#"main="${BACKUP_main:?}""#)
                .arg("--yes"),
            "it is pinned",
        ),
    ];
    let hand = facts.etcds.iter().flat_map(|etcd| by_hand_of(facts, etcd)).collect();
    Step {
        title: "Choose and keep a backup",
        about: format!(
            "The newest one may be worthless: an etcd that was seeded by accident takes backups, too. `latest-good` passes those over. Every other etcd \
             than {main} gets its newest good backup at the restore, by itself."
        ),
        ways: Ways::ours(ours).or("By hand", hand),
        stop: "where no backup of main is good: delete nothing; the volumes that are left hold the only data there is",
    }
}

fn by_hand_of(facts: &Facts, etcd: &EtcdFacts) -> Vec<Block> {
    let EtcdFacts { name, base, .. } = etcd;
    let variable = etcd.variable();
    let backup = format!("\"${{{variable}:?}}\"");
    let (file, db) = (format!("{name}.gz"), format!("{name}.db"));
    let kept = format!(
        "{}/{}/backups/recovery/{name}/",
        facts.state().trim_end_matches('/'),
        facts.cluster
    );
    // A backup is one whose meta is there.
    let metas = if facts.in_bucket() {
        ShellCommand::of("aws s3 ls --recursive").arg(format!("{base}/"))
    } else {
        ShellCommand::new("find")
            .arg(path(base))
            .args(["-name", "_etcd_backup.meta"])
    };
    let newest = metas
        .pipe(ShellCommand::of("awk -F/").arg(r"/\/_etcd_backup\.meta$/ { print $(NF-1) }"))
        .pipe(ShellCommand::new("sort"))
        .pipe(ShellCommand::of("tail -n 1"));
    let (fetch, keep) = if facts.in_bucket() {
        let from = |rest: &str| format!("{}/{backup}{rest}", quoted(base));
        (
            ShellCommand::of("aws s3 cp").expand(from("/etcd.backup.gz")).arg(&file),
            ShellScript::from(
                ShellCommand::of("aws s3 cp --recursive")
                    .expand(from("/"))
                    .expand(format!("{}{backup}/", quoted(&kept))),
            ),
        )
    } else {
        let from = format!("{}/{backup}", quoted(path(base)));
        let folder = quoted(path(&kept)).into_owned();
        (
            ShellCommand::new("cp")
                .expand(format!("{from}/etcd.backup.gz"))
                .arg(&file),
            ShellScript::from(ShellCommand::of("mkdir -p").expand(&folder))
                .then(ShellCommand::of("cp -r").expand(from).expand(folder)),
        )
    };
    let unpacked = ShellScript::from(ShellCommand::of("gunzip -c").arg(&file).into_file(&db))
        .then(ShellCommand::of("etcdutl snapshot status -w table").arg(&db));
    vec![
        Block::lines(
            format!("The newest backup of {name} that is complete"),
            chosen(&variable, newest),
            "it names one of before the trouble began; else set the variable to an older one, by hand",
        ),
        Block::new(
            format!("Whether the backup of {name} holds anything"),
            ShellScript::from(fetch).then_all(unpacked),
            if name == "main" {
                "TOTAL KEYS is as large as you know your cluster; a new, empty one has less than 200"
            } else {
                "it could be read; an etcd events with no keys is normal after an hour without API"
            },
        ),
        Block::new(
            format!("Keep it, where the clean-up of {name} never comes"),
            keep,
            "both files were copied",
        ),
    ]
}

/// A `file://` URL as a path.
fn path(url: &str) -> &str {
    url.strip_prefix("file://").unwrap_or(url)
}

/// The etcd volumes of the cluster, of every etcd cluster.
fn volumes(facts: &Facts) -> ShellCommand {
    ShellCommand::of("aws ec2 describe-volumes --filters")
        .arg(format!("Name=tag:KubernetesCluster,Values={}", facts.cluster))
        .arg("Name=tag-key,Values=k8s.io/etcd/*")
}

pub fn wipe(facts: &Facts) -> Step {
    let ours = vec![
        Block::new(
            "The plan",
            ShellCommand::of("kops-wipe-masters --name").arg(&facts.cluster),
            "it names the groups, masters and etcd volumes of this cluster and no other, and no check blocks; where only `backups-arriving` does, since the last \
             backup is young, and you are sure that the cluster is dead, add --even-if-alive here and in the next block",
        ),
        Block::new(
            "Do it. It asks for the cluster's name, and tells first what is lost",
            ShellCommand::of("kops-wipe-masters --name")
                .arg(&facts.cluster)
                .arg("--yes"),
            "it says that the control plane is wiped, and what comes next",
        ),
    ];
    Step {
        title: "Wipe the masters",
        about: "From here on the cluster is down, and everything after the backup is lost. The tool puts the etcd volumes into quarantine, from which \
            `kops-wipe-masters restore-volumes` takes them back as long as no new masters were made. By hand they are deleted for good."
            .to_owned(),
        ways: Ways::ours(ours)
            .or("By hand", wipe_by_hand(facts))
            .or("Where Terraform keeps the cluster, before either of them", vec![Block::lines(
                "Terraform would put the tags of a quarantined volume back, or miss a deleted one: let it forget them",
                [
                    r"terraform state list | grep -E '^aws_ebs_volume\..*etcd-' | while read -r volume; do",
                    r#"  terraform state rm "$volume""#,
                    "done",
                ],
                "each etcd volume was removed from the state, and nothing else",
            )])
            .or("To take it back, while there are no new masters", vec![
                Block::new(
                    "The volumes out of the quarantine; without --yes it is only shown",
                    ShellCommand::of("kops-wipe-masters restore-volumes --name").arg(&facts.cluster).arg("--yes"),
                    "every volume is restored; then go on with step 4, and leave out step 5",
                ),
            ]),
        stop: "where anything of another cluster is named, or a volume or an instance does not go away: nothing new may be made before all are gone",
    }
}

fn wipe_by_hand(facts: &Facts) -> Vec<Block> {
    let query = |command: ShellCommand, query: &str| command.args(["--query", query, "--output", "text"]);
    let instances = query(
        ShellCommand::of("aws ec2 describe-instances --filters").args(facts.instance_filters()),
        "Reservations[].Instances[].InstanceId",
    );
    let etcd_volumes = query(volumes(facts), "Volumes[].VolumeId");
    let groups = facts.groups().iter().fold(ShellScript::default(), |script, group| {
        script.then(
            ShellCommand::of("aws autoscaling delete-auto-scaling-group --force-delete")
                .option("--auto-scaling-group-name", group),
        )
    });
    let choose = |name: &str, from: ShellCommand| chosen(name, Pipeline::from(from));
    let mut blocks = vec![
        Block::lines(
            "Which masters go",
            choose("MASTERS", instances),
            "these are the masters of this cluster, and no worker",
        ),
        Block::lines(
            "Which volumes go",
            choose("VOLUMES", etcd_volumes),
            "these are the etcd volumes of this cluster: one for each member of each etcd",
        ),
        Block::lines(
            "A snapshot of each volume, the only way back from here",
            [
                r#"for volume in $(echo ${VOLUMES:?}); do aws ec2 create-snapshot --volume-id "$volume" --description "before the wipe of $KOPS_CLUSTER_NAME"; done"#,
            ],
            "there is a snapshot of each",
        ),
    ];
    if groups.steps().is_empty() {
        blocks.push(Block::new(
            "Delete the groups, for each group of masters",
            ShellCommand::of(
                "aws autoscaling delete-auto-scaling-group --force-delete --auto-scaling-group-name GROUP",
            ),
            "each was taken",
        ));
    } else {
        blocks.push(Block::new("Delete the groups of the masters", groups, "each was taken"));
    }
    blocks.extend([
        Block::lines(
            "Wait until the masters are gone",
            ["aws ec2 wait instance-terminated --instance-ids $(echo ${MASTERS:?})"],
            "it has ended by itself; it takes minutes",
        ),
        Block::lines(
            "Delete the volumes, for good",
            [
                r#"for volume in $(echo ${VOLUMES:?}); do"#,
                r#"  aws ec2 wait volume-available --volume-ids "$volume" && aws ec2 delete-volume --volume-id "$volume""#,
                "done",
            ],
            "each was deleted",
        ),
        Block::new(
            "Whether they are gone",
            query(volumes(facts), "Volumes[].[VolumeId,State]"),
            "it shows nothing; else paste it again a minute later",
        ),
    ]);
    blocks
}

pub fn build(facts: &Facts) -> Step {
    let cluster = &facts.cluster;
    let kubeconfig = || {
        Block::new(
            "Credentials for the API that is to come",
            ShellCommand::of("kops export kubeconfig --admin --name").arg(cluster),
            "the context is set",
        )
    };
    let mut kops: Vec<Block> = facts
        .instance_groups()
        .into_iter()
        .map(|group| {
            Block::new(
                format!("Only if the machines of {group} were too small: another `machineType`"),
                ShellCommand::of("kops edit ig").arg(group).option("--name", cluster),
                "it is saved",
            )
        })
        .collect();
    kops.extend([
        Block::new(
            "What it would make",
            ShellCommand::of("kops update cluster --name").arg(cluster),
            "it makes the groups and volumes of the masters, and changes nothing else",
        ),
        Block::new(
            "Make them",
            ShellCommand::of("kops update cluster --name").arg(cluster).arg("--yes"),
            "it says that the cluster is updated",
        ),
        kubeconfig(),
        Block::new(
            "Until every etcd waits: a few minutes",
            ShellCommand::of("kubectl etcd-restore status"),
            "every etcd is `waiting`: its members are there, and it holds nothing",
        ),
    ]);
    let terraform = vec![
        Block::new(
            "kops writes the files instead of calling AWS; in the folder of the ones that are there",
            ShellCommand::of("kops update cluster --target=terraform --out=. --name").arg(cluster),
            "it says where they are",
        ),
        Block::new(
            "What it would make",
            ShellCommand::of("terraform plan -out=masters.plan"),
            "it adds the groups and volumes of the masters, and destroys nothing",
        ),
        Block::new(
            "Make them",
            ShellCommand::of("terraform apply masters.plan"),
            "it says `Apply complete`",
        ),
        kubeconfig(),
    ];
    Step {
        title: "Let kops build new ones",
        about: format!(
            "Use the kops that the cluster was last updated with: {}. Another one changes more than the masters.",
            facts
                .kops
                .as_deref()
                .unwrap_or("see `kops-version.txt` in the state store")
        ),
        ways: Ways::ours(kops).or("Where Terraform keeps the cluster", terraform),
        stop: "where kops or Terraform would change or destroy anything but the masters, or where a group starts no instance",
    }
}
