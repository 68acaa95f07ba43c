//! A reproducible `.tar.gz`: without times and owners.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;

/// An archive that is being written.
pub(super) struct Archive {
    tar: tar::Builder<GzEncoder<Vec<u8>>>,
}

impl Archive {
    /// An empty one.
    pub(super) fn new(level: Compression) -> Self {
        Self {
            tar: tar::Builder::new(GzEncoder::new(Vec::new(), level)),
        }
    }

    pub(super) fn add(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        self.tar.append_data(&mut header, path, content)
    }

    /// Its bytes.
    pub(super) fn finish(self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Ok(self.tar.into_inner()?.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new(Compression::best());
        archive.add("plugin", 0o755, b"binary").unwrap();
        archive.add("man/plugin.1", 0o644, b".TH").unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn holds_the_added_files_and_is_reproducible() {
        let bytes = sample();
        let mut read = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
        let mut found = Vec::new();
        for entry in read.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            found.push((
                entry.path().unwrap().display().to_string(),
                entry.header().mode().unwrap(),
                content,
            ));
        }
        let expected = [("plugin", 0o755, "binary"), ("man/plugin.1", 0o644, ".TH")];
        assert_eq!(
            found,
            expected.map(|(path, mode, content)| (path.to_owned(), mode, content.to_owned()))
        );
        assert_eq!(bytes, sample());
    }
}
