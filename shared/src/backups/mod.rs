//! Use cases over ports that several plugins need.

pub mod discover;
