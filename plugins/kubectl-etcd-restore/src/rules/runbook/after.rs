//! The steps on the new masters.

use runbook_kit::model::shell::{ShellCommand, ShellScript};

use super::block::{Block, Step, Ways};
use super::facts::Facts;

pub fn restore(facts: &Facts) -> Step {
    let ours = vec![
        Block::new(
            "The plan, of every etcd at once",
            ShellCommand::of("kubectl etcd-restore plan"),
            "no check blocks, and main comes back from the backup that you chose",
        ),
        Block::new(
            "Do it. It waits until etcd and the API serve",
            ShellCommand::of("kubectl etcd-restore run --backup")
                .expand(r#"main="${BACKUP_main:?}""#)
                .arg("--yes"),
            "every etcd is restored and serves",
        ),
    ];
    let stepwise = vec![
        Block::new(
            "Only the command",
            ShellCommand::of("kubectl etcd-restore queue")
                .expand(r#"main="${BACKUP_main:?}""#)
                .arg("--yes"),
            "it is queued",
        ),
        Block::new(
            "The same for every other etcd",
            others(facts),
            "each is queued; for one without a good backup, `run --fresh ETCD` lets etcd-manager seed it anew",
        ),
        Block::new(
            "How far it is",
            ShellCommand::of("kubectl etcd-restore status"),
            "every etcd is `serving`; after a wipe its leader takes the command within half a minute",
        ),
        Block::new(
            "Only where an etcd had members and does not take its command: the leader has to be restarted",
            facts
                .with_ssh("kubectl etcd-restore restart-etcd --etcd main")
                .arg("--yes"),
            "it is restarted, and the state is `restoring`, then `serving`",
        ),
        Block::new(
            "What etcd-manager says",
            facts.with_ssh("kubectl etcd-restore logs etcd --no-follow"),
            "`Setting quarantined state to false` stands there",
        ),
    ];
    let mut hand: Vec<Block> = facts
        .etcds
        .iter()
        .map(|etcd| {
            Block::new(
                format!("The command for {}", etcd.name),
                ShellCommand::new("etcd-manager-ctl")
                    .arg(format!("--backup-store={}", etcd.base))
                    .arg("restore-backup")
                    .expand(format!("\"${{{}:?}}\"", etcd.variable())),
                "the command was added; nothing checked that the backup is there",
            )
        })
        .collect();
    hand.extend([
        Block::lines(
            "Only where an etcd had members: restart every etcd-manager, so that a leader reads the command",
            [r#"for master in $(masters); do stop_on "$master" etcd-manager; done"#],
            "kubelet has started each one again, within half a minute",
        ),
        Block::lines(
            "What they say",
            [r#"for master in $(masters); do on_master "$master" 'sudo tail -n 20 /var/log/etcd.log /var/log/etcd-events.log'; done"#],
            "`Setting quarantined state to false` stands in each log of one of them",
        ),
    ]);
    Step {
        title: "Restore etcd",
        about: "All etcd clusters: the API does not start while one of them does not answer. Of the ways take one: a command that is queued twice wipes twice. \
            The old data is moved to `data-trashcan` on each volume."
            .to_owned(),
        ways: Ways::ours(ours)
            .or("With these tools, one step at a time instead of `run`", stepwise)
            .or("By hand", hand),
        stop: "where the state is `looping`: the backup cannot be restored; take the command back (`kubectl etcd-restore commands`, `cancel NAME`) and choose another",
    }
}

/// Queues the newest good backup of every etcd but main.
fn others(facts: &Facts) -> ShellScript {
    let others = facts.etcds.iter().filter(|etcd| etcd.name != "main");
    others.fold(ShellScript::default(), |script, etcd| {
        script.then(
            ShellCommand::of("kubectl etcd-restore queue")
                .arg(format!("{}=latest-good", etcd.name))
                .arg("--yes"),
        )
    })
}

pub fn api(facts: &Facts) -> Step {
    Step {
        title: "Bring the API back",
        about: "Revisions start again with a restore: an API server that kept running holds some from the future, and must go. On new masters none did; this \
            does no harm there."
            .to_owned(),
        ways: Ways::ours(vec![
            Block::new(
                "Restart kubelets, and API servers that are older than their etcd",
                facts.with_ssh("kubectl etcd-restore restart-kubelet").arg("--yes"),
                "every kubelet is restarted, and the API is ready three times in a row",
            ),
            Block::new(
                "What the API servers say",
                facts.with_ssh("kubectl etcd-restore logs kube-apiserver --no-follow"),
                "no line repeats that etcd cannot be reached",
            ),
        ])
        .or(
            "By hand",
            vec![
                Block::lines(
                    "One master after the other",
                    [
                        r#"for master in $(masters); do"#,
                        r#"  stop_on "$master" kube-apiserver; on_master "$master" 'sudo systemctl restart kubelet'"#,
                        "done",
                    ],
                    "no error is shown",
                ),
                Block::lines(
                    "What the API servers say",
                    [r#"for master in $(masters); do on_master "$master" 'sudo tail -n 20 /var/log/kube-apiserver.log'; done"#],
                    "no line repeats that etcd cannot be reached",
                ),
                Block::new(
                    "Whether the API is ready",
                    ShellCommand::of("kubectl get --raw /readyz"),
                    "it shows `ok`",
                ),
            ],
        ),
        stop: "where the API does not come up within ten minutes: look which etcd does not answer (`kubectl etcd-restore status`)",
    }
}

pub fn clean(facts: &Facts) -> Step {
    let main = facts.etcds.iter().find(|etcd| etcd.name == "main");
    let port = main.and_then(|etcd| etcd.port).unwrap_or(4001);
    let asked = |rest: &str| format!(r#"for master in $(masters); do etcdctl_on "$master" {port} {rest}; break; done"#);
    let ours = vec![
        Block::new(
            "Which masters etcd believes in",
            ShellCommand::of("kubectl masterleases list"),
            "the old masters are `stale`, and the new ones `live`",
        ),
        Block::new(
            "Delete the stale ones",
            ShellCommand::of("kubectl masterleases prune --yes"),
            "`default/kubernetes` lists live masters only",
        ),
        Block::new(
            "Nodes without an instance; without --yes they are only shown",
            ShellCommand::of("kubectl etcd-restore cleanup nodes --yes"),
            "the old masters' Nodes are gone, and no other",
        ),
        Block::new(
            "Events that would stay for ever",
            ShellCommand::of("kubectl etcd-restore cleanup events --yes"),
            "they are deleted",
        ),
        Block::new(
            "Whether the workers' kubelets came along",
            ShellCommand::of("kubectl etcd-restore cleanup workers"),
            "each one renews its Lease; those that do not are restarted in step 8",
        ),
    ];
    let hand = vec![
        Block::new(
            "Which Nodes there are",
            ShellCommand::of("kubectl get nodes"),
            "you know which are the old masters",
        ),
        Block::new(
            "Delete each of the old masters",
            ShellCommand::of("kubectl delete node NODE_OF_AN_OLD_MASTER"),
            "it is deleted",
        ),
        Block::new(
            "Whom the API's own endpoint lists",
            ShellCommand::of("kubectl -n default get endpoints kubernetes"),
            "you know which addresses are old masters'",
        ),
        Block::lines(
            "Whom etcd believes in",
            [asked("get --prefix /registry/masterleases/ --keys-only")],
            "the addresses of old masters stand there",
        ),
        Block::lines(
            "Delete each of the old masters' keys",
            [asked("del /registry/masterleases/ADDRESS_OF_AN_OLD_MASTER")],
            "it shows 1; within 10 s the endpoint lists that one no more",
        ),
    ];
    Step {
        title: "Clean up",
        about:
            "The restore dropped every lease: old masters stay in the `kubernetes` endpoint, and old events for ever."
                .to_owned(),
        ways: Ways::ours(ours).or("By hand", hand),
        stop: "where a `live` master would go: its API server would write it again",
    }
}

pub fn afterwards(facts: &Facts) -> Step {
    Step {
        title: "Afterwards",
        about: "Workers hold revisions of before, too.".to_owned(),
        ways: Ways::ours(vec![
            Block::new(
                "Restart the workers' kubelets",
                facts
                    .with_ssh("kubectl etcd-restore restart-kubelet --workers")
                    .arg("--yes"),
                "every kubelet is restarted",
            ),
            Block::new(
                "Whether backups come again, an hour later",
                ShellCommand::of("kubectl etcd-backups check --max-age 30m"),
                "it finds nothing",
            ),
            Block::new(
                "What the quarantine holds, days later, when all is well: with --yes it is deleted",
                ShellCommand::of("kops-wipe-masters purge-volumes --name").arg(&facts.cluster),
                "you need none of them any more",
            ),
        ])
        .or(
            "By hand, slower and thorough",
            vec![Block::new(
                "Replace every machine, one after the other",
                ShellCommand::of("kops rolling-update cluster --name")
                    .arg(&facts.cluster)
                    .args(["--force", "--yes"]),
                "it says that the rolling update is completed",
            )],
        ),
        stop: "and look again, where no new backup of main has come after an hour",
    }
}
