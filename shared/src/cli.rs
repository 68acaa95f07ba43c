//! What all plugins' command lines have in common.

pub mod completion;
pub mod confirm;
pub mod etcd;
pub mod man;
pub mod output;
pub mod program;
pub mod ssh;
pub mod ui;
mod usage_hints;
pub mod values;

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches};

use crate::cli::output::Format;
use crate::cli::ui::{ColorWhen, Ui};
use crate::exit::Exit;
use crate::failure::{AnyFailure, CommandError};
use crate::model::backup::reference::BackupRef;
use crate::model::units;

/// Output flags.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Output format: table, wide, json, yaml or name; prometheus for checks, svg for timeline
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        global = true,
        value_name = "FORMAT"
    )]
    pub output: Format,
    /// Print tables without the head line
    #[arg(long, global = true)]
    pub no_headers: bool,
    /// Print only results and warnings
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print details of each step
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// When to use colors: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        global = true,
        value_name = "WHEN"
    )]
    pub color: ColorWhen,
}

/// Which cluster, and where its state and its API are.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// kops state store, s3://bucket[/prefix] or file:///folder [env: KOPS_STATE_STORE; else ~/.kops.yaml]
    #[arg(long, global = true, value_name = "URL")]
    pub state: Option<String>,
    /// Name of the cluster [env: KOPS_CLUSTER_NAME; else the current kubectl context]
    #[arg(long, alias = "cluster", global = true, value_name = "CLUSTER")]
    pub name: Option<String>,
    /// kubectl context; also the cluster's name where --name is not given
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Path to the kubeconfig file
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Where the backups are, where the state store does not tell.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct StoreArgs {
    /// Backup store to use instead of those of the cluster spec; repeatable
    #[arg(long, global = true, value_name = "[ETCD=]URL")]
    pub store: Vec<String>,
    /// Allow changes in backup stores of the cluster spec that are outside of the state store
    #[arg(long, global = true, conflicts_with = "store")]
    pub follow_spec: bool,
}

/// Which of its etcd clusters.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct EtcdArgs {
    /// Only these etcd clusters [default: all]
    #[arg(long, global = true, value_delimiter = ',', value_name = "ETCD,…")]
    pub etcd: Vec<String>,
}

/// Which backup is meant.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// Name or prefix of a backup, `latest` or `latest-good`; `ETCD=` before it selects one etcd cluster
    #[arg(value_name = "BACKUP")]
    pub backup: BackupRef,
    /// With latest and latest-good: only backups up to this time
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

impl From<BackupRef> for BackupArgs {
    /// Whenever it was taken.
    fn from(backup: BackupRef) -> Self {
        Self { backup, at: None }
    }
}

/// Which backups are looked into, and how they are unpacked.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Unpacking")]
pub struct UnpackArgs {
    /// For latest-good of main: UID of the cluster's namespace kube-system, or a prefix of it
    #[arg(long, global = true, value_name = "UID", help_heading = "Cluster", value_parser = values::uid)]
    pub lineage: Option<String>,
    /// EncryptionConfiguration of the API servers, to read what is encrypted at rest [default: that of the state store]
    #[arg(long, global = true, value_name = "FILE")]
    pub encryption_config: Option<PathBuf>,
    /// Directory for unpacked snapshots [default: the system's]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub temp_dir: Option<PathBuf>,
    /// Maximum size of an unpacked snapshot
    #[arg(long, global = true, value_name = "SIZE", default_value = "16GiB", value_parser = size)]
    pub max_db_size: u64,
    /// Read every backup anew to judge it, whatever earlier commands have learned of it
    #[arg(long, global = true)]
    pub no_cache: bool,
}

impl Default for UnpackArgs {
    fn default() -> Self {
        Self {
            lineage: None,
            encryption_config: None,
            temp_dir: None,
            max_db_size: 16 << 30,
            no_cache: false,
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    units::parse_bytes(text).map_err(|error| error.to_string())
}

/// AWS credentials, region and timeout.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "AWS")]
pub struct AwsArgs {
    /// AWS region; the region of a bucket is detected
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// AWS profile
    #[arg(long, global = true, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// AWS profile for the state store and the backups [default: --profile]
    #[arg(long, global = true, value_name = "PROFILE")]
    pub state_profile: Option<String>,
    /// Timeout for each AWS request attempt [default: 30s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = values::duration)]
    pub aws_timeout: Option<Duration>,
}

/// The name that help and errors use for the program: `kubectl etcd-backups`, whatever the file's dashes are.
#[must_use]
pub fn program_name(argv0: Option<&OsString>, package: &str) -> String {
    let file = argv0
        .map(Path::new)
        .and_then(Path::file_stem)
        .and_then(|stem| stem.to_str())
        .unwrap_or(package);
    match file.strip_prefix("kubectl-") {
        Some(plugin) => format!("kubectl {}", plugin.replace('_', "-")),
        None => file.to_owned(),
    }
}

/// The command line's description, under the program's name.
#[must_use]
pub fn command<C: CommandFactory>(name: &str) -> clap::Command {
    let mut command = program::with_examples(C::command().bin_name(name).display_name(name), name);
    command.build();
    command
}

/// Runs a plugin: parses the command line, runs `run` until it ends or is interrupted, tells a failure once.
pub fn main<C, Run, Running>(package: &str, output: impl Fn(&C) -> &OutputArgs, run: Run) -> ExitCode
where
    C: CommandFactory + FromArgMatches,
    Run: FnOnce(C, Ui) -> Running,
    Running: Future<Output = Result<Exit, AnyFailure>>,
{
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name = program_name(arguments.first(), package);
    let parsed = program::with_examples(C::command().bin_name(&name).display_name(&name), &name)
        .try_get_matches_from(arguments)
        .and_then(|matches| C::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal is ignored.
            let error = usage_hints::with_hint(error, &name);
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    let flags = output(&cli);
    let ui = Ui::new(flags.quiet, flags.verbose, flags.color).with_headers(!flags.no_headers);
    match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = run(cli, ui) => ended,
                    () = interrupted() => Ok(Exit::Interrupted),
                }
            });
            // Threads that unpack a backup see the end of their input and remove their temporary files.
            runtime.shutdown_timeout(Duration::from_secs(2));
            match ended {
                Ok(exit) => exit.into(),
                Err(failure) => {
                    ui.failure(failure.as_ref());
                    failure.exit().into()
                }
            }
        }
        Err(error) => {
            ui.failure(&CommandError::usage(format!("starting up: {error}")));
            Exit::Failed.into()
        }
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_speaks_of_the_command_that_kubectl_users_type() {
        let name = |file: &str| program_name(Some(&OsString::from(file)), "p");
        assert_eq!(name("/usr/local/bin/kubectl-etcd_backups"), "kubectl etcd-backups");
        assert_eq!(name("kubectl-etcd-backups"), "kubectl etcd-backups");
        assert_eq!(name("/x/kops-wipe-masters"), "kops-wipe-masters");
        assert_eq!(name("kubectl-kops_wipe_masters"), "kubectl kops-wipe-masters");
        assert_eq!(program_name(None, "p"), "p");
    }
}
