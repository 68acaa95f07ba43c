//! The differences of one object's fields, as they are printed: long values are cut, those of Secrets are hashed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::kubernetes::fields_diff::{BOOKKEEPING, FieldChange, compare};

/// Values up to this many bytes of JSON are printed whole.
const WHOLE: usize = 100;
/// This many characters are printed of longer ones.
const EXCERPT: usize = 60;
/// This many of them before the first difference of two texts.
const BEFORE: usize = 15;
/// This many hexadecimal digits of a hash tell values apart.
const HASH: usize = 12;
/// The fields of a Secret that are no secret; of the metadata all but the annotations, one of which may be a copy of the whole Secret.
const PUBLIC: [&str; 4] = ["apiVersion", "immutable", "kind", "type"];

/// What is printed of a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it. Values of Secrets are `sha256:` and the first digits of the hash of their bytes.
    Whole(Value),
    /// Some of a long one: in JSON the text `…excerpt… (1204 bytes)`.
    Cut {
        /// The excerpt.
        excerpt: String,
        /// How long the value is: a text in UTF-8, all else as JSON.
        bytes: usize,
        /// Whether the value is a text.
        text: bool,
    },
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => f.write_str(&on_a_line(&value.to_string())),
            Self::Cut { excerpt, bytes, text } if *text => {
                let quoted = on_a_line(&Value::from(excerpt.as_str()).to_string());
                write!(f, "{quoted} ({bytes} bytes)")
            }
            Self::Cut { excerpt, bytes, .. } => write!(f, "{} ({bytes} bytes)", on_a_line(excerpt)),
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(value) => value.serialize(serializer),
            Self::Cut { excerpt, bytes, .. } => serializer.collect_str(&format_args!("{excerpt} ({bytes} bytes)")),
        }
    }
}

/// JSON escapes most of what is no printable character; this is the rest.
fn on_a_line(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        match c.is_control() {
            true => line.extend(c.escape_unicode()),
            false => line.push(c),
        }
    }
    line
}

/// One difference. In JSON the side that does not have the field is left out, and `cut` where a value is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// JSON pointer into the second state, or into the first one where the field is gone.
    pub pointer: String,
    /// The same for people: `/spec/containers/[web]/image`.
    #[serde(skip)]
    pub path: String,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Shown>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Shown>,
    /// Whether one of the two is cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// What is compared and shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldOptions {
    /// The object is a Secret.
    pub secret: bool,
    /// With `metadata.managedFields`.
    pub managed_fields: bool,
}

/// The differences of two states of an object.
#[must_use]
pub fn differences(old: &Value, new: &Value, options: FieldOptions) -> Vec<FieldDifference> {
    let skipped: Vec<&str> = BOOKKEEPING
        .into_iter()
        .filter(|field| !(options.managed_fields && *field == "managedFields"))
        .collect();
    let secret = options.secret || [old, new].iter().any(|object| object["kind"] == "Secret");
    compare(old, new, &skipped)
        .into_iter()
        .map(|change| shown(change, secret))
        .collect()
}

/// A difference as it is printed. `secret`: it is one of a Secret.
#[must_use]
pub fn shown(change: FieldChange<'_>, secret: bool) -> FieldDifference {
    let hides = secret && !is_public(&change.pointer);
    let value = |value: Option<&Value>| value.map(|value| if hides { hashed(value) } else { value.clone() });
    let (old, new) = (value(change.old), value(change.new));
    let from = match (&old, &new) {
        (Some(Value::String(old)), Some(Value::String(new))) => common_chars(old, new).saturating_sub(BEFORE),
        _ => 0,
    };
    let (old, new) = (old.map(|value| cut(value, from)), new.map(|value| cut(value, from)));
    let is_cut = |side: &Option<Shown>| matches!(side, Some(Shown::Cut { .. }));
    FieldDifference {
        cut: is_cut(&old) || is_cut(&new),
        pointer: change.pointer,
        path: on_a_line(&change.path),
        old,
        new,
    }
}

fn is_public(pointer: &str) -> bool {
    let mut tokens = pointer.split('/').skip(1);
    match (tokens.next(), tokens.next()) {
        (Some("metadata"), Some(field)) => field != "annotations",
        (Some(field), _) => PUBLIC.contains(&field),
        (None, _) => false,
    }
}

