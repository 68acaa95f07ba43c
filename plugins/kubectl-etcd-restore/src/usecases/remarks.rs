//! Says what a plan remarks.

use runbook_kit::cli::ui::Ui;
use runbook_kit::failure::CommandError;
use runbook_kit::model::check::Severity;

use crate::rules::remark::Remark;

/// All of them.
pub fn tell<'r>(remarks: impl IntoIterator<Item = &'r Remark>, ui: &Ui) {
    for remark in remarks {
        match remark.severity {
            Severity::Info => ui.note(&remark.text),
            Severity::Warn | Severity::Block => ui.warn(&remark.text),
        }
    }
}

/// The same; the first that blocks is the error.
pub fn refuse(remarks: &[Remark], ui: &Ui) -> Result<(), CommandError> {
    let blocking = remarks.iter().find(|remark| remark.severity == Severity::Block);
    tell(remarks.iter().filter(|remark| Some(*remark) != blocking), ui);
    match blocking {
        Some(remark) => Err(CommandError::refused(remark.text.clone()).hint_if(remark.hint.clone())),
        None => Ok(()),
    }
}
