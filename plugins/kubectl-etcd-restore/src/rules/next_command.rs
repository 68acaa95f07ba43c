//! The command that comes next, as it can be pasted: for the same cluster, by the same credentials as what was looked at. Pure.
//!
//! Whoever looked with `--profile` and pastes a command without it asks another account, or builds masters there.

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

/// The command with what it wants of these flags.
pub fn pasted(next: &Next, given: &Given) -> ShellCommand {
    let command = match next {
        Next::OfCluster(command) => of_cluster(command.clone(), given),
        Next::Whole(command) => command.clone(),
    };
    match command.words().first().map_or("", String::as_str) {
        // kops has no flag for it.
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
            // Where the command names a region, that is another one than was asked.
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
    fn it_goes_to_the_same_cluster_by_the_same_credentials() {
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
    fn what_was_not_given_is_not_there_and_a_store_goes_where_stores_are_read() {
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
