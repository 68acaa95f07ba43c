//! Is it really dead? Asked of the API, of etcd, and of the backups, which only a living etcd-manager makes.

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use runbook_kit::backups::catalog::Catalog;
use runbook_kit::cli::etcd::EtcdAccessArgs;
use runbook_kit::domain::check::{Check, Severity};
use runbook_kit::domain::liveness::Liveness;
use runbook_kit::domain::units;

use crate::context::Context;

/// So many intervals without a new backup, and none is expected any more.
const INTERVALS: i32 = 2;
const CURE: &str = "if you are sure that these masters are to go, pass --even-if-alive";

/// How to ask, and what a living cluster changes.
#[derive(Clone, Debug, Default, Args)]
pub struct AliveArgs {
    /// Go on although the API or etcd answers, or backups still arrive
    #[arg(long)]
    pub even_if_alive: bool,
    #[command(flatten)]
    pub access: EtcdAccessArgs,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What came of asking the API.
    pub api: Liveness,
    /// What came of asking etcd `main`.
    pub etcd: Liveness,
    /// The newest backup of each etcd cluster that has one.
    pub newest: Vec<Newest>,
}

/// The newest backup of an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The etcd cluster.
    pub etcd: String,
    /// When it was taken.
    pub created: Timestamp,
    /// The time between two backups, as the spec has it.
    pub interval: SignedDuration,
}

/// Asks the API and etcd at the same time; what the backups tell is known already.
pub async fn look(context: &Context, cluster: &str, access: &EtcdAccessArgs, catalogs: &[Catalog]) -> Facts {
    context.session.ui.note("asking whether the API and etcd answer");
    let (api, etcd) = tokio::join!(
        context.api_liveness(cluster, access.etcd_timeout),
        context.etcd_liveness(access)
    );
    Facts {
        api,
        etcd,
        newest: catalogs.iter().filter_map(newest).collect(),
    }
}

/// Only what etcd-manager itself keeps in the store tells that it works: a pinned copy is ours.
fn newest(catalog: &Catalog) -> Option<Newest> {
    let own = catalog.complete().rfind(|backup| backup.in_store);
    own.map(|backup| Newest {
        etcd: catalog.store.etcd.clone(),
        created: backup.name.created(),
        interval: catalog.store.interval,
    })
}

/// What it means: one check each, named `api`, `etcd` and `backups-arriving`.
pub fn judge(facts: &Facts, even_if_alive: bool, now: Timestamp) -> Vec<Check> {
    let alive = if even_if_alive { Severity::Warn } else { Severity::Block };
    vec![
        api(&facts.api, alive),
        etcd(&facts.etcd, alive),
        backups(facts, alive, now),
    ]
}

fn api(api: &Liveness, alive: Severity) -> Check {
    const NAME: &str = "api";
    match api {
        Liveness::Answers(what) | Liveness::Limps(what) => {
            Check::found(NAME, alive, format!("the cluster is alive: {what}")).cure(CURE)
        }
        Liveness::Dead(why) => Check::passed(NAME, format!("dead: {why}")),
        Liveness::Silent(why) => Check::passed(
            NAME,
            format!("no answer: dead, or your network does not lead there: {why}"),
        ),
        Liveness::NotAsked { why, cure } => not_asked(NAME, why, cure),
    }
}

fn etcd(etcd: &Liveness, alive: Severity) -> Check {
    const NAME: &str = "etcd";
    match etcd {
        Liveness::Answers(what) => Check::found(NAME, alive, format!("etcd is alive: {what}")).cure(CURE),
        Liveness::Limps(what) => Check::found(NAME, Severity::Warn, format!("a member is up and cannot serve: {what}"))
            .cure("see whether the other members can be brought back: `kops-wipe-masters audit`"),
        Liveness::Dead(why) | Liveness::Silent(why) => Check::passed(NAME, format!("no answer: {why}")),
        Liveness::NotAsked { why, cure } => not_asked(NAME, why, cure),
    }
    .of("main")
}

fn not_asked(name: &'static str, why: &str, cure: &str) -> Check {
    Check::found(name, Severity::Warn, format!("could not be asked: {why}")).cure(cure)
}

/// Backups that still arrive say that etcd-manager works. Where the API was asked and nobody is there, that may be the last one
/// of a cluster that has just died; where nobody could be asked, it is the only sign of life there is.
fn backups(facts: &Facts, alive: Severity, now: Timestamp) -> Check {
    const NAME: &str = "backups-arriving";
    let Some(youngest) = facts.newest.iter().max_by_key(|newest| (newest.created, &newest.etcd)) else {
        return Check::passed(NAME, "there is none");
    };
    let Some(recent) = facts
        .newest
        .iter()
        .filter(|newest| newest.is_recent(now))
        .max_by_key(|newest| newest.created)
    else {
        let message = format!("the newest, of {}, is {} old", youngest.etcd, youngest.age(now));
        return Check::passed(NAME, message);
    };
    let interval = units::age(recent.interval);
    let message = format!(
        "the newest, of {}, is {} old, and one is taken every {interval}",
        recent.etcd,
        recent.age(now)
    );
    match &facts.api {
        Liveness::Dead(_) => Check::found(NAME, Severity::Warn, format!("etcd may be alive: {message}"))
            .cure("wait for two intervals: if another one arrives, etcd is alive"),
        Liveness::Answers(_) | Liveness::Limps(_) => {
            Check::found(NAME, alive, format!("backups still arrive: {message}")).cure(CURE)
        }
        Liveness::Silent(_) | Liveness::NotAsked { .. } => Check::found(
            NAME,
            alive,
            format!("the cluster may be alive, and the API could not be asked: {message}"),
        )
        .cure(format!(
            "let the API be asked (--kubeconfig, --context), or wait for two intervals; {CURE}"
        )),
    }
}

