//! Carries the plan out: one look at AWS per tick for all of it, and whatever can be done then, at once.
//!
//! Nothing is remembered that AWS does not tell: where a run ends in the middle, the next one sees the same and goes on.

use runbook_kit::model::shell::quoted;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{Failure, with_repeating};
use runbook_kit::model::fleet::wipe::Kind;
use runbook_kit::ports::fleet::{FleetChange, FleetError, FleetErrorKind};
use tokio::time::Instant;

use crate::rules::plan::{EtcdVolumes, Plan};
use crate::rules::steps::{Deed, Seen, Standing, Thing, standings};

/// Requests that change something, at once.
const AT_ONCE: usize = 8;
/// How often the same request may fail in a row before its thing is given up.
const TRIES: u32 = 5;
/// So many looks may fail in a row.
const LOOKS: u32 = 5;
/// After AWS took a request, it may take so many looks to show.
const PATIENCE: u32 = 6;

/// What the user can do about what is left alone.
const LOOK_AGAIN: &str = "somebody else made or changed something meanwhile: look at the plan again, without --yes";

/// What the user can do about a volume that is gone.
const LOST: &str = "find out who deletes volumes, and keep the others; a volume that is gone is not needed to restore from a backup, but it is no way back any more";

/// How fast.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From one look to the next.
    pub poll: Duration,
    /// Until it is given up.
    pub timeout: Duration,
}

/// Who is told, and who may say stop.
pub trait Record {
    /// Something came to its end, or began to wait for something else.
    fn line(&mut self, thing: &Thing, what: &str, done: usize, of: usize);

    /// Something that the user should know.
    fn note(&mut self, text: &str);

    /// Keeps what was told so far. An error stops the run: somebody else has taken over.
    fn keep(&mut self) -> impl Future<Output = Result<(), String>>;
}

/// It ended before all was done.
#[derive(Debug, thiserror::Error)]
#[error("{why}; done: {done} of {of}{}", left_in_words(.left))]
pub struct Stopped {
    /// Why.
    pub why: String,
    /// Things that are as they should be.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// The others, each with how it stands.
    pub left: Vec<(Thing, String)>,
    /// Whether anything was changed, or may have been.
    pub changed: bool,
    /// What the user can do about the cause.
    pub cure: Option<String>,
}

fn left_in_words(left: &[(Thing, String)]) -> String {
    let all: Vec<String> = left
        .iter()
        .map(|(thing, how)| format!("{} {}: {how}", thing.kind.word(), thing.id))
        .collect();
    match all.is_empty() {
        true => String::new(),
        false => format!("; left: {}", all.join("; ")),
    }
}

impl Failure for Stopped {
    fn exit(&self) -> Exit {
        match self.changed {
            true => Exit::FailedAfterChange,
            false => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(with_repeating(self.cure.clone(), "goes on where it stopped"))
    }
}

struct Running<'a, R> {
    plan: &'a Plan,
    fleet: &'a dyn FleetChange,
    run: &'a str,
    record: &'a mut R,
    changed: bool,
    told: BTreeMap<Thing, String>,
    /// What AWS took, and how many looks ago.
    sent: BTreeMap<Thing, u32>,
    failures: BTreeMap<Thing, u32>,
    given_up: BTreeMap<Thing, (String, Option<String>)>,
}

