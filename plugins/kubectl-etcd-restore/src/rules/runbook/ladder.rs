//! The ladder at the head of the runbook: the lesser cures, the least first.

use std::fmt::Write as _;

use runbook_kit::model::ladder::Rung;

use super::facts::Facts;

/// The section.
pub fn markdown(facts: &Facts) -> String {
    let mut text = "\n## The ladder: take the first cure that works\n\n\
        Most broken control planes need no wipe. `kops-wipe-masters audit` shows which rung applies to this cluster now, with the evidence and \
        the commands; the steps below are for the last two rungs. Take several where several apply, the upper one first.\n\n\
        | rung | when | how | what is lost |\n|---|---|---|---|\n"
        .to_owned();
    for rung in Rung::ALL {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            rung.title(),
            rung.applies(),
            how(rung, facts),
            rung.loses()
        );
    }
    text
}

fn how(rung: Rung, facts: &Facts) -> String {
    match rung {
        Rung::Nothing => "`kops-wipe-masters audit`".to_owned(),
        Rung::Tags => "the `aws ec2` commands that `kops-wipe-masters audit` prints".to_owned(),
        Rung::Space => "`kubectl etcd-restore space --etcd ETCD`".to_owned(),
        Rung::OneMember => "`kubectl etcd-restore member list --etcd ETCD`, then what `kops-wipe-masters audit` prints for that member".to_owned(),
        Rung::Certificates => {
            "one instance group after the other, each once all members are back: `kops rolling-update cluster --instance-group GROUP --force \
             --cloudonly --yes`"
                .to_owned()
        }
        Rung::SalvageAndRestore => {
            let via = match facts.masters.is_empty() {
                true => String::new(),
                false => format!(" (there were {} masters)", facts.masters.len()),
            };
            format!(
                "`kubectl etcd-backups take --etcd main --via ssh --host MASTER` from every member that is left{via}, `kops update cluster --yes` for \
                 lost volumes, then step 5"
            )
        }
        Rung::WipeAndRestore => "steps 2 to 8".to_owned(),
    }
}
