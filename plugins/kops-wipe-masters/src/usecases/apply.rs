//! Carries the plan out: in each poll reads all resources from AWS, and runs every action that is possible.
//!
//! All state is in AWS: the next run reads the same and resumes an interrupted one.

use runbook_kit::model::shell::quoted;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use runbook_kit::consent::Consent;
use runbook_kit::exit::Exit;
use runbook_kit::failure::{Failure, chain, with_repeating};
use runbook_kit::model::fleet::wipe::Kind;
use runbook_kit::model::kops::duration;
use runbook_kit::ports::fleet::{FleetChange, FleetError, FleetErrorKind};
use runbook_kit::usecases::quarantine;
use tokio::time::Instant;

use crate::rules::plan::{EtcdVolumes, Plan};
use crate::rules::steps::{Action, AwsState, Resource, StepState, step_states};

/// Concurrent write requests.
const AT_ONCE: usize = 8;
/// Failures of the same request in a row, after which its resource is given up.
const REQUEST_ATTEMPTS: u32 = 5;
/// Failed polls in a row that end the run.
const READ_ATTEMPTS: u32 = 5;
/// Polls until an accepted request has to be visible.
const POLLS_UNTIL_VISIBLE: u32 = 6;

const CHECK_PLAN: &str = "resources were created or changed meanwhile: check the plan again, without --yes";

const VOLUME_LOST: &str = "find out what deletes volumes, and protect the others; a restore from the backup does not need the lost volume, but `restore-volumes` does";

/// How long and how often to ask AWS.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Waiting")]
pub struct WaitArgs {
    /// How long to wait until AWS has done everything
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse_wait)]
    pub timeout: Duration,
    /// Polling interval
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_wait)]
    pub poll: Duration,
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text).map_err(|error| error.to_string())?;
    Duration::try_from(time).map_err(|error| error.to_string())
}

/// Receives the progress, and may stop the run.
pub trait Progress {
    /// A resource has a new state.
    fn line(&mut self, resource: &Resource, what: &str, done: usize, of: usize);

    /// Anything else that the user should know.
    fn note(&mut self, text: &str);

    /// Saves the progress so far. An error stops the run: another one has taken over.
    fn save(&mut self) -> impl Future<Output = Result<(), String>>;
}

/// The run ended before everything was done.
#[derive(Debug, thiserror::Error)]
#[error("{why}; done: {done} of {of}{}", left_in_words(.left))]
pub struct Stopped {
    pub why: String,
    /// Finished resources.
    pub done: usize,
    /// All resources.
    pub of: usize,
    /// The others with their states.
    pub left: Vec<(Resource, String)>,
    /// Whether anything was, or may have been, changed.
    pub changed: bool,
    /// The hint for the cause.
    pub cure: Option<String>,
}

fn left_in_words(left: &[(Resource, String)]) -> String {
    let all: Vec<String> = left
        .iter()
        .map(|(resource, how)| format!("{} {}: {how}", resource.kind.word(), resource.id))
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
        Some(with_repeating(self.cure.clone(), "resumes where it stopped"))
    }
}

struct Running<'a, R> {
    plan: &'a Plan,
    fleet: &'a dyn FleetChange,
    run: &'a str,
    progress: &'a mut R,
    changed: bool,
    reported: BTreeMap<Resource, String>,
    /// Accepted requests, and how many polls ago.
    accepted: BTreeMap<Resource, u32>,
    failures: BTreeMap<Resource, u32>,
    given_up: BTreeMap<Resource, (String, Option<String>)>,
}

