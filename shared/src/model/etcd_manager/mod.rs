//! etcd-manager: what runs on the masters, and which backups it can restore.

pub mod control;
pub mod data_dir;
pub mod layout;
mod manifest;
mod replace;
mod restorable;
pub mod state;
mod version;

pub use manifest::{Manifest, ManifestError};
pub use replace::{FIRST_TO_REPLACE, replaces_empty_members};
pub use restorable::{Cannot, Doubt, Restorable, restorable, worst};
pub use version::{EtcdVersion, ImageDate, NotAVersion, peer_id};
