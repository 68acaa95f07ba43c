//! Whether `latest-good` would take a backup, as the tables and the JSON show it.

use runbook_kit::cli::output::Cell;
use runbook_kit::cli::ui::Verdict;
use runbook_kit::failure::{Failure, chain};
use runbook_kit::model::backup::goodness::{Rejection, Warning};

/// Whether a backup is good.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// `None` where it was not judged.
    pub good: Option<bool>,
    /// Why it is not good, or could not be judged.
    pub reason: Option<String>,
    /// What should be known of a good one.
    pub warnings: Vec<Warning>,
}

impl Judged {
    /// From what speaks against it.
    pub fn of(rejections: &[Rejection], warnings: Vec<Warning>) -> Self {
        let reasons: Vec<String> = rejections.iter().map(ToString::to_string).collect();
        Self {
            good: Some(reasons.is_empty()),
            reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
            warnings,
        }
    }

    /// One that could not be looked at, or could not be compared.
    pub fn not_judged(error: &dyn Failure) -> Self {
        Self {
            good: None,
            reason: Some(format!("not judged: {}", chain(error))),
            warnings: Vec::new(),
        }
    }
}

/// `yes`, `no`, or `-` where it was not judged.
pub fn good_cell(good: Option<bool>) -> Cell {
    match good {
        Some(true) => Cell::verdict(Verdict::Good, "yes"),
        Some(false) => Cell::verdict(Verdict::Bad, "no"),
        None => Cell::text("-"),
    }
}