/// Runs until the whole plan is applied.
///
/// # Errors
/// [`Stopped`] if an action fails for good, or on timeout.
pub async fn apply<R: Progress>(
    plan: &Plan,
    fleet: &dyn FleetChange,
    run: &str,
    waiting: WaitArgs,
    progress: &mut R,
    consent: &Consent,
) -> Result<(), Box<Stopped>> {
    let mut running = Running {
        plan,
        fleet,
        run,
        progress,
        changed: false,
        reported: BTreeMap::new(),
        accepted: BTreeMap::new(),
        failures: BTreeMap::new(),
        given_up: BTreeMap::new(),
    };
    let mut states: Vec<(Resource, StepState)> = Vec::new();
    let begun = Instant::now();
    let mut failed_polls = 0;
    loop {
        match observe(plan, fleet).await {
            Ok(seen) => {
                failed_polls = 0;
                states = running.judge(&seen);
                running.report(&states);
                // Nothing is started if something is blocked from the beginning.
                if !running.changed
                    && running.given_up.is_empty()
                    && let Some((resource, why)) = lost(&states).or_else(|| blocked(&states))
                {
                    let why = format!("{} {}: {why}", resource.kind.word(), resource.id);
                    let cure = lost(&states).map_or(CHECK_PLAN, |_| VOLUME_LOST);
                    return Err(running.stopped(&states, why, Some(cure.to_owned())));
                }
                running.act(&states, consent).await.map_err(|error| {
                    let cure = error.hint();
                    running.stopped(&states, chain(&error), cure)
                })?;
            }
            Err(error) => {
                failed_polls += 1;
                if is_final(&error.kind) || failed_polls >= READ_ATTEMPTS {
                    let cure = error.hint();
                    return Err(running.stopped(&states, chain(&error), cure));
                }
                running
                    .progress
                    .note(&format!("reading from AWS failed, retrying: {}", chain(&error)));
            }
        }
        if let Err(why) = running.progress.save().await {
            return Err(running.stopped(&states, why, None));
        }
        if failed_polls == 0 {
            let open = |(resource, state): &&(Resource, StepState)| {
                !matches!(state, StepState::Done(_) | StepState::Blocked(_) | StepState::Lost(_))
                    && !running.given_up.contains_key(resource)
            };
            if !states.iter().any(|state| open(&state)) {
                return running.end(&states);
            }
        }
        if begun.elapsed() >= waiting.timeout {
            let why = format!("not done after {}", minutes(waiting.timeout));
            return Err(running.stopped(&states, why, Some(timeout_cure(&states))));
        }
        tokio::time::sleep(waiting.poll).await;
    }
}

fn blocked(states: &[(Resource, StepState)]) -> Option<(&Resource, &String)> {
    states.iter().find_map(|(resource, state)| match state {
        StepState::Blocked(why) => Some((resource, why)),
        _ => None,
    })
}

