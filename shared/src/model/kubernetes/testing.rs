//! Writes the messages that the tests read.

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A length-delimited field.
pub fn bytes_field(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A number.
pub fn varint_field(number: u64, content: u64) -> Vec<u8> {
    [varint(number << 3), varint(content)].concat()
}

/// A protobuf value as kube-apiserver stores it.
pub fn unknown(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [bytes_field(1, api_version.as_bytes()), bytes_field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), bytes_field(1, &type_meta), bytes_field(2, raw)].concat()
}

/// An `ObjectMeta` of a name, a namespace, a UID and a creation time in seconds.
pub fn object_meta(name: &str, namespace: &str, uid: &str, created: u64) -> Vec<u8> {
    let mut meta = bytes_field(1, name.as_bytes());
    meta.extend(bytes_field(3, namespace.as_bytes()));
    meta.extend(bytes_field(5, uid.as_bytes()));
    meta.extend(bytes_field(8, &varint_field(1, created)));
    meta
}
