//! The steps up to a new, empty control plane.

use runbook_kit::model::shell::{Pipeline, ShellCommand, ShellScript, quoted};

use super::block::{Block, Step, Ways, chosen};
use super::facts::{EtcdFacts, Facts};

pub fn look(facts: &Facts) -> Step {
    let replaces = !facts.etcds.is_empty() && facts.etcds.iter().all(|etcd| etcd.replaces);
    let about = if replaces {
        "A wipe may not be needed. While two of three members of an etcd cluster run, etcd-manager replaces the third by itself when it starts with an empty \
         volume."
    } else {
        "A wipe may not be needed. While two of three members of an etcd run, the third can be replaced: remove it from etcd (`kubectl etcd-restore \
         member replace NAME`), then give it an empty volume. This etcd-manager is not known to do it by itself."
    };
    let volumes = volumes(facts).args([
        "--query",
        "Volumes[].[VolumeId,State,Tags[?Key=='Name']|[0].Value]",
        "--output",
        "text",
    ]);
    Step {
        title: "Check the cluster before you change anything",
        about: about.to_owned(),
        ways: Ways::ours(vec![
            Block::new(
                "The state of the cluster",
                ShellCommand::of("kubectl etcd-restore"),
                "you have read every line, and the next command is not a smaller fix than a wipe",
            ),
            Block::new(
                "The problems, and the smallest fix",
                ShellCommand::of("kops-wipe-masters audit"),
                "`smallest cure` says that a wipe is needed",
            ),
            Block::new(
                "The backups",
                ShellCommand::of("kubectl etcd-backups list"),
                "each etcd cluster has backups from before the problem started",
            ),
        ])
        .or(
            "By hand",
            vec![
                Block::new("Check whether the API responds", ShellCommand::of("kubectl get nodes"), "it does not respond"),
                Block::lines(
                    "The logs of the control plane",
                    [r#"for master in $(masters); do on_master "$master" 'sudo tail -n 20 /var/log/etcd.log /var/log/kube-apiserver.log'; done"#],
                    "you know why etcd has no quorum",
                ),
                Block::new(
                    "The etcd volumes",
                    volumes,
                    "you know which members have lost their volume",
                ),
            ],
        ),
        stop: "if the API responds, or if two of three members of main run: replace one member instead",
    }
}

pub fn choose(facts: &Facts) -> Step {
    let main = "main";
    let ours = vec![
        Block::lines(
            "The newest good backup of main",
            chosen(
                "BACKUP_main",
                ShellCommand::of("kubectl etcd-backups show latest-good --etcd main -o name"),
            ),
            "it prints one backup that is recent enough: everything after it is lost",
        ),
        Block::new(
            "Verify it",
            ShellCommand::of("kubectl etcd-backups verify").expand(r#"main="${BACKUP_main:?}""#),
            "the verdict is `ok`",
        ),
        Block::new(
            "Restore it into a throwaway etcd on this machine",
            ShellCommand::of("kubectl etcd-restore drill --etcd main --backup").expand(r#"main="${BACKUP_main:?}""#),
            "its Nodes and namespaces are those of your cluster",
        ),
        Block::new(
            "Protect it from retention",
            ShellCommand::of("kubectl etcd-backups pin")
                .expand(r#"main="${BACKUP_main:?}""#)
                .arg("--yes"),
            "it is pinned",
        ),
    ];
    let hand = facts.etcds.iter().flat_map(|etcd| by_hand_of(facts, etcd)).collect();
    Step {
        title: "Choose and pin a backup",
        about: format!(
            "The newest backup may be useless: an etcd that was seeded by accident takes backups, too. `latest-good` skips those. The restore uses the newest \
             good backup of every etcd cluster other than {main}."
        ),
        ways: Ways::ours(ours).or("By hand", hand),
        stop: "if no backup of main is good: delete nothing, as the remaining volumes have the only data",
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
    // A backup is complete once its meta exists.
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
            "it prints one from before the problem started; otherwise set the variable to an older one",
        ),
        Block::new(
            format!("Check the content of the backup of {name}"),
            ShellScript::from(fetch).then_all(unpacked),
            if name == "main" {
                "TOTAL KEYS fits the size of your cluster; a new, empty one has less than 200"
            } else {
                "it can be read; an etcd cluster events without keys is normal after an hour without API"
            },
        ),
        Block::new(
            format!("Copy it to where retention of {name} does not delete it"),
            keep,
            "both files are copied",
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
            "it lists the groups, instances and etcd volumes of this cluster and no other, and no check blocks; if only `backups-arriving` blocks, because the \
             last backup is recent, and you are sure that the cluster is dead, add --even-if-alive here and in the next block",
        ),
        Block::new(
            "Apply it. It shows what is lost, and asks for the cluster's name",
            ShellCommand::of("kops-wipe-masters --name")
                .arg(&facts.cluster)
                .arg("--yes"),
            "it reports that the control plane is wiped, and the next step",
        ),
    ];
    Step {
        title: "Wipe the control plane",
        about: "From here on the cluster is down, and everything after the backup is lost. The tool puts the etcd volumes into quarantine; \
            `kops-wipe-masters restore-volumes` restores them as long as there is no new control plane. The manual commands delete them permanently."
            .to_owned(),
        ways: Ways::ours(ours)
            .or("By hand", wipe_by_hand(facts))
            .or("If Terraform manages the cluster, before either of them", vec![Block::lines(
                "Terraform would restore the tags of quarantined volumes, or miss deleted ones: remove them from its state",
                [
                    r"terraform state list | grep -E '^aws_ebs_volume\..*etcd-' | while read -r volume; do",
                    r#"  terraform state rm "$volume""#,
                    "done",
                ],
                "each etcd volume is removed from the state, and nothing else",
            )])
            .or("To undo it, while there is no new control plane", vec![
                Block::new(
                    "Restore the volumes from quarantine; without --yes only the plan is shown",
                    ShellCommand::of("kops-wipe-masters restore-volumes --name").arg(&facts.cluster).arg("--yes"),
                    "every volume is restored; then continue with step 4, and skip step 5",
                ),
            ]),
        stop: "if anything of another cluster is listed, or a volume or instance is not deleted: create nothing new before all are gone",
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
            "The instances to delete",
            choose("MASTERS", instances),
            "these are the control plane instances of this cluster, and no workers",
        ),
        Block::lines(
            "The volumes to delete",
            choose("VOLUMES", etcd_volumes),
            "these are the etcd volumes of this cluster: one for each member of each etcd cluster",
        ),
        Block::lines(
            "A snapshot of each volume, to be able to undo it",
            [
                r#"for volume in $(echo ${VOLUMES:?}); do aws ec2 create-snapshot --volume-id "$volume" --description "before the wipe of $KOPS_CLUSTER_NAME"; done"#,
            ],
            "there is a snapshot of each",
        ),
    ];
    if groups.steps().is_empty() {
        blocks.push(Block::new(
            "Delete each Auto Scaling group of the control plane",
            ShellCommand::of(
                "aws autoscaling delete-auto-scaling-group --force-delete --auto-scaling-group-name GROUP",
            ),
            "each request is accepted",
        ));
    } else {
        blocks.push(Block::new(
            "Delete the Auto Scaling groups of the control plane",
            groups,
            "each request is accepted",
        ));
    }
    blocks.extend([
        Block::lines(
            "Wait until the instances are gone",
            ["aws ec2 wait instance-terminated --instance-ids $(echo ${MASTERS:?})"],
            "the command has ended, after a few minutes",
        ),
        Block::lines(
            "Delete the volumes permanently",
            [
                r#"for volume in $(echo ${VOLUMES:?}); do"#,
                r#"  aws ec2 wait volume-available --volume-ids "$volume" && aws ec2 delete-volume --volume-id "$volume""#,
                "done",
            ],
            "each is deleted",
        ),
        Block::new(
            "Check that they are gone",
            query(volumes(facts), "Volumes[].[VolumeId,State]"),
            "there is no output; otherwise repeat it a minute later",
        ),
    ]);
    blocks
}

pub fn build(facts: &Facts) -> Step {
    let cluster = &facts.cluster;
    let kubeconfig = || {
        Block::new(
            "Credentials for the new API",
            ShellCommand::of("kops export kubeconfig --admin --name").arg(cluster),
            "the context is set",
        )
    };
    let mut kops: Vec<Block> = facts
        .instance_groups()
        .into_iter()
        .map(|group| {
            Block::new(
                format!("Only if the instances of {group} were too small: change `machineType`"),
                ShellCommand::of("kops edit ig").arg(group).option("--name", cluster),
                "it is saved",
            )
        })
        .collect();
    kops.extend([
        Block::new(
            "The changes",
            ShellCommand::of("kops update cluster --name").arg(cluster),
            "it creates the groups and volumes of the control plane, and changes nothing else",
        ),
        Block::new(
            "Apply them",
            ShellCommand::of("kops update cluster --name").arg(cluster).arg("--yes"),
            "it reports that the cluster is updated",
        ),
        kubeconfig(),
        Block::new(
            "Wait a few minutes until every etcd cluster waits",
            ShellCommand::of("kubectl etcd-restore status"),
            "every etcd cluster is `waiting`: etcd-manager runs, and etcd has no members",
        ),
    ]);
    let terraform = vec![
        Block::new(
            "kops writes Terraform files instead of calling AWS; run it in the folder of the existing files",
            ShellCommand::of("kops update cluster --target=terraform --out=. --name").arg(cluster),
            "it prints their folder",
        ),
        Block::new(
            "The changes",
            ShellCommand::of("terraform plan -out=masters.plan"),
            "it adds the groups and volumes of the control plane, and destroys nothing",
        ),
        Block::new(
            "Apply them",
            ShellCommand::of("terraform apply masters.plan"),
            "it prints `Apply complete`",
        ),
        kubeconfig(),
    ];
    Step {
        title: "Build a new control plane with kops",
        about: format!(
            "Use the kops version that last updated the cluster: {}. Another version changes more than the control plane.",
            facts
                .kops
                .as_deref()
                .unwrap_or("see `kops-version.txt` in the state store")
        ),
        ways: Ways::ours(kops).or("If Terraform manages the cluster", terraform),
        stop: "if kops or Terraform will change or destroy anything but the control plane, or if a group starts no instance",
    }
}
