//! A thousand times a key is rewritten at the moment of its deletion, through the real adapter, on a real etcd.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

use std::time::Duration;

use runbook_kit::adapters::etcd::access::{Ways, connect};
use runbook_kit::cli::confirm;
use runbook_kit::model::etcd_access::EtcdAccess;
use runbook_kit::ports::EtcdKv;
use support::{Etcd, EtcdVersion, Put};

const KEY: &str = "/registry/masterleases/10.0.0.1";

async fn adapter(etcd: &Etcd) -> Box<dyn EtcdKv> {
    let args = EtcdAccess {
        endpoints: vec![etcd.endpoint().to_owned()],
        plain_http: true,
        ..EtcdAccess::default()
    };
    let ways = Ways {
        args: &args,
        etcd: "main",
        kubeconfig: None,
        context: None,
        keys: None,
    };
    connect(&ways).await.unwrap().kv
}

/// Zero for a negative number.
fn microseconds(number: i64) -> Duration {
    Duration::from_micros(u64::try_from(number).unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_races_at_the_moment_of_deletion() {
    let etcd = std::sync::Arc::new(Etcd::start(EtcdVersion::V3_6).unwrap());
    let kv = adapter(&etcd).await;
    let lease = etcd.grant_lease(600).unwrap();
    let (mut deletions, mut rewrites) = (0, 0);
    // How long the deletion waits for the writer, in microseconds (negative: the writer waits). Adjusted after every race, so
    // that on any machine both win about as often.
    let mut head_start: i64 = 0;
    for race in 0..1000 {
        etcd.put(&[Put::new(KEY, "restored")]).unwrap();
        let seen = kv.get(KEY.as_bytes()).await.unwrap().unwrap();
        let value = format!("rewritten {race}");
        let writer = {
            let (etcd, value) = (etcd.clone(), value.clone());
            tokio::task::spawn_blocking(move || {
                std::thread::sleep(microseconds(-head_start));
                let put = Put {
                    lease,
                    ..Put::new(KEY, value)
                };
                etcd.put(&[put]).unwrap();
            })
        };
        tokio::time::sleep(microseconds(head_start)).await;
        let deleted = kv
            .delete_if_unchanged(KEY.as_bytes(), seen.mod_revision, &confirm::plain(true).unwrap())
            .await
            .unwrap();
        writer.await.unwrap();
        if deleted {
            deletions += 1;
            head_start += 100;
        } else {
            rewrites += 1;
            head_start -= 100;
        }
        // In both cases the key is there, as the writer wrote it.
        let stored = etcd.get(KEY.as_bytes()).unwrap();
        let stored = stored.unwrap_or_else(|| panic!("race {race}: a rewritten key was deleted"));
        assert_eq!((stored.value, stored.lease), (value.into_bytes(), lease), "race {race}");
    }
    assert!(
        deletions > 50 && rewrites > 50,
        "{deletions} deletions, {rewrites} rewrites: no race"
    );
}
