//! What a plan says beside its steps.

use runbook_kit::model::check::Severity;

/// Why nothing is done, or what to know before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub severity: Severity,
    pub text: String,
    pub hint: Option<String>,
}

impl Remark {
    /// What keeps everything from being done.
    pub fn block(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity: Severity::Block,
            text: text.into(),
            hint: Some(hint.into()),
        }
    }

    /// What to know before.
    pub fn warn(text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warn,
            text: text.into(),
            hint: None,
        }
    }
}
