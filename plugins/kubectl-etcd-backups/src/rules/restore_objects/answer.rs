//! What an answer of the API means for one object, in words for the user.

use runbook_kit::ports::cluster_objects::Refusal;

use super::object::ObjectId;

/// The longest sentence of the API that is repeated.
const LONGEST: usize = 300;

/// Why the API refuses an object. The values of a Secret are never repeated, whichever sentence they stand in.
pub fn why(id: &ObjectId, refusal: &Refusal) -> String {
    let fields = refusal.fields();
    let secret = id.is("", "secrets");
    match refusal.code {
        403 if refusal.is_forbidden() && secret => "not allowed".to_owned(),
        403 if refusal.is_forbidden() => format!("not allowed: {}", sentence(&refusal.message)),
        409 if refusal.already_exists() => "exists by now".to_owned(),
        409 => "was changed meanwhile".to_owned(),
        _ if is_immutable(refusal) => format!("immutable: {}", fields.join(", ")),
        code if secret && fields.is_empty() => {
            format!("the API refuses it with status {code}, {}", word(&refusal.reason))
        }
        _ if secret => format!("the API refuses {}", fields.join(", ")),
        _ => format!("the API refuses it: {}", sentence(&refusal.message)),
    }
}

/// Whether a field may not be changed once the object exists.
fn is_immutable(refusal: &Refusal) -> bool {
    let of_cause = |message: &str| {
        message.contains("field is immutable")
            || message.contains("may not change")
            || message.contains("Forbidden: updates to")
            || message.contains("spec is immutable")
    };
    !refusal.fields().is_empty() && refusal.causes.iter().all(|cause| of_cause(&cause.message))
}

/// One line, without what could steer a terminal.
fn sentence(message: &str) -> String {
    let one_line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match one_line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", one_line.get(..end).unwrap_or_default()),
        None => one_line,
    }
}

fn word(reason: &str) -> String {
    let letters = reason.chars().filter(char::is_ascii_alphanumeric).take(40);
    let word: String = letters.collect();
    if word.is_empty() { "no reason".to_owned() } else { word }
}

/// Whether a refusal passes by itself soon after what the object needs was created: the API learns of a new kind, and a controller gives a
/// new namespace its ServiceAccount.
pub fn passes(refusal: &Refusal) -> bool {
    let message = &refusal.message;
    let absent = ["could not find the requested resource", "page not found"];
    (refusal.code == 404 && absent.iter().any(|words| message.contains(words)))
        || (refusal.code == 403 && message.contains("error looking up service account"))
}

#[cfg(test)]
mod tests {
    use runbook_kit::ports::cluster_objects::FieldCause;

    use super::*;

    fn refusal(code: u16, reason: &str, message: &str, causes: &[(&str, &str)]) -> Refusal {
        let cause = |(field, message): &(&str, &str)| FieldCause {
            reason: "FieldValueInvalid".to_owned(),
            field: (*field).to_owned(),
            message: (*message).to_owned(),
        };
        Refusal {
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            causes: causes.iter().map(cause).collect(),
        }
    }

    #[test]
    fn refusals_are_told_in_one_line() {
        let map = ObjectId::new("", "configmaps", Some("shop"), "a");
        let immutable = [("spec.selector", "Invalid value: {…}: field is immutable")];
        let cases = [
            (
                refusal(403, "Forbidden", "cannot create", &[]),
                "not allowed: cannot create",
            ),
            (refusal(409, "AlreadyExists", "x", &[]), "exists by now"),
            (refusal(409, "Conflict", "x", &[]), "was changed meanwhile"),
            (refusal(422, "Invalid", "long", &immutable), "immutable: spec.selector"),
            (
                refusal(500, "InternalError", "failed calling\nwebhook", &[]),
                "the API refuses it: failed calling webhook",
            ),
        ];
        for (refusal, expected) in cases {
            assert_eq!(why(&map, &refusal), expected);
        }
        assert!(why(&map, &refusal(400, "BadRequest", &"x".repeat(5000), &[])).len() < 400);
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let secret = ObjectId::new("", "secrets", Some("shop"), "password");
        let causes = [("data[.bad]", "Invalid value: \"hunter2\"")];
        for (refusal, expected) in [
            (
                refusal(422, "Invalid", "hunter2", &causes),
                "the API refuses data[.bad]",
            ),
            (
                refusal(500, "InternalError", "hunter2", &[]),
                "the API refuses it with status 500, InternalError",
            ),
            (refusal(403, "Forbidden", "hunter2", &[]), "not allowed"),
        ] {
            assert_eq!(why(&secret, &refusal), expected);
        }
    }
}
