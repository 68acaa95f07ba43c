//! What etcd-manager's clean-up will keep, and until when.
//!
//! Source: kubernetes-sigs/etcd-manager pkg/backupcontroller/cleanup.go. Everything younger than an hour stays; then the
//! earliest of each UTC hour, for a week; then the earliest of each UTC day, for the daily retention. All comparisons are
//! strict. The leader cleans up after a backup, at most once an hour, so a backup can outlive its time a little.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::model::backup::name::BackupName;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long backups are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age up to which the earliest backup of each hour stays (`ETCD_MANAGER_HOURLY_BACKUPS_RETENTION`).
    pub hourly: SignedDuration,
    /// Age up to which the earliest backup of each day stays (`ETCD_MANAGER_DAILY_BACKUPS_RETENTION`).
    pub daily: SignedDuration,
}

/// Why the clean-up leaves a backup alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeepClass {
    /// Younger than an hour.
    Recent,
    /// The earliest of its hour.
    Hourly,
    /// The earliest of its day.
    Daily,
    /// Nothing keeps it: the next clean-up removes it.
    Expiring,
}

impl KeepClass {
    /// The word for tables and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Expiring => "expiring",
        }
    }
}

/// What becomes of one backup, given the others that are there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Keep {
    /// Why it is kept now.
    pub class: KeepClass,
    /// The moment from which a clean-up removes it; in the past when it is expiring.
    pub until: Timestamp,
}

/// Replays the clean-up over all backups of one store.
///
/// `names` are the folders that have a meta file: etcd-manager sees no others.
#[must_use]
pub fn replay(names: &[BackupName], now: Timestamp, retention: Retention) -> HashMap<BackupName, Keep> {
    // Buckets never reach beyond a UTC day, so each day is judged by itself.
    let mut days = BTreeMap::<i64, Vec<&BackupName>>::new();
    for name in names {
        days.entry(bucket(name, DAY)).or_default().push(name);
    }
    days.values()
        .flat_map(|day| {
            day.iter()
                .map(|name| ((*name).clone(), keep(name, day, now, retention)))
        })
        .collect()
}

/// What becomes of `name`, one of the backups of one day.
fn keep(name: &BackupName, day: &[&BackupName], now: Timestamp, retention: Retention) -> Keep {
    let class = class_at(name, day, now, retention);
    let mut bounds = [HOUR, retention.hourly, retention.daily]
        .map(|bound| name.created().saturating_add(bound).unwrap_or(Timestamp::MAX));
    bounds.sort();
    let kept = class != KeepClass::Expiring;
    let removed_from = bounds
        .into_iter()
        .filter(|bound| (*bound > now) == kept)
        .find(|bound| class_at(name, day, *bound, retention) == KeepClass::Expiring);
    Keep {
        class,
        until: removed_from.unwrap_or(now),
    }
}

/// Why a clean-up at `time` leaves `name` alone.
fn class_at(name: &BackupName, day: &[&BackupName], time: Timestamp, retention: Retention) -> KeepClass {
    // The hour that begins a day and the day itself share a key, as they do in etcd-manager's map.
    let place = |name: &BackupName| {
        let age = time.duration_since(name.created());
        if age < HOUR {
            (KeepClass::Recent, None)
        } else if age < retention.hourly {
            (KeepClass::Hourly, Some(bucket(name, 3_600) * 3_600))
        } else if age < retention.daily {
            (KeepClass::Daily, Some(bucket(name, DAY) * DAY))
        } else {
            (KeepClass::Expiring, None)
        }
    };
    let (class, key) = place(name);
    let Some(key) = key else { return class };
    let first = day
        .iter()
        .copied()
        .filter(|other| place(other).1 == Some(key))
        .reduce(earlier);
    if first == Some(name) {
        class
    } else {
        KeepClass::Expiring
    }
}

const DAY: i64 = 86_400;

fn bucket(name: &BackupName, seconds: i64) -> i64 {
    name.created().as_second().div_euclid(seconds)
}

