//! The scripts that run on the hosts, for `sh`. They leave no files behind. `$s` is sudo where it exists.

use std::time::Duration;

use runbook_kit::ports::hosts::Script;

use crate::rules::host_facts::{Container, Runtime};

/// Where kops installs crictl, in addition to the usual directories. Source: kubernetes/kops `nodeup/pkg/model/crictl.go`.
const PATH: &str = "PATH=$PATH:/usr/local/bin:/opt/kops/bin:/home/kubernetes/bin";
const QUICK: Duration = Duration::from_secs(30);
/// Grace period for a container to stop, in seconds. kube-apiserver leaves its endpoint and completes short requests at once, but with an open watch it
/// ends only after a minute, and every kubelet has one.
pub fn grace_s(container: &Container) -> u32 {
    match container.name.as_str() {
        "kube-apiserver" => 10,
        _ => 20,
    }
}
/// Exit code of a log script where the file does not exist.
pub const NO_FILE: i32 = 44;

fn script(what: &str, text: String, limit: Option<Duration>) -> Script {
    Script {
        what: what.to_owned(),
        text,
        limit,
    }
}

/// Lists the containers of etcd-manager and kube-apiserver with the tool of every runtime. The section of a runtime is printed only where all its
/// commands succeeded: a failure is not an empty host, and what its tool said about it is printed instead. One line per container: its id, its name in the pod, its pod.
///
/// `ctr` knows pods only by labels, and also lists stopped containers; a running one has a task. Tested on containerd 1.6.
fn runtimes() -> String {
    format!(
        r#"{PATH}
crictl_ps() {{ o=$($s $c ps -o json) || return 1; echo; echo "@crictl"; echo "$o"; }}
ctr_ps() {{
r=$($s $t -n k8s.io tasks ls) || return 1
o=
for n in etcd-manager kube-apiserver; do
l=$($s $t -n k8s.io containers ls -q "labels.\"io.kubernetes.container.name\"==$n,labels.\"io.kubernetes.pod.namespace\"==kube-system") || return 1
for i in $l; do
echo "$r" | grep -q "^$i .*RUNNING" || continue
p=$($s $t -n k8s.io containers info $i | sed -n "s/.*\"io.kubernetes.pod.name\": *\"\([^\"]*\)\".*/\1/p" | head -n 1)
[ -n "$p" ] || return 1
o="$o$i $n $p
"
done
done
echo; echo "@ctr"; echo "$o"
}}
docker_ps() {{ o=$($s $d ps --no-trunc --format "{{{{.ID}}}} {{{{.Label \"io.kubernetes.container.name\"}}}} {{{{.Label \"io.kubernetes.pod.name\"}}}}") || return 1; echo; echo "@docker"; echo "$o"; }}
exec 3>&1
list() {{ e=$($1_ps </dev/null 2>&1 >&3) || [ -z "$e" ] || {{ echo; echo "@broken"; echo "$e" | tail -n 1 | sed "s/^\($1: \)*/$1: /"; }}; }}
if c=$(command -v crictl); then list crictl; fi
if t=$(command -v ctr); then list ctr; fi
if d=$(command -v docker); then list docker; fi"#
    )
}

/// Prints containers, listening ports, names of etcd peers, and ages of processes: [`crate::rules::host_facts::parse`] reads it.
pub fn inspect() -> Script {
    let text = format!(
        r#"{}
echo; echo "@listen"; ss -H -ltn </dev/null 2>/dev/null || echo unknown
echo; echo "@addresses"; hostname -I 2>/dev/null
echo; echo "@hosts"; $s cat /etc/hosts
echo; echo "@processes"; ps -eo etimes=,args= 2>/dev/null
true"#,
        runtimes()
    );
    script("look at the containers", text, Some(QUICK))
}

