//! What the control-plane recovery plugins share.
//!
//! The dependency law, from the outside in; nothing points back:
//!
//! ```text
//! plugin main ──► adapters ──► ports ──► domain
//! plugin subcommand ──► backups (use cases) ──► ports ──► domain
//! ```
//!
//! - [`domain`]: formats and rules. No I/O, no clock, no environment.
//! - [`ports`]: the few verbs that the rules need from the world, as traits.
//! - [`adapters`]: the only places that import an SDK or touch a disk, one cargo feature each where they are heavy.
//! - [`backups`], [`masterleases`]: use cases over ports that several plugins need: discover, list, choose, verify.
//! - [`kops_state`]: what else kops keeps of a cluster in its state store: instance groups, etcd-manager's manifests.
//! - [`session`]: what subcommands of every plugin work with.
//! - [`patience`]: says what is waited for while a store keeps silent.
//! - [`cli`], [`output`], [`ui`], [`confirm`], [`error`], [`exit`]: how every plugin talks.

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
