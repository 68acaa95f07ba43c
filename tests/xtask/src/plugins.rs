//! The plugins, built.

use std::error::Error;

use support::plugins;
pub use support::plugins::ALL;

/// Builds them, with these flags of `cargo build`.
pub fn build(flags: &[&str]) -> Result<(), Box<dyn Error>> {
    match plugins::build().args(flags).status()?.success() {
        true => Ok(()),
        false => Err("the plugins do not build".into()),
    }
}
