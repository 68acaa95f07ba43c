//! Use cases of masterleases over ports: what is there, and is it alive.

pub mod reading;
pub mod survey;

#[cfg(test)]
mod survey_tests;
