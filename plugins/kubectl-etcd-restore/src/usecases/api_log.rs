//! The log of kube-apiserver on the hosts.

use runbook_kit::cli::ui::Ui;
use runbook_kit::failure::chain;
use runbook_kit::ports::hosts::{HostError, Hosts};

use crate::rules::machines::Machine;
use crate::usecases::hosts::{self, scripts};

/// Where kops' API servers write. Source: kubernetes/kops `nodeup/pkg/model/kube_apiserver.go`.
pub const FILE: &str = "/var/log/kube-apiserver.log";
/// Lines of each host that are shown where the API does not come up.
const LAST_LINES: u32 = 5;

/// The last lines of kube-apiserver on each of these machines, where the API does not come up.
pub async fn show_last_lines(machines: impl Iterator<Item = &Machine>, hosts: &dyn Hosts, ui: &Ui) {
    for machine in machines {
        let script = scripts::tail(FILE, LAST_LINES);
        match hosts::read_lines(hosts, &machine.host, &script).await {
            Ok((lines, ended)) if ended.code == 0 => {
                for line in lines {
                    ui.note(&format!("{}  {line}", machine.label()));
                }
            }
            Ok((_, ended)) if ended.code == scripts::NO_FILE => {
                ui.note(&format!("{}  no {FILE}: kube-apiserver never started", machine.label()));
            }
            Ok((_, ended)) => warn(ui, &hosts::failed(machine, &script, &ended)),
            Err(error) => warn(ui, &error),
        }
    }
}

/// Warns of a host that does not give its log, with what to do about it.
pub fn warn(ui: &Ui, error: &HostError) {
    ui.warn(&chain(error));
    if let Some(hint) = error.hint() {
        ui.note(&format!("hint:  {hint}"));
    }
}
