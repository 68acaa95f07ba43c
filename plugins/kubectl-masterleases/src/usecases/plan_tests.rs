//! Plans from surveys of an etcd in memory, in virtual time.

use std::time::Duration;

use runbook_kit::exit::Exit;
use runbook_kit::failure::Failure;
use runbook_kit::testing::{FakeProbe, MemoryEtcd};

use super::survey::{Options, survey};
use crate::rules::masterlease::Masterlease;
use crate::rules::plan::{PlanRefused, plan};

/// The masterleases that a survey of `etcd` finds.
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
async fn only_stale_ones_are_deleted() {
    let leases = leases(&etcd(), 12).await;
    let plan = plan(&leases, &[]).unwrap();
    assert_eq!(names_of(&plan.delete), ["10.0.0.1", "2001:db8::1"]);
    let kept: Vec<(&str, &str)> = plan
        .keep
        .iter()
        .map(|(lease, why)| (lease.name.as_str(), *why))
        .collect();
    assert_eq!(kept, [("10.0.0.2", "name it to delete it"), ("10.0.0.57", "not stale")]);
    assert!(plan.requires_live);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_undo_could_not_restore_is_kept_even_if_named() {
    let etcd = etcd();
    etcd.masterlease("10.0.0.1/x", 0);
    let plan = plan(&leases(&etcd, 12).await, &named(&["10.0.0.1/x", "10.0.0.1"])).unwrap();
    assert_eq!(names_of(&plan.delete), ["10.0.0.1"]);
    assert!(
        plan.keep
            .iter()
            .any(|(lease, why)| lease.name == "10.0.0.1/x" && why.contains("not the key of an API server"))
    );
}

#[tokio::test(start_paused = true)]
async fn names_restrict_the_plan_and_allow_unknown_ones() {
    let leases = leases(&etcd(), 12).await;
    let chosen = plan(&leases, &named(&["2001:DB8::1", "10.0.0.2", "10.9.9.9"])).unwrap();
    assert_eq!(names_of(&chosen.delete), ["10.0.0.2", "2001:db8::1"]);
    assert_eq!(chosen.absent, ["10.9.9.9"]);
    let refused = plan(&leases, &named(&["10.0.0.57"])).unwrap_err();
    assert!(matches!(refused, PlanRefused::Live { .. }));
    assert_eq!(refused.exit(), Exit::Refused);
}

#[tokio::test(start_paused = true)]
async fn without_a_live_one_only_named_ones_are_deleted() {
    let etcd = MemoryEtcd::default();
    etcd.masterlease("10.0.0.1", 0);
    etcd.masterlease("10.0.0.2", 0);
    let leases = leases(&etcd, 12).await;
    assert_eq!(plan(&leases, &[]).unwrap_err(), PlanRefused::NoneLive { total: 2 });
    let plan = plan(&leases, &named(&["10.0.0.1"])).unwrap();
    assert_eq!((names_of(&plan.delete), plan.requires_live), (vec!["10.0.0.1"], false));
}

#[tokio::test(start_paused = true)]
async fn without_watching_nothing_is_stale() {
    let plan = plan(&leases(&etcd(), 0).await, &[]).unwrap();
    assert!(plan.delete.is_empty());
}
