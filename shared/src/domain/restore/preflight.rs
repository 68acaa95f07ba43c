//! What is looked at before a restore is ordered. Pure: observed facts in, checks out.
//!
//! etcd-manager looks at none of this: it stops etcd and moves its data aside before it reads the backup, and what it cannot
//! restore it tries for ever.

use jiff::{SignedDuration, Timestamp};

use crate::domain::backup_name::BackupName;
use crate::domain::check::{Check, Severity};
use crate::domain::control::ClusterSpec;
use crate::domain::goodness::{MAIN, Rejection};
use crate::domain::restore::follow::EtcdSeen;
use crate::domain::units;

/// Backups of one cluster further apart than this do not fit together well.
const APART: SignedDuration = SignedDuration::from_mins(30);
/// A name this far ahead of our clock is no matter of seconds.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// A file under `control/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlFact<T> {
    /// It is not there.
    Missing,
    /// etcd-manager cannot use it.
    Broken(String),
    /// What it says.
    Says(T),
}

/// What a question brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<T> {
    /// The answer.
    Is(T),
    /// It could not be asked, for this reason.
    NotKnown(String),
}

/// The backup that is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFacts {
    /// Its name.
    pub name: BackupName,
    /// Why it is not good; empty where it is.
    pub rejections: Vec<Rejection>,
    /// Younger ones that were passed over, in words.
    pub passed_over: Vec<String>,
    /// Its live keys.
    pub keys: u64,
    /// Whether it lies where etcd-manager finds it; a pinned one has to be copied back first.
    pub in_store: bool,
    /// The encryption keys that its values need, as they name them (`aescbc:key1`).
    pub encrypted_by: Vec<String>,
}

/// A queued command, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedFact {
    /// The name of its folder.
    pub name: String,
    /// The backup that it restores, or why it cannot be read.
    pub backup: Result<String, String>,
}

/// What is to be done to an etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Restore this backup.
    Restore(Box<BackupFacts>),
    /// Seed it anew, empty.
    Fresh,
    /// There is no backup that can be restored, for these reasons.
    Nothing(Vec<String>),
}

/// All that is known of one etcd cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdFacts {
    /// `main`, `events`, …
    pub etcd: String,
    /// The URL of its `control/` folder, for cures.
    pub control: String,
    /// What is to be done.
    pub wanted: Wanted,
    /// `etcd-cluster-spec`.
    pub spec: ControlFact<ClusterSpec>,
    /// `etcd-cluster-created`.
    pub created: ControlFact<()>,
    /// The members of the kops spec; 0 where none was found.
    pub spec_members: usize,
    /// The queue.
    pub commands: Vec<QueuedFact>,
    /// The living etcd, if there is one.
    pub alive: EtcdSeen,
    /// The newest complete backup's time.
    pub newest: Option<Timestamp>,
    /// What etcd-manager itself can restore; judged elsewhere.
    pub manager: Vec<Check>,
}

/// All that is known of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// Its name.
    pub cluster: String,
    /// Each etcd cluster that is to be restored.
    pub etcds: Vec<EtcdFacts>,
    /// The masters that run.
    pub masters: Told<Vec<String>>,
    /// Whether the API is ready.
    pub api_ready: Told<bool>,
    /// The keys that the cluster's encryption config knows; empty where it has none.
    pub encryption_keys: Told<Vec<String>>,
    /// Accept a backup of `main` that is sound and not good.
    pub even_if_poor: bool,
}

impl EtcdFacts {
    /// Our own command, where it is queued already: the same backup and alone.
    #[must_use]
    pub fn adopted(&self) -> Option<&QueuedFact> {
        match (&self.wanted, self.commands.as_slice()) {
            (Wanted::Restore(backup), [only]) if only.backup.as_deref() == Ok(backup.name.as_str()) => Some(only),
            _ => None,
        }
    }

    /// Whether there is an etcd that would lose what it holds.
    #[must_use]
    pub const fn serves(&self) -> bool {
        matches!(self.alive, EtcdSeen::Serving(_))
    }
}

impl ClusterFacts {
    /// The etcd clusters that would lose what they hold.
    #[must_use]
    pub fn alive(&self) -> Vec<&str> {
        let api = self.api_ready == Told::Is(true);
        let lives = |etcd: &&EtcdFacts| etcd.serves() || (api && etcd.etcd == MAIN);
        self.etcds.iter().filter(lives).map(|etcd| etcd.etcd.as_str()).collect()
    }
}