fn lost(states: &[(Resource, StepState)]) -> Option<(&Resource, &String)> {
    states.iter().find_map(|(resource, state)| match state {
        StepState::Lost(how) => Some((resource, how)),
        _ => None,
    })
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn timeout_cure(states: &[(Resource, StepState)]) -> String {
    let detaching = states.iter().find_map(|(resource, state)| match state {
        StepState::Waiting(why) if resource.kind == Kind::Volume && why.starts_with("detaching") => Some(&resource.id),
        _ => None,
    });
    match detaching {
        Some(id) => {
            format!(
                "to free a volume that stays in `detaching`: `aws ec2 detach-volume --force --volume-id {}`",
                quoted(id)
            )
        }
        None => "check the remaining resources, or raise --timeout".to_owned(),
    }
}

/// One request each for groups, instances and volumes, and for snapshots if the plan takes them.
async fn observe(plan: &Plan, fleet: &dyn FleetChange) -> Result<AwsState, FleetError> {
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
    // An empty list would return every group of the account.
    let groups = async {
        match groups.is_empty() {
            true => Ok(Vec::new()),
            false => fleet.groups(&groups).await,
        }
    };
    let (groups, instances, volumes, snapshots) =
        tokio::try_join!(groups, fleet.instances(&instances), fleet.volumes(&volumes), snapshots)?;
    Ok(AwsState {
        groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
        instances: instances.into_iter().map(|one| (one.id.clone(), one)).collect(),
        volumes: volumes.into_iter().map(|one| (one.id.clone(), one)).collect(),
        snapshots,
    })
}

/// Errors that a retry cannot fix.
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

/// Whether the change may have been applied although the request failed.
pub const fn may_have_happened(kind: &FleetErrorKind) -> bool {
    matches!(kind, FleetErrorKind::Unreachable | FleetErrorKind::Other(_))
}

impl<R: Progress> Running<'_, R> {
    /// The state of every resource. An accepted request that is not visible yet is waited for.
    fn judge(&mut self, seen: &AwsState) -> Vec<(Resource, StepState)> {
        let given_up = self.given_up.keys().map(|resource| resource.id.as_str()).collect();
        let mut states = step_states(self.plan, seen, self.run, &given_up);
        let mut ineffective = Vec::new();
        for (resource, state) in &mut states {
            if !matches!(state, StepState::Ready(_)) {
                continue;
            }
            if let Some(polls) = self.accepted.get_mut(resource) {
                *polls += 1;
                if *polls <= POLLS_UNTIL_VISIBLE && !is_next_step(state) {
                    *state = StepState::Waiting("requested".to_owned());
                } else if let StepState::Ready(Action::Keep { instance, .. }) = state
                    && !self.given_up.contains_key(resource)
                {
                    ineffective.push((resource.clone(), instance.clone()));
                }
            }
        }
        for (resource, instance) in ineffective {
            let why = format!("AWS accepted the request, but would still delete the volume with {instance}");
            self.progress.line(&resource, &format!("given up: {why}"), 0, 0);
            let cure =
                "check DeleteOnTermination of the instance's block devices in the EC2 console, or detach the volume";
            self.given_up.insert(resource, (why, Some(cure.to_owned())));
        }
        states
    }

    /// One line for each resource with a new state.
    fn report(&mut self, states: &[(Resource, StepState)]) {
        let done = states
            .iter()
            .filter(|(_, state)| matches!(state, StepState::Done(_)))
            .count();
        for (resource, state) in states {
            let what = match state {
                StepState::Done(what) => (*what).to_owned(),
                StepState::Waiting(what) => what.clone(),
                StepState::Blocked(why) => format!("skipped: {why}"),
                StepState::Lost(how) => format!("lost: {how}"),
                StepState::Ready(_) => continue,
            };
            if self.reported.get(resource) != Some(&what) {
                self.progress.line(resource, &what, done, states.len());
                self.reported.insert(resource.clone(), what);
            }
        }
    }

    /// Runs every action that is possible now. An error ends the run.
    async fn act(&mut self, states: &[(Resource, StepState)], consent: &Consent) -> Result<(), FleetError> {
        let actions: Vec<(&Resource, &Action)> = states
            .iter()
            .filter_map(|(resource, state)| match state {
                StepState::Ready(action) if !self.given_up.contains_key(resource) => Some((resource, action)),
                _ => None,
            })
            .collect();
        let fleet = self.fleet;
        let mut results = stream::iter(actions)
            .map(|(resource, action)| async move { (resource, carry_out(fleet, resource, action, consent).await) })
            .buffer_unordered(AT_ONCE);
        let mut fatal = None;
        while let Some((resource, result)) = results.next().await {
            match result {
                Ok(()) => {
                    self.changed = true;
                    self.failures.remove(resource);
                    self.accepted.insert(resource.clone(), 0);
                }
                Err((error, changed)) => {
                    self.changed |= changed || may_have_happened(&error.kind);
                    let tries = self.failures.entry(resource.clone()).or_default();
                    *tries += 1;
                    match &error.kind {
                        // The next poll shows the result.
                        FleetErrorKind::NotFound => {}
                        FleetErrorKind::AccessDenied(_) => self.give_up(resource, &error),
                        kind if is_final(kind) => fatal = Some(error),
                        _ if *tries >= REQUEST_ATTEMPTS => self.give_up(resource, &error),
                        _ => self.progress.note(&format!("retrying: {}", chain(&error))),
                    }
                }
            }
        }
        fatal.map_or(Ok(()), Err)
    }

    fn give_up(&mut self, resource: &Resource, error: &FleetError) {
        let why = chain(error);
        self.progress.line(resource, &format!("given up: {why}"), 0, 0);
        let cure = error.hint().or_else(|| unprotect_command(resource, error));
        self.given_up.insert(resource.clone(), (why, cure));
    }

    fn end(&self, states: &[(Resource, StepState)]) -> Result<(), Box<Stopped>> {
        let all_done = states.iter().all(|(_, state)| matches!(state, StepState::Done(_)));
        if all_done {
            return Ok(());
        }
        let cures: BTreeSet<&String> = self.given_up.values().filter_map(|(_, cure)| cure.as_ref()).collect();
        let blocked_cure = blocked(states).map(|_| CHECK_PLAN.to_owned());
        let lost_cure = lost(states).map(|_| VOLUME_LOST.to_owned());
        let cure = cures.first().map(|cure| (*cure).clone()).or(lost_cure).or(blocked_cure);
        Err(self.stopped(states, "some actions were not possible".to_owned(), cure))
    }

    fn stopped(&self, states: &[(Resource, StepState)], why: String, cure: Option<String>) -> Box<Stopped> {
        let left: Vec<(Resource, String)> = states
            .iter()
            .filter_map(|(resource, state)| {
                let how = match (self.given_up.get(resource), state) {
                    (_, StepState::Done(_)) => return None,
                    (Some((why, _)), _) => why.clone(),
                    (None, StepState::Waiting(how)) => how.clone(),
                    (None, StepState::Blocked(how)) => how.clone(),
                    (None, StepState::Lost(how)) => format!("lost: {how}"),
                    (None, StepState::Ready(_)) => "not done yet".to_owned(),
                };
                Some((resource.clone(), how))
            })
            .collect();
        Box::new(Stopped {
            why,
            done: states.len() - left.len(),
            of: self.plan.actions().len(),
            left,
            changed: self.changed,
            cure,
        })
    }
}

