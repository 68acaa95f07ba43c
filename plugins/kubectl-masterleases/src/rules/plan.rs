//! What `prune` would delete, and what it leaves, with the reason for each. Pure.

use runbook_kit::model::observed::Observed;
use std::net::IpAddr;

use crate::rules::masterleases::is_directly_below;
use crate::rules::verdict::Verdict;
use crate::usecases::reading::Published;
use crate::usecases::survey::Masterlease;
use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::model::kubernetes::masterlease::FOLDER;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// These are deleted, each only if nobody writes it before.
    pub delete: Vec<Masterlease>,
    /// These are left.
    pub keep: Vec<(Masterlease, &'static str)>,
    /// These were named and are not there.
    pub absent: Vec<String>,
    /// Whether a living one has to be there all the time. Only who names each address may do without.
    pub needs_a_live_one: bool,
}

/// Why nothing may be deleted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// The key of a living server was named.
    #[error("{name} is live: {reason}")]
    Live {
        /// Which one.
        name: String,
        /// How we know.
        reason: String,
    },
    /// Nothing would be left that is known to live.
    #[error("none of {total} masterleases is live: without them the `kubernetes` endpoint would be nobody's")]
    NoneLive {
        /// How many there are.
        total: usize,
    },
}

impl Failure for PlanRefused {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Live { .. } => {
                "its API server would write it again; stop that server, and it expires within 15 s".to_owned()
            }
            Self::NoneLive { .. } => {
                "start an API server first; or name the addresses to prune: `kubectl masterleases prune IP… --yes`"
                    .to_owned()
            }
        })
    }
}

/// Plans to delete the stale ones; where addresses are named, only those, and of them also what is unknown.
///
/// # Errors
/// [`PlanRefused`].
pub fn plan(leases: &[Masterlease], named: &[String]) -> Result<Plan, PlanRefused> {
    let (mut delete, mut keep) = (Vec::new(), Vec::new());
    for lease in leases {
        let is_named = named.iter().any(|name| names(name, lease));
        let verdict = lease.judgement.verdict;
        // Not even by name: `undo` could not put it back.
        if !can_be_put_back(&lease.name) {
            keep.push((lease.clone(), "no API server writes such a key"));
            continue;
        }
        match (verdict, is_named) {
            (Verdict::Live, true) => {
                return Err(PlanRefused::Live {
                    name: lease.name.clone(),
                    reason: lease.judgement.reason.clone(),
                });
            }
            (Verdict::Live, false) => keep.push((lease.clone(), "not stale")),
            (Verdict::Unknown, false) => keep.push((lease.clone(), "name it to delete it")),
            (Verdict::Stale, false) if !named.is_empty() => keep.push((lease.clone(), "not named")),
            (Verdict::Stale, _) | (Verdict::Unknown, true) => delete.push(lease.clone()),
        }
    }
    let any_live = leases.iter().any(|lease| lease.judgement.verdict == Verdict::Live);
    if named.is_empty() && !delete.is_empty() && !any_live {
        return Err(PlanRefused::NoneLive { total: leases.len() });
    }
    let absent = named
        .iter()
        .filter(|name| !leases.iter().any(|lease| names(name, lease)));
    Ok(Plan {
        absent: absent.cloned().collect(),
        needs_a_live_one: any_live,
        delete,
        keep,
    })
}

/// Whether it is the name of a key directly below the folder.
fn can_be_put_back(name: &str) -> bool {
    is_directly_below(format!("{FOLDER}{name}").as_bytes(), "")
}

/// `2001:DB8::1` names `2001:db8::1`; what is no address is named as it is spelt.
fn names(name: &str, lease: &Masterlease) -> bool {
    match (name.parse::<IpAddr>(), lease.evidence.ip) {
        (Ok(name), Some(ip)) => name == ip,
        _ => name == lease.name,
    }
}

/// What could be seen of `default/kubernetes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It lists nobody but who is announced, and somebody.
    Right,
    /// It lists somebody else, or nobody.
    Wrong,
    /// What it lists is not known.
    NotKnown,
}

/// What `published` shows, given who is announced. Of Endpoints and EndpointSlice the one that is known to be wrong counts; where one is not
/// there, or cannot be read, nothing is known of the whole.
pub fn listing(published: &Published, announced: &[IpAddr]) -> Listing {
    if !is_right(published, announced) {
        return Listing::Wrong;
    }
    let known = |list: &Observed<Vec<IpAddr>>| matches!(list, Observed::Known(_));
    match known(&published.endpoints) && known(&published.slice) {
        true => Listing::Right,
        false => Listing::NotKnown,
    }
}

