//! Makes of a whole object one that `kubectl apply` takes, in this cluster or in an empty one.
//!
//! What the API server and its controllers own is left out of it ([`for_apply`]), objects that they make by themselves are
//! left out altogether ([`LeftOut`]), and [`Stage`] says which come first. What the rules rest on is said beside them, by
//! its place in kubernetes/kubernetes.

mod fields;
mod made_again;
mod stage;

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

pub use fields::asked_for_cluster_ip;
pub use stage::Stage;

/// Which other objects are applied along with one.
#[derive(Clone, Debug, Default)]
pub struct Along {
    owners: HashSet<String>,
    volumes: HashSet<String>,
}

impl Along {
    /// Notes an object that goes along: its resource's plural, name and UID.
    pub fn note(&mut self, plural: &str, name: &str, uid: &str) {
        if made_again::is_owner(plural) && !uid.is_empty() {
            self.owners.insert(uid.to_owned());
        }
        if plural == "persistentvolumes" {
            self.volumes.insert(name.to_owned());
        }
    }

    /// Whether [`Along::note`] would remember an object of this resource: the others need not be read for it.
    #[must_use]
    pub fn matters(plural: &str) -> bool {
        plural == "persistentvolumes" || made_again::is_owner(plural)
    }

    fn has_owner(&self, uid: &str) -> bool {
        self.owners.contains(uid)
    }

    fn has_volume(&self, name: &str) -> bool {
        self.volumes.contains(name)
    }
}

/// An object that `kubectl apply` takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Applicable {
    /// The object, without what the API server and its controllers own.
    pub object: Value,
    /// What its reader should know of it.
    pub remarks: Vec<Remark>,
}

/// Something about an applicable object that is not as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Remark {
    /// Its deletion had been requested, and waited for finalizers.
    WasBeingDeleted,
    /// It had owners, which have other UIDs when they are made again: with the old ones the garbage collector would delete
    /// it (`pkg/controller/garbagecollector`).
    OwnersLeftOut,
    /// It was bound to a PersistentVolume that is not applied along.
    VolumeLeftOut,
    /// A pod's ephemeral containers cannot be created with it.
    EphemeralContainersLeftOut,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WasBeingDeleted => "was being deleted when the backup was taken",
            Self::OwnersLeftOut => "written without its owner: an owner that is made again has another UID",
            Self::VolumeLeftOut => {
                "written without its volume, which is not exported: a new, empty one will be provisioned"
            }
            Self::EphemeralContainersLeftOut => "written without its ephemeral containers",
        })
    }
}

/// Why an object is not for applying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// By the controller of an owner that is applied along.
    MadeByOwner,
    /// It belonged to a Pod or a Node, which come back under another identity.
    OfPodOrNode,
    /// By the API server, in every cluster.
    MadeByApiServer,
    /// By kube-controller-manager, in every cluster or namespace.
    MadeByController,
    /// By kubelet.
    MadeByKubelet,
    /// By a driver.
    MadeByDriver,
    /// A Job or a Pod that has ended.
    Finished,
    /// The token of a ServiceAccount.
    Token,
    /// Events, leases, requests.
    OfAMoment,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MadeByOwner => "made again by its owner",
            Self::OfPodOrNode => "belonged to a Pod or a Node",
            Self::MadeByApiServer => "made by every API server",
            Self::MadeByController => "made again by kube-controller-manager",
            Self::MadeByKubelet => "made again by kubelet",
            Self::MadeByDriver => "made again by its driver",
            Self::Finished => "had finished, and would run again",
            Self::Token => "a ServiceAccount's token: valid for the old ServiceAccount only",
            Self::OfAMoment => "of use only at its time",
        })
    }
}

/// Makes `object`, as `kubectl get` shows it, one to apply.
///
/// The annotation `kubectl.kubernetes.io/last-applied-configuration` stays: it is kubectl's, and with it the next apply of
/// the user's own manifest removes what that no longer has. Ports of nodes stay, since what is outside the cluster knows
/// them; a Service's cluster IP only where somebody had asked for it.
///
/// # Errors
/// [`LeftOut`] where it is not for applying.
pub fn for_apply(mut object: Value, along: &Along) -> Result<Applicable, LeftOut> {
    if let Some(why) = made_again::left_out(&object, along) {
        return Err(why);
    }
    let remarks = fields::strip(&mut object, along);
    Ok(Applicable { object, remarks })
}

/// API group and kind of an object.
fn group_and_kind(object: &Value) -> (&str, &str) {
    let group = text(object, "/apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    (group, text(object, "/kind"))
}

/// The text at a JSON pointer; empty where there is none.
fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The text of a label or annotation.
fn meta<'v>(object: &'v Value, map: &str, key: &str) -> Option<&'v str> {
    object.get("metadata")?.get(map)?.get(key)?.as_str()
}

/// The elements of a list; none where there is no list.
fn list<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests;
