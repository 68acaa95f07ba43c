//! The text of the runbook.

use std::fmt::Write as _;

use runbook_kit::model::shell::{ShellCommand, quoted};

use super::block::{Block, Ways};
use super::facts::{Facts, Tool};
use super::{after, before, ladder};

/// The whole text.
pub fn markdown(facts: &Facts) -> String {
    let steps = [
        before::look(facts),
        before::choose(facts),
        before::wipe(facts),
        before::build(facts),
        after::restore(facts),
        after::api(facts),
        after::clean(facts),
        after::afterwards(facts),
    ];
    let mut text = head(facts);
    for (at, step) in steps.iter().enumerate() {
        let _ = write!(
            text,
            "\n## {}. {}\n\n{}\n\n{}\n**Stop** {}.\n",
            at + 1,
            step.title,
            step.about,
            step.ways.markdown(),
            step.stop
        );
    }
    text
}

fn head(facts: &Facts) -> String {
    let Facts { cluster, written, .. } = facts;
    let mut text = format!(
        "# Recovery of {cluster}\n\nWritten {written:.0} by `kubectl etcd-restore runbook`. Words in capitals are unknown values: replace \
         them.\n\nPaste one block at a time, and check its output before the next one. Use one of the alternatives of a step: the first, if \
         these tools are installed. Backups and instances are looked up when a block is pasted, not when this runbook was \
         written.\n\n"
    );
    let _ = writeln!(
        text,
        "Account {}, region {}, state store `{}`, ssh user {}{}, kops {}.\n",
        facts.account(),
        facts.region(),
        facts.state(),
        facts.user(),
        facts
            .jump
            .as_ref()
            .map_or_else(String::new, |jump| format!(" through {jump}")),
        facts.kops.as_deref().unwrap_or("KOPS_VERSION")
    );
    text.push_str("| etcd | version | members | backups |\n|---|---|---|---|\n");
    for etcd in &facts.etcds {
        let members: Vec<&str> = etcd.members.iter().map(|(name, _)| name.as_str()).collect();
        let version = etcd.version.as_deref().unwrap_or("?");
        let _ = writeln!(
            text,
            "| {} | {version} | {} | `{}` |",
            etcd.name,
            members.join(", "),
            etcd.base
        );
    }
    if !facts.masters.is_empty() {
        text.push_str("\nThe control plane at that time; step 3 deletes it:\n\n| master | instance | member of main |\n|---|---|---|\n");
        for master in &facts.masters {
            let instance = master.instance.as_deref().unwrap_or("?");
            let member = master.member.as_deref().unwrap_or("?");
            let _ = writeln!(text, "| {} | {instance} | {member} |", master.host);
        }
    }
    text.push_str(&ladder::markdown(facts));
    let ways = Ways::ours(shell(facts)).or("By hand, in addition", by_hand(facts));
    let _ = write!(text, "\n## First, in every shell\n\n{}", ways.markdown());
    text.push_str("\n**Stop** if another account is shown: its clusters may have the same names.\n");
    text
}

fn shell(facts: &Facts) -> Vec<Block> {
    let export = |name: &str, value: &str| format!("export {name}={}", quoted(value));
    let identity = ShellCommand::of("aws sts get-caller-identity --query Account --output text");
    vec![
        Block::lines(
            "The cluster and its region",
            [
                export("KOPS_STATE_STORE", facts.state()),
                export("KOPS_CLUSTER_NAME", &facts.cluster),
                export("AWS_REGION", facts.region()),
                export("AWS_DEFAULT_REGION", facts.region()),
            ],
            "there is no output",
        ),
        Block::new(
            "The AWS account of this shell's credentials",
            identity,
            format!("it shows {}", facts.account()),
        ),
    ]
}

