//! What etcd-manager says in its logs on the masters, where the user has given a way to the hosts. It tells nobody else why it
//! fails.

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

/// Before a host whose log broke off is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The log_watch for one etcd cluster.
pub struct LogWatch {
    hosts: Box<dyn Hosts>,
    names: Vec<String>,
    file: String,
    buffer: Mutex<LogBuffer>,
}

#[derive(Default)]
struct LogBuffer {
    events: Vec<LogEvent>,
    /// Whether any host's log was reached.
    any: bool,
}

impl LogWatch {
    /// Where hosts were named; nobody else's ssh is used.
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

    /// Listens to all of them, and never ends. What was said before is another restore's: only new lines count.
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

    /// What was said since the last call; `None` where nothing was ever heard.
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
