//! The file of an object in the folder of an export.
//!
//! `NAMESPACE/RESOURCE/NAME.yaml`, and `_cluster/RESOURCE/NAME.yaml` for what is in no namespace; for applying the number of
//! the stage stands before, since `kubectl apply -R -f` takes files in the order of their names. A name of etcd may hold
//! any character: what is not lower-case, a digit, a dash or a dot is written as `%` and its number, so that no path leaves the
//! folder and no two objects have the same file, on a disk that does not tell upper from lower case either.

use std::fmt::Write;
use std::path::PathBuf;

use runbook_kit::model::kubernetes::for_apply::Stage;
use runbook_kit::model::kubernetes::key::{DEFAULT_PREFIX, ObjectKey};

/// Bytes of one part of a path, at most: most disks take 255, and the ending needs some.
const LONGEST: usize = 200;

/// The path of an object's file, relative to the folder. `ending` is `yaml` or `json`.
pub fn path(key: &ObjectKey<'_>, stage: Option<Stage>, ending: &str) -> PathBuf {
    let mut path = PathBuf::new();
    if let Some(stage) = stage {
        path.push(folder(stage));
    }
    // One etcd may have objects of two API servers, told apart by their prefixes.
    if key.prefix != DEFAULT_PREFIX {
        path.push(format!("_{}", part(key.prefix, false)));
    }
    path.push(
        key.namespace
            .map_or_else(|| "_cluster".to_owned(), |namespace| part(namespace, false)),
    );
    let mut resource = part(key.resource, true);
    if !key.group.is_empty() {
        resource = resource + "." + &part(key.group, false);
    }
    path.push(resource);
    path.push(part(&key.name, false) + "." + ending);
    path
}

/// The folder of a stage: their order is that of their names.
fn folder(stage: Stage) -> &'static str {
    match stage {
        Stage::Definitions => "00-definitions",
        Stage::Namespaces => "10-namespaces",
        Stage::Foundations => "20-foundations",
        Stage::Volumes => "30-volumes",
        Stage::Claims => "31-claims",
        Stage::Services => "40-services",
        Stage::Workloads => "50-workloads",
        Stage::Around => "60-around",
        Stage::CustomResources => "70-custom-resources",
        Stage::Admission => "80-admission",
    }
}

/// One part of a path. No two texts have the same, whatever their case.
fn part(text: &str, dots_too: bool) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut safe = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let plain = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => true,
            // Not where it would hide the file, or be dropped.
            b'.' => !dots_too && at > 0 && at < last,
            _ => false,
        };
        if plain {
            safe.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(safe, "%{byte:02x}");
        }
    }
    if safe.len() > LONGEST {
        // Cut within an escape it is still ASCII. A tilde is in no other name.
        safe.truncate(LONGEST - 17);
        let _ = write!(safe, "~{:016x}", fnv(text.as_bytes()));
    }
    safe
}

/// FNV-1a in 64 bits (RFC 9923): short, and enough for the few names that are cut.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::path::Component;

    use super::*;

    fn of(key: &str, stage: Option<Stage>) -> String {
        path(&ObjectKey::parse(key.as_bytes()), stage, "yaml")
            .display()
            .to_string()
    }

    #[test]
    fn objects_have_the_files_that_one_would_look_for() {
        for (key, file) in [
            ("/registry/deployments/shop/web", "shop/deployments.apps/web.yaml"),
            ("/registry/services/specs/shop/web", "shop/services/web.yaml"),
            ("/registry/minions/i-1", "_cluster/nodes/i-1.yaml"),
            (
                "/registry/cert-manager.io/certificates/shop/web",
                "shop/certificates.cert-manager.io/web.yaml",
            ),
            (
                "/registry/clusterroles/system:node",
                "_cluster/clusterroles.rbac.authorization.k8s.io/system%3anode.yaml",
            ),
            (
                "/registry/configmaps/shop/kube-root-ca.crt",
                "shop/configmaps/kube-root-ca.crt.yaml",
            ),
            ("/clusters/c1/minions/i-1", "_%2fclusters%2fc1/_cluster/nodes/i-1.yaml"),
        ] {
            assert_eq!(of(key, None), file);
        }
        assert_eq!(
            of("/registry/namespaces/shop", Some(Stage::Namespaces)),
            "10-namespaces/_cluster/namespaces/shop.yaml"
        );
    }

    #[test]
    fn folders_of_stages_are_in_their_order() {
        assert!(Stage::ALL.map(folder).is_sorted());
    }

    /// Names that the API would not take, but a key of etcd can hold.
    const ODD: [&str; 26] = [
        "..",
        ".",
        ".hidden",
        "a.",
        "a/b",
        "../../etc/passwd",
        "/",
        "a\\b",
        "A",
        "a",
        "%41",
        "%2541",
        "a%",
        "ä",
        "a\u{308}",
        "",
        "con",
        "a~b",
        "a b",
        "*",
        "-",
        "_cluster",
        "~",
        "a:b",
        "\u{202e}",
        "x.yaml/y",
    ];

    #[test]
    fn no_path_leaves_the_folder_and_no_two_are_the_same() {
        let mut files = std::collections::BTreeMap::new();
        let long = ["x".repeat(253), "x".repeat(252) + "y", "Ä".repeat(126)];
        let names = ODD.into_iter().chain(long.iter().map(String::as_str));
        for name in names {
            for key in [
                format!("/registry/clusterroles/{name}"),
                format!("/registry/configmaps/shop/{name}"),
                format!("/registry/configmaps/{name}/shop"),
                format!("/registry/a.example.com/{name}/shop/web"),
                format!("/registry/{name}.example.com/b/shop/web"),
            ] {
                let key = ObjectKey::parse(key.as_bytes());
                if !key.is_kubernetes() {
                    continue;
                }
                for stage in [None, Some(Stage::of(&key))] {
                    let file = path(&key, stage, "yaml");
                    assert!(
                        file.components().all(|part| matches!(part, Component::Normal(_))),
                        "{}",
                        file.display()
                    );
                    assert!(
                        file.components().all(|part| part.as_os_str().len() <= 255),
                        "{}",
                        file.display()
                    );
                    let folded = file.to_string_lossy().to_lowercase();
                    let object = (format!("{key:?}"), stage);
                    if let Some(other) = files.insert(folded, object.clone()) {
                        assert_eq!(other, object);
                    }
                }
            }
        }
        assert!(files.len() > 200, "{}", files.len());
    }

    #[test]
    fn group_and_resource_do_not_run_into_each_other() {
        assert_ne!(of("/registry/a.b.c/x", None), of("/registry/b.c/a/x", None));
    }
}
