//! A wipe, beside deleting the same things one by one as one does in the console: the time it takes, and the calls to AWS.
//!
//! moto does everything at once. A proxy in front of it lets each deletion of a group take as long as a terminating instance does,
//! here some seconds instead of minutes.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::aws::Built;
use support::store::{CLUSTER, make_state_store};
use support::{AwsAccount, Fault, KopsCluster, Moto, Proxy, Recorded, Rule, S3};

use super::measure::measure;
use super::{Bench, Row, Rows};

/// See the module.
pub(super) const BENCH: Bench = Bench {
    name: "wipe",
    package: "kops-wipe-masters",
    run,
};

/// How long a group takes to be gone, with its instances.
const GROUP: Duration = Duration::from_secs(8);
/// From one look at AWS to the next, for both.
const TICK: Duration = Duration::from_secs(1);

fn run(binary: &Path) -> Rows {
    let (ours, calls, aim) = ours(binary)?;
    let theirs = one_by_one()?;
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let row = |what: String, value: String, aim: &'static str| Row { what, value, aim };
    Ok(vec![
        row(
            format!(
                "three groups that take {} s each, six volumes: `kops-wipe-masters --yes`",
                GROUP.as_secs()
            ),
            seconds(ours),
            "the slowest instance + 2 ticks = 10 s, and the time to look at backups",
        ),
        row("the same, one group after the other".to_owned(), seconds(theirs), ""),
        row(
            "ours to theirs".to_owned(),
            format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64()),
            "",
        ),
        row(
            "calls to EC2, Auto Scaling, IAM and STS".to_owned(),
            format!("{calls} (of {aim})"),
            "10 + 2 a group + 3 a volume + 3 a tick",
        ),
    ])
}

struct Stage {
    moto: Moto,
    proxy: Proxy,
    built: Built,
    state: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self, Box<dyn Error>> {
        let moto = Moto::start()?;
        let account = AwsAccount::of(&moto);
        let built = KopsCluster::new(CLUSTER).build(&account)?;
        let state = tempfile::tempdir()?;
        let url = format!("file://{}", state.path().display());
        make_state_store(state.path(), &url, "state-store-restored")?;
        let proxy = Proxy::start(&moto)?;
        proxy.inject(Rule::always(
            "POST",
            "Action=DeleteAutoScalingGroup",
            Fault::SlowFor(GROUP),
        ));
        Ok(Self {
            moto,
            proxy,
            built,
            state,
        })
    }
}

/// The time, the calls, and how many there may be.
fn ours(binary: &Path) -> Result<(Duration, usize, usize), Box<dyn Error>> {
    let stage = Stage::new()?;
    let mut command = Command::new(binary);
    command
        .args(["--name", CLUSTER, "--yes", "--confirm", CLUSTER, "--poll", "1s"])
        .arg(format!("--state=file://{}", stage.state.path().display()))
        .envs(stage.proxy.env())
        .env("HOME", stage.state.path().join("home"))
        .env("KOPS_RECOVERY_NOW", "2026-11-22T18:20:00Z")
        .env_remove("KUBECONFIG");
    let cost = measure(&mut command)?;
    let requests = stage.proxy.requests();
    let calls = requests.iter().filter(|request| request.action().is_some()).count();
    let ticks = usize::try_from(cost.time.as_secs() / TICK.as_secs() + 1)?;
    let aim = 10 + 2 * stage.built.masters.len() + 3 * stage.built.etcd_volumes.len() + 3 * ticks;
    drop(stage.moto);
    Ok((cost.time, calls, aim))
}

/// As by hand: one group, wait until its instance is gone, the next one; then the volumes.
fn one_by_one() -> Result<Duration, Box<dyn Error>> {
    let stage = Stage::new()?;
    let account = AwsAccount::of(&stage.proxy);
    let begun = Instant::now();
    for master in &stage.built.masters {
        let parameters = [("AutoScalingGroupName", master.group.as_str()), ("ForceDelete", "true")];
        account.scaling("DeleteAutoScalingGroup", &parameters)?;
        while account.picture()?.has(&master.instance) {
            thread::sleep(TICK);
        }
    }
    for volume in &stage.built.etcd_volumes {
        account.ec2("DeleteVolume", &[("VolumeId", &volume.id)])?;
    }
    let time = begun.elapsed();
    let calls: Vec<Recorded> = stage.proxy.requests();
    if calls.is_empty() {
        return Err("the proxy saw nothing".into());
    }
    Ok(time)
}
