//! Installs a component once: under a lock, into a temporary folder, and in one step to its final name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::Error;
use crate::paths;

/// The folder of component `name`, made by `make` unless it is there. Others that want the same one meanwhile, in this
/// or another process, wait.
pub(super) fn once(name: &str, make: impl FnOnce(&Path) -> Result<(), Error>) -> Result<PathBuf, Error> {
    let components = paths::cache().join("components");
    let folder = components.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&components).map_err(Error::file("make", &components))?;
    let lock_path = components.join(format!("{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::file("make", &lock_path))?;
    lock.lock().map_err(Error::file("lock", &lock_path))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    say(&format!(
        "installing {name} into {}; this may take some minutes, once",
        folder.display()
    ));
    let begun = Instant::now();
    let temporary = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .tempdir_in(&components)
        .map_err(Error::file("make", &components))?;
    make(temporary.path())?;
    fs::rename(temporary.keep(), &folder).map_err(Error::file("make", &folder))?;
    say(&format!("installed {name} in {} s", begun.elapsed().as_secs()));
    Ok(folder)
}

/// Minutes may pass: whoever waits is told for what.
#[expect(clippy::print_stderr, reason = "the progress of a tool that developers run")]
fn say(text: &str) {
    eprintln!("{text}");
}
