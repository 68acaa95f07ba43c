//! The acts of the rehearsal, one file an act, in the order of the runbook.

mod backups;
pub mod cluster;
mod runbook;
mod story;
mod wipe;

use crate::rehearse::Act;

/// All acts.
pub const ALL: [Act; 4] = [backups::ACT, wipe::ACT, story::ACT, runbook::ACT];
