//! Checks of the files in `control/`.

use super::{ControlFact, EtcdFacts, Wanted};
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::shell::quoted;
use runbook_kit::model::units;

pub(super) fn spec(etcd: &EtcdFacts, cluster: &str) -> Check {
    const NAME: &str = "cluster-spec";
    let cure = format!("recreate it: `kops update cluster --name {} --yes`", quoted(cluster));
    match &etcd.spec {
        ControlFact::Missing => Check::found(
            NAME,
            Severity::Block,
            "etcd-cluster-spec is missing: etcd-manager does nothing without it",
        )
        .cure(cure),
        ControlFact::Broken(why) => Check::found(
            NAME,
            Severity::Block,
            format!("etcd-cluster-spec: {why}: etcd-manager is blocked"),
        )
        .cure(cure),
        ControlFact::Valid(spec) => {
            let says = format!("{} members of etcd {}", spec.member_count, spec.etcd_version);
            if spec.member_count < 1 || spec.etcd_version.is_empty() {
                return Check::found(NAME, Severity::Block, format!("etcd-cluster-spec is invalid: {says}")).cure(cure);
            }
            if etcd.spec_members > 0 && usize::try_from(spec.member_count) != Ok(etcd.spec_members) {
                let message = format!("{says}, and the cluster's spec has {} members", etcd.spec_members);
                return Check::found(NAME, Severity::Warn, message).cure(cure);
            }
            Check::passed(NAME, says)
        }
    }
}

pub(super) fn created(etcd: &EtcdFacts) -> Option<Check> {
    const NAME: &str = "created-marker";
    let place = format!("{}/etcd-cluster-created", etcd.control);
    let cure = match place.strip_prefix("file://") {
        Some(path) => format!("put it back: echo '{{\"timestamp\":1}}' > {}", quoted(path)),
        None => format!(
            "put it back: echo '{{\"timestamp\":1}}' | aws s3 cp - {}",
            quoted(&place)
        ),
    };
    match (&etcd.created, &etcd.wanted) {
        (_, Wanted::Leave) => None,
        (ControlFact::Missing, Wanted::Fresh) => Some(Check::passed(NAME, "already removed")),
        (_, Wanted::Fresh) => None,
        (ControlFact::Missing, _) => Some(
            Check::found(
                NAME,
                Severity::Block,
                "etcd-cluster-created is missing: etcd-manager seeds a new, empty cluster",
            )
            .cure(cure),
        ),
        (ControlFact::Broken(why), _) => Some(
            Check::found(
                NAME,
                Severity::Block,
                format!("etcd-cluster-created: {why}: the leader is blocked, and takes no backups either"),
            )
            .cure(cure),
        ),
        (ControlFact::Valid(()), _) => Some(Check::passed(NAME, "is there")),
    }
}

pub(super) fn queue(etcd: &EtcdFacts) -> Check {
    const NAME: &str = "queue";
    let of = |name: &str| format!("`kubectl etcd-restore cancel {}={}`", quoted(&etcd.etcd), quoted(name));
    if let Some((broken, why)) = etcd
        .commands
        .iter()
        .find_map(|command| Some((command, command.backup.as_ref().err()?)))
    {
        let message = format!(
            "command {} cannot be read ({why}): it blocks the leader, and with it the whole queue",
            broken.name
        );
        return Check::found(NAME, Severity::Block, message).cure(of(&broken.name));
    }
    if let Some(own) = etcd.adopted() {
        return Check::passed(NAME, format!("already holds this restore ({}); resuming it", own.name));
    }
    if let ([only], Wanted::Restore(backup)) = (etcd.commands.as_slice(), &etcd.wanted)
        && only.backup.as_deref() == Ok(backup.name.as_str())
    {
        let since = match only.age {
            Some(age) => format!("{} ago", units::age(age)),
            None => "at an unknown time".to_owned(),
        };
        let message = format!(
            "holds {}, which restores this backup and was queued {since} by another user or an earlier run",
            only.name
        );
        return Check::found(NAME, Severity::Block, message).cure(of(&only.name));
    }
    match etcd.commands.as_slice() {
        [] => Check::passed(NAME, "empty"),
        commands => {
            let names: Vec<String> = commands
                .iter()
                .map(|command| {
                    let backup = command.backup.as_deref().unwrap_or_default();
                    let gone = if command.there {
                        ""
                    } else {
                        ", which is neither in the store nor pinned: etcd-manager retries it forever"
                    };
                    let age = match command.age {
                        Some(age) if !command.may_be_resumed() => format!(", queued {} ago", units::age(age)),
                        _ => String::new(),
                    };
                    format!("{} (restores {backup}{age}{gone})", command.name)
                })
                .collect();
            let message = format!(
                "holds {}: every queued command is run, and each one wipes etcd again",
                names.join(", ")
            );
            let first = commands
                .first()
                .map(|command| command.name.as_str())
                .unwrap_or_default();
            Check::found(NAME, Severity::Block, message).cure(of(first))
        }
    }
}
