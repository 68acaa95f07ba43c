//! Certificates that end, have ended, or are of another CA; and a wrong clock.

use jiff::SignedDuration;
use runbook_kit::model::certificate::{MASTER_FROM, MASTER_UNTIL, Standing};
use runbook_kit::model::check::Severity;
use runbook_kit::model::fleet::wipe::INSTANCE_GROUP_TAG;
use runbook_kit::model::shell::ShellScript;
use runbook_kit::model::units;

use super::{Finding, Kind};
use crate::rules::audit::facts::Facts;
use crate::rules::audit::observed::Server;

/// A certificate of a server that ends within it is told of.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A CA takes longer to replace.
const SOON_FOR_A_CA: SignedDuration = SignedDuration::from_hours(180 * 24);
const KUBERNETES_CA: &str = "kubernetes-ca";

const ONE_BY_ONE: &str = "one instance group after the other, each only once `kubectl etcd-restore member list` shows all members again; volumes and data stay";

fn about(kind: Kind, severity: Severity, objects: Vec<String>) -> Finding {
    Finding {
        finding: kind,
        severity,
        etcd: None,
        objects,
        what: String::new(),
        causes: String::new(),
        command: None,
        note: None,
    }
}

/// All of them.
pub(super) fn certificates(facts: &Facts, found: &mut Vec<Finding>) {
    clock(facts, found);
    for server in &facts.observed.servers {
        served(facts, server, found);
    }
    launched(facts, found);
    authorities(facts, found);
}

/// Replaces the masters of an instance group, each with new certificates.
fn replace(facts: &Facts, group: Option<&str>) -> ShellScript {
    facts
        .of_cluster("kops rolling-update cluster")
        .option("--instance-group", group.unwrap_or("INSTANCE_GROUP"))
        .args(["--force", "--cloudonly", "--yes"])
        .into()
}

fn group_of<'a>(facts: &'a Facts, instance: Option<&str>) -> Option<&'a str> {
    let instance = facts.instance(instance?)?;
    instance.tags.get(INSTANCE_GROUP_TAG).map(String::as_str)
}

fn clock(facts: &Facts, found: &mut Vec<Finding>) {
    let servers = facts.observed.servers.iter();
    let ahead: Vec<&Server> = servers
        .filter(|server| server.served.validity.at(facts.now) == Standing::NotYet)
        .collect();
    let Some(latest) = ahead.iter().map(|server| server.served.validity.not_before).max() else {
        return;
    };
    found.push(
        Finding {
            what: format!(
                "certificates of {} are valid only from {latest:.0}, {} after this machine's time {:.0}",
                ahead.iter().map(|server| place(server)).collect::<Vec<_>>().join(", "),
                units::age(latest.duration_since(facts.now)),
                facts.now
            ),
            causes: "the clock of this machine or of these masters is wrong: clients refuse the certificates, and all ages here are \
                     wrong by as much"
                .to_owned(),
            ..about(
                Kind::Clock,
                Severity::Warn,
                ahead.iter().map(|server| place(server)).collect(),
            )
        }
        .fix(runbook_kit::model::shell::ShellCommand::of("timedatectl set-ntp true"))
        .note("on the machine whose clock is wrong: compare `date -u` here and on a master"),
    );
}

fn place(server: &Server) -> String {
    match server.host.contains(':') {
        true => format!("[{}]:{}", server.host, server.port),
        false => format!("{}:{}", server.host, server.port),
    }
}

fn on(server: &Server) -> String {
    match &server.instance {
        Some(instance) => format!("{} on {instance} ({})", server.what, place(server)),
        None => format!("{} at {}", server.what, place(server)),
    }
}

