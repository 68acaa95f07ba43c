//! The commands that save the newest data.

use super::OldVolume;
use crate::model::etcd_access::EtcdAccess;
use crate::model::shell::ShellCommand;

/// The device's name on the instance, where its own hypervisor keeps names.
const DEVICE: &str = "/dev/xvdz";
/// What the names of volumes begin with on Nitro instances; the rest is the id without its dash.
/// Source: EC2 user guide, "Map Amazon EBS volumes to NVMe device names".
const NITRO: &str = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_";
/// Where it is mounted.
const MOUNT_POINT: &str = "/mnt/salvage";

/// `kubectl etcd-backups take` for one etcd cluster, with the flags that lead to its members.
#[must_use]
pub fn take(etcd: &str, cluster: &str, store: &[(&str, String)], access: &EtcdAccess) -> ShellCommand {
    let mut command = ShellCommand::of("kubectl etcd-backups take").option("--etcd", etcd);
    if !cluster.is_empty() {
        command = command.option("--name", cluster);
    }
    command = command.options(store);
    let endpoints = access.endpoints_of(etcd);
    if !endpoints.is_empty() {
        command = command.option("--endpoints", endpoints.join(","));
    }
    for (flag, file) in [
        ("--cacert", &access.cacert),
        ("--cert", &access.cert),
        ("--key", &access.key),
    ] {
        command = command.option_if(flag, file.as_ref().map(|file| file.display().to_string()));
    }
    for host in &access.host {
        command = command.option("--host", host);
    }
    command
        .option_if("--ssh-user", access.ssh_user.clone())
        .option_if("--ssh-jump", access.ssh_jump.clone())
        .arg("--yes")
}

/// How a volume is read without changing it: a copy of it, made of a snapshot, on an instance of its zone, mounted read-only. `take` is the
/// command that takes a backup of its etcd cluster. `instance` has the id and the address of one to attach it to, where one is known. For one
/// shell, in this order: each line with what it is for.
#[must_use]
pub fn attach(
    volume: &OldVolume,
    region: &str,
    instance: Option<(&str, &str)>,
    take: &ShellCommand,
) -> Vec<(String, &'static str)> {
    let aws = |verb: &str| ShellCommand::of(&format!("aws ec2 {verb}")).option("--region", region);
    let id_of = |command: ShellCommand, field: &str| command.args(["--query", field, "--output", "text"]);
    let (id, host) = instance.unwrap_or(("INSTANCE_ID", "HOST"));
    let snapshot = aws("create-snapshot").option("--volume-id", &volume.id);
    let copied = aws("wait snapshot-completed")
        .arg("--snapshot-ids")
        .expand("\"$snapshot\"");
    let create = aws("create-volume")
        .option("--availability-zone", &volume.zone)
        .arg("--snapshot-id")
        .expand("\"$snapshot\"");
    let made = aws("wait volume-available").arg("--volume-ids").expand("\"$volume\"");
    let attach = aws("attach-volume")
        .option("--instance-id", id)
        .option("--device", DEVICE)
        .arg("--volume-id")
        .expand("\"$volume\"");
    // Nitro instances name a volume by its id. The journal of the file system is not replayed: that would write.
    let mount = ShellCommand::new("ssh").arg(host).expand(format!(
        "\"sudo mkdir -p {MOUNT_POINT}; sudo mount -o ro,noload {NITRO}vol${{volume#vol-}} {MOUNT_POINT} || \
         sudo mount -o ro,noload {DEVICE} {MOUNT_POINT}\""
    ));
    let take = take
        .clone()
        .args(["--via", "ssh"])
        .option("--host", host)
        .option("--data-dir", MOUNT_POINT);
    vec![
        (
            format!("snapshot=$({})", id_of(snapshot, "SnapshotId")),
            "a snapshot of it, so that it stays as it is",
        ),
        (copied.to_string(), "wait for it"),
        (
            format!("volume=$({})", id_of(create, "VolumeId")),
            "a copy of the volume",
        ),
        (made.to_string(), "wait for it"),
        (attach.to_string(), "to an instance in the same zone"),
        (mount.to_string(), "mount it, read-only"),
        (take.to_string(), "write a backup of it into the store"),
    ]
}
