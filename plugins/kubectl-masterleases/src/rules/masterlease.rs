//! A masterlease: the key by which an API server announces its address.
//!
//! Each API server keeps `<prefix>/masterleases/<its IP>` in etcd, with a lease of 15 s, and rewrites it every 10 s
//! (kubernetes/kubernetes, `pkg/controlplane/reconcilers/lease.go` and `pkg/controlplane/instance.go`,
//! `DefaultEndpointReconcilerInterval` and `DefaultEndpointReconcilerTTL`); all of them publish what they find there as the
//! addresses of `default/kubernetes`. A restore by etcd-manager copies keys without their leases: those of API servers that no
//! longer exist then never expire.

use std::net::IpAddr;

use runbook_kit::model::kubernetes::masterlease::FOLDER;
use runbook_kit::ports::KeyValue;

use super::evidence::Evidence;
use super::verdict::Judgement;

/// One masterlease and its verdict.
#[derive(Clone, Debug)]
pub struct Masterlease {
    /// The address, as written in its key.
    pub name: String,
    /// The key and its value at the end of the survey.
    pub stored: KeyValue,
    pub evidence: Evidence,
    pub judgement: Judgement,
}

/// The last segment of a masterlease's key: as text, and as an address if it is one.
#[must_use]
pub fn name_of(key: &[u8], prefix: &str) -> (String, Option<IpAddr>) {
    let folder = [prefix.as_bytes(), FOLDER.as_bytes()].concat();
    let name = key.strip_prefix(folder.as_slice()).unwrap_or(key);
    let text = match std::str::from_utf8(name) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => name.escape_ascii().to_string(),
    };
    let ip = text.parse().ok();
    (text, ip)
}

/// Whether a key lies directly below the folder of masterleases. Only such keys are API servers' own, and only they are ever deleted or written.
#[must_use]
pub fn is_directly_below(key: &[u8], prefix: &str) -> bool {
    let folder = [prefix.as_bytes(), FOLDER.as_bytes()].concat();
    key.strip_prefix(folder.as_slice())
        .is_some_and(|name| !name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_an_address() {
        let name = |key: &[u8]| name_of(key, "/registry");
        assert_eq!(
            name(b"/registry/masterleases/10.0.0.1"),
            ("10.0.0.1".to_owned(), "10.0.0.1".parse().ok())
        );
        assert_eq!(
            name(b"/registry/masterleases/2001:db8::1").1,
            "2001:db8::1".parse().ok()
        );
        assert_eq!(name(b"/registry/masterleases/web"), ("web".to_owned(), None));
        assert_eq!(name(b"/registry/masterleases/\x1b[2J").0, r"\x1b[2J");
    }
}
