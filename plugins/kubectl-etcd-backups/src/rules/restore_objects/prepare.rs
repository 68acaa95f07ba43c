//! Makes of whole objects of a backup what is sent to the API.

use std::collections::BTreeMap;

use runbook_kit::model::kubernetes::for_apply::{Along, Remark, Stage, for_apply};
use serde_json::Value;

use super::object::{Content, ObjectId, Owner, Ready, Wanted, text};
use super::volumes::{self, Decision, Volume};

/// One object of the backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    pub id: ObjectId,
    pub stage: Stage,
    /// See [`Wanted::implied`].
    pub implied: bool,
    /// As `kubectl get` would show it, or why that cannot be told.
    pub object: Result<Value, String>,
}

impl Selected {
    /// The PersistentVolume that it is bound to, where it is a claim.
    pub fn volume(&self) -> Option<&str> {
        let object = self
            .object
            .as_ref()
            .ok()
            .filter(|_| self.id.is("", "persistentvolumeclaims"))?;
        Some(text(object, "/spec/volumeName")).filter(|name| !name.is_empty())
    }
}

/// What is known of the volumes of claims.
#[derive(Clone, Debug, Default)]
pub struct Volumes {
    /// Those of the cluster; `None` where it could not be asked.
    pub living: BTreeMap<String, Option<Option<Value>>>,
    /// Those of the backup.
    pub in_backup: BTreeMap<String, Value>,
}

/// All of them, and what goes along: the living objects are compared with that.
pub fn prepare(selected: Vec<Selected>, volumes: &Volumes) -> (Vec<Wanted>, Along) {
    let mut along = Along::default();
    for one in &selected {
        if let Ok(object) = &one.object {
            along.note(&one.id.plural, &one.id.name, text(object, "/metadata/uid"));
        }
    }
    let restored: Vec<&str> = selected
        .iter()
        .filter(|one| one.id.is("", "persistentvolumes"))
        .map(|one| one.id.name.as_str())
        .collect();
    let decisions: Vec<Option<Decision>> = selected
        .iter()
        .map(|one| {
            let name = one.volume()?;
            let volume = match volumes.living.get(name) {
                _ if restored.contains(&name) => Volume::Restored,
                Some(Some(Some(living))) => Volume::Living(living),
                Some(Some(None)) => Volume::Missing(volumes.in_backup.get(name)),
                Some(None) | None => Volume::Unknown,
            };
            Some(volumes::decide(&one.id, name, &volume))
        })
        .collect();
    for (one, decision) in selected.iter().zip(&decisions) {
        if let (Some(name), Some(Decision { keep: true, .. })) = (one.volume(), decision) {
            along.note("persistentvolumes", name, "");
        }
    }
    let wanted = selected.into_iter().zip(decisions);
    let wanted = wanted.map(|(one, decision)| wanted_of(one, decision, &along)).collect();
    (wanted, along)
}

fn wanted_of(selected: Selected, decision: Option<Decision>, along: &Along) -> Wanted {
    let Selected {
        id,
        stage,
        implied,
        object,
    } = selected;
    let content = match object {
        Err(why) => Content::Unreadable(why),
        Ok(object) => content(&id, object, decision, along),
    };
    Wanted {
        id,
        stage,
        implied,
        content,
    }
}

fn content(id: &ObjectId, object: Value, decision: Option<Decision>, along: &Along) -> Content {
    let owners = Owner::all_of(&object);
    match for_apply(object, along) {
        Err(why) => Content::LeftOut(why.to_string()),
        Ok(applicable) => {
            let mut remarks: Vec<String> = applicable
                .remarks
                .iter()
                // These two are told with what the cluster has.
                .filter(|remark| !matches!(remark, Remark::OwnersLeftOut | Remark::VolumeLeftOut))
                .map(ToString::to_string)
                .collect();
            remarks.extend(decision.and_then(|decision| decision.remark));
            if id.is("", "persistentvolumes") {
                remarks.extend(volumes::remark(&applicable.object));
            }
            Content::Ready(Ready {
                object: applicable.object,
                owners,
                remarks,
            })
        }
    }
}
