//! The krew manifest of a plugin (kubernetes-sigs/krew, docs: developer-guide/plugin-manifest), filled in from its template in
//! `krew-manifests/`. The templates are those of krew-release-bot (rajatjindal/krew-release-bot, `pkg/source/template.go`): Go templates,
//! of which exactly what they use is evaluated here.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use support::paths;
use support::plugins::krew_name;

use super::target::VERSION;

/// Writes the manifest of `plugin` into `folder`, for the platforms whose archives are there.
pub(super) fn write(plugin: &str, repository: &str, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let sum = |archive: &str| match fs::read(folder.join(archive)) {
        Ok(bytes) => Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()),
        Err(_) => None,
    };
    let path = folder.join(format!("{}.yaml", krew_name(plugin)));
    fs::write(&path, fill(&template(plugin)?, repository, sum)?)?;
    Ok(path)
}

fn template(plugin: &str) -> Result<String, Box<dyn Error>> {
    let file = format!("krew-manifests/{}.krew.yaml", krew_name(plugin));
    Ok(fs::read_to_string(paths::root().join(file))?)
}

/// Fills in a template; `sum` is the SHA-256 of an archive, or `None` where that was not built.
fn fill(template: &str, repository: &str, sum: impl Fn(&str) -> Option<String>) -> Result<String, Box<dyn Error>> {
    let (owner, name) = repository.split_once('/').ok_or("the repository is not OWNER/NAME")?;
    // The comment at the top is about the template.
    let from = template.find("apiVersion:").ok_or("the template has no apiVersion")?;
    let mut blocks = template.get(from..).unwrap_or_default().split(PLATFORM);
    let mut filled = blocks.next().unwrap_or_default().to_owned();
    let mut platforms = 0;
    for block in blocks {
        let (before, rest) = block.split_once(ADD_URI).ok_or("a platform has no archive")?;
        let (format, after) = rest.split_once(ADD_URI_END).ok_or("the archive's URI does not end")?;
        let uri = evaluate(&format.replacen("%s", owner, 1).replacen("%s", name, 1), owner, name);
        if let Some(sum) = sum(uri.rsplit('/').next().unwrap_or_default()) {
            filled.push_str(&format!("{PLATFORM}{before}uri: {uri}\n    sha256: \"{sum}\"{after}"));
            platforms += 1;
        }
    }
    if platforms == 0 {
        return Err(format!("no archive of version {VERSION} was built").into());
    }
    Ok(evaluate(&filled, owner, name))
}

fn evaluate(text: &str, owner: &str, name: &str) -> String {
    text.replace("{{ .TagName }}", &format!("v{VERSION}"))
        .replace("{{ slice .TagName 1 }}", VERSION)
        .replace("{{ .PluginOwner }}", owner)
        .replace("{{ .PluginRepo }}", name)
}

/// How each platform of a manifest begins.
const PLATFORM: &str = "  - selector:\n";
/// What stands before and after the URI of an archive.
const ADD_URI: &str = "{{addURIAndSha (printf \"";
const ADD_URI_END: &str = "\" .PluginOwner .PluginRepo) .TagName }}";

#[cfg(test)]
mod tests {
    use super::*;

    fn etcd_backups() -> String {
        template("kubectl-etcd-backups").unwrap()
    }

    #[test]
    fn names_the_platforms_that_were_built() {
        let sum = |archive: &str| archive.contains("darwin").then(|| "5ca1ab1e".to_owned());
        let filled = fill(&etcd_backups(), "someone/tools", sum).unwrap();
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
            let own = |archive: &str| {
                archive
                    .starts_with(&format!("{plugin}_"))
                    .then(|| "5ca1ab1e".to_owned())
            };
            let filled = fill(&template(plugin).unwrap(), "someone/tools", own).unwrap();
            assert_eq!(filled.matches("sha256: \"5ca1ab1e\"").count(), 4, "{plugin}");
            assert_eq!(filled.matches(&format!("bin: {plugin}\n")).count(), 4, "{plugin}");
            assert!(filled.contains(&format!("metadata:\n  name: {name}\n")), "{plugin}");
            assert!(!filled.contains("{{"), "{filled}");
        }
    }

    /// krew-index, docs: naming and descriptions. `kubectl krew search` cuts longer ones.
    #[test]
    fn descriptions_are_as_short_as_krew_wants_them() {
        for plugin in crate::plugins::ALL {
            let template = template(plugin).unwrap();
            let short = template
                .lines()
                .find_map(|line| line.trim().strip_prefix("shortDescription: "));
            let short = short.unwrap();
            assert!(short.len() <= 50 && !short.ends_with('.'), "{plugin}: {short}");
            let (_, text) = template.split_once("  description: |\n").unwrap();
            let (text, _) = text.split_once("  platforms:\n").unwrap();
            for line in text.lines() {
                assert!(line.trim().len() <= 80, "{plugin}: {line}");
            }
        }
    }

    #[test]
    fn caveats_name_the_programs_that_a_plugin_needs() {
        let caveats = |plugin: &str| {
            let template = template(plugin).unwrap();
            let part = template.split_once("  caveats: |\n").map(|(_, rest)| rest.to_owned());
            part.map(|rest| rest.split("  platforms:\n").next().unwrap_or_default().to_owned())
        };
        for (plugin, programs) in [
            ("kubectl-etcd-backups", &["`ssh`"][..]),
            ("kubectl-etcd-restore", &["`ssh`", "`etcd`", "`etcdutl`"]),
            ("kubectl-masterleases", &["`ssh`"]),
        ] {
            let text = caveats(plugin).unwrap();
            assert!(
                programs.iter().all(|program| text.contains(program)),
                "{plugin}: {text}"
            );
        }
        assert_eq!(caveats("kops-wipe-masters"), None);
    }

    #[test]
    fn nothing_built_is_an_error() {
        assert!(fill(&etcd_backups(), "someone/tools", |_| None).is_err());
    }
}
