//! What is run on the hosts: small, for `sh`, leaving nothing behind. `$s` is sudo where there is one.

use std::time::Duration;

use runbook_kit::ports::hosts::Script;

use super::facts::{Container, Runtime};

/// Where kops puts crictl, beside the usual places. Source: kubernetes/kops `nodeup/pkg/model/crictl.go`.
const PATH: &str = "PATH=$PATH:/usr/local/bin:/opt/kops/bin:/home/kubernetes/bin";
const QUICK: Duration = Duration::from_secs(30);
/// What a log's script exits with where there is no such file.
pub const NO_FILE: i32 = 44;

fn script(what: &str, text: String, limit: Option<Duration>) -> Script {
    Script {
        what: what.to_owned(),
        text,
        limit,
    }
}

/// Containers, listening ports, names of etcd's peers, and how long processes run: [`super::facts::parse`] reads it.
pub fn look() -> Script {
    let text = format!(
        r#"{PATH}
if c=$(command -v crictl) && j=$($s $c ps -o json </dev/null 2>/dev/null); then echo "@crictl"; echo "$j"
elif d=$(command -v docker) && j=$($s $d ps --no-trunc --format "{{{{.ID}}}} {{{{.Label \"io.kubernetes.container.name\"}}}} {{{{.Label \"io.kubernetes.pod.name\"}}}}" </dev/null 2>/dev/null); then echo "@docker"; echo "$j"
else echo "@none"; fi
echo; echo "@listen"; ss -H -ltn </dev/null 2>/dev/null || echo unknown
echo; echo "@addresses"; hostname -I 2>/dev/null
echo; echo "@hosts"; $s cat /etc/hosts
echo; echo "@processes"; ps -eo etimes=,args= 2>/dev/null
true"#
    );
    script("look at the containers", text, Some(QUICK))
}

/// Stops one container; kubelet starts another one for its pod.
pub fn stop(container: &Container, runtime: Runtime) -> Script {
    let program = runtime.program();
    // The id comes from the host's own runtime; only what an id can be is ever put into a script.
    let id: String = container.id.chars().filter(char::is_ascii_alphanumeric).collect();
    let text = format!("{PATH}\nc=$(command -v {program}) || exit 43\n$s $c stop {id} </dev/null");
    script(&format!("stop {}", container.name), text, Some(QUICK * 2))
}

/// Restarts kubelet.
pub fn restart_kubelet() -> Script {
    let text = "$s systemctl restart kubelet </dev/null".to_owned();
    script("restart kubelet", text, Some(QUICK * 2))
}

/// The last lines of a log, and all that follow, until nobody listens any more.
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
        let stop = stop(&hostile, Runtime::Crictl);
        assert!(stop.text.ends_with("$s $c stop abrmrf12 </dev/null"), "{}", stop.text);
        for script in [
            look(),
            stop,
            restart_kubelet(),
            follow("/var/log/etcd.log", 10),
            tail("/x", 5),
        ] {
            assert!(!script.text.contains('\''), "{}", script.text);
        }
    }
}
