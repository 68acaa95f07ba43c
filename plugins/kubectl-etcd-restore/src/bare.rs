//! Without a subcommand: where the cluster stands in the whole recovery, and the one command that comes next.

use runbook_kit::backups::run_record;
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::domain::backup_name::BackupName;
use runbook_kit::domain::fleet::{Instance, InstanceState};
use runbook_kit::domain::masterleases::FOLDER;
use runbook_kit::domain::restore::follow::{EtcdSeen, Follow};
use runbook_kit::error::AnyFailure;
use runbook_kit::exit::Exit;
use runbook_kit::output::{self, Format};
use runbook_kit::ui::{chain, chain_with_hint};
use serde::Serialize;

use crate::context::Context;
use crate::sight::eyes::Eyes;
use crate::sight::gone;
use crate::sight::standing::{EtcdStanding, Facts, Masters, Stage, standing};
use crate::sight::survey::{AWS_TIMEOUT, is_master};

/// What is printed for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    cluster: String,
    stage: Stage,
    why: String,
    /// The command to type; `null` where there is nothing to do.
    next: Option<String>,
    findings: Vec<Finding>,
    /// What could not be asked.
    unseen: Vec<String>,
}

#[derive(Serialize)]
struct Finding {
    of: String,
    says: String,
}

fn finding(of: impl Into<String>, says: impl Into<String>) -> Finding {
    Finding {
        of: of.into(),
        says: says.into(),
    }
}

/// Where API servers keep their objects, unless they were told otherwise.
const PREFIX: &str = "/registry";

/// Runs it.
pub async fn run(access: EtcdAccessArgs, context: &Context) -> Result<Exit, AnyFailure> {
    let session = &context.session;
    if session.format == Format::Prometheus {
        return Err(output::no_metrics().into());
    }
    let catalogs = session.catalogs().await?;
    let cluster = catalogs
        .first()
        .map(|catalog| catalog.store.cluster.clone())
        .unwrap_or_default();
    let eyes = Eyes::open(context, &catalogs, &[], &access).await;
    let (look, machines) = tokio::join!(eyes.look(), machines(context, &cluster));
    let mut unseen = Eyes::unseen(&look, &catalogs);
    let mut findings = Vec::new();
    let masters = match machines {
        Ok(masters) => {
            let starting = if masters.pending > 0 {
                format!(", {} start", masters.pending)
            } else {
                String::new()
            };
            findings.push(finding(
                "masters",
                format!("{} run{starting}, in {} groups", masters.running, masters.groups),
            ));
            Some(masters)
        }
        Err(why) => {
            unseen.push(format!("AWS: {why}"));
            None
        }
    };
    let now = session.now();
    let mut etcds = Vec::new();
    for (catalog, seen) in catalogs.iter().zip(&look.etcds) {
        let follow = Follow::default().step(seen, now);
        let newest = seen
            .store
            .as_ref()
            .ok()
            .and_then(|store| store.newest.as_ref()?.parse::<BackupName>().ok());
        let backup = newest.as_ref().map_or_else(
            || "no backup".to_owned(),
            |newest| {
                let age = runbook_kit::domain::units::age(now.duration_since(newest.created()));
                format!("newest backup {newest}, {age} old")
            },
        );
        let etcd = &catalog.store.etcd;
        findings.push(finding(
            format!("etcd {etcd}"),
            format!("{}; {backup}", follow.state.name()),
        ));
        etcds.push(EtcdStanding {
            etcd: etcd.clone(),
            state: follow.state,
            asked: !matches!(seen.etcd, EtcdSeen::NotAsked(_)),
            problem: follow.problem.clone(),
            newest: newest.map(|newest| newest.created()),
        });
    }
    findings.push(finding("API", look.api.says()));
    let leaseless = leaseless(&eyes, &catalogs).await;
    if let Some(leaseless) = leaseless {
        findings.push(finding("masterleases", format!("{leaseless} without a lease")));
    }
    let dead_nodes = dead_nodes(&eyes, context).await;
    if let Some(dead) = dead_nodes {
        findings.push(finding("Nodes", format!("{dead} without an instance")));
    }
    let facts = Facts {
        members: catalogs
            .iter()
            .map(|catalog| catalog.store.members.len())
            .max()
            .unwrap_or_default(),
        masters,
        etcds,
        api_ready: look.api.serves(),
        run_under_way: run_under_way(&catalogs, context).await?,
        leaseless,
        dead_nodes,
    };
    let verdict = standing(&facts);
    let flags = match &session.cluster.state {
        Some(state) => format!("--state {state} --name {cluster}"),
        _ => format!("--name {cluster}"),
    };
    let report = Report {
        stage: verdict.stage,
        why: verdict.why,
        next: verdict.next.map(|next| format!("{next} {flags}")),
        cluster,
        findings,
        unseen,
    };
    show(&report, context)?;
    Ok(Exit::Done)
}

