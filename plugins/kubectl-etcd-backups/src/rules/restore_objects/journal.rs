//! The file that `restore-objects` writes before and after each change, and `--undo` reads: JSON lines, our own format. The last line
//! may be torn where the computer went down.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::ObjectId;

const FORMAT: &str = "kubectl-etcd-backups/restore-objects/v1";

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    format: String,
    pub time: Timestamp,
    /// The API server's URL.
    pub server: String,
    /// The UID of namespace `kube-system` in the cluster that was changed; `None` where it could not be read.
    pub cluster_uid: Option<String>,
    pub backup: String,
}

impl Head {
    pub fn new(time: Timestamp, server: &str, cluster_uid: Option<&str>, backup: &str) -> Self {
        Self {
            format: FORMAT.to_owned(),
            time,
            server: server.to_owned(),
            cluster_uid: cluster_uid.map(str::to_owned),
            backup: backup.to_owned(),
        }
    }

    pub fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// Every other line.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "event",
    deny_unknown_fields
)]
pub enum Event {
    /// It is about to be created.
    Creating { object: Target },
    /// It was created.
    Created {
        object: ObjectId,
        uid: String,
        /// See `fingerprint`.
        content: String,
    },
    /// It is about to be overwritten.
    Overwriting {
        object: Target,
        /// As it was.
        before: Box<Value>,
    },
    /// It was overwritten.
    Overwritten {
        object: ObjectId,
        uid: String,
        content: String,
    },
    /// The API refused: nothing was changed.
    Refused { object: ObjectId },
}

/// An object, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    #[serde(flatten)]
    pub id: ObjectId,
    pub version: String,
    pub kind: String,
}

impl Event {
    pub fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// What a run did to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    pub target: Target,
    pub change: Changed,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// It is this object, with this content.
    Created { uid: String, content: String },
    /// It had the content `before`.
    Overwritten {
        uid: String,
        content: String,
        before: Box<Value>,
    },
    /// The run ended before the API's answer was noted.
    InDoubt { created: bool },
}

/// A journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    pub head: Head,
    /// In the order in which it was done.
    pub done: Vec<Done>,
    /// Whether the last line was torn.
    pub torn: bool,
}

/// Why a file cannot be used. It is refused whole.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    #[error("not an undo file of restore-objects: {0}")]
    NotOurs(String),
    #[error("unknown format `{0}`")]
    Format(String),
    #[error("line {line} is damaged: {why}")]
    Damaged { line: usize, why: String },
}

/// Reads a journal.
///
/// # Errors
/// [`JournalError`], unless only the end of the last line is missing.
pub fn parse(text: &[u8]) -> Result<Journal, JournalError> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    let not_ours = |error: serde_json::Error| JournalError::NotOurs(error.to_string());
    let mut lines = text
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(at, line)| (at + 1, line));
    let first = lines.next().map_or(&[][..], |(_, line)| line);
    let Format { format } = serde_json::from_slice(first).map_err(not_ours)?;
    if format != FORMAT {
        return Err(JournalError::Format(format));
    }
    let mut journal = Journal {
        head: serde_json::from_slice(first).map_err(not_ours)?,
        done: Vec::new(),
        torn: false,
    };
    let mut open: Option<Open> = None;
    let mut lines = lines.peekable();
    while let Some((line, text)) = lines.next() {
        let is_last = lines.peek().is_none();
        if text.is_empty() && is_last {
            break;
        }
        let damaged = |why: String| JournalError::Damaged { line, why };
        match serde_json::from_slice::<Event>(text) {
            Ok(event) => take(&mut journal.done, &mut open, event).map_err(damaged)?,
            // Every line is written with its end.
            Err(_) if is_last => journal.torn = true,
            Err(error) => return Err(damaged(error.to_string())),
        }
    }
    journal.done.extend(open.map(Open::in_doubt));
    Ok(journal)
}

/// A change whose answer is not noted yet.
struct Open {
    target: Target,
    before: Option<Box<Value>>,
}

impl Open {
    fn in_doubt(self) -> Done {
        Done {
            target: self.target,
            change: Changed::InDoubt {
                created: self.before.is_none(),
            },
        }
    }
}

