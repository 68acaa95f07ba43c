//! The acts of the rehearsal, one file an act, in the order of the runbook.

mod backups;
pub mod cluster;
mod objects;
mod real_story;
mod runbook;
mod story;
mod wipe;

use crate::rehearse::Act;

/// All acts.
pub const ALL: [Act; 5] = [backups::ACT, objects::ACT, wipe::ACT, story::ACT, runbook::ACT];
