//! The ports' implementations: the only code that touches disks, networks, clocks and SDKs.

pub mod unpack;
