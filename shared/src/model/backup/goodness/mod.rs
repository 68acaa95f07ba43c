//! Which backup can be trusted.
//!
//! A young, complete, undamaged backup can still be worthless: etcd-manager seeds a new cluster where its created marker
//! is missing, backs the empty etcd up at once, and goes on to back up what an API server bootstraps on it. And an old
//! one can be another cluster's: a store outlives `kops delete cluster`, a re-seed that was accepted, a restore of a
//! foreign backup. So the backups of a store, in time order, form *lineages*, and *good* means: it verifies, something
//! was ever written to it, and it is of the lineage that lives.
//!
//! - [`evidence`]: what the keys of a backup show;
//! - [`lineage`]: whether two backups are of one cluster, and whether one is poorer;
//! - [`judgement`]: which lineage lives, and what that makes of each backup. It asks for the backups it needs to have
//!   read, one at a time, and for as few as it can;
//! - [`note`]: what is remembered of a backup from one command to the next.
//!
//! Of other etcd clusters than `main` (events expire, cilium has no Nodes) only soundness is asked.

pub mod evidence;
mod facts;
#[cfg(test)]
mod histories;
pub mod judgement;
pub mod lineage;
pub mod note;
#[cfg(test)]
mod properties;
mod reason;

pub use evidence::Evidence;
pub use facts::{Facts, Lineage};
pub use judgement::{Candidate, Choice, Read, Store, Verdict};
pub use lineage::Summary;
pub use reason::{Rejection, Warning};

/// The etcd cluster that holds the cluster's objects; only its backups are held to the whole definition.
pub const MAIN: &str = "main";
