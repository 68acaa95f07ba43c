//! What is done with each object of the backup. Nothing that exists is changed, unless the user wants it overwritten.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::kubernetes::for_apply::{Along, Stage};
use runbook_kit::model::kubernetes::served::ServedResource;
use serde_json::Value;

use super::changes;
use super::living::{Found, Living, Presence, defined_by, definition_of, going};
use super::object::{Content, ObjectId, Owner, Ready, Wanted, text};
use super::references;

/// One object, and what is done with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: ObjectId,
    pub stage: Stage,
    pub action: Action,
    /// What its reader should know.
    pub hints: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It does not exist.
    Create(Box<Creation>),
    /// It exists with other content, and is to have that of the backup.
    Overwrite(Box<Change>),
    /// It exists with the content of the backup.
    Same,
    /// It exists with other content: in these fields.
    Differs(Vec<String>),
    /// Why not.
    Cannot(String),
    /// Nobody has to, and why.
    LeftOut(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Creation {
    pub resource: ServedResource,
    pub object: Value,
    /// Its owners: those that exist with their UID, the others are created before it.
    pub owners: Vec<(Owner, ObjectId, Option<String>)>,
    /// What is created before it; until then the API cannot be asked about it.
    pub after: Vec<ObjectId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub resource: ServedResource,
    /// Of exactly the version that was read.
    pub patch: Value,
    pub fields: Vec<String>,
    /// The living object, to put it back.
    pub before: Value,
}

impl Item {
    pub const fn is_change(&self) -> bool {
        matches!(self.action, Action::Create(_) | Action::Overwrite(_))
    }
}

/// Plans all of them, in the order in which they are applied.
pub fn plan(wanted: Vec<Wanted>, living: &Living, along: &Along, overwrite: bool) -> Vec<Item> {
    let exists = |one: &Wanted| matches!(living.found.get(&one.id), Some(Found::There(_) | Found::Unknown(_)));
    let wanted: Vec<Wanted> = wanted.into_iter().filter(|one| !(one.implied && exists(one))).collect();
    let defined = defined_by(&wanted);
    let creatable =
        |one: &Wanted| matches!(one.content, Content::Ready(_)) && living.found.get(&one.id) == Some(&Found::Absent);
    let absent: BTreeSet<ObjectId> = wanted
        .iter()
        .filter(|one| creatable(one))
        .map(|one| one.id.clone())
        .collect();
    let planner = Planner {
        living,
        along,
        defined,
        absent,
        overwrite,
    };
    let mut seen = BTreeSet::new();
    let mut items: Vec<Item> = wanted.into_iter().map(|one| planner.item(one, &mut seen)).collect();
    items.sort_by(|a, b| order(a).cmp(&order(b)));
    fall_with_what_they_need(&mut items);
    owners_first(items)
}

struct Planner<'a> {
    living: &'a Living,
    along: &'a Along,
    defined: Vec<ServedResource>,
    /// Wanted ones that do not exist, and could be created.
    absent: BTreeSet<ObjectId>,
    overwrite: bool,
}

