//! The next command with the flags for the same cluster and the same AWS account.
//!
//! Without the given `--profile` it would be run in another account.

use runbook_kit::model::shell::ShellCommand;

use crate::rules::stage::Next;

/// The flags that were given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub cluster: String,
    pub state: Option<String>,
    pub stores: Vec<String>,
    /// `--region`, `--profile`, `--state-profile`.
    pub aws: Vec<(&'static str, String)>,
}

impl Given {
    fn aws(&self, flag: &str) -> Option<&String> {
        let given = self.aws.iter().find(|(name, _)| *name == flag);
        given.map(|(_, value)| value)
    }
}

/// The command with those of the given flags that it needs.
pub fn pasted(next: &Next, given: &Given) -> ShellCommand {
    let command = match next {
        Next::OfCluster(command) => of_cluster(command.clone(), given),
        Next::Whole(command) => command.clone(),
    };
    match command.words().first().map_or("", String::as_str) {
        // kops has no --profile.
        "kops" => match given.aws("--profile") {
            Some(profile) => ShellCommand::of("env")
                .arg(format!("AWS_PROFILE={profile}"))
                .args(command.words().iter().cloned()),
            None => command,
        },
        "aws" => ["--region", "--profile"]
            .into_iter()
            .fold(command, |command, flag| command.option_if(flag, given.aws(flag))),
        _ => {
            // A region in the command overrides the given one.
            let named = command.words().to_vec();
            let missing = given
                .aws
                .iter()
                .filter(|(flag, _)| !named.iter().any(|word| word == flag));
            missing.fold(command, |command, (flag, value)| command.option(flag, value))
        }
    }
}

fn of_cluster(command: ShellCommand, given: &Given) -> ShellCommand {
    let reads_stores = command.words().get(1).is_some_and(|plugin| plugin.starts_with("etcd-"));
    let stores = given.stores.iter().filter(|_| reads_stores);
    let named = Some(&given.cluster).filter(|name| !name.is_empty());
    let command = command
        .option_if("--state", given.state.as_ref())
        .option_if("--name", named);
    stores.fold(command, |command, store| command.option("--store", store))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(words: &str) -> Next {
        Next::OfCluster(ShellCommand::of(words))
    }

    #[test]
    fn it_has_the_flags_for_the_same_cluster_and_account() {
        let given = Given {
            cluster: "super.k8s.local".to_owned(),
            state: Some("s3://state".to_owned()),
            stores: Vec::new(),
            aws: vec![
                ("--region", "eu-west-1".to_owned()),
                ("--profile", "prod; rm".to_owned()),
            ],
        };
        for (words, expected) in [
            (
                "kops update cluster --yes",
                "env 'AWS_PROFILE=prod; rm' kops update cluster --yes --state s3://state --name super.k8s.local",
            ),
            (
                "kubectl etcd-restore run --yes",
                "kubectl etcd-restore run --yes --state s3://state --name super.k8s.local --region eu-west-1 --profile 'prod; rm'",
            ),
            (
                "kops-wipe-masters",
                "kops-wipe-masters --state s3://state --name super.k8s.local --region eu-west-1 --profile 'prod; rm'",
            ),
            (
                "kubectl etcd-restore --region us-east-1",
                "kubectl etcd-restore --region us-east-1 --state s3://state --name super.k8s.local --profile 'prod; rm'",
            ),
        ] {
            assert_eq!(pasted(&next(words), &given).to_string(), expected);
        }
        let caller_identity = Next::Whole(ShellCommand::of("aws sts get-caller-identity"));
        assert_eq!(
            pasted(&caller_identity, &given).to_string(),
            "aws sts get-caller-identity --region eu-west-1 --profile 'prod; rm'"
        );
    }

    #[test]
    fn flags_not_given_are_omitted_and_stores_go_to_commands_that_read_them() {
        let bare = Given::default();
        assert_eq!(
            pasted(&next("kops update cluster"), &bare).to_string(),
            "kops update cluster"
        );
        let store = Given {
            stores: vec!["main=file:///a b".to_owned()],
            ..Given::default()
        };
        assert_eq!(
            pasted(&next("kubectl etcd-restore plan"), &store).to_string(),
            "kubectl etcd-restore plan --store 'main=file:///a b'"
        );
        assert_eq!(
            pasted(&next("kubectl masterleases list"), &store).to_string(),
            "kubectl masterleases list"
        );
    }
}