/// Looks at everything.
#[must_use]
pub fn checks(facts: &ClusterFacts, now: Timestamp) -> Vec<Check> {
    let mut found = Vec::new();
    for etcd in &facts.etcds {
        found.extend(
            of_etcd(etcd, facts, now)
                .into_iter()
                .map(|check| check.of(etcd.etcd.clone())),
        );
    }
    found.push(peers(facts));
    found.extend(times(facts));
    found.extend(encryption(facts));
    if let Told::NotKnown(why) = &facts.api_ready {
        found.push(Check::found(
            "api",
            Severity::Info,
            format!("the API was not asked: {why}"),
        ));
    }
    found
}

fn of_etcd(etcd: &EtcdFacts, facts: &ClusterFacts, now: Timestamp) -> Vec<Check> {
    let mut found = vec![backup(etcd, facts.even_if_poor)];
    found.extend(etcd.manager.iter().cloned());
    found.push(spec(etcd, &facts.cluster));
    found.extend(created(etcd));
    found.push(queue(etcd));
    found.push(alive(etcd, facts));
    if let Some(ahead) = etcd
        .newest
        .map(|newest| newest.duration_since(now))
        .filter(|ahead| *ahead > SKEW)
    {
        let message = format!("the newest backup is named {} in the future", units::age(ahead));
        found.push(
            Check::found("clock", Severity::Warn, message).cure("check the clocks of the masters and of this machine"),
        );
    }
    found
}

fn backup(etcd: &EtcdFacts, even_if_poor: bool) -> Check {
    const NAME: &str = "backup";
    let backup = match &etcd.wanted {
        Wanted::Fresh => {
            let message = "is not restored: etcd-manager seeds it anew, empty, when its created marker is gone";
            return Check::passed(NAME, message);
        }
        Wanted::Nothing(reasons) => {
            let severity = if etcd.etcd == MAIN {
                Severity::Block
            } else {
                Severity::Warn
            };
            let message = format!("no good backup: {}", reasons.join("; "));
            return Check::found(NAME, severity, message).cure(if etcd.etcd == MAIN {
                "look at them all: `kubectl etcd-backups verify --all`; a pinned or downloaded one can be named by --backup"
            } else {
                "name one by --backup, or leave it out: --fresh events, or --etcd main"
            });
        }
        Wanted::Restore(backup) => backup,
    };
    let name = &backup.name;
    let reasons: Vec<String> = backup.rejections.iter().map(ToString::to_string).collect();
    let unsound = backup
        .rejections
        .iter()
        .any(|rejection| matches!(rejection, Rejection::Incomplete | Rejection::Damaged(_)));
    if unsound {
        return Check::found(NAME, Severity::Block, format!("{name}: {}", reasons.join("; ")))
            .cure("choose another: `kubectl etcd-backups verify --all`; etcd-manager would try this one for ever");
    }
    if !reasons.is_empty() {
        let severity = if etcd.etcd == MAIN && !even_if_poor {
            Severity::Block
        } else {
            Severity::Warn
        };
        return Check::found(NAME, severity, format!("{name}: {}", reasons.join("; ")))
            .cure("choose another: `kubectl etcd-backups inspect NAME` shows what it holds; --even-if-poor takes it all the same");
    }
    let from = if backup.in_store {
        ""
    } else {
        ", copied back from where it is pinned"
    };
    let passed = match backup.passed_over.len() {
        0 => String::new(),
        1 => "; 1 younger one is not good".to_owned(),
        several => format!("; {several} younger ones are not good"),
    };
    let good = if etcd.etcd == MAIN {
        "verified, good"
    } else {
        "verified"
    };
    Check::passed(NAME, format!("{name}: {good}, {} keys{from}{passed}", backup.keys))
}

fn spec(etcd: &EtcdFacts, cluster: &str) -> Check {
    const NAME: &str = "cluster-spec";
    let cure = format!("write it anew: `kops update cluster --name {cluster} --yes`");
    match &etcd.spec {
        ControlFact::Missing => Check::found(
            NAME,
            Severity::Block,
            "etcd-cluster-spec is missing: etcd-manager does nothing without it",
        )
        .cure(cure),
        ControlFact::Broken(why) => Check::found(
            NAME,
            Severity::Block,
            format!("etcd-cluster-spec: {why}: etcd-manager is blocked"),
        )
        .cure(cure),
        ControlFact::Says(spec) => {
            let says = format!("{} members of etcd {}", spec.member_count, spec.etcd_version);
            if spec.member_count < 1 || spec.etcd_version.is_empty() {
                return Check::found(
                    NAME,
                    Severity::Block,
                    format!("etcd-cluster-spec makes no sense: {says}"),
                )
                .cure(cure);
            }
            if etcd.spec_members > 0 && usize::try_from(spec.member_count) != Ok(etcd.spec_members) {
                let message = format!("{says}, and the cluster's spec has {} members", etcd.spec_members);
                return Check::found(NAME, Severity::Warn, message).cure(cure);
            }
            Check::passed(NAME, says)
        }
    }
}

