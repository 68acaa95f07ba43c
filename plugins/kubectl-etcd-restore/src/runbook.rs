//! `runbook`: the whole recovery as Markdown, with this cluster's own names.

mod text;

use runbook_kit::cli::etcd::client_port;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::error::{AnyFailure, UsageError};
use runbook_kit::exit::Exit;
use runbook_kit::output::Format;
use runbook_kit::ui::chain;

use self::text::{EtcdFacts, Facts, Master};
use crate::context::Context;
use crate::hosts::{self, Role};

/// Print the whole recovery as Markdown for this cluster, with the manual way beside each step
///
/// Print it while all is well, and keep it where it can be read when nothing else works. Nothing is changed; what cannot be
/// asked now stands as a placeholder in capitals.
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
        return Err(UsageError::new("the runbook is Markdown").hint("leave out -o").into());
    }
    let catalogs = session.catalogs().await?;
    let cluster = catalogs.first().map(|catalog| catalog.store.cluster.clone());
    let cluster = cluster.unwrap_or_else(|| "CLUSTER".to_owned());
    let etcds = catalogs.iter().map(|catalog| EtcdFacts {
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
        newest: catalog.latest().map(|backup| backup.name.to_string()),
    });
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
            ui.note(&format!("the masters stand as placeholders: {}", chain(error.as_ref())));
            Vec::new()
        }
    };
    let facts = Facts {
        cluster,
        state: session.state()?.map(|state| state.to_string()),
        etcds: etcds.collect(),
        masters,
        user: args.ssh.ssh_user,
        jump: args.ssh.ssh_jump,
        written: session.now(),
    };
    ui.result(&text::markdown(&facts))?;
    Ok(Exit::Done)
}
