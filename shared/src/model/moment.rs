//! Times as a user in a hurry types them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::kops::duration;

/// The text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time: write 2026-11-22T15:18:00Z, 2026-11-22 15:18 (UTC), 2026-11-22, or an age like 90m or 2d"
)]
pub struct MomentError(String);

/// Reads an RFC 3339 time, a date with or without a time (taken as UTC), or an age before `now`.
///
/// # Errors
/// The text, where it is none of these.
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, MomentError> {
    let error = || MomentError(text.to_owned());
    let utc = |time: DateTime| {
        time.to_zoned(TimeZone::UTC)
            .map(|zoned| zoned.timestamp())
            .map_err(|_| error())
    };
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(age) = duration::parse(text) {
        return now.checked_sub(age).map_err(|_| error());
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return utc(time);
    }
    text.parse::<Date>()
        .map_err(|_| error())
        .and_then(|date| utc(date.to_datetime(jiff::civil::Time::midnight())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_dates_and_ages() {
        let now = "2026-11-22T16:00:00Z".parse().unwrap();
        let read = |text: &str| parse(text, now).unwrap().to_string();
        assert_eq!(read("2026-11-22T15:18:00Z"), "2026-11-22T15:18:00Z");
        assert_eq!(read("2026-11-22T17:18:00+02:00"), "2026-11-22T15:18:00Z");
        assert_eq!(read("2026-11-22T15:18"), "2026-11-22T15:18:00Z");
        assert_eq!(read("2026-11-22 15:18:01"), "2026-11-22T15:18:01Z");
        assert_eq!(read("2026-11-22"), "2026-11-22T00:00:00Z");
        assert_eq!(read("90m"), "2026-11-22T14:30:00Z");
        assert_eq!(read("2d"), "2026-11-20T16:00:00Z");
        for text in ["", "yesterday", "15:18", "2026-13-01", "5"] {
            assert!(parse(text, now).is_err(), "{text}");
        }
    }
}
