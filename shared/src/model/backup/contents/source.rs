//! A decoded snapshot beside the database that its values are read from.

use crate::model::backup::goodness::Lineage;
use crate::model::kubernetes::key::{KUBE_SYSTEM, ObjectKey};
use crate::model::kubernetes::metadata::ObjectMeta;
use crate::model::kubernetes::value::Value;
use crate::model::snapshot::ReadAt;
use crate::model::snapshot::{Content, LiveKey, Problem, ValueAt};

/// What the reports here read. It is cheap to copy.
#[derive(Clone, Copy)]
pub struct Snapshot<'a> {
    /// The live keys.
    pub content: &'a Content,
    /// The database that `content` was read from.
    pub db: &'a dyn ReadAt,
}

impl<'a> Snapshot<'a> {
    /// Joins the two.
    #[must_use]
    pub fn new(content: &'a Content, db: &'a dyn ReadAt) -> Self {
        Self { content, db }
    }

    /// The whole value of a key.
    ///
    /// # Errors
    /// When the database cannot be read there.
    pub fn value(&self, key: &LiveKey) -> Result<Vec<u8>, Problem> {
        key.value(self.db)
    }

    /// The first bytes of the value of a key, at most `limit`.
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
        let elsewhere = || {
            self.content.keys.iter().find(|live| {
                let key = ObjectKey::parse(&live.key);
                key.is("namespaces") && key.name == "kube-system"
            })
        };
        let Some(live) = self.content.find(KUBE_SYSTEM).or_else(elsewhere) else {
            return Ok(Lineage::None);
        };
        let value = self.value(live)?;
        let meta = Value::decode(&value).and_then(|value| ObjectMeta::of_value(&value));
        let uid = meta.ok().map(|meta| meta.uid).filter(|uid| !uid.is_empty());
        Ok(uid.map_or(Lineage::Unknown, Lineage::Known))
    }
}
