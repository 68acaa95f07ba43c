//! What was learned of backups, kept on the operator's machine from one command to the next.

/// A folder of notes, which may be lost at any time: what cannot be kept or read is as if it had never been known.
pub trait BackupNotes: Send + Sync {
    /// The note of this key.
    fn read(&self, key: &str) -> Option<Vec<u8>>;

    /// Keeps a note, whole or not at all.
    fn write(&self, key: &str, content: &[u8]);
}
