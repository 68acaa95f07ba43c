//! `cleanup nodes`: deletes Node objects whose instance is gone.

use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::cli::confirm::{self, ConsentArgs};
use runbook_kit::cli::output::{self, Cell, Column, Row, column, wide};
use runbook_kit::cli::ui::Verdict;
use runbook_kit::cli::values;
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::model::kubernetes::cluster::{NodeDeletion, NodeReady};
use runbook_kit::model::units;
use runbook_kit::ports::cluster_api::ClusterApi;
use serde::Serialize;
use tokio::time::sleep;

use crate::context::Context;
use crate::rules::dead_nodes::{self, Action, Blocked, Judged, Plan, Seen};

/// Delete the Nodes whose EC2 instance is gone
///
/// A Node is deleted only if its instance does not exist in AWS or is terminated, its kubelet has not renewed its Lease for longer than the node
/// controller's grace period of 50 s, and the Node has not changed since it was read. Nothing is deleted if AWS account, kubeconfig and cluster do
/// not match.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore cleanup nodes --name k8s.example.com\n  \
    kubectl etcd-restore cleanup nodes --name k8s.example.com --yes"
)]
pub struct Args {
    #[command(flatten)]
    consent: ConsentArgs,
    /// How long to watch for Lease renewals; kubelets renew every 10 s
    #[arg(long, value_name = "DURATION", default_value = "12s", value_parser = values::duration_or_zero)]
    observe: Duration,
    /// Timeout for each Kubernetes API request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    api_timeout: Duration,
}

/// One Node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeRow {
    name: String,
    role: Option<String>,
    instance: Option<String>,
    /// State in AWS; `null` where AWS has no such instance.
    instance_state: Option<&'static str>,
    ready: NodeReady,
    /// When its kubelet renewed its Lease last.
    renewed: Option<Timestamp>,
    /// `keep`, `wait` or `delete`; with --yes `deleted`, `gone` (deleted by another user) or `changed` (and kept).
    action: &'static str,
    reason: String,
    #[serde(skip)]
    age: String,
}

impl NodeRow {
    fn of(judged: &Judged, action: &'static str, now: Timestamp) -> Self {
        let node = &judged.node;
        Self {
            name: node.node.name.clone(),
            role: node.node.role.clone(),
            instance: judged.instance.clone(),
            instance_state: judged.state.map(dead_nodes::word),
            ready: node.ready,
            renewed: judged.renewed,
            action,
            reason: judged.reason.clone(),
            age: judged
                .renewed
                .map_or_else(|| "-".to_owned(), |renewed| units::age(now.duration_since(renewed))),
        }
    }
}

impl Row for NodeRow {
    fn columns() -> Vec<Column> {
        vec![
            column("NODE"),
            column("ROLE"),
            wide("INSTANCE"),
            column("AWS"),
            column("READY"),
            column("LEASE"),
            column("ACTION"),
            column("REASON"),
        ]
    }

