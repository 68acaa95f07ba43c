//! How to reach a living etcd: the flags, the same in every plugin that does.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum, builder::PossibleValue};

use super::values::duration;
use crate::model::etcd_access::{EtcdAccess, Via};

impl ValueEnum for Via {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Direct, Self::PortForward, Self::Ssh]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Auto => "auto",
            Self::Direct => "direct",
            Self::PortForward => "port-forward",
            Self::Ssh => "ssh",
        }))
    }
}

/// How to reach etcd.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "etcd access")]
struct EtcdAccessArgs {
    /// How to connect to etcd: auto (by flags and environment), direct, port-forward or ssh; TLS is always verified
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "WAY")]
    via: Via,
    /// etcd client URLs, for --via direct; for several etcd clusters: main=URL,events=URL
    #[arg(
        long,
        env = "ETCDCTL_ENDPOINTS",
        value_delimiter = ',',
        value_name = "URL,…",
        hide_env_values = true
    )]
    endpoints: Vec<String>,
    /// CA certificate to verify etcd's certificate
    #[arg(long, env = "ETCDCTL_CACERT", value_name = "FILE", hide_env_values = true)]
    cacert: Option<PathBuf>,
    /// Client certificate
    #[arg(long, env = "ETCDCTL_CERT", value_name = "FILE", hide_env_values = true)]
    cert: Option<PathBuf>,
    /// Private key of the client certificate
    #[arg(long, env = "ETCDCTL_KEY", value_name = "FILE", hide_env_values = true)]
    key: Option<PathBuf>,
    /// Control-plane node, for --via ssh; repeatable, tried in order
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// SSH user [default: from your ssh config]
    #[arg(long, value_name = "USER")]
    ssh_user: Option<String>,
    /// SSH jump host, as in `ssh -J` [default: from your ssh config]
    #[arg(long, value_name = "[USER@]HOST")]
    ssh_jump: Option<String>,
    /// Timeout for connecting and for each request
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    etcd_timeout: Duration,
    /// etcd's client port on the node [default: main 4001, events 4002, cilium 4003, leases 4004]
    #[arg(long, value_name = "PORT")]
    etcd_port: Option<u16>,
    /// Use plain HTTP for an etcd without TLS (kops feature flag EtcdEventsHTTP)
    #[arg(long)]
    plain_http: bool,
}

impl From<EtcdAccessArgs> for EtcdAccess {
    fn from(args: EtcdAccessArgs) -> Self {
        Self {
            via: args.via,
            endpoints: args.endpoints,
            cacert: args.cacert,
            cert: args.cert,
            key: args.key,
            host: args.host,
            ssh_user: args.ssh_user,
            ssh_jump: args.ssh_jump,
            etcd_timeout: args.etcd_timeout,
            etcd_port: args.etcd_port,
            plain_http: args.plain_http,
            ssh_program: None,
        }
    }
}

impl Args for EtcdAccess {
    fn augment_args(command: Command) -> Command {
        EtcdAccessArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        EtcdAccessArgs::augment_args_for_update(command)
    }
}

impl FromArgMatches for EtcdAccess {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        EtcdAccessArgs::from_arg_matches(matches).map(Self::from)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
