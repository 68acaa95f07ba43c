//! The types that Go writes to JSON by code of their own (their `MarshalJSON`).
//!
//! Facts: kubernetes/kubernetes v1.34, `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/{time,micro_time,duration}*.go`,
//! `pkg/api/resource/quantity.go`, `pkg/util/intstr/intstr.go`, `pkg/runtime/extension.go`, and
//! `staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/marshal.go`.

use jiff::Timestamp;

use crate::model::kubernetes::protobuf::{self, ProtobufError, Value};

/// Why a special value cannot be shown.
#[derive(Debug)]
pub enum Fault {
    Protobuf(ProtobufError),
    /// In words.
    Value(String),
}

impl From<ProtobufError> for Fault {
    fn from(error: ProtobufError) -> Self {
        Self::Protobuf(error)
    }
}

/// Seconds and nanoseconds since 1970, or `None` for Go's zero time.
pub fn time(raw: &[u8]) -> Result<Option<(i64, i32)>, ProtobufError> {
    let (mut seconds, mut nanos) = (0, 0);
    for field in protobuf::fields(raw) {
        match field? {
            (1, Value::Varint(number)) => seconds = number.cast_signed(),
            #[expect(clippy::cast_possible_truncation, reason = "an int32, as Go reads it")]
            (2, Value::Varint(number)) => nanos = number as i32,
            _ => {}
        }
    }
    Ok((!raw.is_empty()).then_some((seconds, nanos)))
}

/// The time of `metav1.Time` and `metav1.MicroTime` as text.
pub fn time_text(raw: &[u8], micros: bool) -> Result<Option<String>, Fault> {
    let Some((seconds, nanos)) = time(raw)? else {
        return Ok(None);
    };
    let nanos = if micros { nanos / 1000 * 1000 } else { 0 };
    let time = Timestamp::new(seconds, nanos).map_err(|error| Fault::Value(error.to_string()))?;
    Ok(Some(match micros {
        true => format!("{time:.6}"),
        false => time.to_string(),
    }))
}

/// Go's text of a duration in nanoseconds.
pub fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let decimals = |number: u64, unit: u64, name: &str| {
        let width = unit.ilog10() as usize;
        let fraction = format!("{:0width$}", number % unit);
        let fraction = fraction.trim_end_matches('0');
        match fraction {
            "" => format!("{}{name}", number / unit),
            fraction => format!("{}.{fraction}{name}", number / unit),
        }
    };
    let text = match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => decimals(nanos, 1_000, "µs"),
        1_000_000..1_000_000_000 => decimals(nanos, 1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = decimals(rest, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

/// The last length-delimited field 1.
pub fn bytes(raw: &[u8]) -> Result<&[u8], ProtobufError> {
    let mut last: &[u8] = &[];
    for field in protobuf::fields(raw) {
        if let (1, Value::Bytes(bytes)) = field? {
            last = bytes;
        }
    }
    Ok(last)
}

/// `IntOrString`: the number, or the text.
pub fn int_or_string(raw: &[u8]) -> Result<Result<i64, &[u8]>, Fault> {
    let (mut kind, mut number, mut text): (u64, i64, &[u8]) = (0, 0, &[]);
    for field in protobuf::fields(raw) {
        match field? {
            (1, Value::Varint(found)) => kind = found,
            (2, Value::Varint(found)) => number = found.cast_signed(),
            (3, Value::Bytes(found)) => text = found,
            _ => {}
        }
    }
    match kind {
        0 => Ok(Ok(number)),
        1 => Ok(Err(text)),
        _ => Err(Fault::Value(format!("{kind} is neither a number nor a text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (3_300_000_000, "3.3s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_000_000_000, "-1s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
            (i64::MAX, "2562047h47m16.854775807s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }
}
