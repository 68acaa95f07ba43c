//! Durations as etcd-manager reads them.

use jiff::SignedDuration;

const HOUR: i128 = 3_600_000_000_000;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write 7d, 2y, 168h or 1h30m")]
pub struct DurationError(String);

/// Reads `7d`, `2y` (365 days each) or a Go duration such as `168h`, `1h30m`, `1.5h`.
///
/// Source: kubernetes-sigs/etcd-manager `pkg/backupcontroller/cleanup.go`, `ParseHumanDuration`: a whole number before
/// `y` or `d`, and nothing mixed with them; all else goes to Go's `time.ParseDuration`.
pub fn parse(text: &str) -> Result<SignedDuration, DurationError> {
    let wrong = || DurationError(text.to_owned());
    for (unit, hours) in [('y', 24 * 365), ('d', 24)] {
        if let Some(number) = text.strip_suffix(unit) {
            let number: i128 = number.parse::<i64>().map_err(|_| wrong())?.into();
            return from_nanos(number * hours * HOUR).ok_or_else(wrong);
        }
    }
    go(text).and_then(from_nanos).ok_or_else(wrong)
}

/// A number of days.
#[must_use]
pub fn days(count: u32) -> SignedDuration {
    SignedDuration::from_hours(i64::from(count) * 24)
}

/// Go keeps durations in 64 bits of nanoseconds: what does not fit is an error there and here.
fn from_nanos(nanos: i128) -> Option<SignedDuration> {
    i64::try_from(nanos).ok().map(SignedDuration::from_nanos)
}

fn go(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(number_end)?;
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_end)?;
        sum = sum.checked_add(part(number, unit_nanos(unit)?)?)?;
        rest = tail;
    }
    Some(sign * sum)
}

/// `number` (digits with at most one point) times `unit` nanoseconds.
fn part(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.chars() {
        scale /= 10;
        nanos = nanos.checked_add(i128::from(digit.to_digit(10)?) * scale)?;
    }
    Some(nanos)
}

fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => HOUR,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_etcd_manager_reads() {
        for (text, seconds) in [
            ("7d", 7 * 86_400),
            ("2y", 2 * 365 * 86_400),
            ("168h", 7 * 86_400),
            ("1h30m", 5_400),
            ("1.5h", 5_400),
            ("15m0s", 900),
            ("0", 0),
            ("-1h", -3_600),
            ("60000ms", 60),
        ] {
            assert_eq!(parse(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("0.25s"), Ok(SignedDuration::from_millis(250)));
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "7",
            "d",
            "1.5d",
            "1d12h",
            "7 d",
            "1w",
            "h",
            ".h",
            "1..5h",
            "1h-5m",
            "300y",
            "99999999999999999999h",
            "7D",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
