//! The file `state` on the volume of an etcd-manager: which etcd it ran there, of which version.
//!
//! Source: kubernetes-sigs/etcd-manager `pkg/etcd/etcdserver.go` (`<volume>/state`, `<volume>/data/<token>`,
//! `<volume>/data-trashcan/<token>`) and `pkg/apis/etcd/etcdapi.proto` (`EtcdState`).

use crate::model::kubernetes::protobuf::{ProtobufError, fields};

/// What it tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeState {
    /// The version of the etcd that ran, without a `v`; `None` once etcd-manager has stopped it for good.
    pub etcd_version: Option<String>,
    /// The name of its data folder.
    pub token: Option<String>,
    /// Its members: a name such as `etcd-a` or `etcd-events-a`, and the URLs of its peers.
    pub nodes: Vec<StateNode>,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateNode {
    /// `etcd-a` of main, `etcd-events-a` of events.
    pub name: String,
    /// `https://etcd-a.internal.k8s.example.com:2380`.
    pub peer_urls: Vec<String>,
}

/// What separates a member's name from the cluster's in the name of its host.
const INTERNAL: &str = ".internal.";

impl VolumeState {
    /// Reads the file.
    ///
    /// # Errors
    /// Where it is no protobuf message.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let mut state = Self::default();
        for field in fields(bytes) {
            let (number, value) = field?;
            match (number, value.bytes()) {
                (2, Some(cluster)) => state.cluster(cluster)?,
                (3, Some(version)) => state.etcd_version = text(version),
                _ => {}
            }
        }
        Ok(state)
    }

    fn cluster(&mut self, bytes: &[u8]) -> Result<(), ProtobufError> {
        for field in fields(bytes) {
            let (number, value) = field?;
            match (number, value.bytes()) {
                (5, Some(token)) => self.token = text(token),
                (7, Some(node)) => {
                    let mut found = StateNode::default();
                    for field in fields(node) {
                        let (number, value) = field?;
                        match (number, value.bytes()) {
                            (1, Some(name)) => found.name = text(name).unwrap_or_default(),
                            (2, Some(url)) => found.peer_urls.extend(text(url)),
                            _ => {}
                        }
                    }
                    self.nodes.push(found);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it is of etcd cluster `etcd`, as the names of its members tell; `None` where there are none.
    /// `etcds` are the clusters that there are, for `etcd-events-a` could be a member of main, too.
    #[must_use]
    pub fn is_of(&self, etcd: &str, etcds: &[String]) -> Option<bool> {
        let name = &self.nodes.first()?.name;
        let rest = name.strip_prefix("etcd-")?;
        let other = etcds.iter().find(|other| {
            other.as_str() != "main"
                && rest
                    .strip_prefix(other.as_str())
                    .is_some_and(|rest| rest.starts_with('-'))
        });
        Some(other.map_or("main", String::as_str) == etcd)
    }

    /// The kops cluster, as the names of its members' hosts tell.
    #[must_use]
    pub fn cluster_name(&self) -> Option<&str> {
        let mut urls = self.nodes.iter().flat_map(|node| &node.peer_urls);
        urls.find_map(|url| {
            let (_, rest) = url.split_once(INTERNAL)?;
            let (name, _) = rest.rsplit_once(':')?;
            Some(name).filter(|name| !name.is_empty())
        })
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let plain = !text.is_empty() && text.len() <= 512 && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

#[cfg(test)]
fn encode(version: &str, token: &str, nodes: &[(&str, &str)]) -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut text = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap_or_default()];
        text.extend_from_slice(bytes);
        text
    };
    let mut cluster = field(5, token.as_bytes());
    for (name, url) in nodes {
        let node = [field(1, name.as_bytes()), field(2, url.as_bytes())].concat();
        cluster.extend(field(7, &node));
    }
    [field(2, &cluster), field(3, version.as_bytes())].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<u8> {
        let url = "https://etcd-events-a.internal.k8s.example.com:2381";
        encode("3.6.11", "a_-Token", &[("etcd-events-a", url)])
    }

    #[test]
    fn tells_version_cluster_and_etcd() {
        let state = VolumeState::parse(&events()).unwrap();
        assert_eq!(state.etcd_version.as_deref(), Some("3.6.11"));
        assert_eq!(state.token.as_deref(), Some("a_-Token"));
        assert_eq!(state.cluster_name(), Some("k8s.example.com"));
        let etcds = ["main".to_owned(), "events".to_owned()];
        assert_eq!(state.is_of("events", &etcds), Some(true));
        assert_eq!(state.is_of("main", &etcds), Some(false));
        // A cluster without an etcd of that name has a member of that name.
        assert_eq!(state.is_of("main", &["main".to_owned()]), Some(true));
        assert_eq!(VolumeState::default().is_of("main", &etcds), None);
    }

    #[test]
    fn half_a_file_is_an_error_and_strange_text_counts_as_none() {
        let whole = events();
        assert!(VolumeState::parse(&whole[..whole.len() - 3]).is_err());
        let strange = VolumeState::parse(&encode("3.6\n", "", &[])).unwrap();
        assert_eq!((strange.etcd_version, strange.token), (None, None));
        assert_eq!(VolumeState::parse(b"").unwrap(), VolumeState::default());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>) {
            if let Ok(state) = VolumeState::parse(&bytes) {
                let _ = (state.cluster_name(), state.is_of("main", &[]));
            }
        }
    }
}
