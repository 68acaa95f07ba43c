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
