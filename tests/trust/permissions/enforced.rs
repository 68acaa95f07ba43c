//! The same on a moto that enforces policies: with its policy a group of commands works, and without one action of it some
//! command is refused, and says by what.

use support::store::{self, CLUSTER};
use support::{AwsAccount, Ended, KopsCluster, Moto, S3, http};

use super::policy::Policy;
use crate::plugins;

const BUCKET: &str = "kops-state";

struct Enforcing {
    moto: Moto,
    account: AwsAccount,
    key: String,
    secret: String,
}

impl Enforcing {
    fn new() -> Self {
        let moto = Moto::start().unwrap();
        store::serve_state_store(&moto, BUCKET, "state-store-restored").unwrap();
        let account = AwsAccount::of(&moto);
        // A queue of three members wants three masters.
        let cluster = KopsCluster::of_masters(CLUSTER);
        cluster.build(&account).unwrap();
        let user = [("UserName", "operator")];
        account.iam("CreateUser", &user).unwrap();
        let made = account.iam("CreateAccessKey", &user).unwrap();
        let field = |name: &str| made.text_at(&["CreateAccessKeyResult", "AccessKey", name]);
        Self {
            key: field("AccessKeyId"),
            secret: field("SecretAccessKey"),
            moto,
            account,
        }
    }

    /// From now on this is what the operator may do.
    fn grant(&self, policy: &Policy) {
        // Whoever sets it up has no rights either.
        self.enforce("inf");
        let document = policy.filled(BUCKET, CLUSTER);
        let put = [
            ("UserName", "operator"),
            ("PolicyName", "least"),
            ("PolicyDocument", document.as_str()),
        ];
        self.account.iam("PutUserPolicy", &put).unwrap();
        self.enforce("0");
    }

    /// After so many requests rights count.
    fn enforce(&self, after: &str) {
        let url = format!("{}/moto-api/reset-auth", self.moto.endpoint());
        http::expect_ok("POST", &url, after.as_bytes()).unwrap();
    }

    fn run(&self, (binary, line): (&str, &str)) -> Ended {
        let kept = tempfile::tempdir().unwrap();
        plugins::cmd(binary)
            .args(line.split_whitespace())
            .args(["--state", &format!("s3://{BUCKET}"), "--name", CLUSTER])
            .envs(self.moto.env())
            .env("AWS_ACCESS_KEY_ID", &self.key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret)
            .now("2026-11-22T15:21:36Z")
            .current_dir(kept.path())
            .run()
            .unwrap()
    }
}

const BACKUPS: &str = "kubectl-etcd-backups";
const RESTORE: &str = "kubectl-etcd-restore";

/// A policy, commands that need all of its rights in S3, and in their order undo what they do.
const GROUPS: [(&str, &[(&str, &str)]); 3] = [
    (
        "etcd-backups-read",
        &[
            (BACKUPS, "list"),
            (BACKUPS, "verify main=latest"),
            (BACKUPS, "download main=latest file"),
        ],
    ),
    (
        "etcd-backups-pin",
        &[(BACKUPS, "pin main=latest --yes"), (BACKUPS, "unpin main=latest --yes")],
    ),
    (
        "etcd-restore",
        &[
            (RESTORE, "queue main=latest --yes --confirm super.k8s.local"),
            (RESTORE, "cancel main=2026-11-22T15:21:36Z-000000 --yes"),
        ],
    ),
];

/// Where nobody tells whether the bucket encrypts by itself, AES256 is asked for, as kops does.
const WITHOUT_IT_TOO: &str = "s3:GetEncryptionConfiguration";

#[test]
fn s3_is_refused_without_each_action() {
    let enforcing = Enforcing::new();
    for (name, commands) in GROUPS {
        let policy = Policy::read(name);
        enforcing.grant(&policy);
        let all = || {
            commands
                .iter()
                .map(|command| enforcing.run(*command))
                .collect::<Vec<_>>()
        };
        for ended in all() {
            assert_eq!(
                ended.exit_code(),
                Some(0),
                "{name}: {}\n{}",
                ended.command,
                ended.stderr
            );
        }
        for action in policy.actions().iter().filter(|action| action.starts_with("s3:")) {
            enforcing.grant(&policy.without(action));
            let refused: Vec<Ended> = all().into_iter().filter(|ended| ended.exit_code() != Some(0)).collect();
            if action == WITHOUT_IT_TOO {
                assert!(refused.is_empty(), "{name}: {refused:#?}");
                continue;
            }
            let said: Vec<&str> = refused.iter().map(|ended| ended.stderr.as_str()).collect();
            assert!(
                said.iter()
                    .any(|said| said.contains(action.as_str()) && said.contains(BUCKET)),
                "{name} without {action}: {said:#?}"
            );
            // What a command left behind that was refused half-way.
            enforcing.grant(&policy);
            drop(all());
        }
    }
}
