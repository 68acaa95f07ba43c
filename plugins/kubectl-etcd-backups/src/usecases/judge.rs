//! Judges backups as `latest-good` does.

use std::collections::HashMap;

use runbook_kit::model::backup::goodness::{Facts, Rejection};
use runbook_kit::model::backup::name::BackupName;
use runbook_kit::usecases::catalog::{Backup, Catalog};
use runbook_kit::usecases::choose::{ChooseContext, ChooseError, Judge, Rejected};
use runbook_kit::usecases::examine::ExamineError;

use crate::rules::judged::Judged;

pub struct CatalogJudge<'a, 'l>(Judge<'a, 'l>);

impl<'a, 'l> CatalogJudge<'a, 'l> {
    pub fn new(looking: ChooseContext<'l>, catalog: &'a Catalog) -> Self {
        Self(Judge::new(looking, catalog))
    }

    /// Adds facts of a backup that was read before.
    pub fn learn(&mut self, facts: Facts) {
        self.0.learn(facts);
    }

    /// Judges one backup. Fails if it, or one to compare it with, cannot be read.
    pub async fn judge(&mut self, backup: &Backup) -> Result<Judged, ExamineError> {
        let assessed = self.0.assess(backup).await?;
        Ok(Judged::of(&assessed.rejections, assessed.warnings))
    }

    /// Judges from the newest backup down to the first good one, and no others.
    pub async fn newest(mut self) -> Result<HashMap<BackupName, Judged>, ChooseError> {
        let mut judged = HashMap::new();
        let mut reject = |rejected: &[Rejected]| {
            for one in rejected {
                judged.insert(one.name.clone(), Judged::of(&one.reasons, Vec::new()));
            }
        };
        match self.0.latest_good(None).await {
            Ok(chosen) => {
                reject(&chosen.rejected);
                judged.insert(chosen.backup.name.clone(), Judged::of(&[], chosen.warnings));
            }
            Err(ChooseError::NoneGood { rejected, .. }) => reject(&rejected),
            Err(ChooseError::Undecided {
                newer, older, rejected, ..
            }) => {
                reject(&rejected);
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
