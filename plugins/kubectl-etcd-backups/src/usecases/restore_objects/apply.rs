//! Applies a plan: one object after the other, each noted in the journal before and after it is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use runbook_kit::consent::Consent;
use runbook_kit::ports::Journal;
use runbook_kit::ports::cluster_api::{KubeError, KubeErrorKind};
use runbook_kit::ports::cluster_objects::{Answer, ClusterObjects};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::rules::restore_objects::journal::{Event, Target};
use crate::rules::restore_objects::living::definition_of;
use crate::rules::restore_objects::object::{ObjectId, list, text};
use crate::rules::restore_objects::plan::{Action, Change, Creation, Item};
use crate::rules::restore_objects::{answer, changes};

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(250);

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Overwritten,
    /// Somebody else created it meanwhile: it is left as it is.
    ExistsByNow,
    /// The API refused, and why.
    Refused(String),
    /// It was not tried, and why.
    Skipped(String),
}

/// Why it ended before all was tried.
#[derive(Debug, thiserror::Error)]
#[error("stopped at {at}{}", doubt(.in_doubt))]
pub struct Stopped {
    pub at: ObjectId,
    /// Whether the change of this object may have happened.
    pub in_doubt: bool,
    #[source]
    pub reason: Reason,
}

const fn doubt(in_doubt: &bool) -> &'static str {
    match *in_doubt {
        true => ", which may or may not have been changed",
        false => "",
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error(transparent)]
    Api(#[from] KubeError),
    #[error("writing the undo file")]
    Journal(#[from] io::Error),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Applied {
    /// Of each object that was to be changed and was come to.
    pub outcomes: BTreeMap<ObjectId, Outcome>,
    pub stopped: Option<Stopped>,
}

/// What a run works with.
pub struct Run<'a> {
    pub api: &'a dyn ClusterObjects,
    pub journal: &'a mut dyn Journal,
    /// How long to wait until a new kind is served, or a new namespace has its ServiceAccount.
    pub wait: Duration,
    pub consent: &'a Consent,
    /// Is told what is being done.
    pub progress: &'a (dyn Fn(&Item) + Send + Sync),
    created: BTreeMap<ObjectId, String>,
    failed: BTreeSet<ObjectId>,
}