impl Planner<'_> {
    fn item(&self, wanted: Wanted, seen: &mut BTreeSet<ObjectId>) -> Item {
        let Wanted { id, stage, content, .. } = wanted;
        let mut hints = Vec::new();
        let action = if seen.insert(id.clone()) {
            match content {
                Content::LeftOut(why) => Action::LeftOut(why),
                Content::Unreadable(why) => Action::Cannot(why),
                Content::Ready(ready) => self.ready(&id, ready, &mut hints).unwrap_or_else(Action::Cannot),
            }
        } else {
            Action::Cannot("the backup has it twice, under two keys".to_owned())
        };
        Item {
            id,
            stage,
            action,
            hints,
        }
    }

    fn ready(&self, id: &ObjectId, ready: Ready, hints: &mut Vec<String>) -> Result<Action, String> {
        names_itself(id, &ready.object)?;
        let resource = self.resource(id, &ready.object)?;
        match self.living.found.get(id) {
            Some(Found::There(living)) => self.exists(resource, &ready.object, living),
            Some(Found::Unknown(why)) => Err(why.clone()),
            Some(Found::Absent) => self.create(id, resource, ready, hints),
            // Its kind is only defined by this restore.
            None if self.absent.contains(&definition_of(&id.group, &id.plural)) => {
                self.create(id, resource, ready, hints)
            }
            None => Err("the cluster was not asked for it".to_owned()),
        }
    }

    fn exists(&self, resource: ServedResource, wanted: &Value, living: &Value) -> Result<Action, String> {
        if let Some(going) = going(living) {
            return Err(format!("exists, and {going}: repeat the command once it is gone"));
        }
        let Some(patch) = changes::patch(living, wanted, self.along) else {
            return Ok(Action::Same);
        };
        let fields = changes::fields(&patch);
        if !self.overwrite {
            return Ok(Action::Differs(fields));
        }
        let (uid, version) = (text(living, "/metadata/uid"), text(living, "/metadata/resourceVersion"));
        if uid.is_empty() || version.is_empty() {
            return Err("the API shows no UID or version of it".to_owned());
        }
        Ok(Action::Overwrite(Box::new(Change {
            resource,
            patch: changes::guarded(patch, uid, version),
            fields,
            before: living.clone(),
        })))
    }

    fn create(
        &self,
        id: &ObjectId,
        resource: ServedResource,
        ready: Ready,
        hints: &mut Vec<String>,
    ) -> Result<Action, String> {
        let mut after = Vec::new();
        if let Some(name) = &id.namespace {
            let namespace = ObjectId::namespace(name);
            match self.living.found.get(&namespace) {
                Some(Found::There(object)) => {
                    if let Some(going) = going(object) {
                        return Err(format!("namespace {name} {going}: repeat the command once it is gone"));
                    }
                }
                Some(Found::Absent) if self.absent.contains(&namespace) => after.push(namespace),
                Some(Found::Absent) | None => return Err(format!("namespace {name} does not exist")),
                // The API will say.
                Some(Found::Unknown(_)) => {}
            }
        }
        let definition = definition_of(&id.group, &id.plural);
        if self.absent.contains(&definition) {
            after.push(definition);
        }
        hints.extend(ready.remarks);
        for reference in references::of(id, &ready.object) {
            if !self.is_missing(&reference.target) {
                continue;
            }
            let missing = format!("{} does not exist{}", reference.called, self.cure(&reference.target));
            match reference.required {
                true => return Err(missing),
                false => hints.push(missing),
            }
        }
        let mut owners = Vec::new();
        for owner in ready.owners {
            match self.owner(id, &owner) {
                Some((target, uid)) => owners.push((owner, target, uid)),
                None => hints.push(format!(
                    "is created without its owner {} {}, which is not there",
                    owner.kind, owner.name
                )),
            }
        }
        Ok(Action::Create(Box::new(Creation {
            resource,
            object: ready.object,
            owners,
            after,
        })))
    }

    /// Whether something is known to be neither there nor about to be created.
    fn is_missing(&self, target: &ObjectId) -> bool {
        let there = !matches!(self.living.found.get(target), None | Some(Found::Absent));
        let missing = match self.living.mentioned.get(target) {
            Some(presence) => *presence == Presence::Missing,
            None => self.living.found.get(target) == Some(&Found::Absent),
        };
        missing && !there && !self.absent.contains(target)
    }

    fn cure(&self, target: &ObjectId) -> String {
        match self.living.backup_has.contains(target) {
            true => format!(": the backup has it, restore `{}` first", target.selector()),
            false => ", nor in the backup".to_owned(),
        }
    }

    /// Which object an owner is, and its UID where it is there already.
    fn owner(&self, id: &ObjectId, owner: &Owner) -> Option<(ObjectId, Option<String>)> {
        let served = self.living.served.of_kind(&owner.api_version, &owner.kind);
        let of_kind = |found: &&ServedResource| found.api_version() == owner.api_version && found.kind == owner.kind;
        let resource = served.or_else(|| self.defined.iter().find(of_kind))?;
        let namespace = id.namespace.as_deref().filter(|_| resource.namespaced);
        let target = ObjectId::new(&resource.group, &resource.plural, namespace, &owner.name);
        match self.living.uid(&target) {
            Some(uid) => Some((target.clone(), Some(uid.to_owned()))),
            None => self.absent.contains(&target).then_some((target, None)),
        }
    }

    /// How the object is read and written: in the version that the backup has it in.
    fn resource(&self, id: &ObjectId, object: &Value) -> Result<ServedResource, String> {
        let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let same = |found: &&ServedResource| found.group == id.group && found.plural == id.plural;
        let exact = |found: &&ServedResource| found.api_version() == api_version && found.kind == kind;
        let served = self.living.served.resources.iter().filter(same);
        let defined = self.defined.iter().filter(same);
        let Some(resource) = served.clone().find(exact).or_else(|| defined.clone().find(exact)) else {
            let versions: BTreeSet<String> = served.chain(defined).map(ServedResource::api_version).collect();
            return Err(self.not_served(id, api_version, kind, &versions));
        };
        if resource.namespaced != id.namespace.is_some() {
            return Err(format!("{kind} of {api_version} has another scope in this cluster"));
        }
        if !resource.allows("create") {
            return Err(format!("{kind} of {api_version} cannot be created in this cluster"));
        }
        Ok(resource.clone())
    }

    fn not_served(&self, id: &ObjectId, api_version: &str, kind: &str, versions: &BTreeSet<String>) -> String {
        if self.living.served.unknown.iter().any(|unknown| unknown == api_version) {
            return format!("the API server of {api_version} does not answer");
        }
        if !versions.is_empty() {
            let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
            return format!(
                "this cluster does not serve {kind} of {api_version}, only of {}",
                versions.join(", ")
            );
        }
        let definition = definition_of(&id.group, &id.plural);
        if self.living.backup_has.contains(&definition) {
            return format!("{kind} is not defined in this cluster{}", self.cure(&definition));
        }
        format!("this cluster does not serve {kind} of {api_version}")
    }
}

