//! Why the control plane is unhealthy, and the smallest fix.

pub mod cure;
pub mod facts;
pub mod findings;
pub mod rows;

#[cfg(test)]
mod tests;
