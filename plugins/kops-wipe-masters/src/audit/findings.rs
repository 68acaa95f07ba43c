//! The diagnosis: what is wrong, what it causes, and what mends it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use runbook_kit::domain::backup_name::BackupName;
use runbook_kit::domain::check::Severity;
use runbook_kit::domain::fleet::{CLUSTER_TAG, Instance, InstanceState, Volume, cluster_key};
use runbook_kit::domain::goodness::MAIN;
use runbook_kit::domain::layout;
use runbook_kit::domain::store_url::StoreUrl;
use runbook_kit::domain::units;
use runbook_kit::domain::wipe::{ETCD_PREFIX, INSTANCE_GROUP_TAG, ROLE_PREFIX, name_of};

use serde::Serialize;

use super::cure::Standing;
use super::facts::{Etcd, Facts, attached_to};
use crate::interlock::{Lack, write_marker};

/// What is wrong, by a name that stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Two volumes say that they are the same member.
    DuplicateEtcdTag,
    /// One instance has two volumes of one etcd cluster.
    TwoVolumesOneInstance,
    /// A member's volume is on no running master.
    MemberNotMounted,
    /// A member has no volume.
    MemberMissing,
    /// A volume is of a member that the spec does not have.
    MemberUnknown,
    /// An instance group of a member has no running instance.
    MasterMissing,
    /// A control file is missing or broken.
    ControlFile,
    /// A rule of the bucket deletes or archives what a recovery needs.
    LifecycleRule,
    /// What cannot be restored.
    EtcdManager,
    /// No backup is good.
    NoGoodBackup,
    /// The newest backup is not good.
    NewestBackupNotGood,
    /// No backup arrives any more.
    BackupsStopped,
}

impl Kind {
    /// Whether it is about volumes and machines, of which a wipe would make new ones.
    pub fn of_machines(self) -> bool {
        matches!(
            self,
            Self::DuplicateEtcdTag
                | Self::TwoVolumesOneInstance
                | Self::MemberNotMounted
                | Self::MemberMissing
                | Self::MemberUnknown
                | Self::MasterMissing
        )
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub finding: Kind,
    /// `block` where etcd or a restore cannot work with it, `warn` else.
    pub severity: Severity,
    pub etcd: Option<String>,
    /// Ids of instances and volumes, names of members, URLs.
    pub objects: Vec<String>,
    pub what: String,
    pub causes: String,
    pub command: String,
}

/// Everything that is wrong: etcd cluster by etcd cluster, and in each the gravest kind first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for etcd in &facts.etcds {
        let mut of_etcd = Vec::new();
        duplicates(facts, etcd, &mut of_etcd);
        two_on_one(facts, etcd, &mut of_etcd);
        members(facts, etcd, &mut of_etcd);
        unknown_members(facts, etcd, &mut of_etcd);
        control_files(etcd, &mut of_etcd);
        lifecycle(etcd, &mut of_etcd);
        managers(etcd, &mut of_etcd);
        backups(facts, etcd, &mut of_etcd);
        of_etcd.sort_by(|a, b| (a.finding, &a.objects).cmp(&(b.finding, &b.objects)));
        found.extend(of_etcd);
    }
    masters(facts, &mut found);
    found
}

/// `vol-1 (attached to i-1)`.
fn shown(volume: &Volume) -> String {
    let on: Vec<&str> = attached_to(volume).collect();
    if on.is_empty() {
        format!("{} (attached to nothing)", volume.id)
    } else {
        format!("{} (attached to {})", volume.id, on.join(" and "))
    }
}

fn is_mounted(facts: &Facts, volume: &Volume) -> bool {
    attached_to(volume).any(|id| facts.running().any(|instance| instance.id == id))
}

/// The tags by which kops and etcd-manager find a volume.
fn untag(facts: &Facts, volume: &Volume) -> String {
    let own = cluster_key(&facts.cluster);
    let identifying = |key: &&String| {
        matches!(key.as_str(), "Name" | CLUSTER_TAG)
            || **key == own
            || key.starts_with(ETCD_PREFIX)
            || key.starts_with(ROLE_PREFIX)
    };
    let keys: Vec<String> = volume
        .tags
        .keys()
        .filter(identifying)
        .map(|key| format!("Key={key}"))
        .collect();
    let detach = if volume.attachments.is_empty() {
        String::new()
    } else {
        format!("{}; then ", detach(facts, &volume.id))
    };
    format!(
        "{detach}aws ec2 delete-tags --region {} --resources {} --tags {}",
        facts.region,
        volume.id,
        keys.join(" ")
    )
}

