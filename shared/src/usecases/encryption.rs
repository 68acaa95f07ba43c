//! The keys of values that are encrypted at rest: those that the user gave, else those of the cluster's state store, which are read
//! when the first encrypted value is met.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::discover::EtcdStore;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::model::kops::encryption::{self, SecretError};
use crate::model::kubernetes::encryption::Keys;
use crate::model::store_url::StoreUrl;
use crate::ports::{ObjectStore, StoreError, StoreErrorKind};

/// More than any configuration has.
const LIMIT: u64 = 1 << 20;

/// The keys, for as long as a command runs.
pub struct KeyRing {
    given: Option<Arc<Keys>>,
    read: Mutex<HashMap<Vec<StoreUrl>, Arc<Keys>>>,
    warn: Box<dyn Fn(&str) + Send + Sync>,
}

/// Why the keys of a state store cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store did not give them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They are not what kops writes.
    #[error("{url}: {why}")]
    Content {
        /// Which object.
        url: StoreUrl,
        /// Why.
        why: SecretError,
    },
}

impl Failure for KeysError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

impl Default for KeyRing {
    /// Of state stores only; nobody is told of one that cannot be read.
    fn default() -> Self {
        Self::new(None, |_| {})
    }
}

impl KeyRing {
    /// With the keys that the user gave: then no store is asked. `warn` is told of a store that cannot be read, once.
    #[must_use]
    pub fn new(given: Option<Keys>, warn: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            given: given.map(Arc::new),
            read: Mutex::default(),
            warn: Box::new(warn),
        }
    }

    /// The keys for the backups of a store; none where they cannot be read.
    pub async fn of(&self, objects: &dyn ObjectStore, store: &EtcdStore) -> Arc<Keys> {
        if let Some(given) = &self.given {
            return Arc::clone(given);
        }
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(&store.secrets) {
            return Arc::clone(known);
        }
        let keys = of_state_store(objects, &store.secrets).await.unwrap_or_else(|error| {
            (self.warn)(&format!(
                "values are encrypted at rest, and the encryption config of the cluster cannot be read: {}; pass --encryption-config FILE",
                chain(&error)
            ));
            None
        });
        let keys = Arc::new(keys.unwrap_or_default());
        read.insert(store.secrets.clone(), Arc::clone(&keys));
        keys
    }
}

/// The keys of the first of these secret stores that has an encryption config.
async fn of_state_store(objects: &dyn ObjectStore, places: &[StoreUrl]) -> Result<Option<Keys>, KeysError> {
    for place in places {
        let url = place.join(encryption::NAME);
        match objects.get(&url, LIMIT).await {
            Ok(secret) => {
                let keys = encryption::parse(&secret).map_err(|why| KeysError::Content { url, why })?;
                return Ok(Some(keys));
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

fn is_absent(error: &StoreError) -> bool {
    matches!(
        error.kind,
        StoreErrorKind::NotFound | StoreErrorKind::NoSuchFolder | StoreErrorKind::NoSuchBucket
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;
    use crate::usecases::discover::tests::{COMPLETED, Memory};
    use crate::usecases::discover::{self, Discovered};

    const SPEC: &str = "s3://kops-state/super.k8s.local/cluster-completed.spec";
    const OWN: &str = "s3://kops-state/super.k8s.local/secrets/encryptionconfig";
    const ELSEWHERE: &str = "s3://vault/secrets/encryptionconfig";
    /// One key of secretbox, as kops keeps it.
    const KEPT: &str = r#"{"Data":"cmVzb3VyY2VzOiBbe3Jlc291cmNlczogW3NlY3JldHNdLCBwcm92aWRlcnM6IFt7c2VjcmV0Ym94OiB7a2V5czogW3tuYW1lOiBrLCBzZWNyZXQ6IEFRRUJBUUVCQVFFQkFRRUJBUUVCQVFFQkFRRUJBUUVCQVFFQkFRRUJBUUU9fV19fV19XQo="}"#;

    async fn discovered(store: &Memory) -> Discovered {
        let state = "s3://kops-state".parse().unwrap();
        let found = discover::cluster(store, &state, "super.k8s.local").await.unwrap();
        store.requests.lock().unwrap().clear();
        found
    }

    /// The names of the keys, the requests, the warnings; asked twice.
    async fn asked(store: &Memory, given: Option<Keys>) -> (Vec<String>, Vec<String>, Vec<String>) {
        let found = discovered(store).await;
        let warnings = Arc::new(StdMutex::new(Vec::new()));
        let told = Arc::clone(&warnings);
        let ring = KeyRing::new(given, move |line| told.lock().unwrap().push(line.to_owned()));
        let keys = ring.of(store, &found.stores[0]).await;
        assert_eq!(ring.of(store, &found.stores[1]).await.names(), keys.names());
        let requests = store.requests.lock().unwrap().clone();
        let warnings = warnings.lock().unwrap().clone();
        (keys.names(), requests, warnings)
    }

    #[tokio::test]
    async fn the_state_store_is_asked_once() {
        let store = Memory::with([(SPEC, COMPLETED), (OWN, KEPT)]);
        let (names, requests, warnings) = asked(&store, None).await;
        assert_eq!(
            (names, requests),
            (vec!["secretbox:k".to_owned()], vec![format!("read {OWN}")])
        );
        assert_eq!(warnings, [""; 0]);
    }

    #[tokio::test]
    async fn the_spec_may_name_another_place() {
        let spec = COMPLETED.replace("s3://kops-state/super.k8s.local/secrets", "s3://vault/secrets");
        let store = Memory::with([(SPEC, spec.as_str()), (ELSEWHERE, KEPT)]);
        let (names, requests, _) = asked(&store, None).await;
        assert_eq!(names, ["secretbox:k"]);
        assert_eq!(requests, [format!("read {OWN}"), format!("read {ELSEWHERE}")]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_a_warning() {
        let none = Memory::with([(SPEC, COMPLETED)]);
        let broken = Memory::with([(SPEC, COMPLETED), (OWN, "hunter2")]);
        let mut refused = Memory::with([(SPEC, COMPLETED), (OWN, KEPT)]);
        refused.refuse = Some(("/secrets/".to_owned(), StoreErrorKind::AccessDenied));
        for (store, warning) in [
            (none, None),
            (
                broken,
                Some("encryptionconfig: it does not have the format of kops; pass --encryption-config FILE"),
            ),
            (
                refused,
                Some("encryptionconfig: access denied; pass --encryption-config FILE"),
            ),
        ] {
            let (names, _, warnings) = asked(&store, None).await;
            assert_eq!(names, [""; 0]);
            assert_eq!(warnings.len(), usize::from(warning.is_some()), "{warnings:?}");
            assert!(
                warnings.iter().all(|line| line.ends_with(warning.unwrap())),
                "{warnings:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_user_gave_is_enough() {
        let store = Memory::with([(SPEC, COMPLETED), (OWN, KEPT)]);
        let given = Keys::parse(b"kind: EncryptionConfiguration").unwrap();
        let (names, requests, _) = asked(&store, Some(given)).await;
        assert_eq!((names, requests), (vec![], vec![]));
    }
}