impl<'a> Run<'a> {
    pub fn new(
        api: &'a dyn ClusterObjects,
        journal: &'a mut dyn Journal,
        wait: Duration,
        consent: &'a Consent,
        progress: &'a (dyn Fn(&Item) + Send + Sync),
    ) -> Self {
        Self {
            api,
            journal,
            wait,
            consent,
            progress,
            created: BTreeMap::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Does what the plan says, in its order. One object that fails does not keep the others back; without the API or the journal it stops.
    pub async fn apply(mut self, items: &[Item]) -> Applied {
        let mut applied = Applied::default();
        for item in items.iter().filter(|item| item.is_change()) {
            (self.progress)(item);
            let done = match &item.action {
                Action::Create(creation) => self.create(item, creation).await,
                Action::Overwrite(change) => self.overwrite(item, change).await,
                _ => continue,
            };
            match done {
                Ok(outcome) => {
                    if matches!(outcome, Outcome::Refused(_) | Outcome::Skipped(_)) {
                        self.failed.insert(item.id.clone());
                    }
                    applied.outcomes.insert(item.id.clone(), outcome);
                }
                Err((in_doubt, reason)) => {
                    applied.stopped = Some(Stopped {
                        at: item.id.clone(),
                        in_doubt,
                        reason,
                    });
                    return applied;
                }
            }
        }
        applied
    }

    async fn create(&mut self, item: &Item, creation: &Creation) -> Result<Outcome, (bool, Reason)> {
        if let Some(after) = creation.after.iter().find(|after| self.failed.contains(after)) {
            return Ok(Outcome::Skipped(format!("{after} could not be created")));
        }
        let object = match self.with_owners(creation) {
            Ok(object) => object,
            Err(owner) => return Ok(Outcome::Skipped(format!("its owner {owner} could not be created"))),
        };
        let creating = Event::Creating {
            object: target(&item.id, &creation.resource.version, &creation.resource.kind),
        };
        self.note(&creating).map_err(|error| (false, error))?;
        let answer = self.created(item, creation, &object).await;
        let answer = answer.map_err(|error| self.no_answer(&item.id, error))?;
        match answer {
            Ok(created) => {
                let uid = text(&created, "/metadata/uid").to_owned();
                let noted = self.note(&Event::Created {
                    object: item.id.clone(),
                    content: changes::fingerprint(&created),
                    uid: uid.clone(),
                });
                noted.map_err(|error| (true, error))?;
                self.created.insert(item.id.clone(), uid);
                if item.id.is("apiextensions.k8s.io", "customresourcedefinitions") {
                    return self.until_established(item, creation).await;
                }
                Ok(Outcome::Created)
            }
            Err(refusal) => {
                self.refused(&item.id)?;
                Ok(match refusal.already_exists() {
                    true => Outcome::ExistsByNow,
                    false => Outcome::Refused(answer::why(&item.id, &refusal)),
                })
            }
        }
    }

    /// Tries again while the API only has to learn of what was created just now.
    async fn created(&self, item: &Item, creation: &Creation, object: &Value) -> Result<Answer, KubeError> {
        let until = Instant::now() + self.wait;
        let new = |id: &ObjectId| self.created.contains_key(id);
        let waits = item
            .id
            .namespace
            .as_deref()
            .is_some_and(|name| new(&ObjectId::namespace(name)))
            || new(&definition_of(&item.id.group, &item.id.plural));
        loop {
            let place = item.id.place(&creation.resource);
            let answer = self.api.create(place, object, self.consent).await?;
            match &answer {
                Err(refusal) if waits && answer::passes(refusal) && Instant::now() < until => sleep(PAUSE).await,
                _ => return Ok(answer),
            }
        }
    }

    /// The object with the UIDs that its owners have now; or the owner that is missing.
    fn with_owners(&self, creation: &Creation) -> Result<Value, ObjectId> {
        let mut references = Vec::new();
        for (owner, id, known) in &creation.owners {
            let uid = known
                .as_ref()
                .or_else(|| self.created.get(id))
                .ok_or_else(|| id.clone())?;
            references.push(owner.with_uid(uid));
        }
        let mut object = creation.object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut)
            && !references.is_empty()
        {
            metadata.insert("ownerReferences".to_owned(), Value::Array(references));
        }
        Ok(object)
    }

    async fn overwrite(&mut self, item: &Item, change: &Change) -> Result<Outcome, (bool, Reason)> {
        let overwriting = Event::Overwriting {
            object: target(&item.id, &change.resource.version, &change.resource.kind),
            before: Box::new(change.before.clone()),
        };
        self.note(&overwriting).map_err(|error| (false, error))?;
        let place = item.id.place(&change.resource);
        let answer = self.api.patch(place, &change.patch, self.consent).await;
        let answer = answer.map_err(|error| self.no_answer(&item.id, error))?;
        match answer {
            Ok(changed) => {
                let noted = self.note(&Event::Overwritten {
                    object: item.id.clone(),
                    uid: text(&changed, "/metadata/uid").to_owned(),
                    content: changes::fingerprint(&changed),
                });
                noted.map_err(|error| (true, error))?;
                Ok(Outcome::Overwritten)
            }
            Err(refusal) => {
                self.refused(&item.id)?;
                Ok(Outcome::Refused(answer::why(&item.id, &refusal)))
            }
        }
    }

    fn note(&mut self, event: &Event) -> Result<(), Reason> {
        let line = event.line().map_err(io::Error::other)?;
        Ok(self.journal.append(&line)?)
    }

    fn no_answer(&mut self, id: &ObjectId, error: KubeError) -> (bool, Reason) {
        let in_doubt = may_have_happened(&error);
        if !in_doubt {
            // Without this line the object is in doubt to `--undo`, which leaves it: no harm is done.
            let _ = self.note(&Event::Refused { object: id.clone() });
        }
        (in_doubt, error.into())
    }

    fn refused(&mut self, id: &ObjectId) -> Result<(), (bool, Reason)> {
        self.note(&Event::Refused { object: id.clone() })
            .map_err(|error| (false, error))
    }

    /// Objects of a new kind are accepted only once its definition is.
    async fn until_established(&self, item: &Item, creation: &Creation) -> Result<Outcome, (bool, Reason)> {
        let until = Instant::now() + self.wait;
        loop {
            let read = self.api.get(item.id.place(&creation.resource)).await;
            match read.map_err(|error| (false, error.into()))? {
                Some(definition) if is_established(&definition) => return Ok(Outcome::Created),
                _ if Instant::now() >= until => return Ok(Outcome::Created),
                _ => sleep(PAUSE).await,
            }
        }
    }
}

fn is_established(definition: &Value) -> bool {
    let mut conditions = list(definition, "/status/conditions").iter();
    conditions.any(|condition| text(condition, "/type") == "Established" && text(condition, "/status") == "True")
}

fn target(id: &ObjectId, version: &str, kind: &str) -> Target {
    Target {
        id: id.clone(),
        version: version.to_owned(),
        kind: kind.to_owned(),
    }
}

/// Whether the API may have done what it gave no answer to.
pub const fn may_have_happened(error: &KubeError) -> bool {
    !matches!(
        error.kind,
        KubeErrorKind::Config(_) | KubeErrorKind::NoTls | KubeErrorKind::NotTrusted(_) | KubeErrorKind::Unauthorized
    )
}

#[cfg(test)]
mod tests;
