//! Checks of etcd clusters that are left out: one without members and without a command would never serve again.

use crate::rules::follow::EtcdSeen;
use runbook_kit::model::backup::goodness::MAIN;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::observed::Observed;

/// The etcd cluster of the events; kops' API servers do not start without it.
const EVENTS: &str = "events";

/// An etcd cluster that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// `main`, `events`, …
    pub etcd: String,
    /// The names of the queued commands.
    pub commands: Observed<Vec<String>>,
    /// Whether `etcd-cluster-created` exists.
    pub created: bool,
    /// What etcd showed.
    pub seen: EtcdSeen,
    /// The proof that it has no members.
    pub no_members: Option<String>,
}

impl LeftOut {
    /// Whether it waits for a command that is not queued; `None` where that is not known.
    #[must_use]
    pub fn waits(&self) -> Option<bool> {
        let unqueued = matches!(&self.commands, Observed::Known(commands) if commands.is_empty());
        match &self.seen {
            EtcdSeen::Serving(_) | EtcdSeen::Quarantined(_) => Some(false),
            _ if matches!(&self.commands, Observed::Known(commands) if !commands.is_empty()) => Some(false),
            _ if unqueued && !self.created => Some(false),
            _ if unqueued && self.no_members.is_some() => Some(true),
            _ => None,
        }
    }

    /// What does not work without it.
    #[must_use]
    pub fn needed_by(&self) -> &'static str {
        needed_by(&self.etcd)
    }
}

/// What does not work without an etcd cluster.
#[must_use]
pub fn needed_by(etcd: &str) -> &'static str {
    match etcd {
        MAIN | EVENTS => "kube-apiserver does not start without it",
        _ => "components that store data there do not work without it",
    }
}

pub(super) fn check(one: &LeftOut, one_by_one: bool) -> Check {
    const NAME: &str = "left-out";
    let cure = "omit --etcd to restore every etcd cluster, or to seed it anew where no backup can be restored";
    match (&one.commands, &one.seen) {
        (_, EtcdSeen::Serving(_)) => return Check::passed(NAME, "is left out; it serves"),
        (_, EtcdSeen::Quarantined(_)) => return Check::passed(NAME, "is left out; its restore is in progress"),
        (Observed::Known(commands), _) if !commands.is_empty() => {
            return Check::passed(NAME, format!("is left out; {} is queued for it", commands.join(", ")));
        }
        (Observed::Known(_), _) if !one.created => {
            let message = "is left out; its created marker is missing, so etcd-manager seeds it anew";
            return Check::passed(NAME, message);
        }
        _ => {}
    }
    let needed = one.needed_by();
    if let (Some(proof), Observed::Known(_)) = (&one.no_members, &one.commands) {
        let severity = if one_by_one { Severity::Warn } else { Severity::Block };
        let message = format!("is left out, and has no members and no command ({proof}): {needed}");
        return Check::found(NAME, severity, message).cure(cure);
    }
    let command = match &one.commands {
        Observed::Known(_) => "no command is queued for it".to_owned(),
        Observed::Unknown(why) => format!("its queue could not be read: {why}"),
    };
    let seen = match &one.seen {
        EtcdSeen::Silent(why) => format!("unreachable ({why})"),
        EtcdSeen::NotAsked(why) => format!("not asked ({why})"),
        EtcdSeen::Unanswered => "silent so far".to_owned(),
        EtcdSeen::Serving(_) | EtcdSeen::Quarantined(_) => String::new(),
    };
    let message = format!("is left out; not checked whether it has members: {seen}; {command}; {needed}");
    Check::found(NAME, Severity::Warn, message).cure(cure)
}