fn served(facts: &Facts, server: &Server, found: &mut Vec<Finding>) {
    let known = |keyset: &str| {
        let mut authorities = facts.observed.authorities.iter();
        authorities.any(|authority| authority.keyset == keyset)
    };
    let validity = server.served.validity;
    if known(&server.keyset) && server.served.signed_by.as_deref() != Some(server.keyset.as_str()) {
        let by = match &server.served.signed_by {
            Some(keyset) => format!("by {keyset}"),
            None => format!("by another CA ({})", server.served.issuer),
        };
        // Where no server is this cluster's, the network may be another's, with the same addresses.
        let any_own = facts
            .observed
            .servers
            .iter()
            .any(|server| server.served.signed_by.is_some());
        let severity = if any_own { Severity::Block } else { Severity::Warn };
        let mut other = about(Kind::CertificateOfAnotherCa, severity, vec![place(server)]);
        other.etcd.clone_from(&server.etcd);
        other.what = format!(
            "the certificate of {} is signed {by}, not by {} of the state store",
            on(server),
            server.keyset
        );
        other.causes = "its clients refuse it: the master was started with another state store, or before the CA was replaced; or \
                        the address is another cluster's"
            .to_owned();
        let group = group_of(facts, server.instance.as_deref());
        let first = match any_own {
            true => String::new(),
            false => {
                "first make sure that this address is this cluster's: another network may have the same; ".to_owned()
            }
        };
        found.push(other.fix(replace(facts, group)).note(format!("{first}{ONE_BY_ONE}")));
        return;
    }
    let (severity, what) = match validity.at(facts.now) {
        Standing::Ended(ago) => (
            Severity::Block,
            format!("ended {} ago, at {:.0}", units::age(ago), validity.not_after),
        ),
        Standing::Valid(left) if left < SOON => (
            Severity::Warn,
            format!("ends in {}, at {:.0}", units::age(left), validity.not_after),
        ),
        Standing::Valid(_) | Standing::NotYet => return,
    };
    let mut ending = about(
        match severity {
            Severity::Block => Kind::CertificateExpired,
            _ => Kind::CertificateEnding,
        },
        severity,
        vec![place(server)],
    );
    ending.etcd.clone_from(&server.etcd);
    ending.what = format!("the certificate of {} {what}", on(server));
    found.push(match &server.etcd {
        Some(etcd) => {
            ending.causes = format!("API servers and members then refuse etcd {etcd} on this master");
            let restart = facts
                .of_cluster("kubectl etcd-restore restart-etcd")
                .option("--etcd", etcd)
                .option("--host", &server.host);
            ending
                .fix(restart)
                .note("etcd-manager makes new certificates at each start, for two years; one master after the other")
        }
        None => {
            ending.causes = "kubelets, controllers and kubectl then refuse this API server".to_owned();
            let group = group_of(facts, server.instance.as_deref());
            ending.fix(replace(facts, group)).note(ONE_BY_ONE)
        }
    });
}

/// kops' own certificates end 455 to 485 days after the launch. Where the API server shows a younger one, they were renewed.
fn launched(facts: &Facts, found: &mut Vec<Finding>) {
    let mut masters: Vec<_> = facts.running().collect();
    masters.sort_by(|one, other| (one.launched, &one.id).cmp(&(other.launched, &other.id)));
    for master in masters {
        let Some(launched) = master.launched else {
            continue;
        };
        let age = facts.now.duration_since(launched);
        let seen = facts
            .observed
            .servers
            .iter()
            .any(|server| server.keyset == KUBERNETES_CA && server.instance.as_ref() == Some(&master.id));
        // What was seen is told of by itself.
        if age < MASTER_FROM || seen {
            continue;
        }
        let severity = match age < MASTER_UNTIL {
            true => Severity::Warn,
            false => Severity::Block,
        };
        let group = master.tags.get(INSTANCE_GROUP_TAG).map(String::as_str);
        let mut old = about(Kind::MasterOld, severity, vec![master.id.clone()]);
        old.what = format!(
            "master {} was launched {} ago, at {launched:.0}: kops' certificates on it last 455 to 485 days",
            master.id,
            units::age(age)
        );
        old.causes = match severity {
            Severity::Block => {
                "they have ended, unless somebody renewed them: kube-apiserver, kubelet and the API server's access to etcd fail"
            }
            _ => "any day kube-apiserver, kubelet and the API server's access to etcd fail",
        }
        .to_owned();
        found.push(old.fix(replace(facts, group)).note(ONE_BY_ONE));
    }
}

fn authorities(facts: &Facts, found: &mut Vec<Finding>) {
    for authority in facts.observed.authorities.iter().filter(|authority| authority.primary) {
        let (severity, what) = match authority.validity.at(facts.now) {
            Standing::Ended(ago) => (Severity::Block, format!("ended {} ago", units::age(ago))),
            Standing::Valid(left) if left < SOON_FOR_A_CA => (Severity::Warn, format!("ends in {}", units::age(left))),
            Standing::Valid(_) | Standing::NotYet => continue,
        };
        let mut ending = about(Kind::CaEnding, severity, vec![authority.keyset.clone()]);
        ending.what = format!(
            "CA {} (key {}) of the state store {what}, at {:.0}",
            authority.keyset, authority.id, authority.validity.not_after
        );
        ending.causes = "then no certificate that it signed is valid; neither new masters nor a wipe help".to_owned();
        let create = facts.of_cluster("kops create keypair").arg(&authority.keyset);
        found.push(ending.fix(create).note(
            "then `kops update cluster --yes` and `kops rolling-update cluster --force --yes`, `kops promote keypair`, and both again: \
             kops' documentation, \"Rotating secrets\"",
        ));
    }
}
