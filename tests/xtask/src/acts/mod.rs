//! The acts of the rehearsal, one file an act, in the order of the runbook.

mod backups;
mod masterleases;

use crate::rehearse::Act;

/// All acts.
pub const ALL: [Act; 2] = [backups::ACT, masterleases::ACT];
