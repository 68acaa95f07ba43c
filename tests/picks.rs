//! Which backup of each etcd cluster is chosen for a restore, in stores of etcd-manager.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use jiff::Timestamp;
use runbook_kit::adapters::file::FileStore;
use runbook_kit::adapters::unpack::Unpacker;
use runbook_kit::model::backup::goodness::Rejection;
use runbook_kit::usecases::catalog::{self, Catalog};
use runbook_kit::usecases::choose::{ChooseContext, ChooseError, Pick, Picked, pick, pick_all};
use runbook_kit::usecases::discover;
use runbook_kit::usecases::encryption::KeyRing;
use runbook_kit::usecases::known_backups::KnownBackups;
use support::paths;
use support::store::{self, CLUSTER, StateStore};

const MAIN: &str = "2026-11-22T15:20:36Z-000001";
const EVENTS: &str = "2026-11-22T15:20:35Z-000001";

/// The backups of before and after the accident, before retention has run.
fn merged() -> StateStore {
    let store = StateStore::new("state-store-restored").unwrap();
    store::copy_folder(&paths::fixture("state-store-reseeded"), store.root()).unwrap();
    store
}

async fn catalogs(store: &StateStore) -> Vec<Catalog> {
    let found = discover::cluster(&FileStore, &store.url().parse().unwrap(), CLUSTER).await;
    let now: Timestamp = "2026-11-22T16:36:00Z".parse().unwrap();
    catalog::read(&FileStore, &found.unwrap().stores, now).await.unwrap()
}

fn looking<'a>(unpacker: &'a Unpacker, known: &'a KnownBackups, keys: &'a KeyRing) -> ChooseContext<'a> {
    ChooseContext {
        objects: &FileStore,
        reader: unpacker,
        lineage: None,
        known,
        keys,
    }
}

fn words(pick: &Pick<'_>) -> String {
    let etcd = &pick.catalog.store.etcd;
    match &pick.picked {
        Picked::Good(chosen) => format!("{etcd}: good {}", chosen.backup.name),
        Picked::Sound { chosen, reasons } => format!("{etcd}: sound {} {reasons:?}", chosen.backup.name),
        Picked::None(error) => format!("{etcd}: none, {error}"),
    }
}

fn remove(store: &StateStore, etcd: &str, but: &[&str]) {
    for entry in std::fs::read_dir(store.base(etcd)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("20") && !but.iter().any(|kept| name.starts_with(kept)) {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}

#[tokio::test]
async fn other_etcds_are_chosen_near_the_time_of_main() {
    let unpacker = Unpacker::default();
    let store = merged();
    let found = catalogs(&store).await;
    // The newest backup of events is intact, but of the cluster after the accident.
    let picks = pick_all(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found,
        None,
    )
    .await;
    assert_eq!(
        picks.iter().map(words).collect::<Vec<_>>(),
        [format!("main: good {MAIN}"), format!("events: good {EVENTS}")]
    );
    let main = picks[0].picked.chosen().unwrap();
    assert_eq!(main.rejected.len(), 3);
    assert_eq!(main.facts.as_ref().unwrap().nodes(), 5);
    assert!(picks.iter().all(|pick| pick.note.is_none()));

    // With a time, that of main is not used.
    let at = "2026-11-22T15:18:30Z".parse().unwrap();
    let picks = pick_all(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found,
        Some(at),
    )
    .await;
    assert_eq!(
        picks.iter().map(words).collect::<Vec<_>>(),
        [
            "main: good 2026-11-22T15:18:01Z-000001",
            "events: good 2026-11-22T15:18:01Z-000002"
        ]
    );

    // No backup of events near main's time: the newest good one, with a note.
    remove(&store, "events", &["2026-11-22T15:15", "2026-11-22T16"]);
    let found = catalogs(&store).await;
    let picks = pick_all(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found,
        None,
    )
    .await;
    assert_eq!(words(&picks[1]), "events: good 2026-11-22T16:26:06Z-000001");
    assert!(
        picks[1]
            .note
            .as_ref()
            .unwrap()
            .contains("from before 2026-11-22T15:35:36Z")
    );

    // Also if the user named the backup of main.
    let time = "2026-11-22T15:16:00Z".parse().unwrap();
    let events = pick(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found[1],
        None,
        Some(time),
    )
    .await;
    assert_eq!(words(&events), "events: good 2026-11-22T16:26:06Z-000001");
}

#[tokio::test]
async fn only_main_needs_a_good_backup() {
    let unpacker = Unpacker::default();
    let store = merged();
    // Nothing was ever written to events.
    remove(&store, "events", &["2026-11-22T15:15", "2026-11-22T16:24"]);
    let found = catalogs(&store).await;
    let picks = pick_all(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found,
        None,
    )
    .await;
    assert_eq!(words(&picks[1]), "events: sound 2026-11-22T16:24:46Z-000001 [Empty]");
    assert!(
        picks[1]
            .note
            .as_ref()
            .unwrap()
            .contains("the newest that verifies is taken")
    );

    // One that does not verify is not chosen.
    std::fs::write(
        store.base("events").join("2026-11-22T16:24:46Z-000001/etcd.backup.gz"),
        b"x",
    )
    .unwrap();
    let found = catalogs(&store).await;
    let picks = pick_all(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found,
        None,
    )
    .await;
    assert_eq!(words(&picks[1]), "events: sound 2026-11-22T15:15:59Z-000001 [Empty]");
    let chosen = picks[1].picked.chosen().unwrap();
    assert!(matches!(chosen.rejected[0].reasons[..], [Rejection::Damaged(_)]));

    remove(&store, "events", &[]);
    remove(&store, "main", &["2026-11-22T16"]);
    let found = catalogs(&store).await;
    let picks = pick_all(
        looking(&unpacker, &KnownBackups::default(), &KeyRing::default()),
        &found,
        None,
    )
    .await;
    assert!(matches!(&picks[0].picked, Picked::None(ChooseError::NoneGood { rejected, .. }) if rejected.len() == 3));
    assert!(matches!(&picks[1].picked, Picked::None(ChooseError::NoBackups { .. })));
}
