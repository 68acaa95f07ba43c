//! `logs`: the masters' logs as one.

use std::time::Duration;

use futures::future::join_all;
use runbook_kit::cli::output::Format;
use runbook_kit::cli::ssh::SshArgs;
use runbook_kit::cli::ui::Ui;
use runbook_kit::exit::Exit;
use runbook_kit::failure::chain;
use runbook_kit::failure::{AnyFailure, CommandError, Failure};
use runbook_kit::ports::hosts::{HostError, Hosts};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::context::Context;
use crate::rules::merge_logs::{Line, Merger};
use crate::usecases::hosts::{self, Machine, Role, scripts};

/// How long lines wait for older ones of other hosts.
const WINDOW: Duration = Duration::from_millis(500);
/// Where kops' API servers write. Source: kubernetes/kops `nodeup/pkg/model/kube_apiserver.go`.
const API_LOG: &str = "/var/log/kube-apiserver.log";
/// Lines of each host that are shown where the API does not come up.
const LAST_LINES: u32 = 5;

/// Follow the logs of etcd or kube-apiserver of all masters, merged
///
/// Each line begins with its host. A host that does not answer is named, and the others go on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kubectl etcd-restore logs etcd --name k8s.example.com\n  \
    kubectl etcd-restore logs etcd --etcd events --no-follow --tail 500 --host 10.0.0.7\n  \
    kubectl etcd-restore logs kube-apiserver --name k8s.example.com --ssh-user ubuntu"
)]
pub struct Args {
    /// CaMatch logs
    #[arg(value_enum, value_name = "WHOSE", default_value_t)]
    whose: CaMatch,
    /// Lines of each host to begin with
    #[arg(long, value_name = "N", default_value = "20")]
    tail: u32,
    /// End with the last line instead of waiting for more
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    ssh: SshArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum CaMatch {
    /// etcd-manager and etcd: main, or the one that --etcd names
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
        return Err(CommandError::usage("lines of logs are plain or JSON")
            .hint("leave out -o, or pass -o json")
            .into());
    }
    let file = file(args.whose, &context.session.etcds)?;
    let hosts = context.hosts(&args.ssh)?;
    let roles: &[Role] = match args.whose {
        CaMatch::Etcd => &[Role::Master],
        CaMatch::KubeApiserver => &[Role::Master, Role::ApiServer],
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
                    // Nobody listens any more only when all of this ends.
                    let _ = sender.send((at, line.to_owned()));
                };
                let read = read(args, machine, file, hosts, &on_line).await;
                read.inspect_err(|error| tell(ui, error))
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
                // Without following everything is there at the end, and only then in its order.
                _ = tick.tick(), if !args.no_follow => print(merger.take())?,
            }
        }
    };
    tokio::pin!(reading, printing);
    let ended = tokio::select! {
        // A reader of ours that has seen enough.
        printed = &mut printing => { printed?; return Ok(Exit::Done) }
        ended = &mut reading => ended,
    };
    printing.await?;
    let failed = ended.iter().filter(|ended| ended.is_err()).count();
    if failed > 0 {
        return Err(SomeSilent {
            failed,
            all: ended.len(),
        }
        .into());
    }
    Ok(Exit::Done)
}

/// The last lines of kube-apiserver on each of these machines, where the API does not come up.
pub async fn last_of_the_api(machines: impl Iterator<Item = &Machine>, hosts: &dyn Hosts, ui: &Ui) {
    for machine in machines {
        let script = scripts::tail(API_LOG, LAST_LINES);
        match hosts::heard(hosts, &machine.host, &script).await {
            Ok((lines, ended)) if ended.code == 0 => {
                for line in lines {
                    ui.note(&format!("{}  {line}", machine.label()));
                }
            }
            Ok((_, ended)) if ended.code == scripts::NO_FILE => {
                ui.note(&format!(
                    "{}  there is no {API_LOG}: kube-apiserver never started",
                    machine.label()
                ));
            }
            Ok((_, ended)) => tell(ui, &hosts::failed(machine, &script, &ended)),
            Err(error) => tell(ui, &error),
        }
    }
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

fn tell(ui: &Ui, error: &HostError) {
    ui.warn(&chain(error));
    if let Some(hint) = error.hint() {
        ui.note(&format!("hint:  {hint}"));
    }
}

fn shown(host: &str, width: usize, line: &str, format: Format) -> String {
    match format {
        Format::Json => serde_json::to_string(&JsonLine { host, line }).unwrap_or_default() + "\n",
        _ => format!("{host:width$}  {line}\n"),
    }
}

/// Where it is on a host. Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
fn file(whose: CaMatch, etcds: &[String]) -> Result<String, CommandError> {
    if whose == CaMatch::KubeApiserver {
        return Ok(API_LOG.to_owned());
    }
    let etcd = match etcds {
        [] => "main",
        [one] => one,
        several => {
            return Err(
                CommandError::usage(format!("each etcd has a log of its own: {}", several.join(" and ")))
                    .hint("pass one --etcd, by default main"),
            );
        }
    };
    // It becomes a part of a path in a shell's script.
    if !etcd.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(CommandError::usage(format!("`{etcd}` is no name of an etcd cluster")));
    }
    Ok(match etcd {
        "main" => "/var/log/etcd.log".to_owned(),
        other => format!("/var/log/etcd-{other}.log"),
    })
}

/// Some hosts gave nothing, or not all.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} hosts did not give their logs")]
struct SomeSilent {
    failed: usize,
    all: usize,
}

impl Failure for SomeSilent {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_etcd_has_its_file_and_a_hostile_name_has_none() {
        let of = |etcds: &[&str]| {
            let etcds: Vec<String> = etcds.iter().map(|etcd| (*etcd).to_owned()).collect();
            file(CaMatch::Etcd, &etcds)
        };
        assert_eq!(of(&[]).unwrap(), "/var/log/etcd.log");
        assert_eq!(of(&["events"]).unwrap(), "/var/log/etcd-events.log");
        assert!(of(&["main", "events"]).is_err());
        assert!(of(&["x; reboot"]).is_err());
        assert_eq!(
            file(CaMatch::KubeApiserver, &[]).unwrap(),
            "/var/log/kube-apiserver.log"
        );
    }
}
