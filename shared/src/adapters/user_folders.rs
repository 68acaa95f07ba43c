//! Folders of the user's, as the XDG Base Directory Specification places them.

use std::env;
use std::path::PathBuf;

/// The folder that `variable` names, else `below_home` in the home folder; `None` where there is no home.
pub fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named(variable).or_else(|| Some(named("HOME")?.join(below_home)))
}
