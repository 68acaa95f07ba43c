//! Why a wipe is refused, or did not come to its end.

use runbook_kit::exit::Exit;
use runbook_kit::failure::{Failure, with_repeating};
use runbook_kit::model::check::Check;
use runbook_kit::ports::fleet::{FleetError, FleetErrorKind};

/// A check refuses.
#[derive(Debug, thiserror::Error)]
#[error("refused by {}: {first}", match count { 1 => "a check".to_owned(), several => format!("{several} checks, the first") })]
pub struct Refused {
    count: usize,
    first: String,
    cure: Option<String>,
}

impl Refused {
    /// By so many, of which this is the first.
    pub fn of(count: usize, first: &Check) -> Self {
        Self {
            count,
            first: first.message.clone(),
            cure: first.cure.clone(),
        }
    }
}

impl Failure for Refused {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        self.cure.clone()
    }
}

/// The plan is another one than the one that was agreed on.
#[derive(Debug, thiserror::Error)]
#[error("the plan is not {wanted} any more but {now}{}", in_words(.new))]
pub struct AnotherPlan {
    pub wanted: String,
    pub now: String,
    pub new: Vec<String>,
}

fn in_words(new: &[String]) -> String {
    match new.is_empty() {
        true => String::new(),
        false => format!("; new in it: {}", new.join(", ")),
    }
}

impl Failure for AnotherPlan {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some("look at the plan as it is now, without --yes, and agree to that one".to_owned())
    }
}

/// The run was noted, perhaps backups were pinned, and that was all.
#[derive(Debug, thiserror::Error)]
#[error("{noted}, and then: {why}; nothing of the control plane was changed")]
pub struct OnlyNoted {
    noted: String,
    why: String,
    cure: Option<String>,
}

impl OnlyNoted {
    /// What was done, and what failed then.
    pub fn then(noted: &[String], failed: &dyn Failure) -> Self {
        Self {
            noted: noted.join(", "),
            why: runbook_kit::failure::chain(failed),
            cure: failed.hint(),
        }
    }
}

impl Failure for OnlyNoted {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some(with_repeating(self.cure.clone(), "goes on where it stopped"))
    }
}

/// All was done, and something is there.
#[derive(Debug, thiserror::Error)]
#[error("the plan was carried out, but somebody made more meanwhile: {0}")]
pub struct Appeared(pub String);

impl Failure for Appeared {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some("find out who makes masters (a `kops update` elsewhere?), then look at the plan again".to_owned())
    }
}

/// All was done, but a run before this one was to keep volumes that are no more.
#[derive(Debug, thiserror::Error)]
#[error("nothing is left to wipe, but these volumes were to be kept and are gone: {0}")]
pub struct VolumesLost(pub String);

impl Failure for VolumesLost {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some("go on with the restore from the backup; `restore-volumes` cannot bring these back".to_owned())
    }
}

/// All was done, and AWS could not be asked again.
#[derive(Debug, thiserror::Error)]
#[error("the plan was carried out, but AWS could not be asked whether anything is left: {0}")]
pub struct NotVerified(pub String);

impl Failure for NotVerified {
    fn exit(&self) -> Exit {
        Exit::FailedAfterChange
    }

    fn hint(&self) -> Option<String> {
        Some("repeat the command: it asks once more".to_owned())
    }
}

/// AWS could not be asked; the spec may know where.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct NotAsked {
    source: FleetError,
    region: Option<String>,
}

impl NotAsked {
    /// With the region that the spec says, where it says one.
    pub fn of(source: FleetError, region: Option<String>) -> Self {
        Self { source, region }
    }
}

impl Failure for NotAsked {
    fn hint(&self) -> Option<String> {
        match (&self.source.kind, &self.region) {
            (FleetErrorKind::NoRegion, Some(region)) => {
                Some(format!("the cluster's spec says {region}: pass --region {region}"))
            }
            _ => self.source.hint(),
        }
    }
}
