//! How to reach the cluster's machines: the flags, the same in every command that does.

use std::time::Duration;

use clap::Args;

use super::values::duration;

/// Which of an instance's addresses ssh goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SshAddress {
    /// The public one where there is one and no bastion is named, else the private one
    #[default]
    Auto,
    /// The private one
    Private,
    /// The public one
    Public,
}

/// The user's own ssh, and where it goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "SSH access")]
pub struct SshArgs {
    /// Host to connect to, as in your ssh config; repeatable [default: the cluster's running instances in AWS]
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// SSH user [default: from your ssh config]
    #[arg(long, value_name = "USER")]
    pub ssh_user: Option<String>,
    /// SSH jump host, as in `ssh -J` [default: from your ssh config]
    #[arg(long, value_name = "[USER@]HOST")]
    pub ssh_jump: Option<String>,
    /// Instance address to connect to: auto, private or public
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "WHICH")]
    pub ssh_address: SshAddress,
    /// Timeout for connecting to a host
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub ssh_timeout: Duration,
}

impl Default for SshArgs {
    fn default() -> Self {
        Self {
            host: Vec::new(),
            ssh_user: None,
            ssh_jump: None,
            ssh_address: SshAddress::default(),
            ssh_timeout: Duration::from_secs(10),
        }
    }
}