/// A value that names another object than its key was not written by an API server.
fn names_itself(id: &ObjectId, object: &Value) -> Result<(), String> {
    let same_name = text(object, "/metadata/name") == id.name;
    let same_namespace = text(object, "/metadata/namespace") == id.namespace.as_deref().unwrap_or_default();
    match same_name && same_namespace {
        true => Ok(()),
        false => Err("its value names another object than its key".to_owned()),
    }
}

/// What has no namespace first, then one namespace after the other, each in its stages; at the end what may refuse the others.
fn order(item: &Item) -> (u8, Option<&str>, Stage, bool, &ObjectId) {
    let part = match (&item.id.namespace, item.stage) {
        (Some(_), _) => 1,
        (None, Stage::CustomResources | Stage::Admission) => 2,
        (None, _) => 0,
    };
    // A Service that wants a certain address comes before those that get the next free one.
    let any_address = match &item.action {
        Action::Create(creation) => text(&creation.object, "/spec/clusterIP").is_empty(),
        _ => true,
    };
    let namespace = item.id.namespace.as_deref();
    (part, namespace, item.stage, any_address, &item.id)
}

/// What lies in a namespace, or is of a kind, that cannot be created after all, cannot either.
pub fn fall_with_what_they_need(items: &mut [Item]) {
    let failed = items.iter().filter(|item| !item.is_change());
    let failed: BTreeSet<ObjectId> = failed.map(|item| item.id.clone()).collect();
    for item in items {
        if let Action::Create(creation) = &item.action
            && let Some(after) = creation.after.iter().find(|after| failed.contains(after))
        {
            item.action = Action::Cannot(format!("{after} cannot be created"));
        }
    }
}

/// The same order, but owners before what they own.
fn owners_first(items: Vec<Item>) -> Vec<Item> {
    let at: BTreeMap<ObjectId, usize> = items
        .iter()
        .enumerate()
        .map(|(at, item)| (item.id.clone(), at))
        .collect();
    let owners: Vec<Vec<usize>> = items
        .iter()
        .map(|item| match &item.action {
            Action::Create(creation) => creation
                .owners
                .iter()
                .filter_map(|(_, id, _)| at.get(id).copied())
                .collect(),
            _ => Vec::new(),
        })
        .collect();
    let mut order = Vec::with_capacity(items.len());
    let mut entered = BTreeSet::new();
    for start in 0..items.len() {
        // A stack of our own: a backup may hold any chain, and any circle.
        let mut stack = vec![(start, false)];
        while let Some((item, done)) = stack.pop() {
            if done {
                order.push(item);
            } else if entered.insert(item) {
                stack.push((item, true));
                let before = owners.get(item).into_iter().flatten().rev();
                stack.extend(before.map(|owner| (*owner, false)));
            }
        }
    }
    let mut items: Vec<Option<Item>> = items.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|item| items.get_mut(item)?.take())
        .collect()
}

#[cfg(test)]
mod tests;
