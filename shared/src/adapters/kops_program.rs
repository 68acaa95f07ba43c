//! The user's own kops.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// It may look for newer versions on the network before it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The version of the kops on `PATH`, as `kops-version.txt` of a state store writes it; `None` where there is none that tells.
pub async fn version() -> Option<String> {
    let mut kops = Command::new("kops");
    kops.args(["version", "--short"]);
    kops.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, kops.output()).await.ok()?.ok()?;
    let text = String::from_utf8(ended.stdout).ok()?;
    let version = text.trim();
    (ended.status.success() && !version.is_empty()).then(|| version.to_owned())
}
