//! The steps on the new control plane.

use runbook_kit::model::shell::{ShellCommand, ShellScript};

use super::block::{Block, Step, Ways};
use super::facts::Facts;

pub fn restore(facts: &Facts) -> Step {
    let ours = vec![
        Block::new(
            "The plan for all etcd clusters",
            ShellCommand::of("kubectl etcd-restore plan"),
            "no check blocks, and main is restored from the backup that you chose",
        ),
        Block::new(
            "Apply it. It waits until etcd and the API serve",
            ShellCommand::of("kubectl etcd-restore run --backup")
                .expand(r#"main="${BACKUP_main:?}""#)
                .arg("--yes"),
            "every etcd cluster is restored and serves",
        ),
    ];
    let stepwise = vec![
        Block::new(
            "Queue only the command",
            ShellCommand::of("kubectl etcd-restore queue")
                .expand(r#"main="${BACKUP_main:?}""#)
                .arg("--yes"),
            "it is queued",
        ),
        Block::new(
            "The same for every other etcd cluster",
            others(facts),
            "each is queued; without a good backup, use `run --fresh ETCD` to seed it anew",
        ),
        Block::new(
            "The state of the restores",
            ShellCommand::of("kubectl etcd-restore status"),
            "every etcd cluster is `serving`; after a wipe the leader takes the command within half a minute",
        ),
        Block::new(
            "Only if an etcd cluster had members and does not take its command: restart the leader",
            facts
                .with_ssh("kubectl etcd-restore restart-etcd --etcd main")
                .arg("--yes"),
            "it is restarted, and the state is `restoring`, then `serving`",
        ),
        Block::new(
            "The log of etcd-manager",
            facts.with_ssh("kubectl etcd-restore logs etcd --no-follow"),
            "it shows `Setting quarantined state to false`",
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
                "the command is added; it was not checked whether the backup exists",
            )
        })
        .collect();
    hand.extend([
        Block::lines(
            "Only if an etcd cluster had members: restart every etcd-manager, so that a leader reads the command",
            [r#"for master in $(masters); do stop_on "$master" etcd-manager; done"#],
            "kubelet has started each one again within half a minute",
        ),
        Block::lines(
            "Their logs",
            [r#"for master in $(masters); do on_master "$master" 'sudo tail -n 20 /var/log/etcd.log /var/log/etcd-events.log'; done"#],
            "one instance shows `Setting quarantined state to false` in each log",
        ),
    ]);
    Step {
        title: "Restore etcd",
        about: "Restore all etcd clusters: the API does not start while one of them does not respond. Use only one of the alternatives: a command that is queued twice wipes etcd twice. \
            The old data is moved to `data-trashcan` on each volume."
            .to_owned(),
        ways: Ways::ours(ours)
            .or("With these tools, one step at a time instead of `run`", stepwise)
            .or("By hand", hand),
        stop: "if the state is `looping`: the backup cannot be restored; remove the command (`kubectl etcd-restore commands`, `cancel NAME`) and choose another backup",
    }
}

/// Queues the newest good backup of every etcd cluster but main.
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
        title: "Restart the API",
        about: "A restore resets etcd's revisions: an API server that kept running has stale caches and must be restarted. On a new control plane none did; the \
            step does no harm there."
            .to_owned(),
        ways: Ways::ours(vec![
            Block::new(
                "Restart kubelet, and API servers that are older than their etcd",
                facts.with_ssh("kubectl etcd-restore restart-kubelet").arg("--yes"),
                "kubelet is restarted everywhere, and the API was ready three times in a row",
            ),
            Block::new(
                "The logs of the API servers",
                facts.with_ssh("kubectl etcd-restore logs kube-apiserver --no-follow"),
                "no line keeps reporting that etcd cannot be reached",
            ),
        ])
        .or(
            "By hand",
            vec![
                Block::lines(
                    "One instance after the other",
                    [
                        r#"for master in $(masters); do"#,
                        r#"  stop_on "$master" kube-apiserver; on_master "$master" 'sudo systemctl restart kubelet'"#,
                        "done",
                    ],
                    "no error is shown",
                ),
                Block::lines(
                    "The logs of the API servers",
                    [r#"for master in $(masters); do on_master "$master" 'sudo tail -n 20 /var/log/kube-apiserver.log'; done"#],
                    "no line keeps reporting that etcd cannot be reached",
                ),
                Block::new(
                    "Check that the API is ready",
                    ShellCommand::of("kubectl get --raw /readyz"),
                    "it prints `ok`",
                ),
            ],
        ),
        stop: "if the API does not start within ten minutes: check which etcd cluster does not respond (`kubectl etcd-restore status`)",
    }
}

pub fn clean(facts: &Facts) -> Step {
    let main = facts.etcds.iter().find(|etcd| etcd.name == "main");
    let port = main.and_then(|etcd| etcd.port).unwrap_or(4001);
    let asked = |rest: &str| format!(r#"for master in $(masters); do etcdctl_on "$master" {port} {rest}; break; done"#);
    let ours = vec![
        Block::new(
            "The masterleases",
            ShellCommand::of("kubectl masterleases list"),
            "the old API servers are `stale`, and the new ones `live`",
        ),
        Block::new(
            "Delete the stale ones",
            ShellCommand::of("kubectl masterleases prune --yes"),
            "`default/kubernetes` lists only live API servers",
        ),
        Block::new(
            "Delete the Nodes without an instance; without --yes only the plan is shown",
            ShellCommand::of("kubectl etcd-restore cleanup nodes --yes"),
            "the old control plane's Nodes are deleted, and no others",
        ),
        Block::new(
            "Delete the events that never expire",
            ShellCommand::of("kubectl etcd-restore cleanup events --yes"),
            "they are deleted",
        ),
        Block::new(
            "Check the kubelets",
            ShellCommand::of("kubectl etcd-restore cleanup workers"),
            "each one renews its Lease; the others are restarted in step 8",
        ),
    ];
    let hand = vec![
        Block::new(
            "The Nodes",
            ShellCommand::of("kubectl get nodes"),
            "you know which are old control plane Nodes",
        ),
        Block::new(
            "Delete each old control plane Node",
            ShellCommand::of("kubectl delete node NODE_OF_AN_OLD_MASTER"),
            "it is deleted",
        ),
        Block::new(
            "The addresses of the `kubernetes` endpoint",
            ShellCommand::of("kubectl -n default get endpoints kubernetes"),
            "you know which addresses are old",
        ),
        Block::lines(
            "The masterleases in etcd",
            [asked("get --prefix /registry/masterleases/ --keys-only")],
            "they include the old addresses",
        ),
        Block::lines(
            "Delete the key of each old address",
            [asked("del /registry/masterleases/ADDRESS_OF_AN_OLD_MASTER")],
            "it prints 1; the endpoint no longer lists the address after 10 s",
        ),
    ];
    Step {
        title: "Clean up",
        about:
            "The restore removed every lease: old API servers stay in the `kubernetes` endpoint, and old events never expire."
                .to_owned(),
        ways: Ways::ours(ours).or("By hand", hand),
        stop: "if a `live` address is to be deleted: its API server would write it again",
    }
}

pub fn afterwards(facts: &Facts) -> Step {
    Step {
        title: "Follow up",
        about: "Workers have stale caches, too.".to_owned(),
        ways: Ways::ours(vec![
            Block::new(
                "Restart the workers' kubelets",
                facts
                    .with_ssh("kubectl etcd-restore restart-kubelet --workers")
                    .arg("--yes"),
                "every kubelet is restarted",
            ),
            Block::new(
                "An hour later, check that new backups are taken",
                ShellCommand::of("kubectl etcd-backups check --max-age 30m"),
                "it reports no problem",
            ),
            Block::new(
                "Days later, show the volumes in quarantine; --yes deletes them",
                ShellCommand::of("kops-wipe-masters purge-volumes --name").arg(&facts.cluster),
                "you do not need any of them",
            ),
        ])
        .or(
            "By hand, slower but thorough",
            vec![Block::new(
                "Replace every instance, one after the other",
                ShellCommand::of("kops rolling-update cluster --name")
                    .arg(&facts.cluster)
                    .args(["--force", "--yes"]),
                "it reports that the rolling update is completed",
            )],
        ),
        stop: "and investigate if there is no new backup of main after an hour",
    }
}
