//! Sizes and ages as people read them.

use jiff::SignedDuration;

/// `29.3 KiB`: three figures at most.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "three figures are shown")]
    let mut value = count as f64;
    let mut shown = "B";
    for unit in units {
        shown = unit;
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
    }
    if shown == "B" {
        format!("{count} B")
    } else if value < 99.95 {
        format!("{value:.1} {shown}")
    } else {
        format!("{value:.0} {shown}")
    }
}

/// `42m`, `3h12m`, `5d4h`: as kubectl shows ages. A time to come has a minus.
#[must_use]
pub fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (sign, s) = if seconds < 0 {
        ("-", seconds.unsigned_abs())
    } else {
        ("", seconds.unsigned_abs())
    };
    let (m, h, d) = (s / 60, s / 3_600, s / 86_400);
    let text = if s < 120 {
        format!("{s}s")
    } else if m < 10 && s % 60 > 0 {
        format!("{m}m{}s", s % 60)
    } else if m < 180 {
        format!("{m}m")
    } else if h < 8 && m % 60 > 0 {
        format!("{h}h{}m", m % 60)
    } else if h < 48 {
        format!("{h}h")
    } else if d < 8 && h % 24 > 0 {
        format!("{d}d{}h", h % 24)
    } else {
        format!("{d}d")
    };
    format!("{sign}{text}")
}

/// `1 key`, `2 keys`.
#[must_use]
pub fn counted(count: u64, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

/// Reads `16GiB`, `500MB`, `1048576`: bytes, by binary units or decimal ones.
///
/// # Errors
/// The text, where it is none of these.
pub fn parse_bytes(text: &str) -> Result<u64, SizeError> {
    let error = || SizeError(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "k" | "kB" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "Ki" | "KiB" => 1 << 10,
        "Mi" | "MiB" => 1 << 20,
        "Gi" | "GiB" => 1 << 30,
        _ => return Err(error()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(factor))
        .ok_or_else(error)
}

/// The text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size like 500MiB or 16GiB")]
pub struct SizeError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_figures() {
        let shown: Vec<String> = [0, 791, 1_023, 29_294, 102_400, 1_048_576, 1_700_000_000]
            .into_iter()
            .map(bytes)
            .collect();
        assert_eq!(
            shown,
            ["0 B", "791 B", "1.0 KiB", "28.6 KiB", "100 KiB", "1.0 MiB", "1.6 GiB"]
        );
    }

    #[test]
    fn ages_are_kubectls() {
        let shown: Vec<String> = [-30, 0, 119, 150, 3_600, 10_800, 12_000, 100_000, 180_000, 9_000_000]
            .into_iter()
            .map(|seconds| age(SignedDuration::from_secs(seconds)))
            .collect();
        assert_eq!(
            shown,
            [
                "-30s", "0s", "119s", "2m30s", "60m", "3h", "3h20m", "27h", "2d2h", "104d"
            ]
        );
    }

    #[test]
    fn sizes_are_read_with_both_kinds_of_units() {
        let sizes: Vec<u64> = ["0", "16GiB", "2 MB", "5Ki"]
            .into_iter()
            .map(|text| parse_bytes(text).unwrap())
            .collect();
        assert_eq!(sizes, [0, 17_179_869_184, 2_000_000, 5_120]);
        for text in ["", "GiB", "-1", "1.5G", "99999999999GiB", "1 XB"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
