//! The krew manifest of a plugin (kubernetes-sigs/krew, docs: developer-guide/plugin-manifest), made from its template in
//! `krew-manifests/`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use harness::paths;
use harness::plugins::krew_name;
use sha2::{Digest, Sha256};

use super::target::VERSION;

/// Writes the manifest of `plugin` into `folder`, for the platforms whose archives are there.
pub(super) fn write(plugin: &str, repository: &str, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let file = format!("{}.yaml", krew_name(plugin));
    let template = fs::read_to_string(paths::root().join("krew-manifests").join(&file))?;
    let sum = |archive: &str| match fs::read(folder.join(archive)) {
        Ok(bytes) => Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()),
        Err(_) => None,
    };
    let path = folder.join(file);
    fs::write(&path, fill(&template, repository, sum)?)?;
    Ok(path)
}

/// Fills in a template; `sum` is the SHA-256 of an archive, or `None` where that was not built.
fn fill(template: &str, repository: &str, sum: impl Fn(&str) -> Option<String>) -> Result<String, Box<dyn Error>> {
    let text = template
        .replace("{{version}}", VERSION)
        .replace("{{repository}}", repository);
    // The comment at the top is about the template.
    let from = text.find("apiVersion:").ok_or("the template has no apiVersion")?;
    let mut blocks = text.get(from..).unwrap_or_default().split(PLATFORM);
    let mut filled = blocks.next().unwrap_or_default().to_owned();
    let mut platforms = 0;
    for block in blocks {
        let archive = block
            .lines()
            .find_map(|line| line.trim().strip_prefix("uri: ")?.rsplit('/').next());
        if let Some(sum) = sum(archive.ok_or("a platform of the template has no uri")?) {
            filled.push_str(PLATFORM);
            filled.push_str(&block.replace("{{sha256}}", &sum));
            platforms += 1;
        }
    }
    if platforms == 0 {
        return Err(format!("no archive of version {VERSION} was built").into());
    }
    Ok(filled)
}

/// How each platform of a manifest begins.
const PLATFORM: &str = "  - selector:\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> String {
        fs::read_to_string(paths::root().join("krew-manifests/etcd-backups.yaml")).unwrap()
    }

    #[test]
    fn names_the_platforms_that_were_built() {
        let sum = |archive: &str| archive.contains("darwin").then(|| "5ca1ab1e".to_owned());
        let filled = fill(&template(), "someone/tools", sum).unwrap();
        assert!(filled.starts_with("apiVersion: krew.googlecontainertools.github.com/v1alpha2\n"));
        assert_eq!(filled.matches("sha256: \"5ca1ab1e\"").count(), 2);
        assert_eq!(filled.matches("os: linux").count(), 0);
        let name = format!("/v{VERSION}/kubectl-etcd-backups_{VERSION}_darwin_arm64.tar.gz\n");
        assert!(filled.contains(&format!(
            "uri: https://github.com/someone/tools/releases/download{name}"
        )));
        assert!(!filled.contains("{{"), "{filled}");
    }

    #[test]
    fn every_plugin_has_a_template_that_names_its_own_archives() {
        for plugin in crate::plugins::ALL {
            let name = krew_name(plugin);
            let template = fs::read_to_string(paths::root().join(format!("krew-manifests/{name}.yaml"))).unwrap();
            let own = |archive: &str| {
                archive
                    .starts_with(&format!("{plugin}_"))
                    .then(|| "5ca1ab1e".to_owned())
            };
            let filled = fill(&template, "someone/tools", own).unwrap();
            assert_eq!(filled.matches("sha256: \"5ca1ab1e\"").count(), 4, "{plugin}");
            assert_eq!(filled.matches(&format!("bin: {plugin}\n")).count(), 4, "{plugin}");
            assert!(filled.contains(&format!("metadata:\n  name: {name}\n")), "{plugin}");
        }
    }

    #[test]
    fn nothing_built_is_an_error() {
        assert!(fill(&template(), "someone/tools", |_| None).is_err());
    }
}