fn created(etcd: &EtcdFacts) -> Option<Check> {
    const NAME: &str = "created-marker";
    let place = format!("{}/etcd-cluster-created", etcd.control);
    let cure = match place.strip_prefix("file://") {
        Some(path) => format!("put it back: echo '{{\"timestamp\":1}}' > {path}"),
        None => format!("put it back: echo '{{\"timestamp\":1}}' | aws s3 cp - {place}"),
    };
    match (&etcd.created, &etcd.wanted) {
        (ControlFact::Missing, Wanted::Fresh) => Some(Check::passed(NAME, "is gone already")),
        (_, Wanted::Fresh) => None,
        (ControlFact::Missing, _) => Some(
            Check::found(
                NAME,
                Severity::Block,
                "etcd-cluster-created is missing: etcd-manager seeds a new, empty cluster",
            )
            .cure(cure),
        ),
        (ControlFact::Broken(why), _) => Some(
            Check::found(
                NAME,
                Severity::Block,
                format!("etcd-cluster-created: {why}: the leader is blocked, and takes no backups either"),
            )
            .cure(cure),
        ),
        (ControlFact::Says(()), _) => Some(Check::passed(NAME, "is there")),
    }
}

fn queue(etcd: &EtcdFacts) -> Check {
    const NAME: &str = "queue";
    let of = |name: &str| format!("`kubectl etcd-restore cancel {}={name}`", etcd.etcd);
    if let Some((broken, why)) = etcd
        .commands
        .iter()
        .find_map(|command| Some((command, command.backup.as_ref().err()?)))
    {
        let message = format!(
            "command {} cannot be read ({why}): it blocks the leader, and with it the whole queue",
            broken.name
        );
        return Check::found(NAME, Severity::Block, message).cure(of(&broken.name));
    }
    if let Some(own) = etcd.adopted() {
        return Check::passed(
            NAME,
            format!("holds this very restore already ({}): it is gone on with", own.name),
        );
    }
    match etcd.commands.as_slice() {
        [] => Check::passed(NAME, "empty"),
        commands => {
            let names: Vec<String> = commands
                .iter()
                .map(|command| {
                    let backup = command.backup.as_deref().unwrap_or_default();
                    format!("{} (restores {backup})", command.name)
                })
                .collect();
            let message = format!(
                "holds {}: every queued command is run, each wipes again",
                names.join(", ")
            );
            let first = commands
                .first()
                .map(|command| command.name.as_str())
                .unwrap_or_default();
            Check::found(NAME, Severity::Block, message).cure(of(first))
        }
    }
}

fn alive(etcd: &EtcdFacts, facts: &ClusterFacts) -> Check {
    const NAME: &str = "etcd";
    let by_api = etcd.etcd == MAIN && facts.api_ready == Told::Is(true);
    let lost = match &etcd.wanted {
        Wanted::Restore(backup) => format!("everything after {} is lost", backup.name.created()),
        Wanted::Fresh | Wanted::Nothing(_) => "everything in it is lost".to_owned(),
    };
    match &etcd.alive {
        EtcdSeen::Serving(_) if etcd.wanted == Wanted::Fresh => {
            Check::found(NAME, Severity::Block, "it serves: there is nothing to seed anew")
                .cure("leave out --fresh for it")
        }
        EtcdSeen::Serving(answer) => Check::found(
            NAME,
            Severity::Warn,
            format!(
                "IT IS ALIVE at revision {}: {lost}; its data stays in data-trashcan/ on the volumes",
                answer.revision
            ),
        )
        .cure("make sure that you mean this cluster; `kubectl etcd-backups take` keeps what it holds now"),
        EtcdSeen::Quarantined(_) => Check::found(
            NAME,
            Severity::Warn,
            "it answers on its quarantine port: a restore is under way",
        )
        .cure(
            "follow it: `kubectl etcd-restore status --watch`; a leader goes on with a command that was cancelled, until it is restarted",
        ),
        EtcdSeen::Silent(_) if by_api => Check::found(
            NAME,
            Severity::Warn,
            format!("it does not answer, and THE API IS READY, so it is alive: {lost}"),
        ),
        EtcdSeen::Silent(_) => Check::passed(NAME, "nobody answers: nothing living is lost"),
        EtcdSeen::NotAsked(_) if by_api => Check::found(
            NAME,
            Severity::Warn,
            format!("THE API IS READY, so it is alive: {lost}"),
        )
        .cure("make sure that you mean this cluster; `kubectl etcd-backups take` keeps what it holds now"),
        EtcdSeen::NotAsked(why) => Check::found(
            NAME,
            Severity::Info,
            format!("whether it is alive was not asked: {why}"),
        )
        .cure("pass --endpoints or --host, so that it is asked"),
    }
}

