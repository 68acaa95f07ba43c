//! The texts of a ConfigMap.

use super::types::ConfigMap;
use super::value::{self, ValueError};

/// Where kube-apiserver keeps the CA that pods verify it with, below its prefix. kube-controller-manager publishes it in
/// every namespace (kubernetes/kubernetes, `pkg/controller/certificates/rootcacertpublisher/publisher.go`).
pub const ROOT_CA: &str = "/configmaps/kube-system/kube-root-ca.crt";

/// Under which key [`ROOT_CA`] holds the PEM text.
pub const ROOT_CA_KEY: &str = "ca.crt";

/// One text of a stored ConfigMap.
///
/// # Errors
/// When the value is encrypted, damaged or no object.
pub fn text(value: &[u8], key: &str) -> Result<Option<String>, ValueError> {
    Ok(value::read::<ConfigMap>(value)?.data.remove(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kubernetes::testing::{bytes_field, unknown};

    #[test]
    fn finds_a_text_by_its_key() {
        let entry = |key: &str, text: &str| {
            bytes_field(
                2,
                &[bytes_field(1, key.as_bytes()), bytes_field(2, text.as_bytes())].concat(),
            )
        };
        let value = unknown(
            "v1",
            "ConfigMap",
            &[entry("other", "x"), entry(ROOT_CA_KEY, "PEM")].concat(),
        );
        assert_eq!(text(&value, ROOT_CA_KEY), Ok(Some("PEM".to_owned())));
        assert_eq!(text(&value, "absent"), Ok(None));
        let json = br#"{"kind":"ConfigMap","data":{"ca.crt":"PEM"}}"#;
        assert_eq!(text(json, ROOT_CA_KEY), Ok(Some("PEM".to_owned())));
        assert_eq!(text(br#"{"data":null}"#, ROOT_CA_KEY), Ok(None));
        assert!(text(b"k8s:enc:aescbc:v1:key1:x", ROOT_CA_KEY).is_err());
    }
}
