//! `cleanup workers`: shows which kubelets work after a restore.

use std::time::Duration;

use jiff::Timestamp;
use runbook_kit::cli::output;
use runbook_kit::cli::values;
use runbook_kit::exit::Exit;
use runbook_kit::failure::AnyFailure;
use tokio::time::sleep;

use crate::context::Context;
use crate::rules::workers;

/// Show which kubelets renew their Lease, and how to fix the others
///
/// A restore resets etcd's revisions, so kubelets that kept running may have stale caches. Exit code 5 if a kubelet does not renew its Lease.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore cleanup workers --name k8s.example.com\n  \
    kubectl etcd-restore cleanup workers --since 2026-11-22T15:20:00Z"
)]
pub struct Args {
    /// Accept Leases renewed since this time, such as the time of the restore, instead of watching
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// How long to watch; kubelets renew every 10 s
    #[arg(long, value_name = "DURATION", default_value = "12s", value_parser = values::duration)]
    observe: Duration,
    /// Timeout for each Kubernetes API request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    api_timeout: Duration,
}

/// Runs `cleanup workers`. It changes nothing.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    let since: Option<Timestamp> = session.moment(args.since.as_deref(), "--since")?;
    let name = session.name()?.map(|name| name.value).unwrap_or_default();
    let api = context.cluster_api(&name, args.api_timeout).await?;
    let (nodes, before) = (api.nodes().await?, api.node_leases().await?);
    let after = if since.is_some() {
        before.clone()
    } else {
        ui.note(&format!(
            "watching for {} s which kubelets renew their Lease",
            args.observe.as_secs()
        ));
        sleep(args.observe).await;
        api.node_leases().await?
    };
    let rows = workers::judge(&nodes, &before, &after, since, session.now());
    output::rows(ui, session.format, &rows, "The cluster has no Nodes")?;
    for line in workers::next_steps(&rows, &name) {
        ui.note(&line);
    }
    Ok(if rows.iter().all(|row| row.renewed) {
        Exit::Done
    } else {
        Exit::Found
    })
}
