//! The script that is run on a host, and what its output means. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::HostState;

/// A log that was not written to for so many seconds is old. A leader without members writes every ten seconds.
const FRESH: u64 = 60;
/// Source: kubernetes-sigs/etcd-manager `pkg/controller/controller.go`.
const NO_MEMBERS: &str = "etcd has 0 members registered";
/// Log messages that end that state.
const OVER: [&str; 4] = [
    "got restore-backup command",
    "Setting quarantined state",
    "took backup:",
    "no cluster spec set",
];
/// Number of log lines that are read: some minutes of a leader.
const LINES: u32 = 400;

/// One host's answer, for all ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    identity: String,
    addresses: Vec<IpAddr>,
    listening: Option<BTreeSet<u16>>,
    no_members: BTreeMap<String, String>,
}

/// The log of an etcd-manager. Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
#[must_use]
pub fn log_file(etcd: &str) -> String {
    match etcd {
        "main" => "/var/log/etcd.log".to_owned(),
        other => format!("/var/log/etcd-{other}.log"),
    }
}

/// The script: which host it is, the ports that are listened on, and the end of each etcd-manager's log with its age. `$s` is sudo.
/// The names come from the spec of the cluster; only what a name can be is ever put into a script.
#[must_use]
pub fn script(etcds: &[String]) -> String {
    let mut text = "echo \"@identity\"; $s cat /etc/machine-id 2>/dev/null || hostname 2>/dev/null\n\
        echo; echo \"@addresses\"; hostname -I 2>/dev/null\n\
        echo; echo \"@listen\"; ss -H -ltn </dev/null 2>/dev/null || echo unknown\n"
        .to_owned();
    for etcd in etcds.iter().filter(|etcd| is_plain(etcd)) {
        let file = log_file(etcd);
        text.push_str(&format!(
            "if m=$($s stat -L -c %Y {file} 2>/dev/null); then echo; echo \"@log {etcd} $(( $(date +%s) - m ))\"; \
             $s tail -n {LINES} {file} </dev/null 2>/dev/null; fi\n"
        ));
    }
    text.push_str("true");
    text
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Reads what [`script`] printed.
#[must_use]
pub fn parse(lines: &[String]) -> Answer {
    let mut answer = Answer::default();
    for section in lines.chunk_by(|_, next| !is_head(next)) {
        let Some((head, body)) = section.split_first() else {
            continue;
        };
        let mut words = head.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("@identity"), ..) => answer.identity = body.join(" ").trim().to_owned(),
            (Some("@addresses"), ..) => {
                let words = body.iter().flat_map(|line| line.split_whitespace());
                answer.addresses = words.filter_map(|word| word.parse().ok()).collect();
            }
            (Some("@listen"), ..) if body.iter().all(|line| line != "unknown") => {
                answer.listening = Some(body.iter().filter_map(|line| port(line)).collect());
            }
            (Some("@log"), Some(etcd), Some(age)) if age.parse::<i64>().is_ok_and(|age| age < FRESH as i64) => {
                if let Some(line) = at_present(body) {
                    answer.no_members.insert(etcd.to_owned(), line);
                }
            }
            _ => {}
        }
    }
    answer
}

fn is_head(line: &str) -> bool {
    ["@identity", "@addresses", "@listen", "@log "]
        .iter()
        .any(|head| line.starts_with(head))
}

/// Its line about etcd's members, unless something came after it.
fn at_present(lines: &[String]) -> Option<String> {
    let last = lines
        .iter()
        .rev()
        .find(|line| line.contains(NO_MEMBERS) || OVER.iter().any(|over| line.contains(over)))?;
    last.find(NO_MEMBERS).and_then(|at| last.get(at..)).map(str::to_owned)
}

/// `LISTEN 0 4096 127.0.0.1:4001 0.0.0.0:*`.
fn port(line: &str) -> Option<u16> {
    let local = line.split_whitespace().nth(3)?;
    local.rsplit_once(':')?.1.parse().ok()
}

impl Answer {
    /// Its answer for one port, and for the etcd cluster that is served there.
    #[must_use]
    pub fn of(&self, host: &str, port: Option<u16>, etcd: Option<&str>) -> HostState {
        // Without a line at all not even sshd was seen: then the list is no list.
        let listening = self.listening.as_ref().filter(|ports| !ports.is_empty());
        HostState {
            host: host.to_owned(),
            identity: match self.identity.is_empty() {
                true => host.to_owned(),
                false => self.identity.clone(),
            },
            addresses: self.addresses.clone(),
            listens: listening.and_then(|ports| Some(ports.contains(&port?))),
            no_members: etcd.and_then(|etcd| self.no_members.get(etcd).cloned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn look(log_age: &str, log: &str) -> Answer {
        parse(&lines(&format!(
            "@identity\n5f1c\n\n@addresses\n172.20.1.10 2001:db8::10 \n\n@listen\nLISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n\
             LISTEN 0 9 [::]:10250 [::]:*\n\n@log main {log_age}\n{log}"
        )))
    }

    const WAITS: &str = "I1122 etcd has 0 members registered; must issue restore-backup command to proceed";

    #[test]
    fn a_leader_without_members_is_heard_only_where_it_speaks_now() {
        let said = |age: &str, log: &str| look(age, log).of("a", Some(4001), Some("main")).no_members;
        let waits = Some("etcd has 0 members registered; must issue restore-backup command to proceed".to_owned());
        assert_eq!(said("4", WAITS), waits);
        assert_eq!(
            said("-2", &format!("{WAITS}\nI1122 I am leader with token \"x\"")),
            waits
        );
        assert_eq!(said("60", WAITS), None, "an old log");
        assert_eq!(said("?", WAITS), None);
        for over in [
            "got restore-backup command: {}",
            "Setting quarantined state to false",
            "took backup: x",
        ] {
            assert_eq!(said("4", &format!("{WAITS}\nI1122 {over}")), None, "{over}");
            assert_eq!(said("4", &format!("I1122 {over}\n{WAITS}")), waits, "{over}");
        }
        assert_eq!(look("4", WAITS).of("a", Some(4002), Some("events")).no_members, None);
    }

    #[test]
    fn what_listens_is_read_and_what_is_not_told_is_not_guessed() {
        let answer = look("4", "");
        let said = answer.of("a", Some(4001), Some("main"));
        assert_eq!((said.listens, said.identity.as_str()), (Some(false), "5f1c"));
        assert_eq!(said.addresses.len(), 2);
        assert_eq!(answer.of("a", Some(10250), None).listens, Some(true));
        assert_eq!(answer.of("a", None, Some("other")).listens, None);
        for nothing in ["", "@listen\nunknown", "@listen\n", "@listen\nwhat is this"] {
            let said = parse(&lines(nothing)).of("a", Some(4001), Some("main"));
            assert_eq!((said.listens, said.identity.as_str()), (None, "a"), "{nothing}");
        }
    }

    #[test]
    fn the_script_needs_no_quoting_and_takes_no_word_that_is_no_name() {
        let script = script(&["main".into(), "events".into(), "x; rm -rf /".into(), "a'b".into()]);
        assert!(
            script.contains("/var/log/etcd.log ") && script.contains("/var/log/etcd-events.log "),
            "{script}"
        );
        assert!(!script.contains('\'') && !script.contains("rm -rf"), "{script}");
    }
}