/// Does what the plan says until all is done.
///
/// # Errors
/// [`Stopped`], where something cannot be done, or takes too long.
pub async fn apply<R: Record>(
    plan: &Plan,
    fleet: &dyn FleetChange,
    run: &str,
    pace: Pace,
    record: &mut R,
    consent: &Consent,
) -> Result<(), Box<Stopped>> {
    let mut running = Running {
        plan,
        fleet,
        run,
        record,
        changed: false,
        told: BTreeMap::new(),
        sent: BTreeMap::new(),
        failures: BTreeMap::new(),
        given_up: BTreeMap::new(),
    };
    let mut stands: Vec<(Thing, Standing)> = Vec::new();
    let begun = Instant::now();
    let mut failed_looks = 0;
    loop {
        match look(plan, fleet).await {
            Ok(seen) => {
                failed_looks = 0;
                stands = running.judge(&seen);
                running.tell(&stands);
                // Nothing is begun where a group has a stranger in it already.
                if !running.changed
                    && running.given_up.is_empty()
                    && let Some((thing, why)) = lost(&stands).or_else(|| stuck(&stands))
                {
                    let why = format!("{} {}: {why}", thing.kind.word(), thing.id);
                    let cure = lost(&stands).map_or(LOOK_AGAIN, |_| LOST);
                    return Err(running.stopped(&stands, why, Some(cure.to_owned())));
                }
                running.act(&stands, consent).await.map_err(|error| {
                    let cure = error.hint();
                    running.stopped(&stands, runbook_kit::failure::chain(&error), cure)
                })?;
            }
            Err(error) => {
                failed_looks += 1;
                if is_final(&error.kind) || failed_looks >= LOOKS {
                    let cure = error.hint();
                    return Err(running.stopped(&stands, runbook_kit::failure::chain(&error), cure));
                }
                running.record.note(&format!(
                    "AWS could not be asked, trying again: {}",
                    runbook_kit::failure::chain(&error)
                ));
            }
        }
        if let Err(why) = running.record.keep().await {
            return Err(running.stopped(&stands, why, None));
        }
        if failed_looks == 0 {
            let open = |(thing, standing): &&(Thing, Standing)| {
                !matches!(standing, Standing::Done(_) | Standing::Stuck(_) | Standing::Lost(_))
                    && !running.given_up.contains_key(thing)
            };
            if !stands.iter().any(|stand| open(&stand)) {
                return running.end(&stands);
            }
        }
        if begun.elapsed() >= pace.timeout {
            let why = format!("not done after {}", minutes(pace.timeout));
            return Err(running.stopped(&stands, why, Some(stuck_volumes(&stands))));
        }
        tokio::time::sleep(pace.poll).await;
    }
}

fn stuck(stands: &[(Thing, Standing)]) -> Option<(&Thing, &String)> {
    stands.iter().find_map(|(thing, standing)| match standing {
        Standing::Stuck(why) => Some((thing, why)),
        _ => None,
    })
}

