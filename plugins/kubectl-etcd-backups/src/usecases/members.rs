//! The members of an etcd that answer, and the one to take the backup from.

use runbook_kit::cli::ui::Ui;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::units;
use runbook_kit::ports::{EtcdKv, EtcdStatus};

use crate::rules::members::{newest, view};

/// A member that answers.
pub struct Member {
    pub etcd: Box<dyn EtcdKv>,
    pub status: EtcdStatus,
    /// The way there, as text.
    pub way: String,
}

/// Asks each of them for its status, and chooses the one with the newest data. One that falls silent meanwhile is left out.
pub async fn choose(
    ui: &Ui,
    name: &str,
    connected: Vec<(Box<dyn EtcdKv>, String)>,
) -> Result<(Member, Vec<EtcdStatus>), AnyFailure> {
    let mut members: Vec<Member> = Vec::new();
    let mut silent = None;
    for (etcd, way) in connected {
        match etcd.status().await {
            // Two ways may lead to the same member. The same id alone is no proof: a copy of a disk has it, too.
            Ok(status) if members.iter().any(|seen| is_same(&seen.status, &status)) => {}
            Ok(status) => members.push(Member { etcd, status, way }),
            Err(error) => {
                ui.note(&format!("passed over: {error}"));
                silent = Some(error);
            }
        }
    }
    let statuses: Vec<EtcdStatus> = members.iter().map(|member| member.status.clone()).collect();
    if let (Some(error), true) = (silent, members.is_empty()) {
        return Err(error.into());
    }
    let chosen = newest(&statuses);
    if members.len() > 1 {
        for (at, member) in members.iter().enumerate() {
            let mark = if chosen == Ok(at) { "*" } else { " " };
            ui.note(&format!(
                "{mark} member {:x}: {}, {} ({})",
                member.status.member,
                view(&member.status),
                units::bytes(member.status.db_size),
                member.way
            ));
        }
    }
    let at = chosen.map_err(|dispute| {
        CommandError::refused(format!("etcd {name}: {dispute}"))
            .hint("choose one member: pass its endpoint by --endpoints, or its host by --host")
    })?;
    let member = members.swap_remove(at);
    if member.status.leader.is_none() {
        ui.warn(&format!(
            "etcd {name}: member {:x} is {}: a backup of it is this member's own view; what other members committed without it \
             is missing",
            member.status.member,
            view(&member.status)
        ));
    } else if member.status.learner {
        ui.warn(&format!(
            "etcd {name}: member {:x} is a learner: it may lack what the others have",
            member.status.member
        ));
    }
    Ok((member, statuses))
}

fn is_same(a: &EtcdStatus, b: &EtcdStatus) -> bool {
    (a.member, a.cluster, a.revision, a.raft_index) == (b.member, b.cluster, b.revision, b.raft_index)
}