fn detach(facts: &Facts, volume: &str) -> String {
    format!("aws ec2 detach-volume --region {} --volume-id {volume}", facts.region)
}

fn finding(kind: Kind, severity: Severity, etcd: &Etcd) -> Finding {
    Finding {
        finding: kind,
        severity,
        etcd: Some(etcd.name().to_owned()),
        objects: Vec::new(),
        what: String::new(),
        causes: String::new(),
        command: String::new(),
    }
}

fn duplicates(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let mut by_member: BTreeMap<&str, Vec<&Volume>> = BTreeMap::new();
    for (volume, member) in facts.volumes_of(etcd.name()) {
        by_member.entry(member).or_default().push(volume);
    }
    for (member, mut volumes) in by_member {
        if volumes.len() < 2 {
            continue;
        }
        // Which one stays: what is named after this member, what runs, else the older one: a younger one was made when the older
        // was not seen, and is empty.
        volumes.sort_by_key(|volume| {
            let another = named_after(facts, etcd, volume, member).is_some();
            (another, !is_mounted(facts, volume), volume.created, volume.id.clone())
        });
        let mut ids: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
        ids.sort();
        found.push(Finding {
            objects: ids,
            what: format!(
                "member {member} has {} volumes: {}",
                volumes.len(),
                volumes.iter().map(|volume| shown(volume)).collect::<Vec<_>>().join(", ")
            ),
            causes: format!(
                "a master mounts any of them, so {member} may come up with old data or none, and another member with no volume at all; `kops update \
                 cluster` stops over two volumes of one name"
            ),
            command: mend_duplicates(facts, etcd, member, &volumes),
            ..finding(Kind::DuplicateEtcdTag, Severity::Block, etcd)
        });
    }
}

/// The other member that a volume is named after: kops calls it `<member>.etcd-<etcd>.<cluster>`, so its tag was changed later.
fn named_after(facts: &Facts, etcd: &Etcd, volume: &Volume, member: &str) -> Option<String> {
    let name = name_of(&volume.tags)?;
    let named = name.strip_suffix(&format!(".etcd-{}.{}", etcd.name(), facts.cluster))?;
    let known = etcd.member_names(facts).iter().any(|known| known == named);
    (named != member && known).then(|| named.to_owned())
}

fn mend_duplicates(facts: &Facts, etcd: &Etcd, member: &str, volumes: &[&Volume]) -> String {
    let region = &facts.region;
    let members = etcd.member_names(facts).join(",");
    let mut commands = Vec::new();
    let mut hides = false;
    for volume in volumes.iter().skip(1) {
        commands.push(match named_after(facts, etcd, volume, member) {
            Some(named) => format!(
                "aws ec2 create-tags --region {region} --resources {} --tags 'Key={ETCD_PREFIX}{},Value={named}/{members}' (by its name it is member {named}'s)",
                volume.id,
                etcd.name()
            ),
            None => {
                hides = true;
                untag(facts, volume)
            }
        });
    }
    let commands = commands.join("; then ");
    if !hides {
        return commands;
    }
    let stays = volumes.first().map(|volume| volume.id.as_str()).unwrap_or_default();
    match volumes.iter().filter(|volume| is_mounted(facts, volume)).count() {
        1 => format!("{commands} ({stays} is the one in use; the data of the other stays)"),
        _ => format!(
            "{commands} ({stays} is the older one: look which holds the data before you go on; no data is deleted)"
        ),
    }
}

fn two_on_one(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let mut by_instance: BTreeMap<&str, Vec<(&Volume, &str)>> = BTreeMap::new();
    for (volume, member) in facts.volumes_of(etcd.name()) {
        for instance in attached_to(volume) {
            by_instance.entry(instance).or_default().push((volume, member));
        }
    }
    for (instance, mut volumes) in by_instance {
        if volumes.len() < 2 {
            continue;
        }
        let group = facts
            .instance(instance)
            .and_then(|instance| instance.tags.get(INSTANCE_GROUP_TAG));
        let at_home = |member: &str| group.is_some() && etcd.instance_group(member) == group.map(String::as_str);
        volumes.sort_by_key(|(volume, member)| (!at_home(member), volume.created, volume.id.clone()));
        let list: Vec<String> = volumes
            .iter()
            .map(|(volume, member)| format!("{} (member {member})", volume.id))
            .collect();
        let commands: Vec<String> = volumes
            .iter()
            .skip(1)
            .map(|(volume, _)| detach(facts, &volume.id))
            .collect();
        let mut objects: Vec<String> = volumes.iter().map(|(volume, _)| volume.id.clone()).collect();
        objects.sort();
        objects.insert(0, instance.to_owned());
        found.push(Finding {
            objects,
            what: format!(
                "instance {instance} has {} volumes of etcd {}: {}",
                volumes.len(),
                etcd.name(),
                list.join(", ")
            ),
            causes: "its etcd-manager uses one of them; the other member has no disk, and its master runs no etcd"
                .to_owned(),
            command: format!(
                "{} (the master without a volume then mounts it by itself)",
                commands.join("; then ")
            ),
            ..finding(Kind::TwoVolumesOneInstance, Severity::Block, etcd)
        });
    }
}

