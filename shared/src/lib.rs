//! What the control-plane recovery plugins share.
//!
//! Modules, from the bottom up; each imports only those above it (`tests/house/laws.rs`):
//!
//! - [`failure`], [`exit`], [`consent`]: errors, exit codes, and the proof that the user agreed.
//! - [`model`]: formats and rules. No I/O, no clock, no environment.
//! - [`ports`]: the I/O that the rules need, as traits.
//! - [`usecases`]: what several plugins do with the ports: discover, list, choose, verify, pin.
//! - [`adapters`]: implementations of the ports; the only code that imports an SDK or touches a disk. Large ones have a cargo feature.
//! - [`cli`]: flags, output, prompts, completion.
//! - [`session`]: what every subcommand works with.
//! - [`connect`]: connects a session to the adapters.

pub mod adapters;
pub mod cli;
pub mod connect;
pub mod consent;
pub mod exit;
pub mod failure;
pub mod model;
pub mod ports;
pub mod session;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod usecases;
