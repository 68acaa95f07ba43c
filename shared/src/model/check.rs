//! A preflight check: what was checked, what was found, and whether it blocks.

use serde::Serialize;

/// How much a finding weighs. Only [`Severity::Block`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Think before you go on.
    Warn,
    /// It is refused.
    Block,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at, a short name that stays the same: `backup`, `control-files`, `etcd-manager`, `api`.
    pub name: &'static str,
    /// Of which etcd cluster, where it is of one.
    pub etcd: Option<String>,
    /// Whether all is well.
    pub ok: bool,
    /// What it means where it is not; where all is well, `info`.
    pub severity: Severity,
    /// What was found, a lowercase fragment.
    pub message: String,
    /// What the user can do about it, in the imperative.
    pub cure: Option<String>,
}

impl Check {
    /// All is well.
    pub fn passed(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            etcd: None,
            ok: true,
            severity: Severity::Info,
            message: message.into(),
            cure: None,
        }
    }

    /// Something was found.
    pub fn found(name: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            ok: false,
            severity,
            ..Self::passed(name, message)
        }
    }

    /// Of one etcd cluster.
    #[must_use]
    pub fn of(mut self, etcd: impl Into<String>) -> Self {
        self.etcd = Some(etcd.into());
        self
    }

    /// With what can be done about it.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// What it is about: `masters`, `main backup`.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.etcd {
            Some(etcd) => format!("{etcd} {}", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Whether it refuses.
    #[must_use]
    pub fn blocks(&self) -> bool {
        !self.ok && self.severity == Severity::Block
    }
}
