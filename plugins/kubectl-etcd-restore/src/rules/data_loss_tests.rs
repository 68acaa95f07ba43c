use super::*;
use runbook_kit::model::snapshot::ValueAt;

/// Keys with the revisions that wrote them; the backup's own revision is the highest.
fn backup(keys: &[(&str, i64)]) -> Content {
    let live = |(key, revision): &(&str, i64)| LiveKey {
        key: key.as_bytes().to_vec(),
        create_revision: *revision,
        mod_revision: *revision,
        version: 1,
        lease: 0,
        value: ValueAt { offset: 0, length: 0 },
        encrypted: false,
    };
    Content {
        revision: keys.iter().map(|(_, revision)| *revision).max().unwrap_or_default(),
        hash: 0,
        records: keys.len() as u64,
        db_size: 0,
        storage_version: None,
        applied_index: None,
        lease_count: 0,
        keys: keys.iter().map(live).collect(),
    }
}

fn compare(backup: &Content, living: &[(&str, i64)], revision: i64) -> DataLoss {
    let mut comparing = Comparing::new(backup, revision);
    for (key, mod_revision) in living {
        comparing.living(key.as_bytes(), *mod_revision);
    }
    comparing.all_read()
}

const KEYS: [(&str, i64); 6] = [
    ("/registry/configmaps/shop/a", 4),
    ("/registry/events/shop/e", 5),
    ("/registry/minions/i-1", 6),
    ("/registry/secrets/billing/gone", 7),
    ("/registry/secrets/billing/kept", 8),
    ("/registry/secrets/billing/rotated", 9),
];

#[test]
fn what_went_on_from_the_backup_is_compared_by_names_and_revisions() {
    let content = backup(&KEYS);
    let losses = compare(
        &content,
        &[
            ("/registry/certificates.example.com/tls/shop/new", 20),
            ("/registry/configmaps/shop/a", 4),
            ("/registry/events/shop/f", 21),
            ("/registry/minions/i-1", 22),
            ("/registry/secrets/billing/kept", 8),
            ("/registry/secrets/billing/new", 23),
            ("/registry/secrets/billing/rotated", 24),
        ],
        24,
    );
    let count = |gone, new, changed| LossCount { gone, new, changed };
    assert_eq!(losses.total, count(1, 2, Some(1)));
    assert!(losses.complete && losses.same_history && !losses.is_empty());
    let rows: Vec<(&str, LossCount)> = losses
        .resources
        .iter()
        .map(|row| (row.resource.as_str(), row.count))
        .collect();
    assert_eq!(
        rows,
        [
            ("secrets", count(1, 1, Some(1))),
            ("tls.certificates.example.com", count(0, 1, Some(0))),
        ]
    );
    let beats: Vec<(&str, LossCount)> = losses
        .heartbeats
        .iter()
        .map(|row| (row.resource.as_str(), row.count))
        .collect();
    assert_eq!(
        beats,
        [("events", count(1, 1, Some(0))), ("nodes", count(0, 0, Some(1)))]
    );
    assert_eq!(
        losses.describe(),
        "2 objects created since then will be lost (1 secrets, 1 tls.certificates.example.com), 1 object changed since then will be reverted (1 secrets), \
         1 object deleted since then will reappear (1 secrets)"
    );
}

#[test]
fn an_etcd_that_was_restored_since_is_compared_by_names_alone() {
    let content = backup(&KEYS);
    // Written anew, with low revisions.
    let anew: Vec<(&str, i64)> = KEYS
        .iter()
        .zip(2..)
        .map(|((key, _), revision)| (*key, revision))
        .collect();
    let losses = compare(&content, &anew, 7);
    assert!(!losses.same_history && losses.is_empty());
    assert_eq!(losses.total.changed, None);
    assert!(
        losses.describe().contains("changes are unknown"),
        "{}",
        losses.describe()
    );
    // Also when its revisions have passed the backup's since.
    let later: Vec<(&str, i64)> = KEYS.iter().map(|(key, revision)| (*key, revision + 1000)).collect();
    assert!(!compare(&content, &later, 2000).same_history);
    let json = serde_json::to_value(&losses).unwrap();
    assert_eq!((&json["changed"], &json["gone"]), (&serde_json::Value::Null, &0.into()));
}

#[test]
fn what_was_not_read_is_never_taken_for_deleted() {
    let content = backup(&KEYS);
    let mut comparing = Comparing::new(&content, 30);
    comparing.living(b"/registry/configmaps/shop/a", 4);
    comparing.living(b"/registry/configmaps/shop/b", 30);
    let losses = comparing.partly_read();
    assert_eq!((losses.total.gone, losses.total.new), (0, 1));
    assert!(
        losses
            .describe()
            .starts_with("at least 1 object created since then will be lost"),
        "{}",
        losses.describe()
    );
}

#[test]
fn an_empty_living_etcd_has_nothing_to_lose() {
    let content = backup(&KEYS);
    let losses = compare(&content, &[], 1);
    assert_eq!((losses.total.gone, losses.total.new), (5, 0));
    assert!(compare(&content, &KEYS, 9).is_empty());
}
