//! Use cases over backups that several plugins need: which stores there are, what is in them, what can be trusted.

pub mod authorities;
pub mod catalog;
pub mod choose;
pub mod control_files;
pub mod discover;
pub mod encryption;
pub mod etcd_members;
pub mod examine;
pub mod inventory;
pub mod known_backups;
pub mod kops_state;
pub mod liveness;
pub mod living_objects;
pub mod past_wipes;
pub mod pin;
pub mod quarantine;
pub mod wipe_journal;
