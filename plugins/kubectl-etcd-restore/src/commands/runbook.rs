//! `runbook`: the recovery procedure of this cluster as Markdown.

use runbook_kit::cli::output::Format;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::exit::Exit;
use runbook_kit::failure::chain;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::client_port;
use runbook_kit::model::store_url::StoreUrl;
use runbook_kit::usecases::catalog::Catalog;

use crate::context::Context;
use crate::rules::machines::Role;
use crate::rules::runbook::facts::{EtcdFacts, Facts, Master};
use crate::rules::runbook::text;
use crate::usecases::hosts;

/// Print the recovery procedure of this cluster as Markdown, with the manual commands for each step
///
/// Print it while the cluster is healthy, and keep it where it can be read when the cluster is down. It changes nothing. Unknown values are printed
/// as placeholders in capitals.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  kubectl etcd-restore runbook --state s3://kops-state --name k8s.example.com > runbook.md"
)]
pub struct Args {
    #[command(flatten)]
    ssh: SshArgs,
}

/// Runs `runbook`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (session, ui) = (&context.session, &context.session.ui);
    if !matches!(session.format, Format::Table | Format::Wide) {
        return Err(CommandError::usage("the runbook is Markdown").hint("omit -o").into());
    }
    let catalogs = session.catalogs().await?;
    let cluster = catalogs.first().map(|catalog| catalog.store.cluster.clone());
    let cluster = cluster.unwrap_or_else(|| "CLUSTER".to_owned());
    let state = session.state()?;
    let found = session.discover().await.ok();
    let mut etcds = Vec::new();
    for catalog in &catalogs {
        etcds.push(EtcdFacts {
            name: catalog.store.etcd.clone(),
            base: catalog.store.base.to_string(),
            port: client_port(&catalog.store.etcd),
            version: catalog.store.etcd_version.clone(),
            members: catalog
                .store
                .members
                .iter()
                .map(|member| (member.name.clone(), member.instance_group.clone()))
                .collect(),
            replaces: replaces(catalog, context).await,
        });
    }
    let masters = match hosts::find(&args.ssh, &[Role::Master], context).await {
        Ok(machines) => machines
            .into_iter()
            .map(|machine| Master {
                host: machine.host,
                instance: machine.instance,
                member: machine.members.get("main").cloned(),
            })
            .collect(),
        Err(error) => {
            ui.note(&format!("the current masters are omitted: {}", chain(error.as_ref())));
            Vec::new()
        }
    };
    let caller = match context.fleet().caller().await {
        Ok(caller) => Some(caller),
        Err(error) => {
            ui.note(&format!("the account is a placeholder: {}", chain(&error)));
            None
        }
    };
    let of_spec = found.and_then(|found| found.spec.as_ref()?.region.clone());
    let facts = Facts {
        kops: match &state {
            Some(state) => kops_version(&state.join(&cluster), context).await,
            None => None,
        },
        cluster,
        state: state.map(|state| state.to_string()),
        account: caller.as_ref().map(|caller| caller.account.clone()),
        // The cluster's own region, not that of the shell.
        region: of_spec.or_else(|| caller.map(|caller| caller.region)),
        etcds,
        masters,
        user: args.ssh.ssh_user,
        jump: args.ssh.ssh_jump,
        written: session.now(),
    };
    ui.result(&text::markdown(&facts))?;
    Ok(Exit::Done)
}

/// Whether its etcd-manager is known to replace an empty member by itself.
async fn replaces(catalog: &Catalog, context: &Context) -> bool {
    let managers = context.etcd_managers(catalog).await.and_then(Result::ok);
    managers.is_some_and(|managers| managers.replace_empty_members(catalog.store.members.len()))
}

/// The version of the kops that last updated the cluster.
async fn kops_version(folder: &StoreUrl, context: &Context) -> Option<String> {
    const LIMIT: u64 = 1024;
    let content = context
        .session
        .objects()
        .get(&folder.join("kops-version.txt"), LIMIT)
        .await
        .ok()?;
    let text = String::from_utf8(content).ok()?.trim().to_owned();
    // It becomes part of text that users paste.
    let is_version = |text: &String| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
    };
    Some(text).filter(is_version)
}
