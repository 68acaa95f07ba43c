//! `member list`: what the members of an etcd cluster say of themselves.

use std::collections::BTreeSet;

use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::etcd_manager::peer_id;
use runbook_kit::model::kubernetes::cluster::NodeReady;
use runbook_kit::model::units;
use serde::Serialize;

use crate::context::Context;
use crate::rules::replace_member::volume_name;
use crate::usecases::member_machines::{self, Machine, Machines};
use runbook_kit::usecases::etcd_members::{self as members, Members};

/// List the members of an etcd cluster: which answer, which leads, and how large their databases are
///
/// Needs no quorum. Every endpoint, host or pod that the flags lead to is asked; a member that none of them leads to is shown as not reached.
/// Where a cluster is named, AWS and the API tell its master, volumes and Node.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore member list --etcd main --name k8s.example.com\n  \
    kubectl etcd-restore member list --etcd main --host 10.0.0.7 --host 10.0.0.8 --host 10.0.0.9"
)]
pub struct Args {
    #[command(flatten)]
    access: EtcdAccess,
}

/// One member.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberRow {
    etcd: String,
    /// In hexadecimal digits, as etcdctl prints it.
    id: String,
    /// Empty for one that was added and never started.
    name: String,
    peer_urls: Vec<String>,
    client_urls: Vec<String>,
    learner: bool,
    answers: bool,
    leader: Option<bool>,
    version: Option<String>,
    revision: Option<i64>,
    raft_term: Option<u64>,
    raft_applied_index: Option<u64>,
    db_size_bytes: Option<u64>,
    in_use_bytes: Option<u64>,
    quota_bytes: Option<u64>,
    /// Whether etcd has it. One that it does not have has a volume.
    registered: bool,
    /// Its volumes, master and Node.
    #[serde(flatten)]
    machine: Machine,
    /// `NOSPACE`, `CORRUPT`; `null` where no member could tell, since that takes a quorum.
    alarms: Option<Vec<&'static str>>,
}

