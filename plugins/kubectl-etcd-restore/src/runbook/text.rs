//! The runbook's words: pure, from facts.

use std::fmt::Write;

use jiff::Timestamp;

/// One etcd cluster.
#[derive(Clone, Debug)]
pub struct EtcdFacts {
    pub name: String,
    pub base: String,
    pub port: Option<u16>,
    pub version: Option<String>,
    /// Name and instance group.
    pub members: Vec<(String, Option<String>)>,
    pub newest: Option<String>,
}

/// One master.
#[derive(Clone, Debug)]
pub struct Master {
    pub host: String,
    pub instance: Option<String>,
    /// Its member of main.
    pub member: Option<String>,
}

/// What is known of the cluster.
#[derive(Clone, Debug)]
pub struct Facts {
    pub cluster: String,
    pub state: Option<String>,
    pub etcds: Vec<EtcdFacts>,
    pub masters: Vec<Master>,
    pub user: Option<String>,
    pub jump: Option<String>,
    pub written: Timestamp,
}

impl Facts {
    fn hosts(&self) -> Vec<&str> {
        if self.masters.is_empty() {
            vec!["MASTER"]
        } else {
            self.masters.iter().map(|master| master.host.as_str()).collect()
        }
    }

    /// `ssh` as this user types it.
    fn ssh(&self, host: &str) -> String {
        let jump = self
            .jump
            .as_ref()
            .map_or_else(String::new, |jump| format!("-J {jump} "));
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        format!("ssh {jump}{user}{host}")
    }

    /// Our own flags for the same.
    fn flags(&self) -> String {
        let mut flags = String::new();
        for (flag, value) in [("--ssh-user", &self.user), ("--ssh-jump", &self.jump)] {
            if let Some(value) = value {
                flags.push_str(&format!(" {flag} {value}"));
            }
        }
        flags
    }

