//! Names and ports that etcd-manager uses for restores.

use jiff::Timestamp;

/// The name of the folder of a command queued at `queued`. Its suffix is constant: two commands of the same second have the same name. Source: kubernetes-sigs/etcd-manager `pkg/commands`.
#[must_use]
pub fn command_name(queued: Timestamp) -> String {
    format!("{}-000000", queued.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// The client port of an etcd cluster in quarantine; `None` for one that kops does not know. Source: kubernetes/kops `pkg/model/components/etcdmanager/model.go`.
#[must_use]
pub fn quarantine_port(etcd: &str) -> Option<u16> {
    Some(match etcd {
        "main" => 3994,
        "events" => 3995,
        "cilium" => 3992,
        "leases" => 4005,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_named_by_its_second() {
        let name = |text: &str| command_name(text.parse().unwrap());
        assert_eq!(name("2026-11-22T15:20:06.626840320Z"), "2026-11-22T15:20:06Z-000000");
        assert_eq!(name("2026-11-22T15:20:06.999Z"), name("2026-11-22T15:20:06Z"));
    }
}
