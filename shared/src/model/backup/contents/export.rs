//! Objects out of a backup, whole.

use serde_json::Value as Json;

use super::source::Snapshot;
use crate::model::kubernetes::encryption::DecryptError;
use crate::model::kubernetes::for_apply::{self, Along, LeftOut, Remark};
use crate::model::kubernetes::key::ObjectKey;
use crate::model::kubernetes::metadata::ObjectMeta;
use crate::model::kubernetes::selection::LabelSelector;
use crate::model::kubernetes::value::{Value, ValueError};
use crate::model::kubernetes::whole::{self, Whole};
use crate::model::snapshot::{LiveKey, Problem};
use crate::model::yaml;

/// Why an object is not exported. None of them shows anything of its value.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Encrypted at rest, and not to be decrypted.
    #[error("{object} cannot be read: {why}")]
    Encrypted {
        /// Which object.
        object: String,
        /// What is missing.
        why: DecryptError,
    },
    /// Not an object of Kubernetes, of an unknown kind, or damaged.
    #[error("{object} cannot be decoded: {why}")]
    Undecodable {
        /// Which object.
        object: String,
        /// What is wrong.
        why: ValueError,
    },
    /// It could not be written in the format.
    #[error("{object} cannot be written: {why}")]
    Unwritable {
        /// Which object.
        object: String,
        /// What is wrong.
        why: String,
    },
    /// The database could not be read.
    #[error("reading the backup")]
    Read(#[from] Problem),
}

impl ExportError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Encrypted { why, .. } => Some(match why {
                DecryptError::NoKey { .. } | DecryptError::WrongKey { .. } => {
                    "--encryption-config FILE names the keys; --raw writes the stored bytes".to_owned()
                }
                _ => "--raw writes the stored bytes".to_owned(),
            }),
            Self::Undecodable { .. } | Self::Unwritable { .. } => Some("--raw writes the stored bytes".to_owned()),
            Self::Read(_) => None,
        }
    }
}

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A YAML document, without `---`.
    Yaml,
    /// JSON on one line, without its end.
    JsonLine,
    /// JSON for people, without the end of its last line.
    Json,
    /// `deployments/shop/web`, without the end of its line.
    Name,
}

/// What is written of which objects.
#[derive(Clone, Debug)]
pub struct Writing {
    /// How.
    pub form: Form,
    /// Only objects with these labels.
    pub labels: Option<LabelSelector>,
    /// For applying, along with these.
    pub along: Option<Along>,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was appended.
    Whole {
        /// What is unknown to this version's types and therefore missing in what was written: empty for a whole object.
        unknown: Vec<String>,
        /// What its reader should know of it.
        remarks: Vec<Remark>,
    },
    /// It is not for applying.
    LeftOut(LeftOut),
    /// It has other labels.
    NotSelected,
}

/// An object's name, as an operator types it.
#[must_use]
pub fn name(live: &LiveKey) -> String {
    ObjectKey::parse(&live.key).to_string()
}

/// The stored bytes of an object.
///
/// # Errors
/// When the database cannot be read.
pub fn raw(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Vec<u8>, ExportError> {
    Ok(snapshot.stored(live)?)
}

/// A whole object, as `kubectl get` shows it.
///
/// # Errors
/// When it cannot be decrypted or decoded.
pub fn whole(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Whole, ExportError> {
    let plain = plain(snapshot, live)?;
    Value::decode(&plain)
        .and_then(|value| whole::whole(&value, Some(live.mod_revision)))
        .map_err(|why| undecodable(live, why))
}

/// The metadata of an object.
///
/// # Errors
/// When it cannot be decrypted or decoded.
pub fn metadata(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<ObjectMeta, ExportError> {
    let plain = plain(snapshot, live)?;
    Value::decode(&plain)
        .and_then(|value| ObjectMeta::of_value(&value))
        .map_err(|why| undecodable(live, why))
}

/// Appends an object to `out`.
///
/// # Errors
/// When it cannot be decrypted, decoded or written; nothing is appended then.
pub fn write(
    snapshot: Snapshot<'_>,
    live: &LiveKey,
    writing: &Writing,
    out: &mut Vec<u8>,
) -> Result<Written, ExportError> {
    let start = out.len();
    let written = append(snapshot, live, writing, out);
    if !matches!(written, Ok(Written::Whole { .. })) {
        out.truncate(start);
    }
    written
}

fn append(
    snapshot: Snapshot<'_>,
    live: &LiveKey,
    writing: &Writing,
    out: &mut Vec<u8>,
) -> Result<Written, ExportError> {
    // A name needs no value.
    if writing.form == Form::Name && writing.labels.is_none() && writing.along.is_none() {
        out.extend_from_slice(name(live).as_bytes());
        return Ok(Written::Whole {
            unknown: Vec::new(),
            remarks: Vec::new(),
        });
    }
    let plain = plain(snapshot, live)?;
    let failed = |why| undecodable(live, why);
    let value = Value::decode(&plain).map_err(failed)?;
    if let Some(labels) = &writing.labels {
        let metadata = ObjectMeta::of_value(&value).map_err(failed)?;
        if !labels.matches(&metadata.labels) {
            return Ok(Written::NotSelected);
        }
    }
    let revision = Some(live.mod_revision);
    let Some(along) = &writing.along else {
        let unknown = as_it_is(&value, revision, live, writing.form, out)?;
        return Ok(Written::Whole {
            unknown,
            remarks: Vec::new(),
        });
    };
    let Whole { object, unknown } = whole::whole(&value, revision).map_err(failed)?;
    match for_apply::for_apply(object, along) {
        Err(why) => Ok(Written::LeftOut(why)),
        Ok(applicable) => {
            built(&applicable.object, live, writing.form, out)?;
            Ok(Written::Whole {
                unknown,
                remarks: applicable.remarks,
            })
        }
    }
}

/// Without building the object in memory, where the form allows that.
fn as_it_is(
    value: &Value<'_>,
    revision: Option<i64>,
    live: &LiveKey,
    form: Form,
    out: &mut Vec<u8>,
) -> Result<Vec<String>, ExportError> {
    let unknown = match form {
        Form::JsonLine => whole::write_json(value, revision, out),
        Form::Yaml => whole::write_yaml(value, revision, out),
        Form::Json | Form::Name => {
            let Whole { object, unknown } = whole::whole(value, revision).map_err(|why| undecodable(live, why))?;
            built(&object, live, form, out)?;
            return Ok(unknown);
        }
    };
    unknown.map_err(|why| undecodable(live, why))
}

fn built(object: &Json, live: &LiveKey, form: Form, out: &mut Vec<u8>) -> Result<(), ExportError> {
    let written = match form {
        Form::Name => {
            out.extend_from_slice(name(live).as_bytes());
            return Ok(());
        }
        Form::Yaml => return yaml::document(object, out).map_err(|why| unwritable(live, &why)),
        Form::JsonLine => serde_json::to_writer(out, object),
        Form::Json => serde_json::to_writer_pretty(out, object),
    };
    written.map_err(|why| unwritable(live, &why))
}

fn plain(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Vec<u8>, ExportError> {
    snapshot.decrypted(live)?.map_err(|why| ExportError::Encrypted {
        object: name(live),
        why,
    })
}

fn undecodable(live: &LiveKey, why: ValueError) -> ExportError {
    ExportError::Undecodable {
        object: name(live),
        why,
    }
}

fn unwritable(live: &LiveKey, why: &dyn std::error::Error) -> ExportError {
    ExportError::Unwritable {
        object: name(live),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests;
