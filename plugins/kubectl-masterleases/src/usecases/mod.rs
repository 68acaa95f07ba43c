//! What the subcommands do, over ports.

pub mod apply;
pub mod etcd_objects;
pub mod observe;
pub mod survey;
pub mod wait_for_endpoints;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod survey_tests;