/// A command for more members than there are masters merges the backup into the living etcd.
fn peers(facts: &ClusterFacts) -> Check {
    const NAME: &str = "masters";
    let wanted = facts
        .etcds
        .iter()
        .filter_map(|etcd| match &etcd.spec {
            ControlFact::Says(spec) => usize::try_from(spec.member_count).ok(),
            _ => None,
        })
        .max()
        .unwrap_or_default();
    match &facts.masters {
        Told::Is(masters) if masters.len() >= wanted => {
            Check::passed(NAME, format!("{} run: {}", masters.len(), masters.join(", ")))
        }
        Told::Is(masters) => Check::found(
            NAME,
            Severity::Block,
            format!(
                "{} of {wanted} run: a restore for more members than masters is merged into what lives",
                masters.len()
            ),
        )
        .cure(format!(
            "wait until they run, or make them: `kops update cluster --name {} --yes`",
            facts.cluster
        )),
        Told::NotKnown(why) => Check::found(
            NAME,
            Severity::Warn,
            format!("how many of {wanted} run could not be asked: {why}"),
        )
        .cure(format!(
            "make sure that {wanted} masters run before you go on; pass --profile so that AWS can be asked"
        )),
    }
}

fn times(facts: &ClusterFacts) -> Option<Check> {
    let mut chosen: Vec<(&str, Timestamp)> = Vec::new();
    for etcd in &facts.etcds {
        if let Wanted::Restore(backup) = &etcd.wanted {
            chosen.push((&etcd.etcd, backup.name.created()));
        }
    }
    if chosen.len() < 2 {
        return None;
    }
    let first = chosen.iter().min_by_key(|(_, time)| *time)?;
    let last = chosen.iter().max_by_key(|(_, time)| *time)?;
    let apart = last.1.duration_since(first.1);
    Some(if apart > APART {
        let message = format!("{} is {} older than {}", first.0, units::age(apart), last.0);
        Check::found("times", Severity::Warn, message).cure("choose backups of about one time: --at")
    } else {
        Check::passed("times", format!("the backups are {} apart", units::age(apart)))
    })
}

fn encryption(facts: &ClusterFacts) -> Option<Check> {
    const NAME: &str = "encryption";
    let mut needed: Vec<&String> = Vec::new();
    for etcd in &facts.etcds {
        if let Wanted::Restore(backup) = &etcd.wanted {
            needed.extend(&backup.encrypted_by);
        }
    }
    needed.sort();
    needed.dedup();
    if needed.is_empty() {
        return None;
    }
    Some(match &facts.encryption_keys {
        Told::Is(known) => {
            let missing: Vec<&str> = needed
                .iter()
                .filter(|key| !known.contains(key))
                .map(|key| key.as_str())
                .collect();
            if missing.is_empty() {
                Check::passed(
                    NAME,
                    "the cluster's encryption config knows every key that the backup needs",
                )
            } else {
                let message = format!(
                    "values are encrypted by {}, which the cluster's encryption config lacks",
                    missing.join(", ")
                );
                Check::found(NAME, Severity::Warn, message)
                    .cure("add the key to the encryption config (`kops create secret encryptionconfig`) before the API starts")
            }
        }
        Told::NotKnown(why) => {
            let keys: Vec<&str> = needed.iter().map(|key| key.as_str()).collect();
            let message = format!(
                "values are encrypted by {}; the cluster's encryption config could not be read: {why}",
                keys.join(", ")
            );
            Check::found(NAME, Severity::Warn, message).cure("make sure that the masters have these keys")
        }
    })
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
