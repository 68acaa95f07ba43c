//! Use cases of masterleases over ports: what is there, and is it alive.

pub mod apply;
pub mod observe;
pub mod reading;
pub mod survey;
pub mod wait_for_endpoints;

#[cfg(test)]
mod survey_tests;
