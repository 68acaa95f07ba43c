//! Notes of backups in `$XDG_CACHE_HOME/kops-recovery/facts`, else `~/.cache/kops-recovery/facts`: one small file each, named by
//! the SHA-256 of its key.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::user_folders;
use crate::ports::BackupNotes;

const FOLDER: &str = "kops-recovery/facts";
/// kops keeps daily backups for 90 days: what is older is most likely of a backup that is gone.
const KEPT: Duration = Duration::from_secs(100 * 24 * 3600);

/// Notes in a folder; none where there is no home.
pub struct NotesFolder {
    folder: Option<PathBuf>,
    swept: Once,
}

impl NotesFolder {
    /// Where the environment says.
    #[must_use]
    pub fn of_user() -> Self {
        let cache = user_folders::folder("XDG_CACHE_HOME", ".cache");
        Self {
            folder: cache.map(|cache| cache.join(FOLDER)),
            swept: Once::new(),
        }
    }

    /// In this folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_path_buf()),
            swept: Once::new(),
        }
    }

    fn try_to_write(&self, key: &str, content: &[u8]) -> std::io::Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        self.swept.call_once(|| sweep(folder));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.persist(folder.join(file_name(key)))?;
        Ok(())
    }
}

impl BackupNotes for NotesFolder {
    fn read(&self, key: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.as_ref()?.join(file_name(key))).ok()
    }

    fn write(&self, key: &str, content: &[u8]) {
        // A disk that is full or read-only is no reason to fail: the backup was read.
        let _ = self.try_to_write(key, content);
    }
}

fn file_name(key: &str) -> String {
    let mut name: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    name.push_str(".json");
    name
}

fn sweep(folder: &Path) {
    let Some(oldest) = SystemTime::now().checked_sub(KEPT) else {
        return;
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|about| about.modified());
        if modified.is_ok_and(|modified| modified < oldest) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_by_their_key_and_old_ones_go() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("new");
        let notes = NotesFolder::at(&folder);
        assert_eq!(notes.read("s3://b/a"), None);
        notes.write("s3://b/a", b"1");
        notes.write("s3://b/a", b"2");
        notes.write("s3://b/b", b"3");
        assert_eq!(notes.read("s3://b/a").unwrap(), b"2");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        let old = fs::File::open(folder.join(file_name("s3://b/a"))).unwrap();
        old.set_modified(SystemTime::now() - KEPT - Duration::from_secs(60))
            .unwrap();
        NotesFolder::at(&folder).write("s3://b/c", b"4");
        assert_eq!(notes.read("s3://b/a"), None);
        assert_eq!(notes.read("s3://b/b").unwrap(), b"3");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_failure() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let notes = NotesFolder::at(&file.path().join("below-a-file"));
        notes.write("a", b"1");
        assert_eq!(notes.read("a"), None);
    }
}
