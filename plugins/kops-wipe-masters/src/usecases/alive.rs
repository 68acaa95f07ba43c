//! Whether the cluster is alive, by the API, each etcd cluster, the instances, and the age of the backups.

use clap::Args;
use futures::future::join_all;
use jiff::Timestamp;
use runbook_kit::model::check::{Check, Severity};
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::model::liveness::{Liveness, NewestBackup, Signals, decide};
use runbook_kit::model::units;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::liveness::{Machines, newest};

use crate::context::Context;

const CURE: &str = "to wipe these masters anyway, pass --even-if-alive";

/// How to check.
#[derive(Clone, Debug, Default, Args)]
pub struct AliveArgs {
    /// Wipe even if the API or etcd answers, or new backups arrive
    #[arg(long)]
    pub even_if_alive: bool,
    #[command(flatten)]
    pub access: EtcdAccess,
}

/// What was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub api: Liveness,
    /// Whether the API is dead, regardless of the age of the backups.
    pub api_is_gone: bool,
    pub etcds: Vec<(String, Liveness)>,
    /// The newest backup of each etcd cluster that has one.
    pub newest: Vec<NewestBackup>,
}

/// Checks the API and each etcd cluster concurrently.
pub async fn observe(
    context: &Context,
    cluster: &str,
    access: &EtcdAccess,
    catalogs: &[Catalog],
    machines: Machines,
    wiped: Option<Timestamp>,
) -> Facts {
    context.session.ui.note("checking whether the API and etcd answer");
    let etcds: Vec<String> = catalogs.iter().map(|catalog| catalog.store.etcd.clone()).collect();
    let (api, heard, evidence) = tokio::join!(
        context.probe_api(cluster, access.etcd_timeout),
        join_all(etcds.iter().map(|etcd| context.probe_etcd(access, etcd))),
        context.evidence(machines, wiped, &etcds, access)
    );
    let now = context.session.now();
    let api = evidence.of_api(catalogs, api);
    let without_backups = Signals {
        newest: None,
        ..api.clone()
    };
    let lives = catalogs.iter().zip(heard).map(|(catalog, heard)| {
        let life = decide(&evidence.of_etcd(catalog, heard), now);
        (catalog.store.etcd.clone(), life)
    });
    Facts {
        api: decide(&api, now),
        api_is_gone: !decide(&without_backups, now).may_live(),
        etcds: lives.collect(),
        newest: catalogs.iter().filter_map(newest).collect(),
    }
}

/// One check `api`, one `etcd` per etcd cluster, and `backups-arriving`.
pub fn judge(facts: &Facts, even_if_alive: bool, now: Timestamp) -> Vec<Check> {
    let alive = if even_if_alive { Severity::Warn } else { Severity::Block };
    let mut checks = vec![api(&facts.api, alive)];
    checks.extend(
        facts
            .etcds
            .iter()
            .map(|(name, life)| etcd(life, alive).of(name.clone())),
    );
    checks.push(backups(facts, alive, now));
    checks
}

/// For the question: what is not proven dead, with the evidence, one per line.
pub fn at_risk(facts: &Facts) -> Vec<String> {
    let etcds = facts.etcds.iter().map(|(name, life)| (format!("etcd {name}"), life));
    let all = std::iter::once(("the API".to_owned(), &facts.api)).chain(etcds);
    let at_risk = all.filter(|(_, life)| life.may_live());
    at_risk
        .map(|(name, life)| match life {
            Liveness::Alive { why, .. } => format!("{name} IS ALIVE: {why}."),
            Liveness::Dead(why) | Liveness::Unknown { why, .. } => format!("{name} MAY BE ALIVE: {why}."),
        })
        .collect()
}

fn api(api: &Liveness, alive: Severity) -> Check {
    const NAME: &str = "api";
    match api {
        Liveness::Alive { why, .. } => Check::found(NAME, alive, format!("the cluster is alive: {why}")).cure(CURE),
        other => not_alive(NAME, other),
    }
}

fn etcd(etcd: &Liveness, alive: Severity) -> Check {
    const NAME: &str = "etcd";
    match etcd {
        Liveness::Alive { why, serves: true } => Check::found(NAME, alive, format!("etcd is alive: {why}")).cure(CURE),
        Liveness::Alive { why, serves: false } => {
            Check::found(NAME, Severity::Warn, format!("a member runs but cannot serve: {why}"))
                .cure("check whether the other members can be recovered: `kops-wipe-masters audit`")
        }
        other => not_alive(NAME, other),
    }
}

fn not_alive(name: &'static str, life: &Liveness) -> Check {
    match life {
        Liveness::Unknown { cure, .. } => Check::found(name, Severity::Warn, life.describe()).cure(cure.clone()),
        Liveness::Alive { .. } | Liveness::Dead(_) => Check::passed(name, life.describe()),
    }
}

