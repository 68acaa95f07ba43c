//! Why the masters are unhealthy, and the smallest cure.

pub mod cure;
pub mod facts;
pub mod findings;
pub mod rows;

#[cfg(test)]
mod tests;
