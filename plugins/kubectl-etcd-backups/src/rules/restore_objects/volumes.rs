//! Whether a claim can have its old volume back. The data of a volume is in no backup of etcd.

use serde_json::Value;

use super::object::{ObjectId, text};

/// What is known of the PersistentVolume that a claim was bound to.
#[derive(Clone, Debug, PartialEq)]
pub enum Volume<'a> {
    /// It is restored as well.
    Restored,
    /// It is in the cluster.
    Living(&'a Value),
    /// It is not in the cluster; it may be in the backup.
    Missing(Option<&'a Value>),
    Unknown,
}

/// What becomes of the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it keeps the name of its volume, and waits for this one.
    pub keep: bool,
    pub remark: Option<String>,
}

/// Decides for the claim `claim`, which was bound to the volume `name`.
pub fn decide(claim: &ObjectId, name: &str, volume: &Volume<'_>) -> Decision {
    let new = |why: String| Decision {
        keep: false,
        remark: Some(format!("{why}: a new, empty volume will be provisioned")),
    };
    match volume {
        Volume::Restored => Decision {
            keep: true,
            remark: None,
        },
        Volume::Unknown => Decision {
            keep: true,
            remark: Some(format!("whether its PersistentVolume {name} exists is not known")),
        },
        Volume::Missing(in_backup) => {
            let mut decision = new(format!("its PersistentVolume {name} is gone"));
            if let (Some(volume), Some(remark)) = (in_backup, &mut decision.remark) {
                let id = id_of(volume).map(|id| format!(" ({id})")).unwrap_or_default();
                remark.push_str(&format!(
                    "; if the disk{id} still exists, restore `persistentvolumes/{name}` first"
                ));
            }
            decision
        }
        Volume::Living(volume) => {
            let owner = (
                text(volume, "/spec/claimRef/namespace"),
                text(volume, "/spec/claimRef/name"),
            );
            if owner != ("", "") && owner != (claim.namespace.as_deref().unwrap_or_default(), &claim.name) {
                return new(format!(
                    "its PersistentVolume {name} belongs to {}/{} now",
                    owner.0, owner.1
                ));
            }
            let released = text(volume, "/status/phase") == "Released";
            let remark = released.then(|| {
                format!(
                    "its PersistentVolume {name} is released: it binds after `kubectl patch pv {name} --type=json \
                     -p='[{{\"op\":\"remove\",\"path\":\"/spec/claimRef/uid\"}}]'`"
                )
            });
            Decision { keep: true, remark }
        }
    }
}

/// What is to be known of a PersistentVolume that is restored.
pub fn remark(volume: &Value) -> Option<String> {
    let id = id_of(volume)?;
    let ask = match id.starts_with("vol-") {
        true => format!(": `aws ec2 describe-volumes --volume-ids {id}` tells"),
        false => String::new(),
    };
    Some(format!("whether its disk {id} still exists was not asked{ask}"))
}

/// `vol-0123`, the handle of another driver's, or a path.
fn id_of(volume: &Value) -> Option<&str> {
    let of_ebs = text(volume, "/spec/awsElasticBlockStore/volumeID").rsplit('/').next();
    let handle = Some(text(volume, "/spec/csi/volumeHandle"));
    // Only what is safe to be pasted.
    let is_plain = |id: &&str| {
        !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    of_ebs.into_iter().chain(handle).find(is_plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(volume: &Volume<'_>) -> (bool, String) {
        let claim = ObjectId::new("", "persistentvolumeclaims", Some("shop"), "data");
        let decision = decide(&claim, "pv-1", volume);
        (decision.keep, decision.remark.unwrap_or_default())
    }

    #[test]
    fn a_claim_waits_for_its_volume_where_that_is_there() {
        let volume = |phase: &str, name: &str| json!({"spec": {"claimRef": {"namespace": "shop", "name": name, "uid": "old"}}, "status": {"phase": phase}});
        assert_eq!(decision(&Volume::Restored), (true, String::new()));
        assert_eq!(
            decision(&Volume::Living(&volume("Bound", "data"))),
            (true, String::new())
        );
        assert_eq!(decision(&Volume::Living(&json!({"spec": {}}))), (true, String::new()));
        let (keep, remark) = decision(&Volume::Living(&volume("Released", "data")));
        assert!(keep && remark.contains("kubectl patch pv pv-1"), "{remark}");
        let (keep, remark) = decision(&Volume::Living(&volume("Bound", "other")));
        assert!(!keep && remark.contains("belongs to shop/other now"), "{remark}");
    }

    #[test]
    fn an_empty_volume_is_told() {
        assert_eq!(
            decision(&Volume::Missing(None)),
            (
                false,
                "its PersistentVolume pv-1 is gone: a new, empty volume will be provisioned".to_owned()
            )
        );
        let volume = json!({"spec": {"csi": {"volumeHandle": "vol-0123"}}});
        let (_, remark) = decision(&Volume::Missing(Some(&volume)));
        assert!(
            remark.contains("if the disk (vol-0123) still exists, restore `persistentvolumes/pv-1` first"),
            "{remark}"
        );
    }

    #[test]
    fn a_disk_that_was_not_asked_for_is_told() {
        let csi = json!({"spec": {"csi": {"volumeHandle": "vol-0123"}}});
        let ebs = json!({"spec": {"awsElasticBlockStore": {"volumeID": "aws://eu-west-1a/vol-0123"}}});
        for volume in [csi, ebs] {
            assert!(remark(&volume).unwrap().contains("--volume-ids vol-0123"));
        }
        let hostile = json!({"spec": {"csi": {"volumeHandle": "vol-0; rm -rf ~"}}});
        assert_eq!(remark(&hostile), None);
        assert_eq!(remark(&json!({"spec": {"hostPath": {"path": "/x"}}})), None);
    }
}
