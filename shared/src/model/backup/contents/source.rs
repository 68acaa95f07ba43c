//! A decoded snapshot beside the database that its values are read from.

use crate::model::backup::goodness::Lineage;
use crate::model::kubernetes::encryption::{DecryptError, Keys};
use crate::model::kubernetes::key::{KUBE_SYSTEM, ObjectKey};
use crate::model::kubernetes::metadata::ObjectMeta;
use crate::model::kubernetes::value::Value;
use crate::model::snapshot::ReadAt;
use crate::model::snapshot::{Content, LiveKey, Problem, ValueAt};

static NO_KEYS: Keys = Keys::none();

/// What the reports here read. It is cheap to copy.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// The live keys.
    pub content: &'a Content,
    /// The database that `content` was read from.
    pub db: &'a dyn ReadAt,
    /// What decrypts values that are encrypted at rest.
    pub keys: &'a Keys,
}

impl<'a> Snapshot<'a> {
    /// Joins the two, with no key at hand.
    #[must_use]
    pub fn new(content: &'a Content, db: &'a dyn ReadAt) -> Self {
        Self {
            content,
            db,
            keys: &NO_KEYS,
        }
    }

    /// The same with keys at hand.
    #[must_use]
    pub const fn with_keys(self, keys: &'a Keys) -> Self {
        Self { keys, ..self }
    }

    /// The whole value of a key, decrypted where it is encrypted and its key is at hand; else as it is stored.
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn value(&self, key: &LiveKey) -> Result<Vec<u8>, Problem> {
        let stored = self.stored(key)?;
        Ok(match self.keys.open(&key.key, &stored) {
            Ok(Some(plain)) => plain,
            Ok(None) | Err(_) => stored,
        })
    }

    /// The whole value of a key, decrypted where it is encrypted; or why it cannot be.
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn decrypted(&self, key: &LiveKey) -> Result<Result<Vec<u8>, DecryptError>, Problem> {
        Ok(self.keys.decrypt(&key.key, self.stored(key)?))
    }

    /// The whole value of a key as it is stored.
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn stored(&self, key: &LiveKey) -> Result<Vec<u8>, Problem> {
        key.value(self.db)
    }

    /// The first bytes of the value of a key as it is stored, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn head(&self, key: &LiveKey, limit: u32) -> Result<Vec<u8>, Problem> {
        ValueAt {
            offset: key.value.offset,
            length: key.value.length.min(limit),
        }
        .read(self.db)
    }

    /// Whether a value is encrypted at rest.
    #[must_use]
    pub fn has_encrypted(&self) -> bool {
        self.content.keys.iter().any(|live| live.encrypted)
    }

    /// Whether namespace `kube-system` is encrypted at rest: then its UID is unknown without a key.
    #[must_use]
    pub fn has_encrypted_identity(&self) -> bool {
        self.kube_system().is_some_and(|live| live.encrypted)
    }

    fn kube_system(&self) -> Option<&'a LiveKey> {
        let elsewhere = || {
            self.content.keys.iter().find(|live| {
                let key = ObjectKey::parse(&live.key);
                key.is("namespaces") && key.name == "kube-system"
            })
        };
        self.content.find(KUBE_SYSTEM).or_else(elsewhere)
    }

    /// The UID of namespace `kube-system`, where it can be read: see [`Snapshot::identity`].
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn lineage(&self) -> Result<Option<String>, Problem> {
        Ok(self.identity()?.uid().map(str::to_owned))
    }

    /// The UID of namespace `kube-system`, which tells one cluster from another. There is none where there is no such namespace
    /// (etcd `events`, cilium, an etcd that no API server has used); it is unknown where the namespace's value cannot be decoded.
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn identity(&self) -> Result<Lineage, Problem> {
        let Some(live) = self.kube_system() else {
            return Ok(Lineage::None);
        };
        let value = self.value(live)?;
        let meta = Value::decode(&value).and_then(|value| ObjectMeta::of_value(&value));
        let uid = meta.ok().map(|meta| meta.uid).filter(|uid| !uid.is_empty());
        Ok(uid.map_or(Lineage::Unknown, Lineage::Known))
    }
}
