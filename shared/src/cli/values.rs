//! Values that flags of several commands take.

use std::time::Duration;

/// `10s`, `1m`: at least a second.
///
/// # Errors
/// Where it is no duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    any(text)
        .filter(|duration| *duration >= Duration::from_secs(1))
        .ok_or_else(|| format!("`{text}` is not a duration like 10s or 1m"))
}

/// The same, or `0`.
///
/// # Errors
/// Where it is neither.
pub fn duration_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

/// How long to wait for something, fractions of a second too: `12s`, `500ms`, `0`.
///
/// # Errors
/// Where it is no duration.
pub fn wait(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => any(text).ok_or_else(|| format!("`{text}` is not a duration like 12s or 1m")),
    }
}

fn any(text: &str) -> Option<Duration> {
    let parsed: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(parsed).ok()
}

/// The beginning of a UID.
///
/// # Errors
/// Where it is none.
pub fn uid(text: &str) -> Result<String, String> {
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match valid {
        true => Ok(text.to_owned()),
        false => Err("a UID is like ace198d7-0000-4000-8000-000000000000".to_owned()),
    }
}

/// Where Kubernetes keeps its keys: with and without the first slash, as kube-apiserver takes it.
///
/// # Errors
/// Where nothing is named.
pub fn prefix(text: &str) -> Result<String, String> {
    let inner = text.trim_matches('/');
    if inner.is_empty() {
        return Err("the prefix is a path like /registry".to_owned());
    }
    Ok(format!("/{inner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_some_length() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        for text in ["10", "0s", "-5s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_time_at_all_is_for_those_who_may_do_without() {
        for text in ["0", "0s"] {
            assert_eq!(duration_or_zero(text), Ok(Duration::ZERO));
            assert_eq!(wait(text), Ok(Duration::ZERO));
        }
        assert_eq!(wait("500ms"), Ok(Duration::from_millis(500)));
        assert!(duration_or_zero("500ms").is_err());
        for text in ["10", "-5s", "soon"] {
            assert!(duration_or_zero(text).is_err() && wait(text).is_err(), "{text}");
        }
    }
}
