//! Whether a backup is good, as in tables and JSON.

use runbook_kit::cli::output::Cell;
use runbook_kit::cli::ui::Verdict;
use runbook_kit::failure::{Failure, chain};
use runbook_kit::model::backup::goodness::{Rejection, Warning};

#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// `None` if it was not judged.
    pub good: Option<bool>,
    /// Why it is not good, or was not judged.
    pub reason: Option<String>,
    pub warnings: Vec<Warning>,
}

impl Judged {
    /// Good if there are no rejections.
    pub fn of(rejections: &[Rejection], warnings: Vec<Warning>) -> Self {
        let reasons: Vec<String> = rejections.iter().map(ToString::to_string).collect();
        Self {
            good: Some(reasons.is_empty()),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            warnings,
        }
    }

    /// If it could not be read or compared.
    pub fn not_judged(error: &dyn Failure) -> Self {
        Self {
            good: None,
            reason: Some(format!("not judged: {}", chain(error))),
            warnings: Vec::new(),
        }
    }
}

/// `yes`, `no`, or `-` if it was not judged.
pub fn good_cell(good: Option<bool>) -> Cell {
    match good {
        Some(true) => Cell::verdict(Verdict::Good, "yes"),
        Some(false) => Cell::verdict(Verdict::Bad, "no"),
        None => Cell::text("-"),
    }
}