/// The shell functions for the manual commands.
fn by_hand(facts: &Facts) -> Vec<Block> {
    let filters = facts.instance_filters();
    let masters = ShellCommand::of("aws ec2 describe-instances --filters")
        .args(filters)
        .args([
            "--query",
            "Reservations[].Instances[].PrivateIpAddress",
            "--output",
            "text",
        ]);
    let ssh = facts.ssh();
    let mut lines = vec![
        format!("masters() {{ {masters}; }}"),
        format!("on_master() {{ {ssh} \"$1\" \"$2\"; }}"),
    ];
    lines.push("stop_on() {".to_owned());
    lines.push(format!("  {ssh} \"$1\" \"sudo sh -s $2\" <<'END'"));
    lines.extend(stop(facts.tool()).iter().map(|line| (*line).to_owned()));
    lines.push("END".to_owned());
    lines.push("}".to_owned());
    lines.push("etcdctl_on() {".to_owned());
    lines.push("  master=$1; port=$2; shift 2".to_owned());
    lines.push(format!("  {ssh} \"$master\" \"sudo sh -s $port $*\" <<'END'"));
    lines.extend(ETCDCTL.iter().map(|line| (*line).to_owned()));
    lines.push("END".to_owned());
    lines.push("}".to_owned());
    vec![
        Block::lines(
            "`masters` lists the current addresses of the control plane, `on_master` runs a command on one instance, `stop_on` stops containers there, which \
             kubelet starts again, and `etcdctl_on` runs etcdctl there",
            lines,
            "there is no output",
        ),
        Block::lines(
            "Check that the instances can be reached",
            [EACH_HOSTNAME],
            "each instance prints its host name",
        ),
    ]
}

const EACH_HOSTNAME: &str = r#"for master in $(masters); do on_master "$master" hostname; done"#;

/// Stops the running containers of one name; `$1` is the name in the pod.
const fn stop(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Ctr => &[
            r#"for id in $(ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==$1"); do"#,
            r#"  ctr -n k8s.io tasks ls | grep -q "^$id .*RUNNING" && ctr -n k8s.io tasks kill -s SIGTERM "$id""#,
            "done",
        ],
        Tool::Crictl => &[r#"for id in $(crictl ps -q --name "^$1\$"); do crictl stop -t 20 "$id"; done"#],
        Tool::Unknown => &[
            "# crictl with kops before 1.34, ctr since then, docker before 1.24",
            r#"for id in $(crictl ps -q --name "^$1\$" 2>/dev/null); do crictl stop -t 20 "$id" && found=1; done"#,
            r#"[ -n "$found" ] || for id in $(ctr -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==$1" 2>/dev/null); do"#,
            r#"  ctr -n k8s.io tasks ls | grep -q "^$id .*RUNNING" && ctr -n k8s.io tasks kill -s SIGTERM "$id" && found=1"#,
            "done",
            r#"[ -n "$found" ] || for id in $(docker ps -q --filter "label=io.kubernetes.container.name=$1" 2>/dev/null); do docker stop "$id" && found=1; done"#,
            r#"[ -n "$found" ] || echo "no container $1 runs here, or no container tool works here" >&2"#,
        ],
    }
}

/// etcdctl is in etcd-manager's container, which has no shell: it is run through etcd's /proc/PID/root. `$1` is etcd's port.
const ETCDCTL: [&str; 8] = [
    "port=$1; shift",
    "root=/proc/$(pgrep -xo etcd)/root/opt",
    r#"for etcdctl in $(command -v etcdctl) "$root"/etcd-v*/etcdctl "$root"/etcd-v*/usr/local/bin/etcdctl; do"#,
    r#"  [ -x "$etcdctl" ] && break"#,
    "done",
    "keys=/srv/kubernetes/kube-apiserver; [ -e $keys ] || keys=/etc/kubernetes/pki/kube-apiserver",
    r#"ETCDCTL_API=3 "$etcdctl" --endpoints="https://127.0.0.1:$port" --cacert="$keys/etcd-ca.crt" \"#,
    r#"  --cert="$keys/etcd-client.crt" --key="$keys/etcd-client.key" "$@""#,
];

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
