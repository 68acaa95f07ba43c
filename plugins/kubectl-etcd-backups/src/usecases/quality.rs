//! What `latest-good` goes by, for the commands that show it beside each backup.

use std::collections::HashMap;

use runbook_kit::cli::output::Cell;
use runbook_kit::cli::ui::Verdict;
use runbook_kit::failure::Failure;
use runbook_kit::failure::chain;
use runbook_kit::model::backup::goodness::{Facts, Rejection, Warning};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::{ChooseContext, ChooseError, Judge, Rejected};
use runbook_kit::usecases::examine::ExamineError;

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
    fn of(rejections: &[Rejection], warnings: Vec<Warning>) -> Self {
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

/// Judges the backups of one catalog.
pub struct Goods<'a, 'l>(Judge<'a, 'l>);

impl<'a, 'l> Goods<'a, 'l> {
    /// For one catalog.
    pub fn new(looking: ChooseContext<'l>, catalog: &'a Catalog) -> Self {
        Self(Judge::new(looking, catalog))
    }

    /// Takes what was read already.
    pub fn learn(&mut self, facts: Facts) {
        self.0.learn(facts);
    }

    /// Judges one backup. Fails where it cannot be looked at, or one that it has to be compared with.
    pub async fn judge(&mut self, backup: &Backup) -> Result<Judged, ExamineError> {
        let assessed = self.0.assess(backup).await?;
        Ok(Judged::of(&assessed.rejections, assessed.warnings))
    }

    /// Judges from the newest backup down to the first good one; the others are not judged.
    pub async fn newest(mut self) -> Result<HashMap<BackupName, Judged>, ChooseError> {
        let mut judged = HashMap::new();
        let mut note = |rejected: &[Rejected]| {
            for one in rejected {
                judged.insert(one.name.clone(), Judged::of(&one.reasons, Vec::new()));
            }
        };
        match self.0.latest_good(None).await {
            Ok(chosen) => {
                note(&chosen.rejected);
                judged.insert(chosen.backup.name.clone(), Judged::of(&[], chosen.warnings));
            }
            Err(ChooseError::NoneGood { rejected, .. }) => note(&rejected),
            Err(ChooseError::Undecided {
                newer, older, rejected, ..
            }) => {
                note(&rejected);
                let undecided = Rejection::Undecided {
                    newer: newer.lineage.clone(),
                    older: older.lineage.clone(),
                };
                for last in [newer.last, older.last] {
                    judged.insert(last, Judged::of(std::slice::from_ref(&undecided), Vec::new()));
                }
            }
            Err(error) => return Err(error),
        }
        Ok(judged)
    }
}
