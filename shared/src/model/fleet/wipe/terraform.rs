//! Whether Terraform manages the cluster, and the next steps if it does.
//!
//! `kops update cluster --target=terraform` writes a configuration; Terraform creates the groups and the etcd volumes, and resets their tags. There
//! are two signs: the spec may have `target.terraform`, and a group's launch template has a numeric version where kops writes `$Latest` (very old
//! kops wrote a number, too). Without them Terraform may still manage the cluster. Source: kubernetes/kops `pkg/apis/kops/v1alpha2/cluster.go` (`TargetSpec`),
//! `upup/pkg/fi/cloudup/awstasks/{autoscalinggroup,launchtemplate_target_terraform,ebsvolume}.go`, `upup/pkg/fi/cloudup/terraformWriter/writer.go`.

use super::Selection;
use crate::model::kops::cluster::ClusterSpec;
use crate::model::shell::ShellCommand;

/// Signs that Terraform manages the cluster, as lowercase fragments.
#[must_use]
pub fn signs(spec: Option<&ClusterSpec>, selection: &Selection) -> Vec<String> {
    let of_spec = spec
        .filter(|spec| spec.for_terraform)
        .map(|_| "the cluster spec has target.terraform".to_owned());
    let by_number = selection.groups.iter().find_map(|chosen| {
        let template = chosen.thing.launch_template.as_ref()?;
        let is_number = !template.version.is_empty() && template.version.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| {
            format!(
                "group {} has launch template {} at version {}, where kops uses $Latest",
                chosen.thing.name, template.name, template.version
            )
        })
    });
    of_spec.into_iter().chain(by_number).collect()
}

/// The address of an etcd volume in Terraform's state, by its tag `Name`; in a module it needs the prefix `module.NAME.`.
#[must_use]
pub fn volume_address(name: &str) -> String {
    let starts_with_digit = name.starts_with(|first: char| first.is_ascii_digit());
    let prefix = if starts_with_digit { "ebs-" } else { "" };
    let safe = name.replace('.', "-").replace('/', "--").replace(':', "_");
    format!("aws_ebs_volume.{prefix}{safe}")
}

/// Removes volumes, by their tag `Name`, from Terraform's state: else the next `terraform apply` restores their tags.
#[must_use]
pub fn forget<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<ShellCommand> {
    let addresses = names.into_iter().map(volume_address);
    addresses
        .map(|address| ShellCommand::new("terraform").args(["state", "rm"]).arg(address))
        .collect()
}

/// Imports a volume that was restored from quarantine.
#[must_use]
pub fn import(name: &str, volume: &str) -> ShellCommand {
    ShellCommand::new("terraform")
        .arg("import")
        .arg(volume_address(name))
        .arg(volume)
}

/// Rebuilds the masters, in the folder of the Terraform configuration.
#[must_use]
pub fn rebuild(cluster: &str, state: &str) -> Vec<ShellCommand> {
    let update = ShellCommand::new("kops")
        .args(["update", "cluster", "--name", cluster, "--state", state])
        .args(["--target=terraform", "--out=."]);
    vec![update, ShellCommand::new("terraform").arg("apply")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::wipe::Chosen;
    use crate::model::fleet::{Group, LaunchTemplate};

    fn selection(version: Option<&str>) -> Selection {
        let launch_template = version.map(|version| LaunchTemplate {
            name: "control-plane-a.masters.a.example.com".into(),
            version: version.into(),
        });
        Selection {
            groups: vec![Chosen {
                thing: Group {
                    name: "control-plane-a.masters.a.example.com".into(),
                    launch_template,
                    ..Group::default()
                },
                reason: String::new(),
            }],
            ..Selection::default()
        }
    }

    fn spec(target: &str) -> ClusterSpec {
        let text = format!(
            "apiVersion: kops.k8s.io/v1alpha2\nkind: Cluster\nmetadata: {{name: a.example.com}}\nspec: {{{target}}}\n"
        );
        ClusterSpec::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn terraform_shows_in_the_spec_and_in_the_launch_templates() {
        assert!(signs(None, &Selection::default()).is_empty());
        let kops = spec("");
        for version in [None, Some("$Latest"), Some("$Default"), Some("")] {
            assert!(signs(Some(&kops), &selection(version)).is_empty(), "{version:?}");
        }
        let by_group = signs(Some(&kops), &selection(Some("3")));
        assert_eq!(by_group.len(), 1);
        assert!(by_group[0].contains("at version 3"), "{by_group:?}");
        let both = signs(Some(&spec("target: {terraform: {}}")), &selection(Some("12")));
        assert_eq!(both.len(), 2, "{both:?}");
    }

    /// From kops' expected test outputs.
    #[test]
    fn volume_addresses_are_those_of_kops() {
        for (name, address) in [
            (
                "us-test-1a.etcd-main.minimal.example.com",
                "aws_ebs_volume.us-test-1a-etcd-main-minimal-example-com",
            ),
            (
                "a.etcd-events.super.k8s.local",
                "aws_ebs_volume.a-etcd-events-super-k8s-local",
            ),
            (
                "1.etcd-events.foo.example.com",
                "aws_ebs_volume.ebs-1-etcd-events-foo-example-com",
            ),
        ] {
            assert_eq!(volume_address(name), address);
        }
    }

    #[test]
    fn commands_are_quoted() {
        let hostile = "a$(reboot).etcd-main.x;y";
        let commands = forget([hostile, "a.etcd-main.a.example.com"]);
        let words: Vec<&[String]> = commands.iter().map(ShellCommand::words).collect();
        assert_eq!(
            words,
            [
                ["terraform", "state", "rm", "aws_ebs_volume.a$(reboot)-etcd-main-x;y"],
                ["terraform", "state", "rm", "aws_ebs_volume.a-etcd-main-a-example-com"],
            ]
        );
        assert_eq!(
            commands[0].to_string(),
            "terraform state rm 'aws_ebs_volume.a$(reboot)-etcd-main-x;y'"
        );
        let next: Vec<String> = rebuild("a.example.com", "s3://state")
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            next,
            [
                "kops update cluster --name a.example.com --state s3://state --target=terraform --out=.",
                "terraform apply"
            ]
        );
        assert_eq!(
            import("a.etcd-main.a.example.com", "vol-1").to_string(),
            "terraform import aws_ebs_volume.a-etcd-main-a-example-com vol-1"
        );
    }
}
