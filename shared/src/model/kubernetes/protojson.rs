//! The corner of protobuf's JSON mapping that etcd-manager's files use: an int64 is written as a string, and read as a
//! string or a number.

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Reads a message: a JSON object, where serde alone would also take an array for one.
///
/// # Errors
/// What is wrong, in words.
pub fn message<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is no JSON object".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Reads an int64 in either form, for `#[serde(deserialize_with)]`.
///
/// # Errors
/// Anything that is no whole number within 64 bits.
pub fn int64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    struct Int64;

    impl<'de> Visitor<'de> for Int64 {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a whole number, as a number or a string")
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok(Some(value))
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            i64::try_from(value)
                .map(Some)
                .map_err(|_| E::custom(format_args!("{value} is beyond 64 bits")))
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
            value
                .parse()
                .map(Some)
                .map_err(|_| E::custom(format_args!("`{value}` is no whole number")))
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Int64)
}