/// New backups show that etcd-manager works. If the API is otherwise dead, the newest may be the last one of a cluster that has just died; if
/// nothing could be checked, it is the only evidence.
fn backups(facts: &Facts, alive: Severity, now: Timestamp) -> Check {
    const NAME: &str = "backups-arriving";
    let Some(newest_of_all) = facts
        .newest
        .iter()
        .max_by_key(|newest| (newest.created(), &newest.etcd))
    else {
        return Check::passed(NAME, "there are no backups");
    };
    let young = facts.newest.iter().filter(|newest| newest.is_young(now));
    let Some(recent) = young.max_by_key(|newest| newest.created()) else {
        let age = units::age(now.duration_since(newest_of_all.created()));
        return Check::passed(NAME, format!("the newest, of {}, is {age} old", newest_of_all.etcd));
    };
    let message = recent.describe(now);
    match &facts.api {
        Liveness::Alive { .. } => Check::found(NAME, alive, format!("new backups arrive: {message}")).cure(CURE),
        _ if facts.api_is_gone => Check::found(NAME, Severity::Warn, format!("etcd may be alive: {message}"))
            .cure("wait two backup intervals: if another backup arrives, etcd is alive"),
        _ => Check::found(
            NAME,
            alive,
            format!("the cluster may be alive, and the API is not proven dead: {message}"),
        )
        .cure(format!(
            "make the API reachable (--kubeconfig, --context; --host over ssh), or wait two backup intervals; {CURE}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const INTERVAL: SignedDuration = SignedDuration::from_mins(15);

    fn now() -> Timestamp {
        "2026-11-22T18:00:00Z".parse().unwrap()
    }

    fn every_life() -> [Liveness; 4] {
        let alive = |serves| Liveness::Alive {
            why: "x".into(),
            serves,
        };
        [
            alive(true),
            alive(false),
            Liveness::Dead("x".into()),
            Liveness::not_checked("x"),
        ]
    }

    fn newest(minutes: i64) -> NewestBackup {
        let created = now() - SignedDuration::from_mins(minutes);
        NewestBackup {
            etcd: "main".into(),
            name: runbook_kit::model::backup::name::BackupName::first_of(created),
            interval: INTERVAL,
        }
    }

    fn severities(facts: &Facts, even_if_alive: bool) -> Vec<Option<Severity>> {
        let checks = judge(facts, even_if_alive, now());
        for check in &checks {
            assert_eq!(check.cure.is_some(), !check.ok, "{check:?}");
        }
        checks
            .iter()
            .map(|check| (!check.ok).then_some(check.severity))
            .collect()
    }

    #[test]
    fn every_combination_has_the_right_severity() {
        let (mut combinations, mut blocked) = (0, 0);
        for api in &every_life() {
            for etcd in &every_life() {
                for ages in [&[][..], &[180], &[30], &[29], &[180, 4], &[-5]] {
                    for (even_if_alive, gone) in [(false, false), (false, true), (true, false), (true, true)] {
                        let api_is_gone = gone || matches!(api, Liveness::Dead(_));
                        let facts = Facts {
                            api: api.clone(),
                            api_is_gone,
                            etcds: vec![
                                ("main".into(), Liveness::Dead("x".into())),
                                ("events".into(), etcd.clone()),
                            ],
                            newest: ages.iter().map(|age| newest(*age)).collect(),
                        };
                        let found = severities(&facts, even_if_alive);
                        let [of_api, of_main, of_etcd, of_backups] = found.as_slice() else {
                            panic!("{found:?}")
                        };
                        let alive = if even_if_alive { Severity::Warn } else { Severity::Block };
                        let recent = ages.iter().any(|age| *age < 30);
                        let expected_api = match api {
                            Liveness::Alive { .. } => Some(alive),
                            Liveness::Dead(_) => None,
                            Liveness::Unknown { .. } => Some(Severity::Warn),
                        };
                        let expected_etcd = match etcd {
                            Liveness::Alive { serves: true, .. } => Some(alive),
                            Liveness::Alive { serves: false, .. } | Liveness::Unknown { .. } => Some(Severity::Warn),
                            Liveness::Dead(_) => None,
                        };
                        let expected_backups = match api {
                            _ if !recent => None,
                            Liveness::Alive { .. } => Some(alive),
                            _ if api_is_gone => Some(Severity::Warn),
                            _ => Some(alive),
                        };
                        assert_eq!(
                            (*of_api, *of_main, *of_etcd, *of_backups),
                            (expected_api, None, expected_etcd, expected_backups),
                            "{facts:?} {even_if_alive}"
                        );
                        combinations += 1;
                        blocked += usize::from(found.contains(&Some(Severity::Block)));
                        assert!(!even_if_alive || !found.contains(&Some(Severity::Block)));
                        let lives = [api, etcd].iter().filter(|life| life.may_live()).count();
                        assert_eq!(at_risk(&facts).len(), lives, "{facts:?}");
                    }
                }
            }
        }
        assert_eq!(combinations, 384);
        assert!(blocked > 50, "{blocked}");
    }

    #[test]
    fn the_question_says_what_is_or_may_be_alive_and_why() {
        let facts = Facts {
            api: Liveness::Unknown {
                why: "not checked (no context is named k8s)".into(),
                cure: "c".into(),
            },
            api_is_gone: false,
            etcds: vec![
                (
                    "main".into(),
                    Liveness::Alive {
                        why: "it serves".into(),
                        serves: true,
                    },
                ),
                ("events".into(), Liveness::Dead("x".into())),
            ],
            newest: Vec::new(),
        };
        assert_eq!(
            at_risk(&facts),
            [
                "the API MAY BE ALIVE: not checked (no context is named k8s).",
                "etcd main IS ALIVE: it serves."
            ]
        );
    }

    #[test]
    fn the_newest_backup_of_any_etcd_cluster_counts_by_its_own_interval() {
        let dead = Liveness::Dead("x".into());
        let mut facts = Facts {
            api: dead.clone(),
            api_is_gone: true,
            etcds: vec![("main".into(), dead)],
            newest: vec![
                newest(180),
                NewestBackup {
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
            "etcd may be alive: the newest backup of main is 3h old, and one is taken every 120m"
        );
    }
}