    /// The Auto Scaling groups of the masters, by kops' naming.
    fn groups(&self) -> Vec<String> {
        let members = self.etcds.iter().flat_map(|etcd| &etcd.members);
        let mut groups: Vec<String> = members
            .filter_map(|(_, group)| group.as_ref())
            .map(|group| format!("{group}.masters.{}", self.cluster))
            .collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

/// Writes one step.
type Step = fn(&Facts) -> String;

/// The whole text.
pub fn markdown(facts: &Facts) -> String {
    let mut text = head(facts);
    let steps: [(&str, Step); 8] = [
        ("Look, before anything is changed", look),
        ("Choose and keep a backup", choose),
        ("Wipe the masters", wipe),
        ("Let kops build new ones", build),
        ("Restore etcd", restore),
        ("Bring the API back", api),
        ("Clean up", clean),
        ("Afterwards", after),
    ];
    for (at, (title, step)) in steps.iter().enumerate() {
        text.push_str(&format!("\n## {}. {title}\n\n{}", at + 1, step(facts)));
    }
    text
}

fn ours(lines: &[String]) -> String {
    format!("```sh\n{}\n```\n", lines.join("\n"))
}

fn by_hand(lines: &[String]) -> String {
    format!("\nBy hand:\n\n```sh\n{}\n```\n", lines.join("\n"))
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn head(facts: &Facts) -> String {
    let Facts { cluster, written, .. } = facts;
    let state = facts.state.as_deref().unwrap_or("STATE_STORE");
    let mut text = format!(
        "# Recovery of {cluster}\n\nWritten {written:.0} by `kubectl etcd-restore runbook`. Placeholders in capitals could not be \
         asked then.\n\n"
    );
    text.push_str("| etcd | version | members | backups | newest then |\n|---|---|---|---|---|\n");
    for etcd in &facts.etcds {
        let members: Vec<&str> = etcd.members.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | `{}` | {} |",
            etcd.name,
            etcd.version.as_deref().unwrap_or("?"),
            members.join(", "),
            etcd.base,
            etcd.newest.as_deref().unwrap_or("none")
        );
    }
    if !facts.masters.is_empty() {
        text.push_str("\n| master | instance | member of main |\n|---|---|---|\n");
        for master in &facts.masters {
            let instance = master.instance.as_deref().unwrap_or("?");
            let member = master.member.as_deref().unwrap_or("?");
            let _ = writeln!(text, "| {} | {instance} | {member} |", master.host);
        }
    }
    text.push_str("\nIn every shell, with the credentials of the cluster's account:\n\n");
    text + &ours(&[
        format!("export KOPS_STATE_STORE={state}"),
        format!("export KOPS_CLUSTER_NAME={cluster}"),
    ])
}

fn look(facts: &Facts) -> String {
    let mut hand = vec!["kubectl get nodes".to_owned()];
    for host in facts.hosts() {
        hand.push(format!(
            "{} tail -n 50 /var/log/etcd.log /var/log/kube-apiserver.log",
            facts.ssh(host)
        ));
    }
    hand.push(format!(
        "aws ec2 describe-volumes --filters Name=tag:KubernetesCluster,Values={} Name=tag-key,Values=k8s.io/etcd/main",
        facts.cluster
    ));
    let text = "Perhaps a wipe is not needed: one lost member of three is replaced by etcd-manager itself.\n\n";
    text.to_owned()
        + &ours(&lines(&[
            "kubectl etcd-restore",
            "kops-wipe-masters audit",
            "kubectl etcd-backups list",
        ]))
        + &by_hand(&hand)
}

fn choose(facts: &Facts) -> String {
    let text = "The newest backup may be worthless: an etcd that was seeded by accident takes some, too. `latest-good` passes \
        those over, `drill` proves that it comes back, and `pin` keeps it from retention.\n\n";
    let mut hand = Vec::new();
    for etcd in &facts.etcds {
        let name = etcd.newest.as_deref().unwrap_or("BACKUP");
        hand.push(format!("etcd-manager-ctl --backup-store={} list-backups", etcd.base));
        hand.push(format!(
            "aws s3 cp {}/{name}/etcd.backup.gz {}.gz",
            etcd.base, etcd.name
        ));
        hand.push(format!(
            "gunzip -c {0}.gz > {0}.db && etcdutl snapshot status -w table {0}.db",
            etcd.name
        ));
    }
    text.to_owned()
        + &ours(&lines(&[
            "kubectl etcd-backups verify latest-good",
            "kubectl etcd-restore drill --etcd main",
            "kubectl etcd-backups pin main=latest-good --yes",
        ]))
        + &by_hand(&hand)
}

fn wipe(facts: &Facts) -> String {
    let text = "The cluster is down from here on, and everything after the backup is lost. The tool moves the etcd volumes into \
        quarantine; by hand they are deleted for good. Wait until instances and volumes are really gone.\n\n";
    let groups = facts.groups();
    let mut hand: Vec<String> = groups
        .iter()
        .map(|group| {
            format!("aws autoscaling delete-auto-scaling-group --force-delete --auto-scaling-group-name {group}")
        })
        .collect();
    for etcd in &facts.etcds {
        hand.push(format!(
            "aws ec2 describe-volumes --filters Name=tag:KubernetesCluster,Values={} Name=tag-key,Values=k8s.io/etcd/{} \
             --query 'Volumes[].[VolumeId,State]' --output text",
            facts.cluster, etcd.name
        ));
    }
    hand.push("aws ec2 delete-volume --volume-id VOLUME   # each of the listed ones, once it is available".to_owned());
    let tool = format!("kops-wipe-masters --name {}", facts.cluster);
    text.to_owned() + &ours(&[format!("{tool}         # the plan"), format!("{tool} --yes")]) + &by_hand(&hand)
}

fn build(facts: &Facts) -> String {
    let groups = facts.groups();
    let suffix = format!(".masters.{}", facts.cluster);
    let edits = groups.iter().filter_map(|group| group.strip_suffix(&suffix));
    let mut commands: Vec<String> = edits
        .map(|group| {
            format!(
                "kops edit ig {group} --name {}     # machineType, if it was too small",
                facts.cluster
            )
        })
        .collect();
    commands.push(format!("kops update cluster --name {} --yes", facts.cluster));
    commands.push(format!("kops export kubeconfig --admin --name {}", facts.cluster));
    "Use the kops that the cluster was last updated with (`kops-version.txt` in the state store).\n\n".to_owned()
        + &ours(&commands)
}

fn restore(facts: &Facts) -> String {
    let text = "All etcd clusters at once. After a wipe the leader takes the command by itself within half a minute; on a running \
        etcd it has to be restarted. The old data is moved to `data-trashcan` on each volume.\n\n";
    let mut hand = Vec::new();
    for etcd in &facts.etcds {
        let name = etcd.newest.as_deref().unwrap_or("BACKUP");
        hand.push(format!(
            "etcd-manager-ctl --backup-store={} restore-backup {name}",
            etcd.base
        ));
    }
    for host in facts.hosts() {
        hand.push(format!(
            "{} 'for c in $(sudo crictl ps -q --name etcd-manager); do sudo crictl stop $c; done'",
            facts.ssh(host)
        ));
    }
    let first = facts.hosts().first().map_or("MASTER", |host| *host).to_owned();
    hand.push(format!(
        "{} tail -f /var/log/etcd.log /var/log/etcd-events.log",
        facts.ssh(&first)
    ));
    let run = format!("kubectl etcd-restore run --name {}", facts.cluster);
    text.to_owned()
        + &ours(&[
            "kubectl etcd-restore plan".to_owned(),
            format!("{run} --yes"),
            "# or one step at a time:".to_owned(),
            "kubectl etcd-restore queue main=latest-good --yes".to_owned(),
            format!(
                "kubectl etcd-restore restart-etcd --etcd main --yes{}   # only where etcd has members",
                facts.flags()
            ),
            "kubectl etcd-restore status --watch".to_owned(),
            format!("kubectl etcd-restore logs etcd{}", facts.flags()),
        ])
        + &by_hand(&hand)
}

fn api(facts: &Facts) -> String {
    let mut hand: Vec<String> = facts
        .hosts()
        .iter()
        .map(|host| {
            format!(
                "{} 'sudo crictl stop $(sudo crictl ps -q --name kube-apiserver); sudo systemctl restart kubelet'",
                facts.ssh(host)
            )
        })
        .collect();
    let first = facts.hosts().first().map_or("MASTER", |host| *host).to_owned();
    hand.push(format!("{} tail -f /var/log/kube-apiserver.log", facts.ssh(&first)));
    hand.push("kubectl get --raw /readyz".to_owned());
    "Revisions start again with a restore: an API server that kept running must go.\n\n".to_owned()
        + &ours(&[
            format!("kubectl etcd-restore restart-kubelet --yes{}", facts.flags()),
            format!("kubectl etcd-restore logs kube-apiserver{}", facts.flags()),
        ])
        + &by_hand(&hand)
}

fn clean(facts: &Facts) -> String {
    let text =
        "The restore dropped every lease: old masters stay in the `kubernetes` endpoint, and old events for ever.\n\n";
    let first = facts.hosts().first().map_or("MASTER", |host| *host).to_owned();
    let main = facts.etcds.iter().find(|etcd| etcd.name == "main");
    let port = main.and_then(|etcd| etcd.port).unwrap_or(4001);
    let folder = "/srv/kubernetes/kube-apiserver";
    let etcdctl = format!(
        "sudo etcdctl --endpoints=https://127.0.0.1:{port} --cacert={folder}/etcd-ca.crt --cert={folder}/etcd-client.crt \
         --key={folder}/etcd-client.key"
    );
    text.to_owned()
        + &ours(&lines(&[
            "kubectl masterleases list",
            "kubectl masterleases prune --yes",
            "kubectl etcd-restore cleanup nodes --yes",
            "kubectl etcd-restore cleanup events --yes",
            "kubectl etcd-restore cleanup workers",
        ]))
        + &by_hand(&[
            "kubectl get nodes && kubectl delete node NODE_OF_AN_OLD_MASTER".to_owned(),
            "kubectl -n default get endpoints kubernetes".to_owned(),
            format!(
                "{}   # etcdctl lies in /opt/etcd-v* of the etcd-manager image, or bring your own",
                facts.ssh(&first)
            ),
            format!("  {etcdctl} get --prefix /registry/masterleases/ --keys-only"),
            format!("  {etcdctl} del /registry/masterleases/ADDRESS_OF_AN_OLD_MASTER"),
        ])
}

fn after(facts: &Facts) -> String {
    ours(&[
        format!(
            "kubectl etcd-restore restart-kubelet --workers --yes{}   # or, slower and thorough:",
            facts.flags()
        ),
        format!("kops rolling-update cluster --name {} --force --yes", facts.cluster),
        "kubectl etcd-backups check --max-age 30m".to_owned(),
        "kops-wipe-masters purge-volumes     # days later: what the quarantine holds".to_owned(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let etcd = |name: &str, port| EtcdFacts {
            name: name.to_owned(),
            base: format!("s3://kops-state/k8s.example.com/backups/etcd/{name}"),
            port: Some(port),
            version: Some("3.5.35".to_owned()),
            members: vec![("a".to_owned(), Some("control-plane-us-east-1a".to_owned()))],
            newest: Some("2026-11-22T15:18:01Z-000001".to_owned()),
        };
        Facts {
            cluster: "k8s.example.com".to_owned(),
            state: Some("s3://kops-state".to_owned()),
            etcds: vec![etcd("main", 4001), etcd("events", 4002)],
            masters: vec![Master {
                host: "10.0.0.7".to_owned(),
                instance: Some("i-0123".to_owned()),
                member: Some("a".to_owned()),
            }],
            user: Some("ubuntu".to_owned()),
            jump: Some("bastion.example.com".to_owned()),
            written: "2026-11-22T15:21:36Z".parse().unwrap(),
        }
    }

    #[test]
    fn every_step_has_real_names_and_a_way_by_hand() {
        insta::assert_snapshot!(markdown(&facts()));
    }

    #[test]
    fn what_is_not_known_is_a_placeholder() {
        let facts = Facts {
            state: None,
            masters: Vec::new(),
            user: None,
            jump: None,
            ..facts()
        };
        let text = markdown(&facts);
        assert!(
            text.contains("KOPS_STATE_STORE=STATE_STORE") && text.contains("ssh MASTER "),
            "{text}"
        );
    }
}
