//! Objects of any built-in kind: any bytes end in an error or in an object, the same in memory and written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook_kit::model::kubernetes::value::Value;
use runbook_kit::model::kubernetes::whole::{kinds, whole, write_json};

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend(content);
    field
}

fn check(stored: &[u8]) {
    let Ok(value) = Value::decode(stored) else { return };
    let mut line = Vec::new();
    match (whole(&value, Some(7)), write_json(&value, Some(7), &mut line)) {
        (Ok(whole), Ok(unknown)) => {
            assert_eq!(whole.unknown, unknown);
            // A text of JSON within may name a field twice or hold a float, which reading rounds: its own fields it does not.
            let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(read["metadata"]["name"], whole.object["metadata"]["name"]);
        }
        (Err(error), Err(same)) => assert_eq!(error, same),
        other => panic!("{other:?}"),
    }
}

// The first two bytes choose the kind, the rest is its message.
fuzz_target!(|data: &[u8]| {
    check(data);
    if let [high, low, raw @ ..] = data {
        let kinds = kinds();
        let (api_version, kind) = kinds[usize::from(u16::from_be_bytes([*high, *low])) % kinds.len()];
        let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        check(&[b"k8s\0".to_vec(), field(1, &type_meta), field(2, raw)].concat());
    }
});
