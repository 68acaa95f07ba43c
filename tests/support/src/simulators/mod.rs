//! Stand-ins for programs that cannot be had where the tests run. They do what was observed of the real ones, and are named
//! as stand-ins wherever they show.

mod control_loop;
mod control_loop_options;
mod etcd_manager;
mod manager_store;
mod masters;

pub use control_loop::{ControlLoopSimulator, HoldAt};
pub use control_loop_options::{ControlLoopOptions, ControlLoopPlace};
pub use etcd_manager::EtcdManagerSimulator;
pub use manager_store::ManagerStore;
pub use masters::{ContainerRuntime, MasterSimulator, MastersSimulator};
