//! Puts volumes into quarantine: the shadow tags first, then the tags by which it is found are removed. Interrupted in between, it is
//! found as before, and the same two steps finish it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use crate::consent::Consent;
use crate::model::fleet::Tags;
use crate::ports::fleet::{FleetChange, FleetError};

/// Writes `shadows`, where there are any to write, and removes the tags with the keys `remove`.
///
/// # Errors
/// If AWS fails, with whether something was changed before.
pub async fn hide(
    fleet: &dyn FleetChange,
    volume: &str,
    shadows: Option<&Tags>,
    remove: &BTreeSet<String>,
    consent: &Consent,
) -> Result<(), (FleetError, bool)> {
    if let Some(shadows) = shadows {
        fleet
            .tag(volume, shadows, consent)
            .await
            .map_err(|error| (error, false))?;
    }
    let untagged = fleet.untag(volume, remove, consent).await;
    untagged.map_err(|error| (error, shadows.is_some()))
}

/// The ID of a run that puts volumes into quarantine, for their tag: unique, not secret.
#[must_use]
pub fn fresh_run() -> String {
    format!("{:016x}", RandomState::new().hash_one("run"))
}