fn members(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    for member in etcd.member_names(facts) {
        let volumes: Vec<&Volume> = facts
            .volumes_of(etcd.name())
            .filter(|(_, of)| *of == member)
            .map(|(volume, _)| volume)
            .collect();
        if volumes.is_empty() {
            let name = etcd.name();
            let retagged = facts
                .volumes_of(name)
                .find(|(volume, of)| named_after(facts, etcd, volume, of).as_deref() == Some(member.as_str()));
            let (causes, command) = if let Some((volume, _)) = retagged {
                (
                    format!(
                        "by its name {} is this member's, and its tag says another one",
                        volume.id
                    ),
                    format!("give {} its tag back, as said above; nothing else", volume.id),
                )
            } else if Standing::of(facts, etcd).has_quorum() {
                (
                    format!("etcd {name} runs without it: one more failure may cost the quorum"),
                    format!(
                        "kops update cluster --name {} --yes (makes an empty one; etcd-manager fills it while the others keep quorum)",
                        facts.cluster
                    ),
                )
            } else {
                (
                    format!("etcd {name} has no quorum, and this member's data is gone"),
                    "nothing: a new volume would be empty; see the smallest cure".to_owned(),
                )
            };
            found.push(Finding {
                objects: vec![member.clone()],
                what: format!("member {member} has no volume"),
                causes,
                command,
                ..finding(Kind::MemberMissing, Severity::Block, etcd)
            });
        } else if !volumes.iter().any(|volume| is_mounted(facts, volume)) {
            found.push(not_mounted(facts, etcd, &member, &volumes));
        }
    }
}

fn unknown_members(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    if etcd.members.is_empty() {
        return;
    }
    let known = |name: &str| etcd.members.iter().any(|member| member.name == name);
    for (volume, member) in facts.volumes_of(etcd.name()).filter(|(_, member)| !known(member)) {
        found.push(Finding {
            objects: vec![volume.id.clone()],
            what: format!(
                "{} is of member `{member}`, which the cluster's spec does not have",
                shown(volume)
            ),
            causes: "a master may mount it instead of its own member's volume".to_owned(),
            command: format!("{} (its data stays)", untag(facts, volume)),
            ..finding(Kind::MemberUnknown, Severity::Warn, etcd)
        });
    }
}

fn not_mounted(facts: &Facts, etcd: &Etcd, member: &str, volumes: &[&Volume]) -> Finding {
    let name = etcd.name();
    let zones: BTreeSet<&str> = volumes.iter().map(|volume| volume.zone.as_str()).collect();
    let mut ids: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
    ids.sort();
    let (causes, command) = match volumes
        .iter()
        .find_map(|volume| attached_to(volume).next().map(|on| (volume, on)))
    {
        Some((volume, on)) => attached_elsewhere(facts, volume, on),
        None => match idle_master(facts, name, &zones) {
            Some(idle) => (
                format!(
                    "instance {} in its zone has no volume of etcd {name}: its etcd-manager does not run, or may not mount",
                    idle.id
                ),
                format!(
                    "kubectl etcd-restore logs --name {} --host {}; then kubectl etcd-restore restart-etcd --name {} --etcd {name} --host {}",
                    facts.cluster,
                    address(idle),
                    facts.cluster,
                    address(idle)
                ),
            ),
            None => (
                format!(
                    "no master without a volume of etcd {name} runs in {}",
                    zones.iter().copied().collect::<Vec<_>>().join(", ")
                ),
                start_master(facts, etcd.instance_group(member)),
            ),
        },
    };
    Finding {
        objects: ids,
        what: format!(
            "member {member} is mounted by no running master: {}",
            volumes
                .iter()
                .map(|volume| shown(volume))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        causes: format!("{causes}; etcd {name} runs without {member}"),
        command,
        ..finding(Kind::MemberNotMounted, Severity::Block, etcd)
    }
}

fn attached_elsewhere(facts: &Facts, volume: &Volume, on: &str) -> (String, String) {
    let region = &facts.region;
    match facts.instance(on).map(|instance| instance.state) {
        Some(InstanceState::Stopped) => (
            format!("instance {on} is stopped"),
            format!("aws ec2 start-instances --region {region} --instance-ids {on}"),
        ),
        Some(InstanceState::Running | InstanceState::Pending) => (
            format!("instance {on} is still starting"),
            format!("aws ec2 wait instance-running --region {region} --instance-ids {on}"),
        ),
        Some(_) => (
            format!("instance {on} is on its way out"),
            format!(
                "aws ec2 wait volume-available --region {region} --volume-ids {}",
                volume.id
            ),
        ),
        None => (
            format!("instance {on} is none of this cluster's masters"),
            detach(facts, &volume.id),
        ),
    }
}

/// A running master in one of these zones that has no volume of this etcd cluster.
fn idle_master<'a>(facts: &'a Facts, etcd: &str, zones: &BTreeSet<&str>) -> Option<&'a Instance> {
    let busy: BTreeSet<&str> = facts
        .volumes_of(etcd)
        .flat_map(|(volume, _)| attached_to(volume))
        .collect();
    facts
        .running()
        .find(|instance| zones.contains(instance.zone.as_str()) && !busy.contains(instance.id.as_str()))
}