/// One change at a time: an answer belongs to the change before it.
fn take(done: &mut Vec<Done>, open: &mut Option<Open>, event: Event) -> Result<(), String> {
    let answered = |open: &mut Option<Open>, object: &ObjectId| match open.take() {
        Some(open) if open.target.id == *object => Ok(open),
        _ => Err(format!("{object} was not begun")),
    };
    match event {
        Event::Creating { object } => {
            done.extend(
                open.replace(Open {
                    target: object,
                    before: None,
                })
                .map(Open::in_doubt),
            );
        }
        Event::Overwriting { object, before } => {
            let begun = Open {
                target: object,
                before: Some(before),
            };
            done.extend(open.replace(begun).map(Open::in_doubt));
        }
        Event::Refused { object } => drop(answered(open, &object)?),
        Event::Created { object, uid, content } => match answered(open, &object)? {
            Open { target, before: None } if !uid.is_empty() => done.push(Done {
                target,
                change: Changed::Created { uid, content },
            }),
            _ => return Err(format!("{object} was not to be created, or has no UID")),
        },
        Event::Overwritten { object, uid, content } => match answered(open, &object)? {
            Open {
                target,
                before: Some(before),
            } if !uid.is_empty() => done.push(Done {
                target,
                change: Changed::Overwritten { uid, content, before },
            }),
            _ => return Err(format!("{object} was not to be overwritten, or has no UID")),
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn head() -> Head {
        Head::new("2026-11-22T15:18:01Z".parse().unwrap(), "https://api", Some("uid"), "b")
    }

    fn target(name: &str) -> Target {
        Target {
            id: ObjectId::new("", "configmaps", Some("shop"), name),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
        }
    }

    fn text(events: &[Event]) -> String {
        let lines = events.iter().map(|event| event.line().unwrap() + "\n");
        head().line().unwrap() + "\n" + &lines.collect::<String>()
    }

    fn created(name: &str) -> [Event; 2] {
        let object = target(name);
        let id = object.id.clone();
        [
            Event::Creating { object },
            Event::Created {
                object: id,
                uid: format!("uid-{name}"),
                content: "c".to_owned(),
            },
        ]
    }

    #[test]
    fn what_was_done_is_read_back() {
        let before = Box::new(json!({"data": {"a": "1"}}));
        let mut events = created("a").to_vec();
        events.push(Event::Overwriting {
            object: target("b"),
            before: before.clone(),
        });
        events.push(Event::Overwritten {
            object: target("b").id,
            uid: "u".into(),
            content: "d".into(),
        });
        events.push(Event::Creating { object: target("c") });
        events.push(Event::Refused { object: target("c").id });
        events.push(Event::Creating { object: target("d") });
        let journal = parse(text(&events).as_bytes()).unwrap();
        assert_eq!((&journal.head, journal.torn), (&head(), false));
        let changes: Vec<_> = journal
            .done
            .iter()
            .map(|done| (done.target.id.name.as_str(), done.change.clone()))
            .collect();
        assert_eq!(
            changes,
            [
                (
                    "a",
                    Changed::Created {
                        uid: "uid-a".into(),
                        content: "c".into()
                    }
                ),
                (
                    "b",
                    Changed::Overwritten {
                        uid: "u".into(),
                        content: "d".into(),
                        before
                    }
                ),
                ("d", Changed::InDoubt { created: true }),
            ]
        );
    }

    #[test]
    fn a_torn_end_leaves_the_last_change_in_doubt() {
        let whole = text(&[created("a"), created("b")].concat());
        let torn = &whole[..whole.len() - 20];
        let journal = parse(torn.as_bytes()).unwrap();
        assert!(journal.torn);
        assert_eq!(journal.done.len(), 2);
        assert_eq!(journal.done[1].change, Changed::InDoubt { created: true });
        let damaged = whole
            .replacen("Creating", "Deleting", 1)
            .replacen("creating", "deleting", 1);
        assert!(matches!(
            parse(damaged.as_bytes()),
            Err(JournalError::Damaged { line: 2, .. })
        ));
    }

    #[test]
    fn other_files_are_refused() {
        for other in ["", "x", "{}", "[]", "\n\n"] {
            assert!(
                matches!(parse(other.as_bytes()), Err(JournalError::NotOurs(_))),
                "{other}"
            );
        }
        let newer = text(&[]).replace("/v1", "/v2");
        assert!(matches!(parse(newer.as_bytes()), Err(JournalError::Format(_))));
        // An answer without a question, to another question, or without a UID.
        let [creating, answer] = created("a");
        let [_, other] = created("b");
        let without_uid = Event::Created {
            object: target("a").id,
            uid: String::new(),
            content: String::new(),
        };
        for events in [vec![answer], vec![creating.clone(), other], vec![creating, without_uid]] {
            let mut events = events;
            events.extend(created("z"));
            assert!(matches!(
                parse(text(&events).as_bytes()),
                Err(JournalError::Damaged { .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_read(bytes: Vec<u8>, cut in 0_usize..2000) {
            let _ = parse(&bytes);
            let whole = text(&[created("a"), created("b")].concat());
            let mut mixed = whole.as_bytes()[..cut.min(whole.len())].to_vec();
            mixed.extend(bytes);
            if let Ok(journal) = parse(&mixed) {
                prop_assert!(journal.done.len() <= 3);
            }
        }
    }
}
