//! The survey of `list`, `check` and `prune`: its flags, and what it prints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::usecases::survey::{Options, Survey, survey};
use clap::Args;
use runbook_kit::cli::values;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::units;
use runbook_kit::ports::EtcdKv;

use crate::context::Context;

#[derive(Clone, Debug, Args)]
pub struct SurveyArgs {
    /// How long to watch keys without a lease; more than 10s is needed to call one stale. 0 reads the keys once and
    /// connects to no API server
    #[arg(long, value_name = "DURATION", default_value = "12s", value_parser = values::wait)]
    pub observe: Duration,
    /// CA certificate of the API servers, PEM [default: read from etcd]
    #[arg(long, value_name = "FILE")]
    pub cluster_ca: Option<PathBuf>,
    /// Port of the API servers [default: from the Endpoints, else 443]
    #[arg(long, value_name = "PORT")]
    pub api_port: Option<u16>,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub access: EtcdAccess,
}

/// Where API servers keep their keys.
#[derive(Clone, Debug, Args)]
pub struct KeyArgs {
    /// The API servers' --etcd-prefix
    #[arg(long, value_name = "PREFIX", default_value = "/registry", value_parser = values::prefix)]
    pub etcd_prefix: String,
}

/// Surveys the masterleases; prints what it waits for and what could not be checked.
pub async fn observe(args: &SurveyArgs, etcd: &dyn EtcdKv, context: &Context) -> Result<Survey, AnyFailure> {
    let ui = &context.ui;
    let options = Options {
        prefix: args.keys.etcd_prefix.clone(),
        observe: args.observe,
        port: args.api_port,
        ca: args
            .cluster_ca
            .as_deref()
            .map(|file| read_ca(file, context))
            .transpose()?,
    };
    let seconds = args.observe.as_secs();
    let progress = ui.count_progress("watching for rewrites", seconds);
    let waiting = |keys: usize, waited: Duration| {
        if waited < Duration::from_millis(100) {
            ui.note(&format!(
                "{} without a lease: watching for {seconds} s whether an API server rewrites {}",
                units::counted(keys as u64, "key"),
                if keys == 1 { "it" } else { "one" },
            ));
        }
        progress.set(waited.as_secs());
    };
    let found = survey(etcd, context.probe(), &options, &waiting).await?;
    drop(progress);
    for what in &found.not_checked {
        ui.note(&format!("not checked: {what}"));
    }
    for name in &found.deleted {
        ui.note(&format!("{name} was deleted or expired during the check"));
    }
    if let Some(note) = found.peers.note(&args.keys.etcd_prefix) {
        ui.note(&note);
    }
    Ok(found)
}

/// Why there is no masterlease, if there is none.
pub fn no_leases(survey: &Survey) -> Option<CommandError> {
    if !survey.leases.is_empty() {
        return None;
    }
    let (message, hint) = match survey.cluster_uid {
        Some(_) => (
            "no API server has announced itself in this etcd",
            "start an API server: it announces itself within 10 s",
        ),
        None if survey.revision <= 1 => (
            "this etcd is empty",
            "wait for the restore, or check --endpoints, --host or --context",
        ),
        None => (
            "this is no etcd `main` of a cluster: it has no namespace kube-system and no masterlease",
            "masterleases are in `main`, with kops on port 4001 (`events` is on 4002); if the API servers have another \
             --etcd-prefix, pass it",
        ),
    };
    Some(CommandError::failed(message).hint(hint))
}

fn read_ca(file: &Path, context: &Context) -> Result<String, CommandError> {
    let unusable = |why: String| CommandError::usage(format!("--cluster-ca {}: {why}", file.display()));
    let bytes = context.read(file).map_err(|error| unusable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))
}