fn address(instance: &Instance) -> &str {
    instance
        .private_ips
        .first()
        .map_or(instance.id.as_str(), String::as_str)
}

fn start_master(facts: &Facts, instance_group: Option<&str>) -> String {
    match instance_group.and_then(|group| facts.group_of(group)) {
        Some(group) => format!(
            "aws autoscaling describe-scaling-activities --region {} --auto-scaling-group-name {} --max-items 3 (says why it starts none)",
            facts.region, group.name
        ),
        None => format!("kops update cluster --name {} --yes", facts.cluster),
    }
}

fn masters(facts: &Facts, found: &mut Vec<Finding>) {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    for etcd in &facts.etcds {
        wanted.extend(
            etcd.members
                .iter()
                .filter_map(|member| member.instance_group.as_deref()),
        );
    }
    for group in wanted {
        let runs = facts
            .running()
            .any(|instance| instance.tags.get(INSTANCE_GROUP_TAG).is_some_and(|tag| tag == group));
        if runs {
            continue;
        }
        let what = match facts.group_of(group) {
            Some(scaling) => format!("group {} has no running instance", scaling.name),
            None => format!("instance group {group} has no group in AWS"),
        };
        found.push(Finding {
            finding: Kind::MasterMissing,
            severity: Severity::Block,
            etcd: None,
            objects: vec![group.to_owned()],
            what,
            causes: "its API server and its members of etcd are down".to_owned(),
            command: start_master(facts, Some(group)),
        });
    }
}

fn control_files(etcd: &Etcd, found: &mut Vec<Finding>) {
    let at = |file: &str| etcd.state.base.join(layout::CONTROL_FOLDER).join(file);
    let control = &etcd.state.control;
    let rewrite = "kops update cluster --yes (writes it anew; it starts no machine)";
    let files = [
        (
            at(layout::CLUSTER_CREATED_FILE),
            &control.cluster_created,
            "at its next start etcd-manager seeds a new, empty etcd instead of waiting for a restore",
        ),
        (
            at(layout::CLUSTER_SPEC_FILE),
            &control.cluster_spec,
            "etcd-manager does not know how many members there are to be, and a restore cannot be queued",
        ),
    ];
    for (url, file, without) in files {
        let (what, causes) = match file {
            None => (format!("{url} is missing"), without.to_owned()),
            Some(file) => match &file.problem {
                Some(problem) => (
                    format!("{url} cannot be used: {problem}"),
                    "etcd-manager's leader is blocked altogether: no restore, and no backups either".to_owned(),
                ),
                None => continue,
            },
        };
        let marker = url.name() == layout::CLUSTER_CREATED_FILE;
        found.push(Finding {
            objects: vec![url.to_string()],
            what,
            causes,
            command: if marker { write_marker(&url) } else { rewrite.to_owned() },
            ..finding(Kind::ControlFile, Severity::Block, etcd)
        });
    }
    for broken in control.commands.iter().filter(|command| command.command.is_err()) {
        let url = etcd.state.base.join(&broken.path);
        found.push(Finding {
            what: format!("{url} cannot be read"),
            objects: vec![url.to_string()],
            causes: "etcd-manager's leader is blocked altogether: no restore, and no backups either".to_owned(),
            command: format!("kubectl etcd-restore cancel --etcd {} (removes it)", etcd.name()),
            ..finding(Kind::ControlFile, Severity::Block, etcd)
        });
    }
}

