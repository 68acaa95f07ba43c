//! Where things are: the clone, its fixtures, and the cache outside of it.

use std::env;
use std::path::{Path, PathBuf};

/// The root folder of the clone: that of the package that cargo runs, since several clones may share what was compiled.
#[must_use]
pub fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.iter()
        .map(PathBuf::as_path)
        .chain([compiled])
        .flat_map(Path::ancestors)
        .find(|folder| folder.join("tests/support/Cargo.toml").is_file())
        .unwrap_or(compiled)
        .to_path_buf()
}

/// A file or folder of `tests/fixtures/`.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}

/// `$XDG_CACHE_HOME/kops-recovery`, by default `~/.cache/kops-recovery`: what costs minutes to make and can be made anew.
#[must_use]
pub fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    base.or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("kops-recovery")
}
