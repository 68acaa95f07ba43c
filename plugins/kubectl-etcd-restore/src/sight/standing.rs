//! Where a cluster stands in the whole recovery, and what comes next. Pure.

use jiff::Timestamp;
use runbook_kit::domain::goodness::MAIN;
use runbook_kit::domain::restore::follow::State;
use runbook_kit::domain::shell::quoted;
use serde::Serialize;

/// A step of the runbook, or trouble in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The API serves, and nothing was found that wants a hand.
    Healthy,
    /// It serves, and the endpoint lists masters that are gone.
    StaleLeases,
    /// It serves, and Nodes are left whose instance is gone.
    DeadNodes,
    /// etcd serves, and the API does not.
    ApiDown,
    /// A restore is ordered or under way.
    Restoring,
    /// A restore is tried over and over again, or the queue is blocked.
    Stuck,
    /// The masters are new, or about to be, and etcd waits for a command.
    Waiting,
    /// New masters are being made.
    Rebuilding,
    /// The masters and their groups are gone.
    Wiped,
    /// Masters run, and nothing serves.
    Broken,
    /// Too little can be seen.
    Unknown,
}

/// The masters, by AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masters {
    /// Groups of masters.
    pub groups: usize,
    /// Masters that run.
    pub running: usize,
    /// Masters that start.
    pub pending: usize,
    /// When the oldest of them was launched.
    pub launched: Option<Timestamp>,
}

/// One etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdStanding {
    pub etcd: String,
    pub state: State,
    /// Whether it was asked at all.
    pub asked: bool,
    /// What stands in the way.
    pub problem: Option<String>,
    pub newest: Option<Timestamp>,
}

/// All that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub members: usize,
    pub masters: Option<Masters>,
    pub etcds: Vec<EtcdStanding>,
    /// Whether the API is ready; `None` where it was not asked.
    pub api_ready: Option<bool>,
    /// Whether a run of restores was begun and not ended.
    pub run_under_way: bool,
    /// Masterleases without a lease, where etcd main was asked.
    pub leaseless: Option<usize>,
    /// Nodes whose instance AWS does not have, where both were asked.
    pub dead_nodes: Option<usize>,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub stage: Stage,
    /// Why, in words.
    pub why: String,
    /// The command, without the flags that name the cluster; `None` where there is nothing to do.
    pub next: Option<String>,
}

impl Standing {
    fn new(stage: Stage, why: impl Into<String>, next: &str) -> Self {
        Self {
            stage,
            why: why.into(),
            next: Some(next.to_owned()),
        }
    }
}

/// Decides.
pub fn standing(facts: &Facts) -> Standing {
    if let Some(stuck) = facts
        .etcds
        .iter()
        .find(|etcd| etcd.state == State::Looping || etcd.problem.is_some())
    {
        let why = stuck
            .problem
            .clone()
            .unwrap_or_else(|| "the restore is tried over and over again".to_owned());
        return Standing::new(
            Stage::Stuck,
            format!("{}: {why}", stuck.etcd),
            "kubectl etcd-restore commands",
        );
    }
    let under_way: Vec<&str> = facts
        .etcds
        .iter()
        .filter(|etcd| {
            matches!(
                etcd.state,
                State::Queued | State::Restoring | State::Gone | State::Restored
            )
        })
        .map(|etcd| etcd.etcd.as_str())
        .collect();
    if facts.run_under_way || !under_way.is_empty() {
        let why = if under_way.is_empty() {
            "a run of restores was begun and not seen to end".to_owned()
        } else {
            format!("a restore of {} is ordered or under way", under_way.join(" and "))
        };
        let next = if facts.run_under_way {
            "kubectl etcd-restore run --yes"
        } else {
            "kubectl etcd-restore status --watch"
        };
        return Standing::new(Stage::Restoring, why, next);
    }
    if facts.api_ready == Some(true) {
        return waits_beside_main(facts).unwrap_or_else(|| serving(facts));
    }
    let serving: Vec<&EtcdStanding> = facts.etcds.iter().filter(|etcd| etcd.state == State::Serving).collect();
    if !serving.is_empty() && serving.len() == facts.etcds.len() {
        return match facts.api_ready {
            Some(_) => Standing::new(
                Stage::ApiDown,
                "every etcd serves, and the API does not",
                "kubectl etcd-restore restart-kubelet",
            ),
            None => Standing::new(
                Stage::Unknown,
                "every etcd serves; the API was not asked",
                "kubectl masterleases list",
            ),
        };
    }
    down(facts)
}

