//! The laws as a table: one line each.

/// One room, and what it may import beside itself.
pub struct Law {
    pub room: &'static str,
    /// Files and folders; `*` is any plugin.
    pub is: &'static [&'static str],
    pub may: &'static [&'static str],
}

const fn law(room: &'static str, is: &'static [&'static str], may: &'static [&'static str]) -> Law {
    Law { room, is, may }
}

/// From the ground up. A longer path wins.
pub const ROOMS: &[Law] = &[
    law(
        "ground",
        &["shared/src/failure.rs", "shared/src/exit.rs", "shared/src/consent.rs"],
        &[],
    ),
    law("model", &["shared/src/model"], &[]),
    law("ports", &["shared/src/ports"], &["model", "ground"]),
    law("testing", &["shared/src/testing"], &["ports", "model", "ground"]),
    law("usecases", &["shared/src/usecases"], &["ports", "model", "ground"]),
    law("adapters", &["shared/src/adapters"], &["ports", "model", "ground"]),
    law("cli", &["shared/src/cli"], &["model", "ground"]),
    law(
        "session",
        &["shared/src/session"],
        &["usecases", "cli", "ports", "model", "ground"],
    ),
    law(
        "connect",
        &["shared/src/connect", "shared/src/lib.rs"],
        &["session", "adapters", "usecases", "cli", "ports", "model", "ground"],
    ),
    law(
        "plugin rules",
        &["plugins/*/src/rules"],
        &["cli", "usecases", "ports", "model", "ground"],
    ),
    law(
        "plugin usecases",
        &["plugins/*/src/usecases"],
        &[
            "plugin rules",
            "plugin context",
            "session",
            "usecases",
            "cli",
            "ports",
            "model",
            "ground",
        ],
    ),
    law(
        "plugin commands",
        &["plugins/*/src/commands"],
        &[
            "plugin usecases",
            "plugin rules",
            "plugin context",
            "session",
            "usecases",
            "cli",
            "ports",
            "model",
            "ground",
        ],
    ),
    law(
        "plugin context",
        &["plugins/*/src/context"],
        &[
            "plugin rules",
            "connect",
            "session",
            "adapters",
            "usecases",
            "cli",
            "ports",
            "model",
            "ground",
        ],
    ),
    law(
        "plugin cli",
        &["plugins/*/src/cli.rs"],
        &["plugin commands", "plugin context", "connect", "cli", "model", "ground"],
    ),
    law(
        "plugin main",
        &["plugins/*/src/main.rs"],
        &["plugin cli", "plugin context", "cli"],
    ),
];

/// Words, the only places where they may be named, and why.
pub const NAMED_ONLY_IN: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "aws_config",
            "aws_sdk_ec2",
            "aws_sdk_s3",
            "aws_sdk_autoscaling",
            "aws_sdk_sts",
            "aws_sdk_iam",
            "aws_types",
        ],
        &["shared/src/adapters"],
        "SDKs are the adapters' own",
    ),
    (
        &[
            "etcd_client",
            "k8s_openapi",
            "kube::",
            "tonic",
            "rustls",
            "tokio_rustls",
            "hyper_util",
            "rcgen",
            "x509_parser",
            "which::",
        ],
        &["shared/src/adapters"],
        "SDKs are the adapters' own",
    ),
    (
        &["std::fs", "fs::", "tempfile", "File::open", "File::create"],
        &["shared/src/adapters"],
        "only adapters touch the disk",
    ),
    (
        &["println!", "eprintln!", "print!", "eprint!", "stdout()", "stderr()"],
        &["shared/src/cli"],
        "only cli/ talks to people",
    ),
    (
        &["Consent::given"],
        &["shared/src/cli/confirm.rs"],
        "only the prompts make consent",
    ),
    (
        &[
            "std::env",
            "env::var",
            "Timestamp::now",
            "SystemTime::now",
            "Instant::now",
            "tokio::",
            "TcpStream",
            "UdpSocket",
        ],
        &[
            "shared/src/adapters",
            "shared/src/cli",
            "shared/src/connect",
            "shared/src/session",
            "shared/src/ports",
            "shared/src/usecases",
            "shared/src/testing",
            "plugins/*/src/usecases",
            "plugins/*/src/commands",
            "plugins/*/src/context",
        ],
        "model and rules read no clock, environment or network",
    ),
    (
        &["adapters::"],
        &[
            "shared/src/adapters",
            "shared/src/connect",
            "shared/src/lib.rs",
            "plugins/*/src/context",
        ],
        "only a plugin's context names adapters",
    ),
];

/// The plugins, and the files of their `commands/` that stand for the command without a subcommand.
pub const COMMANDS: &[(&str, &[&str])] = &[
    ("kubectl-etcd-backups", &[]),
    ("kubectl-etcd-restore", &["overview"]),
    ("kubectl-masterleases", &[]),
    ("kops-wipe-masters", &["wipe"]),
];

/// Whether `path` lies in `place`, in which a star stands for one folder.
pub fn lies_in(path: &str, place: &str) -> bool {
    let (mut path, mut place) = (path.split('/'), place.split('/').peekable());
    while let Some(wanted) = place.next() {
        let Some(found) = path.next() else {
            return false;
        };
        // `ports` is also `ports.rs`.
        let stem = if place.peek().is_none() {
            found.strip_suffix(".rs").unwrap_or(found)
        } else {
            found
        };
        if wanted != "*" && wanted != found && wanted != stem {
            return false;
        }
    }
    true
}

/// The room of a file.
///
/// # Panics
/// Where it is in none.
pub fn room_of(path: &str) -> &'static Law {
    ROOMS
        .iter()
        .find(|law| law.is.iter().any(|place| lies_in(path, place)))
        .unwrap_or_else(|| panic!("{path} is in no room of the table"))
}
