//! Whether a value is the zero value of its Go type.

use super::special;
use super::table::{Fields, Held, Meaning, Numbers, Of, Special, Table, Type};
use crate::model::kubernetes::protobuf::{self, ProtobufError, Value};

/// Deeper than any message without a pointer, a list or a map in between.
const DEPTH: u8 = 32;

/// Whether nothing in it is set. `None` is a value that was not written.
pub fn is_zero(table: &Table, of: Of, value: Option<Value<'_>>) -> Result<bool, ProtobufError> {
    at_depth(table, of, value, DEPTH)
}

fn at_depth(table: &Table, of: Of, value: Option<Value<'_>>, depth: u8) -> Result<bool, ProtobufError> {
    Ok(match (of, value) {
        (_, None) => true,
        (Of::Message(id), Some(Value::Bytes(raw))) => match table.of(id) {
            Some(Type::Fields(fields)) => all_zero(table, fields, &fields.numbers, raw, depth)?,
            Some(Type::Special(Special::Time | Special::MicroTime)) => special::time(raw)?.is_none(),
            Some(Type::Special(_) | Type::List(_)) | None => raw.is_empty(),
        },
        (_, Some(Value::Bytes(bytes))) => bytes.is_empty(),
        (_, Some(Value::Varint(number) | Value::Fixed64(number))) => number == 0,
        (_, Some(Value::Fixed32(number))) => number == 0,
    })
}

fn all_zero(table: &Table, fields: &Fields, numbers: &Numbers, raw: &[u8], depth: u8) -> Result<bool, ProtobufError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(false);
    };
    for field in protobuf::fields(raw) {
        let (number, value) = field?;
        let zero = match (numbers.get(number), value) {
            (Some(Meaning::Shown(at)), value) => match fields.shown.get(usize::from(*at)) {
                Some(field) if field.held == Held::Value => at_depth(table, field.of, Some(value), depth)?,
                _ => false,
            },
            (Some(Meaning::Inline(numbers)), Value::Bytes(raw)) => all_zero(table, fields, numbers, raw, depth)?,
            (Some(Meaning::Hidden), _) => true,
            // What is not known is told where the message is shown.
            (Some(Meaning::Inline(_)) | None, _) => false,
        };
        if !zero {
            return Ok(false);
        }
    }
    Ok(true)
}