/// The API serves, so main does; another one may have no member all the same.
fn waits_beside_main(facts: &Facts) -> Option<Standing> {
    let waits = |etcd: &&EtcdStanding| etcd.state == State::Waiting && etcd.etcd != MAIN;
    let etcd = &facts.etcds.iter().find(waits)?.etcd;
    let why = format!("the API serves, and no member of {etcd} answers");
    let next = format!("kubectl etcd-restore plan --etcd {}", quoted(etcd));
    Some(Standing::new(Stage::Waiting, why, &next))
}

fn serving(facts: &Facts) -> Standing {
    match (facts.leaseless, facts.dead_nodes) {
        (Some(leaseless), _) if leaseless > 0 => Standing::new(
            Stage::StaleLeases,
            format!(
                "the API serves, and {leaseless} masterleases have no lease: the `kubernetes` endpoint may list masters that are gone"
            ),
            "kubectl masterleases prune",
        ),
        (_, Some(dead)) if dead > 0 => Standing::new(
            Stage::DeadNodes,
            format!("the API serves, and {dead} Nodes have no instance any more"),
            "kubectl etcd-restore cleanup nodes",
        ),
        _ => Standing {
            stage: Stage::Healthy,
            why: "the API serves".to_owned(),
            next: None,
        },
    }
}