/// Stops one container; kubelet starts a new one for its pod. Prints a line where it had to be killed: by itself `crictl stop` kills at once, and docker
/// after 10 s.
pub fn stop(container: &Container, runtime: Runtime) -> Script {
    let (program, grace) = (runtime.program(), grace_s(container));
    // The id comes from the host: only characters of an id go into the script.
    let id: String = container.id.chars().filter(char::is_ascii_alphanumeric).collect();
    let stop = match runtime {
        Runtime::Crictl | Runtime::Docker => format!(
            r#"b=$(date +%s)
$s $c stop -t {grace} {id} </dev/null >/dev/null || exit 1
[ $(($(date +%s)-b)) -lt {grace} ] || echo killed"#
        ),
        // ctr only sends the signal; kubelet starts a new container once this one has stopped.
        Runtime::Ctr => format!(
            r#"runs() {{ $s $c -n k8s.io tasks ls </dev/null | grep -q "^{id} .*RUNNING"; }}
$s $c -n k8s.io tasks kill -s SIGTERM {id} </dev/null || exit 1
n=0; while runs; do
[ $n -lt {grace} ] || {{ $s $c -n k8s.io tasks kill -s SIGKILL {id} </dev/null && echo killed; break; }}
n=$((n+1)); sleep 1
done; true"#
        ),
    };
    let text = format!("{PATH}\nc=$(command -v {program}) || exit 43\n{stop}");
    script(&format!("stop {}", container.name), text, Some(QUICK * 2))
}

/// Restarts kubelet.
pub fn restart_kubelet() -> Script {
    let text = "$s systemctl restart kubelet </dev/null".to_owned();
    script("restart kubelet", text, Some(QUICK * 2))
}

/// Whether kubelet runs, the file systems without space on which it and containerd write, and the last back-off that it logged for a container of a pod since
/// `since` seconds: `back-off 40s restarting failed container=etcd-manager pod=…`. Source: kubernetes/kubernetes
/// `pkg/kubelet/kuberuntime/kuberuntime_manager.go` v1.34.
pub fn why_not_back(container: &Container, since: Duration) -> Script {
    let plain = |text: &str| -> String {
        let of_a_name = |c: &char| c.is_ascii_alphanumeric() || ['-', '.'].contains(c);
        text.chars().filter(of_a_name).collect()
    };
    let (name, pod, since) = (plain(&container.name), plain(&container.pod), since.as_secs() + 5);
    let text = format!(
        "echo \"kubelet $($s systemctl is-active kubelet </dev/null 2>/dev/null)\"\n\
         for d in /var/lib/containerd /var/lib/docker /var/lib/kubelet /var/log /run; do df -P $d 2>/dev/null | sed -n \"s/^.* 100% \\(.*\\)$/full \\1/p\"; done | sort -u\n\
         $s journalctl -u kubelet --since=-{since}s --no-pager -o cat </dev/null 2>/dev/null | grep -o \"back-off [0-9a-z]* restarting failed \
         container={name} pod={pod}_\" | tail -n 1; true"
    );
    script("ask kubelet", text, Some(QUICK))
}

/// The last lines of a log and all that follow, until the connection is closed.
pub fn follow(file: &str, lines: u32) -> Script {
    let text = format!(
        "$s tail -n {lines} -F {file} </dev/null 2>/dev/null & p=$!; cat >/dev/null; $s kill $p 2>/dev/null; true"
    );
    script("follow the log", text, None)
}

/// The last lines of a log.
pub fn tail(file: &str, lines: u32) -> Script {
    let text = format!("$s test -r {file} || exit {NO_FILE}; $s tail -n {lines} {file} </dev/null");
    script("read the log", text, Some(QUICK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_script_has_a_quote_that_would_need_quoting() {
        let hostile = Container {
            id: "ab'; rm -rf /; '12".to_owned(),
            name: "etcd-manager".to_owned(),
            pod: String::new(),
        };
        let crictl = stop(&hostile, Runtime::Crictl);
        assert!(
            crictl.text.contains("$s $c stop -t 20 abrmrf12 </dev/null"),
            "{}",
            crictl.text
        );
        let ctr = stop(&hostile, Runtime::Ctr);
        assert!(
            ctr.text.contains("tasks kill -s SIGTERM abrmrf12 </dev/null"),
            "{}",
            ctr.text
        );
        assert!(!ctr.text.contains("rm -rf"), "{}", ctr.text);
        for script in [
            inspect(),
            crictl,
            ctr,
            restart_kubelet(),
            why_not_back(&hostile, QUICK),
            follow("/var/log/etcd.log", 10),
            tail("/x", 5),
        ] {
            assert!(!script.text.contains('\''), "{}", script.text);
        }
    }
}
