//! Stand-ins for programs that cannot be had where the tests run. They do what was observed of the real ones, and are named
//! as stand-ins wherever they show.

mod etcd_manager;
mod masters;

pub use etcd_manager::EtcdManagerStandIn;
pub use masters::{ContainerRuntime, MasterStandIn, MastersStandIn};
