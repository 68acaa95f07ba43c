//! Real masters: namespaces on this machine, in each of which sshd, containerd and kubelet run static pods with the names, labels, logs and files that kops gives them. In the
//! pods are a real kube-apiserver, and real etcds around which this program stands in for etcd-manager. The unit manager of a host is a stand-in, too, and what else kops sets up there.

mod files;
mod follower;
mod host;
mod image;
mod leader;
mod masters;
pub mod namespaces;
mod stand_in;

pub use host::{RealMaster, Running};
pub use masters::{RealMasters, RealMastersOptions};
pub use namespaces::Refusal;
pub use stand_in::act_if_asked;
