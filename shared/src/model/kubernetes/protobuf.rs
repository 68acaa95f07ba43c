//! A small bounds-checked reader of the protocol buffers wire format, for the few messages of etcd and Kubernetes that
//! are read here (the format: protobuf.dev, "Encoding"). It borrows from its input and allocates nothing.

/// What a field holds, by wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Integers, booleans, enums. A negative `int64` or `int32` is its two's complement: cast with `as i64`.
    Varint(u64),
    /// `fixed64`, `sfixed64`, `double`.
    Fixed64(u64),
    /// Strings, bytes, embedded messages, packed lists.
    Bytes(&'a [u8]),
    /// `fixed32`, `sfixed32`, `float`.
    Fixed32(u32),
}

impl<'a> Value<'a> {
    /// The bytes of a length-delimited field.
    #[must_use]
    pub const fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number of a varint field.
    #[must_use]
    pub const fn varint(self) -> Option<u64> {
        match self {
            Self::Varint(number) => Some(number),
            _ => None,
        }
    }
}

/// Why bytes are no message, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The input ends within a field.
    #[error("field at byte {at} is cut off")]
    Truncated {
        /// The offset at which the field starts.
        at: usize,
    },
    /// A varint of more than 64 bits.
    #[error("number in the field at byte {at} is longer than 64 bits")]
    Overlong {
        /// The offset at which the field starts.
        at: usize,
    },
    /// Field number 0 or above 2^29-1.
    #[error("field at byte {at} has the impossible number {number}")]
    FieldNumber {
        /// The offset at which the field starts.
        at: usize,
        /// The number found.
        number: u64,
    },
    /// A group (long deprecated, used by neither etcd nor Kubernetes) or an undefined wire type.
    #[error("field at byte {at} has the unknown wire type {wire_type}")]
    WireType {
        /// The offset at which the field starts.
        at: usize,
        /// The wire type found.
        wire_type: u8,
    },
}

/// The fields of one message, in the order written. After an error it yields nothing more.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

/// The fields of `message`: `(field number, value)`. Fields may repeat and come in any order; for a field that is not
/// repeated the last one counts.
#[must_use]
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields { message, at: 0 }
}

/// The numbers of a packed list, as varints.
pub fn packed_varints(packed: &[u8]) -> impl Iterator<Item = Result<Value<'_>, ProtobufError>> {
    let mut numbers = fields(packed);
    std::iter::from_fn(move || {
        let start = numbers.at;
        if start >= packed.len() {
            return None;
        }
        let number = numbers.varint(start).map(Value::Varint);
        if number.is_err() {
            numbers.at = packed.len();
        }
        Some(number)
    })
}

impl<'a> Fields<'a> {
    /// How many bytes of the message have been read: a `Bytes` value that was just yielded ends here.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    #[inline]
    fn varint(&mut self, start: usize) -> Result<u64, ProtobufError> {
        // Nearly all have one byte.
        match self.message.get(self.at) {
            Some(byte) if byte & 0x80 == 0 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(start),
        }
    }

    fn long_varint(&mut self, start: usize) -> Result<u64, ProtobufError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self
                .message
                .get(self.at)
                .ok_or(ProtobufError::Truncated { at: start })?;
            self.at += 1;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                return Err(ProtobufError::Overlong { at: start });
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ProtobufError::Overlong { at: start })
    }

    fn take(&mut self, start: usize, length: u64) -> Result<&'a [u8], ProtobufError> {
        let truncated = ProtobufError::Truncated { at: start };
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .ok_or(truncated)?;
        let bytes = self.message.get(self.at..end).ok_or(truncated)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, start: usize) -> Result<[u8; N], ProtobufError> {
        self.take(start, N as u64)?
            .try_into()
            .map_err(|_| ProtobufError::Truncated { at: start })
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), ProtobufError> {
        let start = self.at;
        let tag = self.varint(start)?;
        let number = match u32::try_from(tag >> 3) {
            Ok(number @ 1..=0x1fff_ffff) => number,
            _ => {
                return Err(ProtobufError::FieldNumber {
                    at: start,
                    number: tag >> 3,
                });
            }
        };
        let value = match tag & 7 {
            0 => Value::Varint(self.varint(start)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array(start)?)),
            2 => {
                let length = self.varint(start)?;
                Value::Bytes(self.take(start, length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array(start)?)),
            wire_type => {
                return Err(ProtobufError::WireType {
                    at: start,
                    wire_type: wire_type as u8,
                });
            }
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), ProtobufError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.message.len();
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, ProtobufError> {
        fields(message).collect()
    }

    #[test]
    fn reads_every_wire_type() {
        let message = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x12, 0x03, b'a', b'b', b'c', // 2: bytes
            0x1d, 1, 0, 0, 0, // 3: fixed32
            0x21, 2, 0, 0, 0, 0, 0, 0, 0, // 4: fixed64
            0x28, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, // 5: -1
        ];
        assert_eq!(
            all(&message).unwrap(),
            [
                (1, Value::Varint(150)),
                (2, Value::Bytes(b"abc")),
                (3, Value::Fixed32(1)),
                (4, Value::Fixed64(2)),
                (5, Value::Varint(u64::MAX)),
            ]
        );
        assert_eq!(all(b"").unwrap(), []);
    }

    #[test]
    fn names_what_is_wrong_and_where() {
        for (message, error) in [
            (&[0x08][..], ProtobufError::Truncated { at: 0 }),
            (&[0x08, 0x80], ProtobufError::Truncated { at: 0 }),
            (&[0x08, 0x01, 0x12, 0x05, b'a'], ProtobufError::Truncated { at: 2 }),
            (&[0x1d, 0, 0, 0], ProtobufError::Truncated { at: 0 }),
            (
                &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                ProtobufError::Truncated { at: 0 },
            ),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
                ProtobufError::Overlong { at: 0 },
            ),
            (&[0x00, 0x00], ProtobufError::FieldNumber { at: 0, number: 0 }),
            (&[0x0b], ProtobufError::WireType { at: 0, wire_type: 3 }),
        ] {
            assert_eq!(all(message), Err(error), "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_and_stay_within_the_input(message: Vec<u8>) {
            let mut count = 0;
            for field in fields(&message) {
                count += 1;
                if let Ok((_, Value::Bytes(bytes))) = field {
                    prop_assert!(bytes.len() < message.len());
                }
            }
            prop_assert!(count <= message.len());
        }
    }
}
