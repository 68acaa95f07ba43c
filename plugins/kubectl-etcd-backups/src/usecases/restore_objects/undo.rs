//! Undoes a journal: deletes what a run created and puts back what it overwrote.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use runbook_kit::consent::Consent;
use runbook_kit::model::kubernetes::served::{Served, ServedResource};
use runbook_kit::ports::cluster_api::{KubeError, KubeErrorKind};
use runbook_kit::ports::cluster_objects::{ClusterObjects, ObjectDeletion};
use runbook_kit::usecases::living_objects;
use serde_json::Value;

use super::apply::{Reason, Stopped, may_have_happened};
use super::observe::of_answer;
use crate::rules::restore_objects::answer;
use crate::rules::restore_objects::journal::{Journal, Target};
use crate::rules::restore_objects::living::Found;
use crate::rules::restore_objects::object::{ObjectId, text};
use crate::rules::restore_objects::undo::{
    Others, UndoAction, UndoItem, deleted, others, plan, spare, spare_others, takes_others,
};

/// Requests at the same time.
const AT_ONCE: usize = 8;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Deleted,
    PutBack,
    /// Somebody else deleted it meanwhile.
    Gone,
    /// It was changed, replaced or filled meanwhile, or the API refused: it is left as it is, and why.
    Left(String),
}

/// Plans it, by what the cluster has now.
pub async fn look(
    api: &dyn ClusterObjects,
    served: &Served,
    journal: &Journal,
    even_if_changed: bool,
) -> Result<Vec<UndoItem>, KubeError> {
    let asked = stream::iter(&journal.done).map(|done| async move {
        let found = match resource_of(served, &done.target) {
            Some(resource) => of_answer(api.get(done.target.id.place(resource)).await)?,
            // Its definition is gone, and so is it.
            None => Found::Absent,
        };
        Ok::<_, KubeError>((done.target.id.clone(), found))
    });
    let living: BTreeMap<ObjectId, Found> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    let mut items = plan(journal, &living, even_if_changed);
    let ours = deleted(&items);
    let mut held = BTreeMap::new();
    for item in &items {
        if takes_others(&item.target.id) && matches!(item.action, UndoAction::Delete { .. }) {
            let found = held_by(api, served, &item.target.id, &ours).await?;
            held.insert(item.target.id.clone(), found);
        }
    }
    spare_others(&mut items, &held);
    Ok(items)
}

/// What became of each object that was come to, and why it ended before the others.
pub async fn undo(
    api: &dyn ClusterObjects,
    served: &Served,
    items: &[UndoItem],
    consent: &Consent,
    progress: &(dyn Fn(&UndoItem) + Send + Sync),
) -> (BTreeMap<ObjectId, Outcome>, Option<Stopped>) {
    let ours = deleted(items);
    let mut outcomes = BTreeMap::new();
    for item in items.iter().filter(|item| item.is_change()) {
        progress(item);
        let id = &item.target.id;
        match one(api, served, item, &ours, consent).await {
            Ok(outcome) => {
                outcomes.insert(id.clone(), outcome);
            }
            Err((in_doubt, error)) => {
                let stopped = Stopped {
                    at: id.clone(),
                    in_doubt: in_doubt && may_have_happened(&error),
                    reason: Reason::Api(error),
                };
                return (outcomes, Some(stopped));
            }
        }
    }
    (outcomes, None)
}

async fn one(
    api: &dyn ClusterObjects,
    served: &Served,
    item: &UndoItem,
    ours: &BTreeSet<String>,
    consent: &Consent,
) -> Result<Outcome, (bool, KubeError)> {
    let id = &item.target.id;
    let Some(resource) = resource_of(served, &item.target) else {
        return Ok(Outcome::Gone);
    };
    match &item.action {
        UndoAction::Delete { uid } => {
            if takes_others(id) {
                // Others may have come since the plan was made.
                let held = held_by(api, served, id, ours).await.map_err(|error| (false, error))?;
                if let Some(why) = spare(Some(&held)) {
                    return Ok(Outcome::Left(why));
                }
            }
            let deletion = api.delete(id.place(resource), uid, None, consent).await;
            Ok(match deletion.map_err(|error| (true, error))? {
                ObjectDeletion::Deleted => Outcome::Deleted,
                ObjectDeletion::Gone => Outcome::Gone,
                ObjectDeletion::Changed => Outcome::Left("was replaced meanwhile".to_owned()),
                ObjectDeletion::Refused(refusal) => Outcome::Left(answer::why(id, &refusal)),
            })
        }
        UndoAction::PutBack { patch } => {
            let answer = api.patch(id.place(resource), patch, consent).await;
            Ok(match answer.map_err(|error| (true, error))? {
                Ok(_) => Outcome::PutBack,
                Err(refusal) => Outcome::Left(answer::why(id, &refusal)),
            })
        }
        UndoAction::Gone => Ok(Outcome::Gone),
        UndoAction::Leave(why) => Ok(Outcome::Left(why.clone())),
    }
}

fn resource_of<'s>(served: &'s Served, target: &Target) -> Option<&'s ServedResource> {
    let of_name = |found: &&ServedResource| found.group == target.id.group && found.plural == target.id.plural;
    let mut all = served.resources.iter().filter(of_name);
    let exact = all.clone().find(|found| found.version == target.version);
    exact.or_else(|| all.next())
}

/// What a namespace or a definition holds beside what is deleted.
async fn held_by(
    api: &dyn ClusterObjects,
    served: &Served,
    id: &ObjectId,
    ours: &BTreeSet<String>,
) -> Result<Others, KubeError> {
    let is_namespace = id.is("", "namespaces");
    let namespace = is_namespace.then_some(id.name.as_str());
    if let Some(unknown) = served.unknown.first().filter(|_| is_namespace) {
        return Ok(Others::Unknown(format!("the API server of {unknown} does not answer")));
    }
    let resources = served.resources.iter().filter(|resource| match is_namespace {
        true => resource.namespaced,
        false => id.name == format!("{}.{}", resource.plural, resource.group),
    });
    let is_one = |resource: &&ServedResource| {
        resource.allows("list")
            && resource.allows("delete")
            && served.preferred(&resource.group, &resource.plural) == Some(*resource)
    };
    let listed = stream::iter(resources.filter(is_one)).map(|resource| list(api, resource, namespace));
    let listed: Vec<Result<Vec<(ObjectId, Value)>, String>> = listed.buffer_unordered(AT_ONCE).try_collect().await?;
    let mut objects = Vec::new();
    for found in listed {
        match found {
            Ok(found) => objects.extend(found),
            Err(why) => return Ok(Others::Unknown(why)),
        }
    }
    Ok(Others::Known(others(&objects, ours)))
}

/// All objects of a resource, or why they may not be listed.
async fn list(
    api: &dyn ClusterObjects,
    resource: &ServedResource,
    namespace: Option<&str>,
) -> Result<Result<Vec<(ObjectId, Value)>, String>, KubeError> {
    let with_id = |object: Value| {
        let within = Some(text(&object, "/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let id = ObjectId::new(
            &resource.group,
            &resource.plural,
            within,
            text(&object, "/metadata/name"),
        );
        Some((id, object))
    };
    match living_objects::all(api, resource, namespace, with_id).await {
        Ok(objects) => Ok(Ok(objects)),
        Err(error) if error.kind == KubeErrorKind::Forbidden => Ok(Err(format!("not allowed to {}", error.action))),
        // It was removed from the API meanwhile.
        Err(error) if error.kind == KubeErrorKind::NotFound => Ok(Ok(Vec::new())),
        Err(error) => Err(error),
    }
}
