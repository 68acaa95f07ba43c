//! The Kubernetes meaning of what an etcd holds: which object a key names, how a value is encoded, and the few facts
//! that are read out of values.
//!
//! Nothing here fails on a key, whatever it holds: a key that is not Kubernetes' own is kept as it is.

pub mod builtin;
pub mod cluster;
pub mod config_map;
pub mod encryption;
pub mod fields_diff;
pub mod for_apply;
pub mod key;
pub mod masterlease;
pub mod merge_patch;
pub mod metadata;
pub mod node;
pub mod object_ref;
pub mod protobuf;
pub mod protojson;
pub mod selection;
pub mod served;
pub mod service_addresses;
pub mod types;
pub mod value;
pub mod whole;

#[cfg(test)]
pub(crate) mod testing;
