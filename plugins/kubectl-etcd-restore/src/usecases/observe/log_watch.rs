//! Follows etcd-manager's logs on the hosts that the user named. Only the log shows why a restore fails.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::rules::log_messages::{self, LogEvent};
use futures::future::join_all;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::failure::chain;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::Hosts;
use tokio::time::sleep;

use crate::context::Context;
use crate::usecases::hosts::scripts;

/// Delay before a closed log is opened again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The logs of one etcd cluster.
pub struct LogWatch {
    hosts: Box<dyn Hosts>,
    names: Vec<String>,
    file: String,
    buffer: Mutex<LogBuffer>,
}

#[derive(Default)]
struct LogBuffer {
    events: Vec<LogEvent>,
    /// Whether any log was read.
    any: bool,
}

impl LogWatch {
    /// `None` where the user has named no hosts.
    pub fn open(access: &EtcdAccess, etcd: &str, context: &Context) -> Option<Self> {
        if access.host.is_empty() {
            return None;
        }
        let ssh = SshArgs {
            host: access.host.clone(),
            ssh_user: access.ssh_user.clone(),
            ssh_jump: access.ssh_jump.clone(),
            ..SshArgs::default()
        };
        match context.hosts(&ssh) {
            Ok(hosts) => Some(Self {
                hosts,
                names: ssh.host,
                file: file(etcd),
                buffer: Mutex::default(),
            }),
            Err(error) => {
                context
                    .session
                    .ui
                    .note(&format!("the logs cannot be read: {}", chain(&error)));
                None
            }
        }
    }

    /// Follows all of them, without end. Only new lines count: older ones are from another restore.
    pub async fn follow(&self, context: &Context) {
        join_all(self.names.iter().map(|host| async move {
            let mut told = false;
            loop {
                let script = scripts::follow(&self.file, 0);
                let ended = self.hosts.read(host, &script, &|line| self.add(line)).await;
                if let (Err(error), false) = (ended, told) {
                    told = true;
                    context
                        .session
                        .ui
                        .note(&format!("a log cannot be read: {}", chain(&error)));
                }
                sleep(RETRY_AFTER).await;
            }
        }))
        .await;
    }

    /// The events since the last call; `None` where no log was ever read.
    pub fn take(&self) -> Option<Vec<LogEvent>> {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.any.then(|| std::mem::take(&mut buffer.events))
    }

    fn add(&self, line: &str) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.any = true;
        buffer.events.extend(log_messages::read(line));
    }
}

/// Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
fn file(etcd: &str) -> String {
    match etcd {
        "main" => "/var/log/etcd.log".to_owned(),
        other => format!("/var/log/etcd-{other}.log"),
    }
}
