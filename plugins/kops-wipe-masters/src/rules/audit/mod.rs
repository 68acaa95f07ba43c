//! Why the control plane is unhealthy, and the smallest fix.

pub mod cure;
pub mod facts;
pub mod findings;
pub mod ladder;
pub mod observed;
pub mod quorum;
pub mod rows;
pub mod situation;

#[cfg(test)]
mod tests;