/// Of two backups of one second etcd-manager's map keeps the one that is listed last.
fn earlier<'a>(one: &'a BackupName, other: &'a BackupName) -> &'a BackupName {
    match one.created().cmp(&other.created()) {
        std::cmp::Ordering::Less => one,
        std::cmp::Ordering::Greater => other,
        std::cmp::Ordering::Equal => one.max(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention {
        hourly: SignedDuration::from_hours(7 * 24),
        daily: SignedDuration::from_hours(90 * 24),
    };

    fn names(texts: &[&str]) -> Vec<BackupName> {
        texts
            .iter()
            .map(|text| format!("{text}-000001").parse().unwrap())
            .collect()
    }

    fn at(now: &str, texts: &[&str]) -> Vec<(KeepClass, String)> {
        let names = names(texts);
        let kept = replay(&names, now.parse().unwrap(), RETENTION);
        names
            .iter()
            .map(|name| (kept[name].class, kept[name].until.to_string()))
            .collect()
    }

    #[test]
    fn the_earliest_of_an_hour_outlives_the_others_of_it() {
        use KeepClass::{Daily, Expiring, Hourly, Recent};
        let backups = ["2026-11-22T15:17:01Z", "2026-11-22T15:32:01Z", "2026-11-22T16:02:01Z"];
        let classes = |now| {
            at(now, &backups)
                .into_iter()
                .map(|(class, _)| class)
                .collect::<Vec<_>>()
        };
        assert_eq!(classes("2026-11-22T16:17:00Z"), [Recent, Recent, Recent]);
        // Strictly younger than an hour is recent; at the hour it no longer is.
        assert_eq!(classes("2026-11-22T16:17:01Z"), [Hourly, Recent, Recent]);
        assert_eq!(classes("2026-11-22T16:32:01Z"), [Hourly, Expiring, Recent]);
        // Where no leader cleaned up for long, one that should be gone can be the earliest of those that are left.
        assert_eq!(classes("2026-11-29T15:17:01Z"), [Daily, Hourly, Hourly]);
        assert_eq!(classes("2026-11-29T16:02:01Z"), [Daily, Expiring, Expiring]);
        assert_eq!(classes("2027-02-20T15:17:01Z"), [Expiring, Daily, Expiring]);
    }

    #[test]
    fn until_is_the_moment_from_which_a_clean_up_removes_it() {
        let until: Vec<String> = at(
            "2026-11-22T16:10:00Z",
            &["2026-11-22T15:17:01Z", "2026-11-22T15:32:01Z", "2026-11-22T16:02:01Z"],
        )
        .into_iter()
        .map(|(_, until)| until)
        .collect();
        assert_eq!(
            until,
            ["2027-02-20T15:17:01Z", "2026-11-22T16:32:01Z", "2026-11-29T16:02:01Z"]
        );
    }

    #[test]
    fn an_empty_backup_that_is_the_earliest_of_its_hour_pushes_the_good_ones_out() {
        // As it happened to the re-seeded fixture.
        let kept = at(
            "2026-11-22T16:24:36Z",
            &["2026-11-22T15:16:00Z", "2026-11-22T15:17:01Z", "2026-11-22T15:18:01Z"],
        );
        let classes: Vec<KeepClass> = kept.into_iter().map(|(class, _)| class).collect();
        assert_eq!(classes, [KeepClass::Hourly, KeepClass::Expiring, KeepClass::Expiring]);
    }

    proptest::proptest! {
        /// The closed form above against the clean-up played as etcd-manager plays it, bucket by bucket.
        #[test]
        fn agrees_with_the_clean_up_played_bucket_by_bucket(
            offsets in proptest::collection::btree_set(0_i64..200 * 86_400, 1..60),
            later in 0_i64..100 * 86_400,
        ) {
            let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            let names: Vec<BackupName> = offsets
                .iter()
                .map(|offset| {
                    let created = start.saturating_add(SignedDuration::from_secs(*offset)).unwrap();
                    format!("{created}-000001").parse().unwrap()
                })
                .collect();
            let now = names.last().unwrap().created().saturating_add(SignedDuration::from_secs(later)).unwrap();

            let mut buckets = HashMap::<i64, &BackupName>::new();
            let mut kept = std::collections::HashSet::<&BackupName>::new();
            for name in &names {
                let age = now.duration_since(name.created());
                let second = name.created().as_second();
                let key = if age < HOUR {
                    kept.insert(name);
                    continue;
                } else if age < RETENTION.hourly {
                    second - second % 3_600
                } else if age < RETENTION.daily {
                    second - second % 86_400
                } else {
                    continue;
                };
                let held = buckets.entry(key).or_insert(name);
                if name.created() < held.created() {
                    *held = name;
                }
            }
            kept.extend(buckets.values());

            let ours = replay(&names, now, RETENTION);
            for name in &names {
                proptest::prop_assert_eq!(ours[name].class != KeepClass::Expiring, kept.contains(name), "{}", name);
                proptest::prop_assert_eq!(ours[name].until > now, kept.contains(name), "{}", name);
            }
        }
    }
}
