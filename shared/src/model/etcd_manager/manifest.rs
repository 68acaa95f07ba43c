//! The static pod of an etcd-manager: which image runs, and which etcds it has at hand.
//!
//! kops writes it to `<configBase>/manifests/etcd/<etcd>-<instance group>.yaml` (before 1.22 `<etcd>.yaml`), and a master takes it
//! from there when it starts. The etcds lie below `/opt/etcd-v<X.Y.Z>` in the pod: kops 1.36 mounts an image volume for each, kops
//! from 1.27 on copies or links each there by an init container (`--target-dir=/opt/etcd-v<X.Y.Z>`). Source: kubernetes/kops
//! `pkg/model/components/etcdmanager/model.go`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::version::{EtcdVersion, ImageDate};

/// In the pod, before an etcd's version.
const FOLDER: &str = "/opt/etcd-v";
const TARGET: &str = "--target-dir=";
const CONTAINER: &str = "etcd-manager";
const LABEL: &str = "k8s-app";
const LABEL_PREFIX: &str = "etcd-manager-";

/// What a manifest tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The etcd cluster it is of, as its label says.
    pub etcd: Option<String>,
    /// etcd-manager's image.
    pub image: String,
    /// The etcds that it can run. Empty where they are inside the image itself, as with old kops.
    pub etcd_versions: BTreeSet<EtcdVersion>,
}

/// A text is no manifest of an etcd-manager.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Not YAML, or a field of another type.
    #[error("it is not the YAML of a pod: {0}")]
    Yaml(String),
    /// No container of etcd-manager's, or one without an image.
    #[error("it has no container `etcd-manager` with an image")]
    NoContainer,
}

#[derive(Deserialize)]
struct RawPod {
    metadata: Option<RawMetadata>,
    spec: Option<RawPodSpec>,
}

#[derive(Deserialize)]
struct RawMetadata {
    labels: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPodSpec {
    containers: Option<Vec<RawContainer>>,
    init_containers: Option<Vec<RawContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    name: Option<String>,
    image: Option<String>,
    args: Option<Vec<String>>,
    volume_mounts: Option<Vec<RawMount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMount {
    mount_path: Option<String>,
}

impl Manifest {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// [`ManifestError`] where it is none of an etcd-manager.
    pub fn parse(content: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(content).map_err(|_| ManifestError::NotText)?;
        let pod: RawPod =
            serde_saphyr::from_str(text).map_err(|error| ManifestError::Yaml(error.without_snippet().to_string()))?;
        let labels = pod.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
        let spec = pod.spec.unwrap_or_default();
        let manager = spec
            .containers
            .unwrap_or_default()
            .into_iter()
            .find(|container| container.name.as_deref() == Some(CONTAINER))
            .ok_or(ManifestError::NoContainer)?;
        let image = manager.image.filter(|image| !image.is_empty());
        let mounted = manager.volume_mounts.iter().flatten();
        let mounted = mounted.filter_map(|mount| version_of(mount.mount_path.as_deref()?));
        let init = spec.init_containers.iter().flatten();
        let copied = init
            .filter_map(|container| container.args.as_ref())
            .flatten()
            .filter_map(|argument| version_of(argument.strip_prefix(TARGET)?));
        Ok(Self {
            etcd: labels
                .get(LABEL)
                .and_then(|label| label.strip_prefix(LABEL_PREFIX))
                .map(str::to_owned),
            etcd_versions: mounted.chain(copied).collect(),
            image: image.ok_or(ManifestError::NoContainer)?,
        })
    }

    /// The day its image is of, where its tag tells.
    #[must_use]
    pub fn image_date(&self) -> Option<ImageDate> {
        ImageDate::of_image(&self.image)
    }
}

/// `/opt/etcd-v3.5.30`, and as older ones wrote it `/opt/etcd-v3.5.30-linux-amd64`.
fn version_of(path: &str) -> Option<EtcdVersion> {
    let folder = path.strip_prefix(FOLDER)?.trim_end_matches('/');
    folder.split("-linux-").next()?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn fixture() -> Manifest {
        Manifest::parse(include_bytes!(
            "../../../../tests/fixtures/kops-built/state/super.k8s.local/manifests/etcd/main-control-plane-us-east-1a.yaml"
        ))
        .unwrap()
    }

    #[test]
    fn reads_what_kops_wrote() {
        let manifest = fixture();
        assert_eq!(manifest.etcd.as_deref(), Some("main"));
        assert_eq!(
            manifest.image,
            "registry.k8s.io/etcd-manager/etcd-manager-slim:v3.0.20260707"
        );
        assert_eq!(manifest.image_date(), Some(ImageDate::new(20_260_707)));
        // 3.5.0 to 3.5.31, 3.6.0 to 3.6.12, 3.7.0.
        assert_eq!(manifest.etcd_versions.len(), 32 + 13 + 1);
        assert!(manifest.etcd_versions.contains(&EtcdVersion::new(3, 5, 30)));
        assert_eq!(manifest.etcd_versions.last(), Some(&EtcdVersion::new(3, 7, 0)));
    }

    #[test]
    fn reads_the_init_containers_of_older_kops() {
        let text = "
metadata: {labels: {k8s-app: etcd-manager-events}}
spec:
  containers:
  - name: etcd-manager
    image: registry.k8s.io/etcd-manager/etcd-manager-slim:v3.0.20250704
    volumeMounts: [{mountPath: /opt}]
  initContainers:
  - args: [--target-dir=/opt/kops-utils/, --src=/ko-app/kops-utils-cp]
  - args: [--target-dir=/opt/etcd-v3.4.13, --src=/usr/local/bin/etcd]
  - args: [--symlink, --target-dir=/opt/etcd-v3.5.0, --target-dir=/opt/etcd-v3.5.1, --src=/opt/etcd-v3.5.21/etcd]
";
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.etcd.as_deref(), Some("events"));
        let versions: Vec<String> = manifest.etcd_versions.iter().map(ToString::to_string).collect();
        assert_eq!(versions, ["3.4.13", "3.5.0", "3.5.1"]);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let refused = |text: &str| Manifest::parse(text.as_bytes()).unwrap_err();
        assert_eq!(Manifest::parse(b"\xff").unwrap_err(), ManifestError::NotText);
        assert!(matches!(refused("a: [b"), ManifestError::Yaml(_)));
        assert!(matches!(refused("spec: {containers: 3}"), ManifestError::Yaml(_)));
        let bomb: String = (1..40)
            .map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1))
            .collect();
        assert!(matches!(
            refused(&format!("a0: &a0 [x]\n{bomb}")),
            ManifestError::Yaml(_)
        ));
        assert_eq!(refused("kind: Pod"), ManifestError::NoContainer);
        assert_eq!(
            refused("spec: {containers: [{name: etcd-manager, image: ''}]}"),
            ManifestError::NoContainer
        );
        assert_eq!(
            refused("spec: {containers: [{name: other, image: x}]}"),
            ManifestError::NoContainer
        );
    }

    #[test]
    fn mounts_that_are_no_etcd_are_passed_over() {
        let text = "spec: {containers: [{name: etcd-manager, image: x, volumeMounts: [{mountPath: /opt/etcd-v}, \
                    {mountPath: /opt/etcd-v3.5}, {mountPath: /opt/etcd-v3.5.1-linux-amd64}, {mountPath: /opt/etcd-v3.5.2/}, {}]}]}";
        let versions: Vec<String> = Manifest::parse(text.as_bytes())
            .unwrap()
            .etcd_versions
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(versions, ["3.5.1", "3.5.2"]);
    }
}
