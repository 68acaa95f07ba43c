//! Gaps between backups, and sudden drops in size.

use jiff::{SignedDuration, Timestamp};

use runbook_kit::model::backup::name::BackupName;
use runbook_kit::model::backup::retention::Retention;

/// How long certainly no backup was taken between two consecutive ones.
///
/// Retention keeps the earliest backup of each hour, later of each day: others of the hour or day of `earlier` may have been deleted, so the
/// gap begins at the end of that hour or day.
#[must_use]
pub fn known_gap(earlier: &BackupName, later: &BackupName, retention: Retention, now: Timestamp) -> SignedDuration {
    let hour = SignedDuration::from_hours(1);
    let age = now.duration_since(earlier.created());
    // The end of the hour or day, or the time up to which retention has deleted backups, if that is earlier.
    let thinned = |seconds: i64, bound: SignedDuration| {
        let end = (earlier.created().as_second().div_euclid(seconds) + 1) * seconds;
        end.min(now.as_second() - bound.as_secs())
    };
    let from = if age < hour {
        earlier.created().as_second()
    } else if age < retention.hourly {
        thinned(3_600, hour)
    } else {
        thinned(86_400, retention.hourly).max(thinned(3_600, hour))
    };
    let from = from.max(earlier.created().as_second());
    SignedDuration::from_secs((later.created().as_second() - from).max(0))
}

/// Both numbers, the later one first, where it is less than half of the earlier one.
#[must_use]
pub fn fell_by_half(before: Option<u64>, now: Option<u64>) -> Option<(u64, u64)> {
    let (before, now) = (before?, now?);
    (now.saturating_mul(2) < before).then_some((now, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(earlier: &str, later: &str, now: &str) -> i64 {
        let retention = Retention {
            hourly: SignedDuration::from_hours(7 * 24),
            daily: SignedDuration::from_hours(90 * 24),
        };
        let name = |time: &str| format!("{time}-000001").parse::<BackupName>().unwrap();
        known_gap(&name(earlier), &name(later), retention, now.parse().unwrap()).as_secs() / 60
    }

    #[test]
    fn within_an_hour_no_backup_is_deleted() {
        assert_eq!(
            minutes("2026-11-22T15:10:00Z", "2026-11-22T15:55:00Z", "2026-11-22T16:00:00Z"),
            45
        );
    }

    #[test]
    fn in_an_hour_that_was_cleaned_up_there_is_no_gap() {
        let now = "2026-11-22T20:00:00Z";
        assert_eq!(minutes("2026-11-22T15:00:00Z", "2026-11-22T16:00:00Z", now), 0);
        assert_eq!(minutes("2026-11-22T15:00:00Z", "2026-11-22T17:00:00Z", now), 60);
        // Backups after 15:30 are younger than an hour and would not be deleted yet.
        assert_eq!(
            minutes("2026-11-22T15:01:00Z", "2026-11-22T16:20:00Z", "2026-11-22T16:30:00Z"),
            50
        );
    }

    #[test]
    fn after_a_week_only_days_count() {
        let now = "2026-12-22T00:00:00Z";
        assert_eq!(minutes("2026-11-22T00:10:00Z", "2026-11-23T00:10:00Z", now), 10);
        assert_eq!(minutes("2026-11-22T00:10:00Z", "2026-11-24T00:00:00Z", now), 24 * 60);
    }
}