impl Row for MemberRow {
    fn columns() -> Vec<Column> {
        vec![
            column("ETCD"),
            column("ID"),
            column("NAME"),
            column("STATE"),
            column("VERSION"),
            column("REVISION"),
            wide("TERM"),
            wide("APPLIED"),
            column("DB SIZE"),
            wide("IN USE"),
            wide("QUOTA"),
            column("ALARMS"),
            column("MASTER"),
            wide("VOLUMES"),
            wide("NODE"),
            wide("PEER URLS"),
            wide("CLIENT URLS"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let bytes = |bytes: Option<u64>| Cell::text_or_dash(bytes.map(units::bytes));
        let alarms = match &self.alarms {
            None => Cell::text("?"),
            Some(alarms) if alarms.is_empty() => Cell::text("-"),
            Some(alarms) => Cell::verdict(Verdict::Bad, alarms.join(",")),
        };
        let (verdict, state) = self.state();
        vec![
            Cell::text(&self.etcd),
            Cell::text(&self.id),
            Cell::text(&self.name),
            Cell::verdict(verdict, state),
            Cell::text_or_dash(self.version.clone()),
            Cell::text_or_dash(self.revision.map(|revision| revision.to_string())),
            Cell::text_or_dash(self.raft_term.map(|term| term.to_string())),
            Cell::text_or_dash(self.raft_applied_index.map(|index| index.to_string())),
            bytes(self.db_size_bytes),
            bytes(self.in_use_bytes),
            bytes(self.quota_bytes),
            alarms,
            self.master(),
            Cell::text_or_dash(self.volumes()),
            Cell::text_or_dash(self.node()),
            Cell::text(self.peer_urls.join(",")),
            Cell::text(self.client_urls.join(",")),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl MemberRow {
    /// The instance, and its state where that is not running.
    fn master(&self) -> Cell {
        let Some(master) = &self.machine.master else {
            return Cell::text_or_dash(self.volumes());
        };
        match self.machine.master_state {
            Some("running") => Cell::text(master),
            Some(state) => Cell::verdict(Verdict::Bad, format!("{master} {state}")),
            None => Cell::verdict(Verdict::Bad, format!("{master} gone")),
        }
    }

    fn volumes(&self) -> Option<String> {
        let shown = &self.machine.shown;
        (!shown.is_empty()).then(|| shown.join(", "))
    }

    fn node(&self) -> Option<String> {
        let machine = &self.machine;
        let ready = match machine.node_ready? {
            NodeReady::Ready => "Ready",
            NodeReady::NotReady => "NotReady",
            NodeReady::Unknown => "Unknown",
        };
        Some(format!("{} {ready}", machine.node.as_ref()?))
    }

    fn state(&self) -> (Verdict, &'static str) {
        if !self.registered {
            return (Verdict::Bad, "not registered");
        }
        match (self.answers, self.learner, self.leader) {
            (false, _, _) => (Verdict::Bad, "not reached"),
            (true, _, None) => (Verdict::Bad, "no leader"),
            (true, true, _) => (Verdict::Doubtful, "learner"),
            (true, false, Some(true)) => (Verdict::Good, "leader"),
            (true, false, Some(false)) => (Verdict::Good, "follower"),
        }
    }
}

/// Runs `member list`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let etcd = members::only_one(&session.etcds)?;
    let reached = context.each_member(&args.access, &etcd).await?;
    let members = members::ask(reached).await?;
    let machines = match session.name() {
        Ok(Some(cluster)) => member_machines::ask(&cluster.value, &etcd, context).await,
        _ => Machines::default(),
    };
    for why in &machines.not_seen {
        ui.note(&format!("not seen: {why}"));
    }
    let rows = rows(&etcd, &members, &machines);
    output::rows(ui, session.format, &rows, "No members")?;
    let voters = rows.iter().filter(|row| row.registered && !row.learner).count();
    let answering = rows.iter().filter(|row| !row.learner && row.answers).count();
    let leads = members.answering.values().any(|one| one.status.leader.is_some());
    let quorum = voters / 2 + 1;
    match leads {
        true => ui.note(&format!("{answering} of {voters} voting members answer, {quorum} are a quorum")),
        false => ui.warn(&format!(
            "no member that answers has a leader: fewer than {quorum} of {voters} voting members are up. Save the newest data first: \
             `kubectl etcd-backups take`"
        )),
    }
    Ok(Exit::Done)
}

fn rows(etcd: &str, members: &Members, machines: &Machines) -> Vec<MemberRow> {
    let row = |member: &runbook_kit::ports::etcd_members::EtcdMember| {
        let status = members.answering.get(&member.id).map(|one| &one.status);
        let alarms = members.alarms.as_ref().map(|alarms| {
            let own = alarms.iter().filter(|alarm| alarm.member == member.id);
            own.map(|alarm| alarm.kind.word()).collect()
        });
        MemberRow {
            etcd: etcd.to_owned(),
            id: format!("{:x}", member.id),
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            learner: member.learner,
            answers: status.is_some(),
            leader: status
                .and_then(|status| status.leader)
                .map(|leader| leader == member.id),
            version: status.map(|status| status.version.clone()),
            revision: status.map(|status| status.revision),
            raft_term: status.map(|status| status.raft_term),
            raft_applied_index: status.map(|status| status.raft_applied),
            db_size_bytes: status.map(|status| status.db_size),
            in_use_bytes: status.map(|status| status.in_use),
            quota_bytes: status.and_then(|status| status.quota),
            registered: true,
            machine: machines.of(volume_name(etcd, &member.name, &member.peer_urls).as_deref()),
            alarms,
        }
    };
    let mut rows: Vec<MemberRow> = members.registered.iter().map(row).collect();
    let known: BTreeSet<String> = members
        .registered
        .iter()
        .filter_map(|member| volume_name(etcd, &member.name, &member.peer_urls))
        .collect();
    let with_volumes = machines.by_member.iter().flatten();
    let unknown = with_volumes.filter(|(short, _)| !known.contains(*short));
    rows.extend(unknown.map(|(short, machine)| MemberRow {
        etcd: etcd.to_owned(),
        name: peer_id(etcd, short),
        machine: machine.clone(),
        ..MemberRow::default()
    }));
    rows
}
