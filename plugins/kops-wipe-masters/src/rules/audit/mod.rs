//! DOC

pub mod cure;
pub mod facts;
pub mod findings;
#[cfg(test)]
pub mod tests;
