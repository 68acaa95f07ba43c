//! Clocks: the system's, and one with a fixed time.

use jiff::Timestamp;

use crate::ports::Clock;

/// The environment variable that stops the clock. It exists for tests and for transcripts that must not age: ages,
/// retention and `--max-age` are then reckoned from that moment.
pub const NOW_VARIABLE: &str = "KOPS_RECOVERY_NOW";

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock with a fixed time.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// [`NOW_VARIABLE`] holds something else than a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{NOW_VARIABLE} is `{0}`, not an RFC 3339 time such as 2026-11-22T15:20:00Z")]
pub struct ClockError(String);

/// The clock to use, given the value of [`NOW_VARIABLE`].
pub fn from_variable(value: Option<&str>) -> Result<Box<dyn Clock>, ClockError> {
    match value.filter(|value| !value.is_empty()) {
        None => Ok(Box::new(SystemClock)),
        Some(text) => {
            let now = text.parse().map_err(|_| ClockError(text.to_owned()))?;
            Ok(Box::new(FixedClock(now)))
        }
    }
}

/// What has to be said of a clock that [`NOW_VARIABLE`] stopped: left over in an environment it makes an old backup young.
#[must_use]
pub fn warning(value: Option<&str>) -> Option<String> {
    let now = value.filter(|value| !value.is_empty())?;
    Some(format!("{NOW_VARIABLE} is set: the current time is fixed at {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_only_when_told() {
        let told = from_variable(Some("2026-11-22T15:20:00Z")).unwrap();
        assert_eq!(told.now().to_string(), "2026-11-22T15:20:00Z");
        for variable in [None, Some("")] {
            let before = Timestamp::now();
            assert!(from_variable(variable).unwrap().now() >= before);
        }
        assert!(from_variable(Some("yesterday")).is_err());
    }
}
