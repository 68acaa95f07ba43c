//! What is said where AWS could not be read.

use runbook_kit::failure::CommandError;
use runbook_kit::ports::fleet::{FleetError, FleetErrorKind};

/// What failed, with the region of the cluster spec where none is configured.
pub fn not_read(error: FleetError, region: Option<&str>) -> CommandError {
    let hint = match (&error.kind, region) {
        (FleetErrorKind::NoRegion, Some(region)) => {
            Some(format!("the cluster spec has region {region}: pass --region {region}"))
        }
        _ => error.hint(),
    };
    CommandError::failed(error.to_string()).hint_if(hint).source(error)
}