fn lost(stands: &[(Thing, Standing)]) -> Option<(&Thing, &String)> {
    stands.iter().find_map(|(thing, standing)| match standing {
        Standing::Lost(how) => Some((thing, how)),
        _ => None,
    })
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn stuck_volumes(stands: &[(Thing, Standing)]) -> String {
    let detaching = stands.iter().find_map(|(thing, standing)| match standing {
        Standing::Waiting(why) if thing.kind == Kind::Volume && why.starts_with("detaching") => Some(&thing.id),
        _ => None,
    });
    match detaching {
        Some(id) => {
            format!(
                "a volume that hangs in `detaching` is freed by `aws ec2 detach-volume --force --volume-id {}`",
                quoted(id)
            )
        }
        None => "look at what is left, or give it longer by --timeout".to_owned(),
    }
}

/// One request each for groups, instances and volumes; one more where snapshots are waited for.
async fn look(plan: &Plan, fleet: &dyn FleetChange) -> Result<Seen, FleetError> {
    let groups: Vec<String> = plan
        .auto_scaling_groups
        .iter()
        .map(|group| group.name.clone())
        .collect();
    let instances: Vec<String> = plan.instances.iter().map(|instance| instance.id.clone()).collect();
    let volumes: Vec<String> = plan.volumes.iter().map(|volume| volume.id.clone()).collect();
    let snapshots = async {
        match plan.etcd_volumes {
            EtcdVolumes::SnapshotThenDelete if !volumes.is_empty() => fleet.snapshots_of(&volumes).await,
            _ => Ok(Vec::new()),
        }
    };
    // An empty list would ask for everything.
    let groups = async {
        match groups.is_empty() {
            true => Ok(Vec::new()),
            false => fleet.groups(&groups).await,
        }
    };
    let (groups, instances, volumes, snapshots) =
        tokio::try_join!(groups, fleet.instances(&instances), fleet.volumes(&volumes), snapshots)?;
    Ok(Seen {
        groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
        instances: instances.into_iter().map(|one| (one.id.clone(), one)).collect(),
        volumes: volumes.into_iter().map(|one| (one.id.clone(), one)).collect(),
        snapshots,
    })
}

/// With these credentials nothing more can be done.
const fn is_final(kind: &FleetErrorKind) -> bool {
    matches!(
        kind,
        FleetErrorKind::NoCredentials
            | FleetErrorKind::ExpiredCredentials
            | FleetErrorKind::BadCredentials
            | FleetErrorKind::NoRegion
            | FleetErrorKind::AccessDenied(_)
    )
}

/// Whether AWS may have done what it was asked although the request failed.
pub const fn may_have_happened(kind: &FleetErrorKind) -> bool {
    matches!(kind, FleetErrorKind::Unreachable | FleetErrorKind::Other(_))
}

impl<R: Record> Running<'_, R> {
    /// Where everything stands; what AWS was asked for a moment ago and does not show yet is waited for.
    fn judge(&mut self, seen: &Seen) -> Vec<(Thing, Standing)> {
        let given_up = self.given_up.keys().map(|thing| thing.id.as_str()).collect();
        let mut stands = standings(self.plan, seen, self.run, &given_up);
        let mut unheard = Vec::new();
        for (thing, standing) in &mut stands {
            if !matches!(standing, Standing::Do(_)) {
                continue;
            }
            if let Some(looks) = self.sent.get_mut(thing) {
                *looks += 1;
                if *looks <= PATIENCE && !is_next_step(standing) {
                    *standing = Standing::Waiting("asked for".to_owned());
                } else if let Standing::Do(Deed::Keep { instance, .. }) = standing
                    && !self.given_up.contains_key(thing)
                {
                    unheard.push((thing.clone(), instance.clone()));
                }
            }
        }
        for (thing, instance) in unheard {
            let why = format!("AWS took the request, and the volume would still be deleted with {instance}");
            self.record.line(&thing, &format!("given up: {why}"), 0, 0);
            let cure =
                "look at DeleteOnTermination of the instance's block devices in the EC2 console, or detach the volume";
            self.given_up.insert(thing, (why, Some(cure.to_owned())));
        }
        stands
    }

    /// One line for each thing whenever it stands otherwise than before.
    fn tell(&mut self, stands: &[(Thing, Standing)]) {
        let done = stands
            .iter()
            .filter(|(_, standing)| matches!(standing, Standing::Done(_)))
            .count();
        for (thing, standing) in stands {
            let what = match standing {
                Standing::Done(what) => (*what).to_owned(),
                Standing::Waiting(what) => what.clone(),
                Standing::Stuck(why) => format!("left alone: {why}"),
                Standing::Lost(how) => format!("lost: {how}"),
                Standing::Do(_) => continue,
            };
            if self.told.get(thing) != Some(&what) {
                self.record.line(thing, &what, done, stands.len());
                self.told.insert(thing.clone(), what);
            }
        }
    }

    /// Does all that can be done now. An error means that nothing more can.
    async fn act(&mut self, stands: &[(Thing, Standing)], consent: &Consent) -> Result<(), FleetError> {
        let deeds: Vec<(&Thing, &Deed)> = stands
            .iter()
            .filter_map(|(thing, standing)| match standing {
                Standing::Do(deed) if !self.given_up.contains_key(thing) => Some((thing, deed)),
                _ => None,
            })
            .collect();
        let fleet = self.fleet;
        let mut results = stream::iter(deeds)
            .map(|(thing, deed)| async move { (thing, carry_out(fleet, thing, deed, consent).await) })
            .buffer_unordered(AT_ONCE);
        let mut ends = None;
        while let Some((thing, result)) = results.next().await {
            match result {
                Ok(()) => {
                    self.changed = true;
                    self.failures.remove(thing);
                    self.sent.insert(thing.clone(), 0);
                }
                Err((error, changed)) => {
                    self.changed |= changed || may_have_happened(&error.kind);
                    let tries = self.failures.entry(thing.clone()).or_default();
                    *tries += 1;
                    match &error.kind {
                        // The next look tells what came of it.
                        FleetErrorKind::NotFound => {}
                        FleetErrorKind::AccessDenied(_) => self.give_up(thing, &error),
                        kind if is_final(kind) => ends = Some(error),
                        _ if *tries >= TRIES => self.give_up(thing, &error),
                        _ => self
                            .record
                            .note(&format!("trying again: {}", runbook_kit::failure::chain(&error))),
                    }
                }
            }
        }
        ends.map_or(Ok(()), Err)
    }

    fn give_up(&mut self, thing: &Thing, error: &FleetError) {
        let why = runbook_kit::failure::chain(error);
        self.record.line(thing, &format!("given up: {why}"), 0, 0);
        let cure = error.hint().or_else(|| unprotect(thing, error));
        self.given_up.insert(thing.clone(), (why, cure));
    }

    fn end(&self, stands: &[(Thing, Standing)]) -> Result<(), Box<Stopped>> {
        let all_done = stands.iter().all(|(_, standing)| matches!(standing, Standing::Done(_)));
        if all_done {
            return Ok(());
        }
        let cures: BTreeSet<&String> = self.given_up.values().filter_map(|(_, cure)| cure.as_ref()).collect();
        let stuck = stuck(stands).map(|_| LOOK_AGAIN.to_owned());
        let gone = lost(stands).map(|_| LOST.to_owned());
        let cure = cures.first().map(|cure| (*cure).clone()).or(gone).or(stuck);
        Err(self.stopped(stands, "not everything could be done".to_owned(), cure))
    }

    fn stopped(&self, stands: &[(Thing, Standing)], why: String, cure: Option<String>) -> Box<Stopped> {
        let left: Vec<(Thing, String)> = stands
            .iter()
            .filter_map(|(thing, standing)| {
                let how = match (self.given_up.get(thing), standing) {
                    (_, Standing::Done(_)) => return None,
                    (Some((why, _)), _) => why.clone(),
                    (None, Standing::Waiting(how)) => how.clone(),
                    (None, Standing::Stuck(how)) => how.clone(),
                    (None, Standing::Lost(how)) => format!("lost: {how}"),
                    (None, Standing::Do(_)) => "not done yet".to_owned(),
                };
                Some((thing.clone(), how))
            })
            .collect();
        Box::new(Stopped {
            why,
            done: stands.len() - left.len(),
            of: self.plan.deeds().len(),
            left,
            changed: self.changed,
            cure,
        })
    }
}