fn show(report: &Report, context: &Context) -> Result<(), AnyFailure> {
    let session = &context.session;
    match session.format {
        Format::Json | Format::Yaml => return output::structured(&session.ui, session.format, report),
        Format::Name => {
            if let Some(next) = &report.next {
                session.ui.result(&format!("{next}\n"))?;
            }
            return Ok(());
        }
        _ => {}
    }
    let mut text = format!("{}\n\n", report.cluster);
    let width = report
        .findings
        .iter()
        .map(|finding| finding.of.len())
        .max()
        .unwrap_or_default();
    for finding in &report.findings {
        text.push_str(&format!("  {:width$}  {}\n", finding.of, finding.says));
    }
    text.push_str(&format!("\n{}\n", report.why));
    match &report.next {
        Some(next) => text.push_str(&format!("\nNext:\n  {next}\n")),
        None => text.push_str("\nNothing comes next.\n"),
    }
    session.ui.result(&text)?;
    for unseen in &report.unseen {
        session.ui.note(&format!("out of sight: {unseen}"));
    }
    Ok(())
}

/// The masters and their groups.
async fn machines(context: &Context, cluster: &str) -> Result<Masters, String> {
    let fleet = context.fleet();
    let asked = futures::future::try_join(fleet.groups_of(cluster), fleet.instances_of(cluster));
    let (groups, instances) = tokio::time::timeout(AWS_TIMEOUT, asked)
        .await
        .map_err(|_| "no answer in time".to_owned())?
        .map_err(|error| chain_with_hint(&error))?;
    let masters: Vec<&Instance> = instances
        .iter()
        .filter(|instance| is_master(&instance.tags, cluster))
        .collect();
    let count = |state| masters.iter().filter(|instance| instance.state == state).count();
    Ok(Masters {
        groups: groups
            .iter()
            .filter(|group| is_master(&group.tags, cluster) && group.status.is_none())
            .count(),
        running: count(InstanceState::Running),
        pending: count(InstanceState::Pending),
        launched: masters
            .iter()
            .filter(|instance| instance.state == InstanceState::Running)
            .filter_map(|instance| instance.launched)
            .min(),
    })
}

/// One look only: whether a key without a lease is stale, `kubectl masterleases` watches out.
async fn leaseless(eyes: &Eyes<'_>, catalogs: &[runbook_kit::backups::catalog::Catalog]) -> Option<usize> {
    let main = catalogs
        .iter()
        .position(|catalog| catalog.store.etcd == runbook_kit::domain::goodness::MAIN)?;
    let range = eyes.range(main, format!("{PREFIX}{FOLDER}").as_bytes()).await?;
    Some(range.keys.iter().filter(|key| key.lease == 0).count())
}

/// Nodes whose instance AWS does not have any more.
async fn dead_nodes(eyes: &Eyes<'_>, context: &Context) -> Option<usize> {
    let nodes = eyes.api().await?.nodes().await.ok()?;
    Some(gone::of(&nodes, context).await?.len())
}

async fn run_under_way(
    catalogs: &[runbook_kit::backups::catalog::Catalog],
    context: &Context,
) -> Result<bool, AnyFailure> {
    let Some(at) = catalogs
        .iter()
        .find_map(|catalog| run_record::place(catalog.store.recovery.as_ref()?))
    else {
        return Ok(false);
    };
    match run_record::read(context.session.objects(), &at).await {
        Ok(record) => Ok(matches!(record, Ok(Some(_)))),
        Err(error) => {
            context.session.ui.warn(&chain(&error));
            Ok(false)
        }
    }
}