/// Every plain value in it replaced by the beginning of its hash: of the bytes that the base64 of a Secret means, so that
/// `sha256sum` of the same bytes finds it.
fn hashed(value: &Value) -> Value {
    let hash = |bytes: &[u8]| {
        let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Value::from(format!("sha256:{}", digits.get(..HASH).unwrap_or_default()))
    };
    match value {
        Value::String(text) => hash(&BASE64.decode(text).unwrap_or_else(|_| text.clone().into_bytes())),
        Value::Array(list) => list.iter().map(hashed).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), hashed(value)))
            .collect(),
        scalar => hash(scalar.to_string().as_bytes()),
    }
}

fn common_chars(old: &str, new: &str) -> usize {
    old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count()
}

/// The value, or where it is long an excerpt of it: of a text from its character `from` on.
fn cut(value: Value, from: usize) -> Shown {
    let excerpt_of = |text: &str, from: usize| {
        let mut rest = text.chars().skip(from);
        let part: String = rest.by_ref().take(EXCERPT).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if rest.next().is_some() { "…" } else { "" };
        format!("{before}{part}{after}")
    };
    let json = value.to_string();
    match &value {
        _ if json.len() <= WHOLE => Shown::Whole(value),
        Value::String(text) => Shown::Cut {
            excerpt: excerpt_of(text, from),
            bytes: text.len(),
            text: true,
        },
        _ => Shown::Cut {
            excerpt: excerpt_of(&json, 0),
            bytes: json.len(),
            text: false,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn lines(found: &[FieldDifference]) -> Vec<String> {
        let side = |side: &Option<Shown>| side.as_ref().map_or_else(|| "-".to_owned(), Shown::to_string);
        let line = |one: &FieldDifference| format!("{}: {} > {}", one.path, side(&one.old), side(&one.new));
        found.iter().map(line).collect()
    }

    fn of(old: &Value, new: &Value) -> Vec<String> {
        lines(&differences(old, new, FieldOptions::default()))
    }

    #[test]
    fn long_texts_are_cut_around_their_first_difference() {
        let text = |replicas: u32| {
            format!(
                "{}\nreplicas: {replicas}\n{}",
                "# comment\n".repeat(50),
                "# more\n".repeat(50)
            )
        };
        let (old, new) = (
            json!({ "data": { "conf": text(3) } }),
            json!({ "data": { "conf": text(5) } }),
        );
        let found = differences(&old, &new, FieldOptions::default());
        assert_eq!(
            lines(&found),
            [
                r##"/data/conf: "…ent\n\nreplicas: 3\n# more\n# more\n# more\n# more\n# more\n# more\n#…" (863 bytes) > "…ent\n\nreplicas: 5\n# more\n# more\n# more\n# more\n# more\n# more\n#…" (863 bytes)"##
            ]
        );
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json[0]["cut"], true);
        assert!(json[0]["old"].as_str().unwrap().ends_with("… (863 bytes)"));
    }

    #[test]
    fn long_values_of_other_types_are_cut_at_their_end() {
        let (old, new) = (
            json!({}),
            json!({ "list": (0..100).collect::<Vec<_>>(), "short": { "a": 1 } }),
        );
        assert_eq!(
            of(&old, &new),
            [
                "/list: - > [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,… (291 bytes)",
                r#"/short: - > {"a":1}"#
            ]
        );
    }

    #[test]
    fn one_side_is_left_out_of_the_json() {
        let (old, new) = (json!({ "a": null, "b": 1 }), json!({ "b": null, "c": false }));
        let found = serde_json::to_value(differences(&old, &new, FieldOptions::default())).unwrap();
        assert_eq!(
            found,
            json!([
                { "pointer": "/a", "old": null },
                { "pointer": "/b", "old": 1, "new": null },
                { "pointer": "/c", "new": false },
            ])
        );
    }

    #[test]
    fn no_value_can_move_the_cursor() {
        let (old, new) = (json!({}), json!({ "a\u{9b}2J": "\u{1b}[2J\u{7f}\u{9b}" }));
        let found = of(&old, &new);
        assert!(found[0].chars().all(|c| !c.is_control()), "{found:?}");
    }

    const PASSWORD: &str = "aHVudGVyMg==";

    fn secret(password: &str, note: &str) -> Value {
        json!({
            "kind": "Secret",
            "metadata": {
                "annotations": { "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"data\":\"{password}\"}}"), "note": note },
                "labels": { "app": "web" },
                "name": "s",
            },
            "data": { "password": password },
            "type": "Opaque",
        })
    }

    #[test]
    fn values_of_secrets_are_hashed_wherever_they_are() {
        let (old, mut new) = (secret(PASSWORD, "a"), secret("bmV3", "b"));
        new["metadata"]["labels"]["app"] = "api".into();
        new["type"] = "custom".into();
        new["stringData"] = json!({ "other": "plain text!" });
        new["unheardOf"] = json!([{ "x": 7 }]);
        let found = of(&old, &new);
        // printf hunter2 | sha256sum
        assert_eq!(
            found[0],
            r#"/data/password: "sha256:f52fbd32b2b3" > "sha256:11507a0e2f5e""#
        );
        assert!(
            found[1].starts_with("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration: \"sha256:")
        );
        assert!(found[2].starts_with("/metadata/annotations/note: \"sha256:"));
        assert_eq!(found[3], r#"/metadata/labels/app: "web" > "api""#);
        assert!(
            found[4].starts_with(r#"/stringData: - > {"other":"sha256:"#),
            "{}",
            found[4]
        );
        assert_eq!(found[5], r#"/type: "Opaque" > "custom""#);
        assert!(
            found[6].starts_with(r#"/unheardOf: - > [{"x":"sha256:"#),
            "{}",
            found[6]
        );
        let text =
            found.join("\n") + &serde_json::to_string(&differences(&old, &new, FieldOptions::default())).unwrap();
        for value in ["hunter2", PASSWORD, "bmV3", "plain text!"] {
            assert!(!text.contains(value), "{text}");
        }
    }

    #[test]
    fn what_is_stored_as_a_secret_is_one_whatever_it_calls_itself() {
        let (old, new) = (json!({ "data": { "a": "b" } }), json!({}));
        let options = FieldOptions {
            secret: true,
            ..FieldOptions::default()
        };
        assert!(!lines(&differences(&old, &new, options))[0].contains("\"b\""));
        let whole = differences(&json!(1), &json!("hunter2"), options);
        assert!(!lines(&whole)[0].contains("hunter2"));
        let metadata = differences(&json!({}), &secret(PASSWORD, "a"), options);
        assert!(!lines(&metadata).join("\n").contains(PASSWORD));
    }

    #[test]
    fn managed_fields_are_shown_where_they_are_asked_for() {
        let (old, new) = (
            json!({ "metadata": { "managedFields": [1] } }),
            json!({ "metadata": {} }),
        );
        assert_eq!(of(&old, &new), [""; 0]);
        let options = FieldOptions {
            managed_fields: true,
            ..FieldOptions::default()
        };
        assert_eq!(
            lines(&differences(&old, &new, options)),
            ["/metadata/managedFields: [1] > -"]
        );
    }

    proptest! {
        #[test]
        fn no_text_of_a_secret_is_printed(value in "[a-zA-Z0-9 é]{8,40}", other in "[a-z]{0,20}", long in 1..40_usize) {
            let of = |text: &str| json!({ "kind": "Secret", "data": { "k": text.repeat(long) }, "metadata": { "annotations": { "a": text } } });
            let found = differences(&of(&value), &of(&other), FieldOptions::default());
            let text = serde_json::to_string(&found).unwrap() + &lines(&found).join("\n");
            prop_assert!(!text.contains(&value));
        }

        #[test]
        fn short_differences_are_printed_whole_and_long_ones_short(old in ".{0,300}", new in ".{0,300}") {
            let found = differences(&json!({ "x": old }), &json!({ "x": new }), FieldOptions::default());
            prop_assert_eq!(found.is_empty(), old == new);
            for line in lines(&found) {
                prop_assert!(!line.chars().any(char::is_control));
            }
            for one in &found {
                prop_assert_eq!(one.cut, [&old, &new].iter().any(|text| json!(text).to_string().len() > WHOLE));
            }
        }
    }
}
