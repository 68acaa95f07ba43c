//! The plugins, built.

use std::error::Error;

use support::plugins;
pub use support::plugins::ALL;

/// Builds these, with these flags of `cargo build`.
pub fn build(names: &[&str], flags: &[&str]) -> Result<(), Box<dyn Error>> {
    match plugins::build(names).args(flags).status()?.success() {
        true => Ok(()),
        false => Err("the plugins do not build".into()),
    }
}
