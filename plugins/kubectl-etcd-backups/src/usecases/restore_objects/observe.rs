//! What the living cluster has of the wanted objects, of what they need, and of their volumes. It only reads.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use runbook_kit::model::kubernetes::served::{Served, ServedResource};
use runbook_kit::ports::cluster_api::{KubeError, KubeErrorKind};
use runbook_kit::ports::cluster_objects::ClusterObjects;
use runbook_kit::usecases::living_objects;
use serde_json::Value;

use crate::rules::restore_objects::living::{Found, Living, Presence, defined_by, definition_of};
use crate::rules::restore_objects::object::{Content, ObjectId, Wanted, text};
use crate::rules::restore_objects::prepare::{Selected, Volumes};
use crate::rules::restore_objects::references;

/// Requests at the same time.
const AT_ONCE: usize = 8;
/// From so many objects of one resource and namespace on they are listed.
const LISTED_FROM: usize = 4;

/// The UID of namespace `kube-system`; `None` where it may not be read.
pub async fn cluster_uid(api: &dyn ClusterObjects, served: &Served) -> Result<Option<String>, KubeError> {
    let found = get(api, served, &ObjectId::namespace("kube-system")).await?;
    Ok(match found {
        Found::There(object) => Some(text(&object, "/metadata/uid").to_owned()).filter(|uid| !uid.is_empty()),
        Found::Absent | Found::Unknown(_) => None,
    })
}

/// The volumes that selected claims were bound to.
pub async fn volumes(
    api: &dyn ClusterObjects,
    served: &Served,
    selected: &[Selected],
    in_backup: BTreeMap<String, Value>,
) -> Result<Volumes, KubeError> {
    let names: BTreeSet<String> = selected
        .iter()
        .filter_map(|one| one.volume().map(str::to_owned))
        .collect();
    let ids = names
        .iter()
        .map(|name| ObjectId::cluster("", "persistentvolumes", name))
        .collect();
    let living = get_all(api, served, ids).await?.into_iter().map(|(id, found)| {
        let volume = match found {
            Found::There(object) => Some(Some(object)),
            Found::Absent => Some(None),
            Found::Unknown(_) => None,
        };
        (id.name, volume)
    });
    Ok(Volumes {
        living: living.collect(),
        in_backup,
    })
}

/// All that the plan needs to know. `in_backup` tells which of some objects the backup has.
pub async fn living(
    api: &dyn ClusterObjects,
    served: Served,
    wanted: &[Wanted],
    in_backup: impl FnOnce(&BTreeSet<ObjectId>) -> BTreeSet<ObjectId>,
) -> Result<Living, KubeError> {
    let defined = defined_by(wanted);
    let ids: BTreeSet<ObjectId> = wanted
        .iter()
        .filter(|one| is_ready(one))
        .map(|one| one.id.clone())
        .collect();
    let namespaces: BTreeSet<ObjectId> = ids
        .iter()
        .filter_map(|id| id.namespace.as_deref().map(ObjectId::namespace))
        .collect();
    let mut found = wanted_objects(api, &served, wanted).await?;
    let rest = namespaces.into_iter().filter(|id| !found.contains_key(id)).collect();
    found.extend(get_all(api, &served, rest).await?);
    let mut mentioned = mentioned(&served, &defined, wanted);
    mentioned.retain(|id| !ids.contains(id));
    let mut asked = mentioned.clone();
    asked.extend(ids.iter().map(|id| definition_of(&id.group, &id.plural)));
    let presence = |found: Found| match found {
        Found::Absent => Presence::Missing,
        Found::There(object) => Presence::There(text(&object, "/metadata/uid").to_owned()),
        Found::Unknown(_) => Presence::Unknown,
    };
    let mentioned = get_all(api, &served, mentioned).await?;
    Ok(Living {
        served,
        found,
        mentioned: mentioned.into_iter().map(|(id, found)| (id, presence(found))).collect(),
        backup_has: in_backup(&asked),
    })
}

const fn is_ready(wanted: &Wanted) -> bool {
    matches!(wanted.content, Content::Ready(_))
}