fn lifecycle(etcd: &Etcd, found: &mut Vec<Finding>) {
    let base = &etcd.state.base;
    let StoreUrl::S3 { bucket, key } = base else {
        return;
    };
    let Ok(rules) = &etcd.rules else {
        return;
    };
    // Some thirty bytes, written once in a cluster's life: the first thing that any rule by age takes away.
    let marker = format!("{key}/{}/{}", layout::CONTROL_FOLDER, layout::CLUSTER_CREATED_FILE);
    for rule in rules.iter().filter(|rule| rule.applies_to(&marker, 33)) {
        found.push(Finding {
            objects: vec![format!("s3://{bucket}")],
            what: format!(
                "rule {} of bucket {bucket} {} what lies below {}",
                rule.name(),
                rule.fate,
                base.join(layout::CONTROL_FOLDER)
            ),
            causes: "it takes the created marker away: at its next start etcd-manager seeds a new, empty etcd over the old one".to_owned(),
            command: format!(
                "aws s3api get-bucket-lifecycle-configuration --bucket {bucket}; then narrow the rule's prefix or switch it off (aws s3api \
                 put-bucket-lifecycle-configuration)"
            ),
            ..finding(Kind::LifecycleRule, Severity::Block, etcd)
        });
    }
}

fn managers(etcd: &Etcd, found: &mut Vec<Finding>) {
    let newest = etcd
        .newest
        .as_ref()
        .and_then(|newest| Some((newest.name.as_str(), newest.etcd_version.as_deref()?)));
    let best = etcd.state.best.as_ref().ok();
    let Some((name, version)) = newest.or_else(|| best.map(|best| (best.name.as_str(), best.etcd_version.as_str())))
    else {
        return;
    };
    let check = etcd.state.managers.check(version);
    if check.ok {
        return;
    }
    found.push(Finding {
        objects: vec![name.to_owned()],
        what: format!("etcd-manager and backup {name}: {}", check.message),
        causes: "a restore of it stops etcd, moves its data aside, fails, and begins again, for ever".to_owned(),
        command: check.cure.unwrap_or_default(),
        ..finding(Kind::EtcdManager, check.severity, etcd)
    });
}

fn backups(facts: &Facts, etcd: &Etcd, found: &mut Vec<Finding>) {
    let name = etcd.name();
    let verify = format!(
        "kubectl etcd-backups verify --name {} --etcd {name} --all",
        facts.cluster
    );
    let severity = if name == MAIN { Severity::Block } else { Severity::Warn };
    match &etcd.state.best {
        Err(lack) => found.push(Finding {
            objects: vec![etcd.state.base.to_string()],
            what: lack.to_string(),
            causes: "there is nothing to come back from: do not wipe".to_owned(),
            command: match lack {
                Lack::NoBackups => format!(
                    "kubectl etcd-backups take --name {} --etcd {name} --via ssh --host MASTER (while an etcd still runs)",
                    facts.cluster
                ),
                Lack::NoneGood(_) | Lack::NotLookedAt(_) => verify,
            },
            ..finding(Kind::NoGoodBackup, severity, etcd)
        }),
        Ok(best) => {
            if let Some(newest) = best.rejected.first() {
                found.push(Finding {
                    objects: vec![newest.name.to_string()],
                    what: format!("the newest backup is not good: {newest}"),
                    causes: format!("retention will remove the good ones in time; the newest good one is {}", best.name),
                    command: pin(facts, name, &best.name),
                    ..finding(Kind::NewestBackupNotGood, Severity::Warn, etcd)
                });
            }
        }
    }
    let Some(newest) = &etcd.newest else {
        return;
    };
    let age = facts.now.duration_since(newest.created);
    if age >= etcd.interval.checked_mul(2).unwrap_or(SignedDuration::MAX) {
        found.push(Finding {
            objects: vec![newest.name.clone()],
            what: format!(
                "no backup has come for {}: one is due every {}",
                units::age(age),
                units::age(etcd.interval)
            ),
            causes: "etcd-manager has no leader that works: no quorum, a blocked queue, or no way to the bucket"
                .to_owned(),
            command: format!("kubectl etcd-restore logs --name {}", facts.cluster),
            ..finding(Kind::BackupsStopped, Severity::Warn, etcd)
        });
    }
}

fn pin(facts: &Facts, etcd: &str, name: &BackupName) -> String {
    format!("kubectl etcd-backups pin {etcd}={name} --name {} --yes", facts.cluster)
}
