//! The acts of the rehearsal, one file an act, in the order of the runbook.

mod backups;

use crate::rehearse::Act;

/// All acts.
pub const ALL: [Act; 1] = [backups::ACT];