/// Neither the API nor etcd serves, as far as can be seen.
fn down(facts: &Facts) -> Standing {
    let waits = facts.etcds.iter().any(|etcd| etcd.state == State::Waiting);
    let Some(masters) = facts.masters else {
        return if waits {
            Standing::new(Stage::Waiting, "no member of etcd answers", "kubectl etcd-restore plan")
        } else {
            Standing::new(
                Stage::Unknown,
                "neither AWS nor etcd nor the API could be asked",
                "kubectl etcd-restore plan",
            )
        };
    };
    let newest = facts.etcds.iter().filter_map(|etcd| etcd.newest).max();
    if masters.running + masters.pending == 0 {
        return if masters.groups == 0 {
            Standing::new(
                Stage::Wiped,
                "there is no master and no group of masters",
                "kops update cluster --yes",
            )
        } else {
            Standing::new(
                Stage::Rebuilding,
                format!("{} groups of masters are there, and no master", masters.groups),
                "kops update cluster --yes",
            )
        };
    }
    if masters.running < facts.members {
        let why = format!("{} of {} masters run", masters.running, facts.members);
        return Standing::new(Stage::Rebuilding, why, "kubectl etcd-restore");
    }
    let rebuilt = match (masters.launched, newest) {
        (Some(launched), Some(newest)) => launched > newest,
        _ => false,
    };
    if rebuilt {
        let why = format!(
            "{} masters run, all of them newer than the newest backup: etcd waits for a restore",
            masters.running
        );
        return Standing::new(Stage::Waiting, why, "kubectl etcd-restore run --yes");
    }
    if facts.api_ready.is_none() && !facts.etcds.iter().any(|etcd| etcd.asked) {
        let why = format!(
            "{} masters run; neither etcd nor the API could be asked",
            masters.running
        );
        return Standing::new(Stage::Unknown, why, "kops-wipe-masters audit");
    }
    Standing::new(
        Stage::Broken,
        format!("{} masters run, and neither etcd nor the API serves", masters.running),
        "kops-wipe-masters audit",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(minute: u32) -> Option<Timestamp> {
        Some(format!("2026-11-22T15:{minute:02}:00Z").parse().unwrap())
    }

    fn etcd(name: &str, state: State) -> EtcdStanding {
        EtcdStanding {
            etcd: name.to_owned(),
            state,
            asked: state != State::Idle,
            problem: None,
            newest: time(20),
        }
    }

    fn facts(state: State) -> Facts {
        Facts {
            members: 3,
            masters: Some(Masters {
                groups: 3,
                running: 3,
                pending: 0,
                launched: time(10),
            }),
            etcds: vec![etcd("main", state), etcd("events", state)],
            api_ready: Some(false),
            ..Facts::default()
        }
    }

    fn at(facts: &Facts) -> (Stage, String) {
        let standing = standing(facts);
        (standing.stage, standing.next.unwrap_or_default())
    }

    #[test]
    fn the_whole_story_from_a_dead_cluster_to_a_right_endpoint() {
        let mut story = facts(State::Waiting);
        assert_eq!(at(&story), (Stage::Broken, "kops-wipe-masters audit".to_owned()));
        story.masters = Some(Masters::default());
        assert_eq!(at(&story), (Stage::Wiped, "kops update cluster --yes".to_owned()));
        story.masters = Some(Masters {
            groups: 3,
            running: 1,
            pending: 2,
            launched: time(30),
        });
        assert_eq!(at(&story), (Stage::Rebuilding, "kubectl etcd-restore".to_owned()));
        story.masters = Some(Masters {
            groups: 3,
            running: 3,
            pending: 0,
            launched: time(30),
        });
        assert_eq!(
            at(&story),
            (Stage::Waiting, "kubectl etcd-restore run --yes".to_owned())
        );
        story.run_under_way = true;
        assert_eq!(
            at(&story),
            (Stage::Restoring, "kubectl etcd-restore run --yes".to_owned())
        );
        story.run_under_way = false;
        story.etcds = vec![etcd("main", State::Restoring), etcd("events", State::Serving)];
        assert_eq!(
            at(&story),
            (Stage::Restoring, "kubectl etcd-restore status --watch".to_owned())
        );
        story.etcds = vec![etcd("main", State::Serving), etcd("events", State::Serving)];
        assert_eq!(
            at(&story),
            (Stage::ApiDown, "kubectl etcd-restore restart-kubelet".to_owned())
        );
        story.api_ready = Some(true);
        story.leaseless = Some(3);
        story.dead_nodes = Some(3);
        assert_eq!(
            at(&story),
            (Stage::StaleLeases, "kubectl masterleases prune".to_owned())
        );
        story.leaseless = Some(0);
        assert_eq!(
            at(&story),
            (Stage::DeadNodes, "kubectl etcd-restore cleanup nodes".to_owned())
        );
        story.dead_nodes = Some(0);
        assert_eq!(at(&story), (Stage::Healthy, String::new()));
    }

    #[test]
    fn an_etcd_without_members_is_seen_beside_an_api_that_serves() {
        let mut story = facts(State::Serving);
        story.api_ready = Some(true);
        story.etcds = vec![etcd("main", State::Waiting), etcd("events", State::Waiting)];
        assert_eq!(
            at(&story),
            (Stage::Waiting, "kubectl etcd-restore plan --etcd events".to_owned())
        );
        // That main is out of reach from here says nothing.
        story.etcds[1].state = State::Serving;
        assert_eq!(at(&story).0, Stage::Healthy);
    }

    #[test]
    fn what_is_stuck_comes_before_all_else() {
        let mut stuck = facts(State::Queued);
        stuck.etcds[1].problem = Some("command x cannot be read".to_owned());
        assert_eq!(at(&stuck).0, Stage::Stuck);
        assert_eq!(at(&facts(State::Looping)).0, Stage::Stuck);
    }

    #[test]
    fn with_little_in_sight_nothing_dangerous_comes_next() {
        let mut blind = facts(State::Idle);
        blind.masters = None;
        blind.api_ready = None;
        assert_eq!(at(&blind), (Stage::Unknown, "kubectl etcd-restore plan".to_owned()));
        blind.masters = Some(Masters {
            groups: 3,
            running: 3,
            pending: 0,
            launched: time(10),
        });
        assert_eq!(at(&blind), (Stage::Unknown, "kops-wipe-masters audit".to_owned()));
    }
}
