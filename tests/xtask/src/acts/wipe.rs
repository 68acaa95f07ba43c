//! The masters are beyond repair. They go, and nothing else does, in an account where another cluster's name ends alike.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use support::aws::{Built, EtcdVolume, Picture};
use support::store::{CLUSTER, serve_state_store};
use support::{AwsAccount, KopsCluster, Moto, S3};

use crate::plugins;
use crate::rehearse::{Act, Stage};

/// See the module.
pub const ACT: Act = Act {
    name: "wipe",
    title: "wipe the masters of one cluster, and nothing else",
    plugins: &plugins::ALL,
    components: &["moto"],
    real_masters: false,
    play,
};

/// Three hours after the last backup.
const NOW: &str = "2026-11-22T18:20:00Z";
const OTHER: &str = "x.super.k8s.local";

fn play(stage: &Stage) -> Result<(), Box<dyn Error>> {
    stage.tell("An AWS account (moto) with two clusters whose names end alike, each with nodes, API servers, a bastion and PersistentVolumes");
    let aws = Moto::start()?;
    let account = AwsAccount::of(&aws);
    let cluster = KopsCluster::new(CLUSTER);
    let mut built = cluster.build(&account)?;
    let other = KopsCluster {
        older: true,
        ..KopsCluster::new(OTHER)
    };
    other.build(&account)?;
    serve_state_store(&aws, "kops-state", "state-store-restored")?;
    serve_state_store(&aws, "kops-state-reseeded", "state-store-reseeded")?;
    stage.note(&format!("{} groups, instances and volumes", account.picture()?.0.len()));
    let operator = operator(stage, &aws)?;

    a_mix_up(&operator, &account, &mut built)?;
    beyond_repair(&operator, &account, &mut built)?;
    no_way_back_no_wipe(&operator, &account)?;
    let masters = of_masters(&built);
    wipe(&operator, &account, &masters)?;
    take_it_back(&operator, &account, &masters)?;
    rebuilt_and_purged(&operator, &account, &cluster, &masters)?;
    operator.stay()
}

fn operator(stage: &Stage, aws: &Moto) -> Result<Stage, Box<dyn Error>> {
    let kubeconfig = stage.folder().join("kubeconfig");
    std::fs::write(&kubeconfig, dead_api())?;
    let mut variables = aws.env();
    variables.extend([
        ("KOPS_STATE_STORE", "s3://kops-state".to_owned()),
        ("KOPS_CLUSTER_NAME", CLUSTER.to_owned()),
        ("KOPS_RECOVERY_NOW", NOW.to_owned()),
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("XDG_STATE_HOME", home(stage.folder())),
    ]);
    stage.with(&variables)
}

fn home(folder: &Path) -> String {
    folder.join("state").display().to_string()
}

/// A context of the cluster, as `kops export kubeconfig` names it, where nobody listens any more.
fn dead_api() -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {CLUSTER}\n\
         clusters: [{{name: {CLUSTER}, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n\
         users: [{{name: {CLUSTER}, user: {{token: t}}}}]\n\
         contexts: [{{name: {CLUSTER}, context: {{cluster: {CLUSTER}, user: {CLUSTER}}}}}]\n"
    )
}

fn volume<'b>(built: &'b Built, etcd: &str, member: &str) -> Result<&'b str, Box<dyn Error>> {
    let found = built
        .etcd_volumes
        .iter()
        .find(|volume| volume.etcd == etcd && volume.member == member);
    Ok(&found.ok_or("no such volume")?.id)
}

/// All that a wipe may touch.
fn of_masters(built: &Built) -> BTreeSet<String> {
    let masters = built
        .masters
        .iter()
        .flat_map(|master| [&master.group, &master.instance]);
    masters
        .chain(built.etcd_volumes.iter().map(|volume| &volume.id))
        .cloned()
        .collect()
}

fn a_mix_up(operator: &Stage, account: &AwsAccount, built: &mut Built) -> Result<(), Box<dyn Error>> {
    operator.tell("The API is down. Somebody retagged a volume: two say that they are member a of etcd main. Why are the masters ill?");
    let c = volume(built, "main", "c")?;
    account.tag(c, &[("k8s.io/etcd/main", "a/a,b,c")])?;
    operator.wipe("audit", 5)?;
    operator.tell("So no wipe is needed, this time: the tag is set right");
    account.tag(c, &[("k8s.io/etcd/main", "c/a,b,c")])?;
    operator.wipe("audit -o name", 5)?;
    Ok(())
}

fn beyond_repair(operator: &Stage, account: &AwsAccount, built: &mut Built) -> Result<(), Box<dyn Error>> {
    operator.tell("Then two of three volumes of etcd main are deleted by hand. Quorum is gone for good");
    let lost = |volume: &EtcdVolume| volume.etcd == "main" && ["b", "c"].contains(&volume.member.as_str());
    for volume in built.etcd_volumes.extract_if(.., |volume| lost(volume)) {
        account.lose_volume(&volume)?;
    }
    operator.wipe("audit", 5)?;
    Ok(())
}

