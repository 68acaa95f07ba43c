//! Keys and values as API servers write them: any bytes end in an error or in something to show.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::metadata::{ObjectMeta, creation_time_in_head};
use runbook_kit::model::kubernetes::node::Node;
use runbook_kit::model::kubernetes::value::{Encoding, Value};
use runbook_kit::model::kubernetes::{masterlease, node};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (key, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let parsed = ObjectKey::parse(key);
    assert!(!parsed.resource_label().is_empty());
    for value in [data, value] {
        let _ = Encoding::of_head(value);
        let _ = creation_time_in_head(value);
        let _ = masterlease::addresses(value);
        if let Ok(node) = Node::of_value(value) {
            let _ = node.is_control_plane();
        }
        let _ = node::same_but_for_status(value, value);
        if let Ok(value) = Value::decode(value) {
            let _ = ObjectMeta::of_value(&value);
        }
    }
});
