//! What the state store needs to survive, and which kops may be used on it.

use jiff::SignedDuration;
use runbook_kit::model::check::Severity;
use runbook_kit::model::exposure::Known;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::model::units;

use super::{Finding, Kind};
use crate::rules::audit::facts::Facts;
use crate::rules::audit::observed::CopySeen;

/// The first kops without gossip.
const WITHOUT_GOSSIP: (u32, u32) = (1, 37);
/// A copy that is older misses too much.
const COPY_MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

fn about(kind: Kind, severity: Severity, object: String) -> Finding {
    Finding {
        finding: kind,
        severity,
        etcd: None,
        objects: vec![object],
        what: String::new(),
        causes: String::new(),
        command: None,
        note: None,
    }
}

/// `1.37.0-alpha.1`: major and minor.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

/// Problems.
pub(super) fn state(facts: &Facts, found: &mut Vec<Finding>) {
    gossip(facts, found);
    kops(facts, found);
    copies(facts, found);
}

/// What is not wrong, and would help on a bad day.
pub fn advice(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let (StoreUrl::S3 { bucket, .. }, Some(Known::No(why))) = (&facts.state, &facts.observed.versioned) {
        let mut plain = about(Kind::StateVersioning, Severity::Info, format!("s3://{bucket}"));
        plain.what = format!("bucket {bucket} keeps no older versions: {why}");
        plain.causes =
            "what is overwritten or deleted in the state store is gone: the spec, the CAs, the backups".to_owned();
        let enable = facts
            .aws_s3("s3api put-bucket-versioning")
            .option("--bucket", bucket)
            .args(["--versioning-configuration", "Status=Enabled"]);
        found.push(plain.fix(enable));
    }
    if facts.observed.copy == CopySeen::NotAsked {
        let mut alone = about(Kind::NoCopy, Severity::Info, facts.state.to_string());
        alone.what = "no copy of the backups and of the state store elsewhere is known".to_owned();
        alone.causes = "with the bucket the cluster is lost: its backups, its CAs, its spec".to_owned();
        let copy =
            facts
                .of_cluster("kubectl etcd-backups copy")
                .args(["--to", "s3://OTHER-BUCKET", "--state-store", "--yes"]);
        found.push(
            alone
                .fix(copy)
                .note("where there is one, pass --copy URL and it is looked at"),
        );
    }
    if facts.observed.gossip && !refuses_gossip(facts) {
        found.push(gossip_of(facts, Severity::Info));
    }
    found
}

fn refuses_gossip(facts: &Facts) -> bool {
    let here = facts.observed.kops_here.as_deref().and_then(minor);
    here.is_some_and(|here| here >= WITHOUT_GOSSIP)
}

fn gossip(facts: &Facts, found: &mut Vec<Finding>) {
    if facts.observed.gossip && refuses_gossip(facts) {
        found.push(gossip_of(facts, Severity::Warn));
    }
}

fn gossip_of(facts: &Facts, severity: Severity) -> Finding {
    let mut gossip = about(Kind::Gossip, severity, facts.cluster.clone());
    gossip.what = "the cluster finds its masters by gossip: a name in .k8s.local without dns type None".to_owned();
    gossip.causes = match &facts.observed.kops_here {
        Some(here) if severity != Severity::Info => {
            format!(
                "the kops here ({here}) refuses it, so masters cannot be made anew with it: kops 1.37 has no gossip"
            )
        }
        _ => "kops 1.37 and newer refuse it: masters cannot be made anew with them".to_owned(),
    };
    gossip
        .fix(facts.of_cluster("kops get cluster"))
        .note("use kops 1.36 for this cluster, and move it to `topology.dns.type: None` with that one")
}

fn kops(facts: &Facts, found: &mut Vec<Finding>) {
    let (Some(state), Some(here)) = (&facts.observed.kops_of_state, &facts.observed.kops_here) else {
        return;
    };
    let (Some(of_state), Some(of_here)) = (minor(state), minor(here)) else {
        return;
    };
    if of_here == of_state {
        return;
    }
    let mut other = about(Kind::KopsVersion, Severity::Warn, here.clone());
    other.what = format!("kops here is {here}, and the cluster was last updated by {state}");
    other.causes = match of_here < of_state {
        true => "an older kops refuses the cluster, or takes back what the newer one wrote".to_owned(),
        false => "a newer kops changes more than the control plane: it upgrades it".to_owned(),
    };
    found.push(
        other
            .fix(runbook_kit::model::shell::ShellCommand::of("kops version"))
            .note(format!("put kops {state} first on PATH before you rebuild masters")),
    );
}

fn copies(facts: &Facts, found: &mut Vec<Finding>) {
    let CopySeen::Looked { at, newest } = &facts.observed.copy else {
        return;
    };
    for etcd in &facts.etcds {
        let what = match newest.get(etcd.name()).copied().flatten() {
            None => format!("{at} has no copy of the backups of etcd {}", etcd.name()),
            Some(copied) => {
                let age = facts.now.duration_since(copied);
                if age <= COPY_MAX_AGE {
                    continue;
                }
                format!(
                    "the newest copy of etcd {} in {at} is {} old",
                    etcd.name(),
                    units::age(age)
                )
            }
        };
        let mut old = about(Kind::CopyOld, Severity::Warn, at.clone());
        old.etcd = Some(etcd.name().to_owned());
        old.what = what;
        old.causes = "with the bucket of the state store these backups are lost".to_owned();
        let copy = facts
            .of_cluster("kubectl etcd-backups copy")
            .option("--to", at)
            .arg("--yes");
        found.push(old.fix(copy));
    }
}