impl Newest {
    /// A backup of the future is recent: our clock is behind.
    fn is_recent(&self, now: Timestamp) -> bool {
        let limit = self.interval.checked_mul(INTERVALS).unwrap_or(SignedDuration::MAX);
        now.duration_since(self.created) < limit
    }

    fn age(&self, now: Timestamp) -> String {
        units::age(now.duration_since(self.created))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: SignedDuration = SignedDuration::from_mins(15);

    fn now() -> Timestamp {
        "2026-11-22T18:00:00Z".parse().unwrap()
    }

    fn every_liveness() -> [Liveness; 5] {
        [
            Liveness::Answers("x".into()),
            Liveness::Limps("x".into()),
            Liveness::Dead("x".into()),
            Liveness::Silent("x".into()),
            Liveness::NotAsked {
                why: "x".into(),
                cure: "y".into(),
            },
        ]
    }

    fn newest(minutes: i64) -> Newest {
        Newest {
            etcd: "main".into(),
            created: now() - SignedDuration::from_mins(minutes),
            interval: INTERVAL,
        }
    }

    fn severities(api: &Liveness, etcd: &Liveness, ages: &[i64], even_if_alive: bool) -> Vec<Option<Severity>> {
        let facts = Facts {
            api: api.clone(),
            etcd: etcd.clone(),
            newest: ages.iter().map(|age| newest(*age)).collect(),
        };
        let checks = judge(&facts, even_if_alive, now());
        for check in &checks {
            assert_eq!(check.cure.is_some(), !check.ok, "{check:?}");
        }
        checks
            .iter()
            .map(|check| (!check.ok).then_some(check.severity))
            .collect()
    }

    #[test]
    fn every_combination_has_the_severity_that_its_danger_asks_for() {
        let (mut combinations, mut blocked) = (0, 0);
        for api in &every_liveness() {
            for etcd in &every_liveness() {
                for ages in [&[][..], &[180], &[30], &[29], &[180, 4], &[-5]] {
                    for even_if_alive in [false, true] {
                        let found = severities(api, etcd, ages, even_if_alive);
                        let [of_api, of_etcd, of_backups] = found.as_slice() else {
                            panic!("{found:?}")
                        };
                        let alive = if even_if_alive { Severity::Warn } else { Severity::Block };
                        let recent = ages.iter().any(|age| *age < 30);
                        let expected_api = match api {
                            Liveness::Answers(_) | Liveness::Limps(_) => Some(alive),
                            Liveness::Dead(_) | Liveness::Silent(_) => None,
                            Liveness::NotAsked { .. } => Some(Severity::Warn),
                        };
                        let expected_etcd = match etcd {
                            Liveness::Answers(_) => Some(alive),
                            Liveness::Limps(_) | Liveness::NotAsked { .. } => Some(Severity::Warn),
                            Liveness::Dead(_) | Liveness::Silent(_) => None,
                        };
                        let expected_backups = match api {
                            _ if !recent => None,
                            Liveness::Dead(_) => Some(Severity::Warn),
                            _ => Some(alive),
                        };
                        assert_eq!(
                            (*of_api, *of_etcd, *of_backups),
                            (expected_api, expected_etcd, expected_backups),
                            "{api:?} {etcd:?} {ages:?} {even_if_alive}"
                        );
                        combinations += 1;
                        blocked += usize::from(found.contains(&Some(Severity::Block)));
                        assert!(!even_if_alive || !found.contains(&Some(Severity::Block)));
                    }
                }
            }
        }
        assert_eq!(combinations, 300);
        assert!(blocked > 50, "{blocked}");
    }

    #[test]
    fn the_youngest_backup_of_any_etcd_cluster_counts_by_its_own_interval() {
        let dead = Liveness::Dead("x".into());
        let mut facts = Facts {
            api: dead.clone(),
            etcd: dead,
            newest: vec![
                newest(180),
                Newest {
                    etcd: "events".into(),
                    ..newest(40)
                },
            ],
        };
        let message = |facts: &Facts| judge(facts, false, now()).remove(2).message;
        assert_eq!(message(&facts), "the newest, of events, is 40m old");
        facts.newest[0].interval = SignedDuration::from_hours(2);
        assert_eq!(
            message(&facts),
            "etcd may be alive: the newest, of main, is 3h old, and one is taken every 120m"
        );
    }
}