/// Auto Scaling ignores termination protection; EC2 honors it for a master outside any group.
fn unprotect_command(resource: &Resource, error: &FleetError) -> Option<String> {
    let protected = matches!(&error.kind, FleetErrorKind::Other(words) if words.starts_with("OperationNotPermitted"));
    (protected && resource.kind == Kind::Instance).then(|| {
        format!(
            "turn its termination protection off: `aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id {}`",
            quoted(&resource.id)
        )
    })
}

/// A deletion after a snapshot is a new action, not a repetition.
const fn is_next_step(state: &StepState) -> bool {
    matches!(state, StepState::Ready(Action::DeleteVolume))
}

/// An error comes with whether something was changed before.
async fn carry_out(
    fleet: &dyn FleetChange,
    resource: &Resource,
    action: &Action,
    consent: &Consent,
) -> Result<(), (FleetError, bool)> {
    let nothing_before = |error| (error, false);
    let id = &resource.id;
    match action {
        Action::Keep { instance, device } => fleet
            .keep_volume(instance, device, consent)
            .await
            .map_err(nothing_before),
        Action::DeleteGroup => fleet.delete_group(id, consent).await.map_err(nothing_before),
        Action::Terminate => fleet.terminate(id, consent).await.map_err(nothing_before),
        Action::Quarantine { shadows, remove } => quarantine::hide(fleet, id, shadows.as_ref(), remove, consent).await,
        Action::Snapshot { tags } => fleet
            .snapshot(id, tags, consent)
            .await
            .map(drop)
            .map_err(nothing_before),
        Action::DeleteVolume => fleet.delete_volume(id, consent).await.map_err(nothing_before),
    }
}

#[cfg(test)]
mod tests;
