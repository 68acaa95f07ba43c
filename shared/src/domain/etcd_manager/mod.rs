//! etcd-manager: what runs on the masters, and which backups it can restore.

mod manifest;
mod restorable;
mod version;

pub use manifest::{Manifest, ManifestError};
pub use restorable::{Cannot, Doubt, Restorable, restorable, worst};
pub use version::{EtcdVersion, ImageDate, NotAVersion};