    fn cells(&self) -> Vec<Cell> {
        let action = match self.action {
            "delete" | "deleted" => Verdict::Bad,
            "wait" | "changed" => Verdict::Doubtful,
            _ => Verdict::Plain,
        };
        let ready = match self.ready {
            NodeReady::Ready => "yes",
            NodeReady::NotReady => "no",
            NodeReady::Unknown => "unknown",
        };
        vec![
            Cell::text(&self.name),
            Cell::text_or_dash(self.role.clone()),
            Cell::text_or_dash(self.instance.clone()),
            Cell::text(self.instance_state.unwrap_or("absent")),
            Cell::text(ready),
            Cell::text(&self.age),
            Cell::verdict(action, self.action),
            Cell::text(&self.reason),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// Runs `cleanup nodes`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let cluster = context.explicit_name().await?;
    let api = context.cluster_api(&cluster, args.api_timeout).await?;
    let caller = context.fleet().caller().await?;
    ui.note(&format!(
        "cluster {cluster}, API {}, AWS account {} in {}",
        api.server(),
        caller.account,
        caller.region
    ));
    let plan = look(&args, context, api.as_ref(), &cluster, &caller.region).await?;
    let now = session.now();
    let planned = |judged: &Judged| NodeRow::of(judged, action_word(judged.action), now);
    let deletions = plan.deletions().count();
    if let Some(blocked) = plan.blocked {
        let rows: Vec<NodeRow> = plan.nodes.iter().map(planned).collect();
        output::rows(ui, session.format, &rows, "The cluster has no Nodes")?;
        return Err(blocked.into());
    }
    let consent = confirm::plain(args.consent.yes);
    let Some(consent) = consent.filter(|_| deletions > 0) else {
        let rows: Vec<NodeRow> = plan.nodes.iter().map(planned).collect();
        output::rows(ui, session.format, &rows, "The cluster has no Nodes")?;
        match deletions {
            0 => ui.note("no Node to delete"),
            _ => ui.note(&format!("{deletions} will be deleted; pass --yes to do it")),
        }
        note_masterleases(&plan, context);
        return Ok(Exit::Done);
    };
    let (results, stopped) = apply(&plan, api.as_ref(), &consent).await;
    let mut results = results.iter();
    let row = |judged: &Judged| match judged.action {
        Action::Delete => NodeRow::of(judged, results.next().copied().unwrap_or("delete"), now),
        other => NodeRow::of(judged, action_word(other), now),
    };
    let rows: Vec<NodeRow> = plan.nodes.iter().map(row).collect();
    output::rows(ui, session.format, &rows, "The cluster has no Nodes")?;
    if let Some(error) = stopped {
        return Err(error.into());
    }
    note_masterleases(&plan, context);
    Ok(Exit::Done)
}

async fn look(
    args: &Args,
    context: &Context,
    api: &dyn ClusterApi,
    cluster: &str,
    region: &str,
) -> Result<Plan, AnyFailure> {
    let before = api.node_leases().await?;
    if !args.observe.is_zero() {
        let seconds = args.observe.as_secs();
        context
            .session
            .ui
            .note(&format!("watching for {seconds} s which kubelets renew their Lease"));
        sleep(args.observe).await;
    }
    let after = api.node_leases().await?;
    let nodes = api.nodes().await?;
    // Asked last: an instance that is missing now was missing when its Node was read. One that starts just now has no Node yet.
    let instances = context.fleet().instances(&dead_nodes::wanted(&nodes)).await?;
    Ok(dead_nodes::plan(&Seen {
        cluster,
        region,
        nodes: &nodes,
        before: &before,
        after: &after,
        instances: &instances,
        now: context.session.now(),
    }))
}

const fn action_word(action: Action) -> &'static str {
    match action {
        Action::Keep => "keep",
        Action::Wait => "wait",
        Action::Delete => "delete",
    }
}

fn note_masterleases(plan: &Plan, context: &Context) {
    if plan.deletions().any(|judged| judged.node.node.is_control_plane()) {
        context
            .session
            .ui
            .note("old masters may still be in the `kubernetes` endpoint: check `kubectl masterleases list`");
    }
}

/// Deletes the Nodes of the plan, each only in the version that was checked. Gives one result for each deletion.
async fn apply(plan: &Plan, api: &dyn ClusterApi, consent: &Consent) -> (Vec<&'static str>, Option<CommandError>) {
    let mut results = Vec::new();
    for judged in plan.deletions() {
        match api.delete_node(&judged.node, consent).await {
            Ok(NodeDeletion::Deleted) => results.push("deleted"),
            Ok(NodeDeletion::Gone) => results.push("gone"),
            Ok(NodeDeletion::Changed) => results.push("changed"),
            Err(source) => {
                let deleted = results.iter().filter(|result| **result == "deleted").count();
                let message = format!("stopped after {deleted} of the Nodes were deleted");
                let error = match deleted {
                    0 => CommandError::failed(message),
                    _ => CommandError::after_change(message),
                };
                let hint = source.hint();
                let hint = hint.unwrap_or_else(|| "repeat the command: it resumes where it stopped".to_owned());
                return (results, Some(error.hint(hint).source(source)));
            }
        }
    }
    (results, None)
}

impl Failure for Blocked {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::NoneFound(..) | Self::AliveAndUnknown(_) => {
                    "check --profile and --region; no Node was deleted. If all instances of the cluster are really gone, \
                     build a new control plane first"
                }
                Self::OtherCluster { .. } => "check --name, --context and --kubeconfig; no Node was deleted",
            }
            .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::kubernetes::cluster::NodeState;
    use runbook_kit::model::kubernetes::node::Node;
    use runbook_kit::ports::cluster_api::KubeErrorKind;
    use runbook_kit::testing::MemoryApi;

    use super::*;

    fn node(name: &str) -> NodeState {
        NodeState {
            node: Node::named(name),
            uid: "u".to_owned(),
            resource_version: "1".to_owned(),
            ready: NodeReady::Unknown,
            ready_since: None,
        }
    }

    async fn plan_of(api: &MemoryApi) -> Plan {
        let nodes = api.nodes().await.unwrap().into_iter().map(|node| Judged {
            node,
            instance: None,
            state: None,
            renewed: None,
            action: Action::Delete,
            reason: String::new(),
        });
        Plan {
            nodes: nodes.collect(),
            blocked: None,
        }
    }

    #[tokio::test]
    async fn a_node_that_comes_back_to_life_meanwhile_is_left() {
        let api = MemoryApi::default();
        for name in ["a", "b", "c"] {
            api.put_node(node(name));
        }
        let plan = plan_of(&api).await;
        api.put_node(node("b"));
        let consent = confirm::plain(true).unwrap();
        assert_eq!(apply(&plan, &api, &consent).await.0, ["deleted", "changed", "deleted"]);
        assert_eq!(api.node_names(), ["b"]);
        assert_eq!(apply(&plan, &api, &consent).await.0, ["gone", "changed", "gone"]);
    }

    #[tokio::test]
    async fn a_refusal_says_what_was_done() {
        let api = MemoryApi::default();
        api.put_node(node("a"));
        let plan = plan_of(&api).await;
        api.refuse(KubeErrorKind::Forbidden);
        let consent = confirm::plain(true).unwrap();
        let stopped = apply(&plan, &api, &consent).await.1.unwrap();
        assert_eq!(Failure::exit(&stopped), Exit::Failed);
        assert_eq!(
            Failure::hint(&stopped).unwrap(),
            "grant the user of this context to delete node a"
        );
    }
}