/// Auto Scaling does not ask for termination protection; EC2 does, of a master outside any group.
fn unprotect(thing: &Thing, error: &FleetError) -> Option<String> {
    let protected = matches!(&error.kind, FleetErrorKind::Other(words) if words.starts_with("OperationNotPermitted"));
    (protected && thing.kind == Kind::Instance).then(|| {
        format!(
            "take its termination protection off: `aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id {}`",
            quoted(&thing.id)
        )
    })
}

/// After a snapshot a deletion follows: that is no repetition.
const fn is_next_step(standing: &Standing) -> bool {
    matches!(standing, Standing::Do(Deed::DeleteVolume))
}

/// With an error: whether something was changed before it.
async fn carry_out(
    fleet: &dyn FleetChange,
    thing: &Thing,
    deed: &Deed,
    consent: &Consent,
) -> Result<(), (FleetError, bool)> {
    let nothing_before = |error| (error, false);
    let id = &thing.id;
    match deed {
        Deed::Keep { instance, device } => fleet
            .keep_volume(instance, device, consent)
            .await
            .map_err(nothing_before),
        Deed::DeleteGroup => fleet.delete_group(id, consent).await.map_err(nothing_before),
        Deed::Terminate => fleet.terminate(id, consent).await.map_err(nothing_before),
        Deed::Quarantine { shadows, off } => {
            if let Some(shadows) = shadows {
                fleet.tag(id, shadows, consent).await.map_err(nothing_before)?;
            }
            let untagged = fleet.untag(id, off, consent).await;
            untagged.map_err(|error| (error, shadows.is_some()))
        }
        Deed::Snapshot { tags } => fleet
            .snapshot(id, tags, consent)
            .await
            .map(drop)
            .map_err(nothing_before),
        Deed::DeleteVolume => fleet.delete_volume(id, consent).await.map_err(nothing_before),
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