/// What wanted objects need, and who owns them.
fn mentioned(served: &Served, defined: &[ServedResource], wanted: &[Wanted]) -> BTreeSet<ObjectId> {
    let mut found = BTreeSet::new();
    for one in wanted {
        let Content::Ready(ready) = &one.content else { continue };
        found.extend(
            references::of(&one.id, &ready.object)
                .into_iter()
                .map(|reference| reference.target),
        );
        for owner in &ready.owners {
            let of_kind =
                |found: &&ServedResource| found.api_version() == owner.api_version && found.kind == owner.kind;
            let resource = served.of_kind(&owner.api_version, &owner.kind);
            if let Some(resource) = resource.or_else(|| defined.iter().find(of_kind)) {
                let namespace = one.id.namespace.as_deref().filter(|_| resource.namespaced);
                found.insert(ObjectId::new(&resource.group, &resource.plural, namespace, &owner.name));
            }
        }
    }
    found
}

/// The wanted objects, each in the version that the backup has it in. What is of a kind that is not served is not asked for.
async fn wanted_objects(
    api: &dyn ClusterObjects,
    served: &Served,
    wanted: &[Wanted],
) -> Result<BTreeMap<ObjectId, Found>, KubeError> {
    let mut groups: BTreeMap<(ServedResource, Option<String>), BTreeSet<ObjectId>> = BTreeMap::new();
    for one in wanted {
        let Content::Ready(ready) = &one.content else { continue };
        let (version, kind) = (text(&ready.object, "/apiVersion"), text(&ready.object, "/kind"));
        let resource = served.of_kind(version, kind).filter(|found| {
            found.group == one.id.group
                && found.plural == one.id.plural
                && found.namespaced == one.id.namespace.is_some()
        });
        if let Some(resource) = resource {
            let group = (resource.clone(), one.id.namespace.clone());
            groups.entry(group).or_default().insert(one.id.clone());
        }
    }
    let asked = stream::iter(groups).map(|((resource, namespace), ids)| async move {
        match ids.len() {
            0..LISTED_FROM => each(api, &resource, ids).await,
            _ => list(api, &resource, namespace.as_deref(), ids).await,
        }
    });
    let found: Vec<Vec<(ObjectId, Found)>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn each(
    api: &dyn ClusterObjects,
    resource: &ServedResource,
    ids: BTreeSet<ObjectId>,
) -> Result<Vec<(ObjectId, Found)>, KubeError> {
    let mut found = Vec::new();
    for id in ids {
        let answer = of_answer(api.get(id.place(resource)).await)?;
        found.push((id, answer));
    }
    Ok(found)
}

async fn list(
    api: &dyn ClusterObjects,
    resource: &ServedResource,
    namespace: Option<&str>,
    ids: BTreeSet<ObjectId>,
) -> Result<Vec<(ObjectId, Found)>, KubeError> {
    let wanted = |object: Value| {
        let id = ObjectId::new(
            &resource.group,
            &resource.plural,
            namespace,
            text(&object, "/metadata/name"),
        );
        ids.contains(&id).then_some((id, object))
    };
    match living_objects::all(api, resource, namespace, wanted).await {
        Ok(listed) => {
            let mut listed: BTreeMap<ObjectId, Value> = listed.into_iter().collect();
            let found = ids.into_iter().map(|id| {
                let found = listed.remove(&id).map_or(Found::Absent, Found::There);
                (id, found)
            });
            Ok(found.collect())
        }
        // Whoever may not list may still be allowed to get.
        Err(error) if error.kind == KubeErrorKind::Forbidden => each(api, resource, ids).await,
        Err(error) => Err(error),
    }
}

/// Some objects, in the version that the server prefers.
pub async fn get_all(
    api: &dyn ClusterObjects,
    served: &Served,
    ids: BTreeSet<ObjectId>,
) -> Result<BTreeMap<ObjectId, Found>, KubeError> {
    let asked = stream::iter(ids).map(|id| async move {
        let found = get(api, served, &id).await?;
        Ok::<_, KubeError>((id, found))
    });
    asked.buffer_unordered(AT_ONCE).try_collect().await
}

async fn get(api: &dyn ClusterObjects, served: &Served, id: &ObjectId) -> Result<Found, KubeError> {
    match served.preferred(&id.group, &id.plural) {
        Some(resource) => of_answer(api.get(id.place(resource)).await),
        None => Ok(Found::Absent),
    }
}

/// What is not allowed for one object may be for others; without an answer there is no plan.
pub fn of_answer(answer: Result<Option<Value>, KubeError>) -> Result<Found, KubeError> {
    match answer {
        Ok(Some(object)) => Ok(Found::There(object)),
        Ok(None) => Ok(Found::Absent),
        Err(error) if error.kind == KubeErrorKind::Forbidden => {
            Ok(Found::Unknown(format!("not allowed to {}", error.action)))
        }
        Err(error) => Err(error),
    }
}