fn no_way_back_no_wipe(operator: &Stage, account: &AwsAccount) -> Result<(), Box<dyn Error>> {
    operator.tell("With a state store whose backups are worthless it refuses, whatever is typed");
    let before = account.picture()?;
    let words = format!("--state s3://kops-state-reseeded --yes --confirm {CLUSTER} -o name");
    operator.wipe(&words, 3)?;
    unchanged(account, &before)
}

fn wipe(operator: &Stage, account: &AwsAccount, masters: &BTreeSet<String>) -> Result<(), Box<dyn Error>> {
    operator.tell("With the real account: what will be deleted, what will be kept, and which backups are restorable?");
    let before = account.picture()?;
    operator.wipe("", 0)?;
    unchanged(account, &before)?;
    let digest = operator.wipe_json("")?;
    let digest = digest
        .get("digest")
        .and_then(|digest| digest.as_str())
        .ok_or("no digest")?
        .to_owned();
    operator.tell("Exactly that, and nothing that was not in it. On a terminal the cluster's name is asked for; here --confirm gives it");
    operator.wipe(&format!("--yes --plan {digest} --confirm {CLUSTER} --poll 1s"), 0)?;
    let after = account.picture()?;
    for id in masters.iter().filter(|id| !id.starts_with("vol-")) {
        if after.has(id) {
            return Err(format!("{id} is still there").into());
        }
    }
    // Root volumes go with their instances.
    let with_roots = masters.iter().cloned().chain(volumes_on(&before, masters)).collect();
    untouched(operator, &before, &after, &with_roots)?;
    operator.tell("The restorable backups are pinned");
    operator.backups("list --etcd main --limit 2", 0)?;
    Ok(())
}

fn take_it_back(operator: &Stage, account: &AwsAccount, masters: &BTreeSet<String>) -> Result<(), Box<dyn Error>> {
    operator.tell("The volumes were not to blame after all? They are only hidden, and can come back");
    let before = account.picture()?;
    operator.wipe("restore-volumes --yes", 0)?;
    untouched(operator, &before, &account.picture()?, masters)?;
    operator.tell("And once more away with them: what is left of the plan is what is done");
    operator.wipe(&format!("--yes --confirm {CLUSTER} --poll 1s"), 0)?;
    Ok(())
}

fn rebuilt_and_purged(
    operator: &Stage,
    account: &AwsAccount,
    cluster: &KopsCluster,
    masters: &BTreeSet<String>,
) -> Result<(), Box<dyn Error>> {
    operator.tell("`kops update cluster --yes` has made new masters (the rehearsal plays kops). Now the old volumes must not come back");
    cluster.build_masters(account, &mut Built::default())?;
    let before = account.picture()?;
    operator.wipe("restore-volumes --yes", 3)?;
    unchanged(account, &before)?;
    operator.tell("The cluster is restored and checked: the volumes in quarantine can be deleted");
    operator.wipe(&format!("purge-volumes --yes --confirm {CLUSTER}"), 0)?;
    let after = account.picture()?;
    let gone: BTreeSet<String> = masters.iter().filter(|id| id.starts_with("vol-")).cloned().collect();
    if let Some(id) = gone.iter().find(|id| after.has(id)) {
        return Err(format!("{id} is still there").into());
    }
    untouched(operator, &before, &after, &gone)
}

fn unchanged(account: &AwsAccount, before: &Picture) -> Result<(), Box<dyn Error>> {
    if account.picture()? == *before {
        return Ok(());
    }
    Err("something was changed in the account".into())
}

/// The volumes that hang on these instances.
fn volumes_on(picture: &Picture, masters: &BTreeSet<String>) -> Vec<String> {
    let on_master = |what: &str| {
        masters
            .iter()
            .any(|id| id.starts_with("i-") && what.contains(&format!("attached to [\"{id}\"]")))
    };
    let volumes = picture
        .0
        .iter()
        .filter(|(id, what)| id.starts_with("vol-") && on_master(what));
    volumes.map(|(id, _)| id.clone()).collect()
}

/// Everything but `ids` is as it was, tag by tag.
fn untouched(
    operator: &Stage,
    before: &Picture,
    after: &Picture,
    ids: &BTreeSet<String>,
) -> Result<(), Box<dyn Error>> {
    let all_else = |picture: &Picture| picture.without(ids.iter().map(String::as_str));
    let (before, after) = (all_else(before), all_else(after));
    if before != after {
        return Err(format!("something else was touched: {before:#?} became {after:#?}").into());
    }
    operator.note(&format!(
        "\nAll {} other groups, instances and volumes of the account are as they were, tag by tag.",
        after.0.len()
    ));
    Ok(())
}
