//! `logs`: the merged logs of the control plane.

use std::time::Duration;

use futures::future::join_all;
use runbook_kit::cli::output::Format;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::ports::hosts::{HostError, Hosts};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::context::Context;
use crate::rules::machines::{Machine, Role};
use crate::rules::merge_logs::{Line, Merger};
use crate::usecases::api_log;
use crate::usecases::hosts::{self, scripts};

/// How long a line is held back for older lines of other hosts.
const WINDOW: Duration = Duration::from_millis(500);
/// Follow the logs of etcd or kube-apiserver of the whole control plane, merged by time
///
/// Each line starts with its host. A host that does not respond is reported, and the others continue.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore logs etcd --name k8s.example.com\n  \
    kubectl etcd-restore logs etcd --etcd events --no-follow --tail 500 --host 10.0.0.7\n  \
    kubectl etcd-restore logs kube-apiserver --name k8s.example.com --ssh-user ubuntu"
)]
pub struct Args {
    /// Component whose logs are shown
    #[arg(value_enum, value_name = "COMPONENT", default_value_t)]
    component: Component,
    /// Number of recent lines to show for each host
    #[arg(long, value_name = "N", default_value = "20")]
    tail: u32,
    /// Exit after the last line instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    ssh: SshArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Component {
    /// etcd-manager and etcd: main, or the etcd cluster named by --etcd
    #[default]
    Etcd,
    /// The API server
    KubeApiserver,
}

/// A line for programs.
#[derive(Serialize)]
struct JsonLine<'a> {
    host: &'a str,
    line: &'a str,
}

/// Runs `logs`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, AnyFailure> {
    let (ui, format) = (&context.session.ui, context.session.format);
    if !matches!(format, Format::Table | Format::Wide | Format::Json) {
        return Err(CommandError::usage("logs are printed as text or JSON")
            .hint("omit -o, or pass -o json")
            .into());
    }
    let file = file(args.component, &context.session.etcds)?;
    let hosts = context.hosts(&args.ssh)?;
    let roles: &[Role] = match args.component {
        Component::Etcd => &[Role::Master],
        Component::KubeApiserver => &[Role::Master, Role::ApiServer],
    };
    let machines = hosts::find(&args.ssh, roles, context).await?;
    ui.note(&format!("{file} of {} hosts", machines.len()));
    let (sender, mut receiver) = mpsc::unbounded_channel::<(usize, String)>();
    let reading = async {
        let each = machines.iter().enumerate().map(|(at, machine)| {
            let sender = sender.clone();
            let (hosts, file, args) = (hosts.as_ref(), file.as_str(), &args);
            async move {
                let on_line = |line: &str| {
                    // The receiver is closed only at the end.
                    let _ = sender.send((at, line.to_owned()));
                };
                let read = read(args, machine, file, hosts, &on_line).await;
                read.inspect_err(|error| api_log::warn(ui, error))
            }
        });
        let ended = join_all(each).await;
        drop(sender);
        ended
    };
    let printing = async {
        let mut merger = Merger::default();
        let mut tick = interval(WINDOW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let width = machines
            .iter()
            .map(|machine| machine.label().len())
            .max()
            .unwrap_or_default();
        let print = |lines: Vec<Line>| -> Result<(), AnyFailure> {
            for line in lines {
                let host = machines.get(line.host).map_or("?", Machine::label);
                ui.result(&shown(host, width, &line.text, format))?;
            }
            Ok(())
        };
        loop {
            tokio::select! {
                line = receiver.recv() => match line {
                    Some((host, text)) => merger.push(host, text),
                    None => return print(merger.take()),
                },
                // Without following, lines are sorted once all are read.
                _ = tick.tick(), if !args.no_follow => print(merger.take())?,
            }
        }
    };
    tokio::pin!(reading, printing);
    let ended = tokio::select! {
        // The reader closed the pipe.
        printed = &mut printing => { printed?; return Ok(Exit::Done) }
        ended = &mut reading => ended,
    };
    printing.await?;
    let failed = ended.iter().filter(|ended| ended.is_err()).count();
    if failed > 0 {
        return Err(CommandError::failed(format!("no logs from {failed} of {} hosts", ended.len())).into());
    }
    Ok(Exit::Done)
}

async fn read(
    args: &Args,
    machine: &Machine,
    file: &str,
    hosts: &dyn Hosts,
    on_line: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), HostError> {
    let script = if args.no_follow {
        scripts::tail(file, args.tail)
    } else {
        scripts::follow(file, args.tail)
    };
    let mut ended = hosts.read(&machine.host, &script, on_line).await?;
    match ended.code {
        0 => Ok(()),
        code => {
            if code == scripts::NO_FILE {
                ended.said = format!("{file} is not there");
            }
            Err(hosts::failed(machine, &script, &ended))
        }
    }
}

fn shown(host: &str, width: usize, line: &str, format: Format) -> String {
    match format {
        Format::Json => serde_json::to_string(&JsonLine { host, line }).unwrap_or_default() + "\n",
        _ => format!("{host:width$}  {line}\n"),
    }
}

/// Where it is on a host. Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
fn file(component: Component, etcds: &[String]) -> Result<String, CommandError> {
    if component == Component::KubeApiserver {
        return Ok(api_log::FILE.to_owned());
    }
    let etcd = match etcds {
        [] => "main",
        [one] => one,
        several => {
            return Err(
                CommandError::usage(format!("each etcd cluster has its own log: {}", several.join(" and ")))
                    .hint("pass a single --etcd; the default is main"),
            );
        }
    };
    // It becomes part of a path in a shell script.
    if !etcd.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(CommandError::usage(format!(
            "`{etcd}` is not the name of an etcd cluster"
        )));
    }
    Ok(match etcd {
        "main" => "/var/log/etcd.log".to_owned(),
        other => format!("/var/log/etcd-{other}.log"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_etcd_has_its_file_and_a_hostile_name_has_none() {
        let of = |etcds: &[&str]| {
            let etcds: Vec<String> = etcds.iter().map(|etcd| (*etcd).to_owned()).collect();
            file(Component::Etcd, &etcds)
        };
        assert_eq!(of(&[]).unwrap(), "/var/log/etcd.log");
        assert_eq!(of(&["events"]).unwrap(), "/var/log/etcd-events.log");
        assert!(of(&["main", "events"]).is_err());
        assert!(of(&["x; reboot"]).is_err());
        assert_eq!(
            file(Component::KubeApiserver, &[]).unwrap(),
            "/var/log/kube-apiserver.log"
        );
    }
}
