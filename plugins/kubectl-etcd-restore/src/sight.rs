//! What can be seen of a cluster: stores, etcd, logs, the API, kubelets; and what follows from it.

pub mod age;
pub mod by_address;
pub mod ears;
pub mod eyes;
pub mod gone;
pub mod kubelets;
pub mod latest;
pub mod life;
pub mod overview;
pub mod pasted;
pub mod ready;
pub mod standing;
pub mod survey;
pub mod wiped;
pub mod workers;