/// Whether nothing of `default/kubernetes` is known to be wrong.
fn is_right(published: &Published, announced: &[IpAddr]) -> bool {
    let right = |list: &Observed<Vec<IpAddr>>| match list {
        Observed::Known(list) => !list.is_empty() && list.iter().all(|ip| announced.contains(ip)),
        // What is not there lists nobody who is gone.
        Observed::Unknown(_) => true,
    };
    right(&published.endpoints) && right(&published.slice)
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use crate::usecases::survey::{Options, survey};
    use runbook_kit::testing::{FakeProbe, MemoryEtcd};

    use super::*;

    /// What a survey of `etcd` finds; with `observe`, without waiting for real.
    pub async fn leases(etcd: &MemoryEtcd, observe: u64) -> Vec<Masterlease> {
        let options = Options {
            prefix: "/registry".into(),
            observe: Duration::from_secs(observe),
            port: None,
            ca: None,
        };
        survey(etcd, &FakeProbe::default(), &options, &|_, _| {})
            .await
            .unwrap()
            .leases
    }

    fn names_of(leases: &[Masterlease]) -> Vec<&str> {
        leases.iter().map(|lease| lease.name.as_str()).collect()
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn etcd() -> MemoryEtcd {
        let etcd = MemoryEtcd::default();
        etcd.masterlease("10.0.0.1", 0);
        etcd.masterlease("2001:db8::1", 0);
        etcd.put("/registry/masterleases/10.0.0.2", b"damaged", 0);
        etcd.masterlease("10.0.0.57", 7);
        etcd
    }

    #[tokio::test(start_paused = true)]
    async fn the_stale_ones_go_and_nothing_else() {
        let leases = leases(&etcd(), 12).await;
        let plan = plan(&leases, &[]).unwrap();
        assert_eq!(names_of(&plan.delete), ["10.0.0.1", "2001:db8::1"]);
        let kept: Vec<(&str, &str)> = plan
            .keep
            .iter()
            .map(|(lease, why)| (lease.name.as_str(), *why))
            .collect();
        assert_eq!(kept, [("10.0.0.2", "name it to delete it"), ("10.0.0.57", "not stale")]);
        assert!(plan.needs_a_live_one);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_put_back_stays_even_if_it_is_named() {
        let etcd = etcd();
        etcd.masterlease("10.0.0.1/x", 0);
        let plan = plan(&leases(&etcd, 12).await, &named(&["10.0.0.1/x", "10.0.0.1"])).unwrap();
        assert_eq!(names_of(&plan.delete), ["10.0.0.1"]);
        assert!(
            plan.keep
                .iter()
                .any(|(lease, why)| lease.name == "10.0.0.1/x" && why.contains("no API server"))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn naming_narrows_and_dares_more() {
        let leases = leases(&etcd(), 12).await;
        let chosen = plan(&leases, &named(&["2001:DB8::1", "10.0.0.2", "10.9.9.9"])).unwrap();
        assert_eq!(names_of(&chosen.delete), ["10.0.0.2", "2001:db8::1"]);
        assert_eq!(chosen.absent, ["10.9.9.9"]);
        let refused = plan(&leases, &named(&["10.0.0.57"])).unwrap_err();
        assert!(matches!(refused, PlanRefused::Live { .. }));
        assert_eq!(refused.exit(), Exit::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_live_one_only_what_is_named_goes() {
        let etcd = MemoryEtcd::default();
        etcd.masterlease("10.0.0.1", 0);
        etcd.masterlease("10.0.0.2", 0);
        let leases = leases(&etcd, 12).await;
        assert_eq!(plan(&leases, &[]).unwrap_err(), PlanRefused::NoneLive { total: 2 });
        let plan = plan(&leases, &named(&["10.0.0.1"])).unwrap();
        assert_eq!(
            (names_of(&plan.delete), plan.needs_a_live_one),
            (vec!["10.0.0.1"], false)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_glance_plans_nothing() {
        let plan = plan(&leases(&etcd(), 0).await, &[]).unwrap();
        assert!(plan.delete.is_empty());
    }

    #[test]
    fn a_right_endpoint_lists_somebody_and_only_the_announced() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let published = |endpoints: &[&str], slice: &[&str]| Published {
            endpoints: Observed::Known(ips(endpoints)),
            slice: Observed::Known(ips(slice)),
            port: None,
        };
        let live = ips(&["10.0.0.1", "2001:db8::1"]);
        // A slice holds one family only.
        assert!(is_right(&published(&["10.0.0.1", "2001:db8::1"], &["10.0.0.1"]), &live));
        assert!(!is_right(&published(&["10.0.0.1", "10.0.0.9"], &["10.0.0.1"]), &live));
        assert!(!is_right(&published(&["10.0.0.1"], &["10.0.0.9"]), &live));
        assert!(!is_right(&published(&[], &[]), &live));
    }
}
