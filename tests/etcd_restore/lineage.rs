//! `--lineage`: which of two clusters that wrote to one store is meant.

use support::paths;
use support::store;

use crate::env::{EVENTS, Env, MAIN, RESEEDED, RESTORED};

#[test]
fn the_cluster_that_is_named_is_restored_if_it_has_a_good_backup() {
    let env = Env::new(RESTORED);
    store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
    let plan = |lineage: &str| {
        let plan = format!("plan -o json --lineage {lineage}");
        env.restore(&plan).now("2026-11-22T16:36:00Z").run().unwrap()
    };
    assert_eq!(plan("ace198d7").success().json()["restores"][0]["backup"], MAIN);
    // Seeded by accident, and never more: it is not good by whatever name.
    let bare = plan("555da76f").code(3);
    assert!(
        bare.stdout
            .contains("it holds only what an API server creates by itself"),
        "{}",
        bare.stdout
    );
    plan("0000")
        .code(1)
        .stderr_has("begins with `0000`")
        .stderr_has("available: 555da76f-");
}

#[test]
fn queue_and_run_choose_the_same_of_latest_good() {
    let env = Env::new(RESTORED);
    store::copy_folder(&paths::fixture(RESEEDED), env.root()).unwrap();
    let chosen = |command: &str, rows: &str| {
        let shown = env
            .restore(&format!("{command} -o json"))
            .now("2026-11-22T16:36:00Z")
            .run()
            .unwrap()
            .success()
            .json();
        let rows = if rows.is_empty() { shown } else { shown[rows].clone() };
        [0, 1].map(|row: usize| rows[row]["backup"].as_str().unwrap().to_owned())
    };
    let wanted = [MAIN.to_owned(), EVENTS.to_owned()];
    assert_eq!(chosen("plan", "restores"), wanted);
    assert_eq!(chosen("queue latest-good", ""), wanted);
}
