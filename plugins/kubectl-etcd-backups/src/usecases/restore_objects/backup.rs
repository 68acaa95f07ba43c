//! The objects that are wanted, out of a backup.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::failure::CommandError;
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::kubernetes::for_apply::Stage;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::metadata::ObjectMeta;
use runbook_kit::model::kubernetes::selection::{Missing, Request, Resources, Selection};
use runbook_kit::model::kubernetes::value::Value;
use runbook_kit::model::kubernetes::whole::whole;
use runbook_kit::model::snapshot::{LiveKey, Problem};

use crate::rules::restore_objects::object::ObjectId;
use crate::rules::restore_objects::prepare::Selected;
use crate::usecases::open::Opened;

/// What was found.
pub struct FromBackup {
    pub selected: Vec<Selected>,
    /// The PersistentVolumes that selected claims were bound to.
    pub volumes: BTreeMap<String, serde_json::Value>,
}

/// Reads what is requested, and the namespaces that it lies in.
pub fn select(opened: &Opened, request: &Request) -> Result<FromBackup, CommandError> {
    let unreadable = |problem| opened.unreadable(problem);
    let snapshot = opened.snapshot();
    let definitions = definitions(snapshot).map_err(unreadable)?;
    let raw_keys = || snapshot.content.keys.iter().map(|live| live.key.as_slice());
    let resources = Resources::new(&definitions, raw_keys());
    let selection = request
        .resolve(&resources)
        .map_err(|error| CommandError::usage(error.to_string()))?;
    let mut found = vec![false; selection.parts()];
    let mut selected = Vec::new();
    for live in &snapshot.content.keys {
        let key = ObjectKey::parse(&live.key);
        if !key.is_kubernetes() || !selection.takes(&live.key, &key) {
            continue;
        }
        let plain = plain(snapshot, live).map_err(unreadable)?;
        if !labels_match(&selection, &plain) {
            continue;
        }
        for part in selection.parts_of(&live.key, &key) {
            if let Some(found) = found.get_mut(part) {
                *found = true;
            }
        }
        selected.push(one(&key, plain, false));
    }
    let missing = (0..).zip(&found).filter(|(_, found)| !**found);
    let missing: Vec<Missing> = missing
        .filter_map(|(part, _)| selection.missing(part, raw_keys()))
        .collect();
    if !missing.is_empty() {
        return Err(not_there(&opened.name, &missing, selection.labels().is_some()));
    }
    add_namespaces(snapshot, &mut selected).map_err(unreadable)?;
    let volumes = volumes(snapshot, &selected).map_err(unreadable)?;
    Ok(FromBackup { selected, volumes })
}

/// Which of these the backup has.
pub fn has(opened: &Opened, wanted: &BTreeSet<ObjectId>) -> BTreeSet<ObjectId> {
    let keys = opened.snapshot().content.keys.iter();
    let ids = keys.map(|live| ObjectId::of_key(&ObjectKey::parse(&live.key)));
    ids.filter(|id| wanted.contains(id)).collect()
}

/// The plaintext of a value, or why there is none.
fn plain(snapshot: Snapshot<'_>, live: &LiveKey) -> Result<Result<Vec<u8>, String>, Problem> {
    Ok(snapshot.decrypted(live)?.map_err(|error| error.to_string()))
}

fn one(key: &ObjectKey<'_>, plain: Result<Vec<u8>, String>, implied: bool) -> Selected {
    Selected {
        id: ObjectId::of_key(key),
        stage: Stage::of(key),
        implied,
        object: plain.and_then(|plain| object(&plain)),
    }
}

/// The whole object. One of which a part is not understood cannot be written whole.
fn object(plain: &[u8]) -> Result<serde_json::Value, String> {
    let read = Value::decode(plain).and_then(|value| whole(&value, None));
    let read = read.map_err(|error| error.to_string())?;
    match read.unknown.as_slice() {
        [] => Ok(read.object),
        [first, ..] => Err(format!(
            "not all of it is understood: {first}{}",
            match read.unknown.len() {
                1 => String::new(),
                more => format!(" and {} more", more - 1),
            }
        )),
    }
}

/// Where labels are asked for, what cannot be read is not selected: nobody knows its labels.
fn labels_match(selection: &Selection, plain: &Result<Vec<u8>, String>) -> bool {
    let Some(wanted) = selection.labels() else {
        return true;
    };
    let meta = plain.as_ref().ok().and_then(|plain| {
        let value = Value::decode(plain).ok()?;
        ObjectMeta::of_value(&value).ok()
    });
    meta.is_some_and(|meta| wanted.matches(&meta.labels.into_iter().collect()))
}

fn definitions(snapshot: Snapshot<'_>) -> Result<Vec<serde_json::Value>, Problem> {
    let mut found = Vec::new();
    for live in &snapshot.content.keys {
        if ObjectKey::parse(&live.key).is("customresourcedefinitions") {
            found.extend(plain(snapshot, live)?.ok().and_then(|plain| object(&plain).ok()));
        }
    }
    Ok(found)
}

fn add_namespaces(snapshot: Snapshot<'_>, selected: &mut Vec<Selected>) -> Result<(), Problem> {
    let there: BTreeSet<ObjectId> = selected.iter().map(|one| one.id.clone()).collect();
    let needed: BTreeSet<ObjectId> = there
        .iter()
        .filter_map(|id| id.namespace.as_deref().map(ObjectId::namespace))
        .collect();
    for live in &snapshot.content.keys {
        let key = ObjectKey::parse(&live.key);
        let id = ObjectId::of_key(&key);
        if key.is("namespaces") && needed.contains(&id) && !there.contains(&id) {
            selected.push(one(&key, plain(snapshot, live)?, true));
        }
    }
    Ok(())
}

fn volumes(snapshot: Snapshot<'_>, selected: &[Selected]) -> Result<BTreeMap<String, serde_json::Value>, Problem> {
    let wanted: BTreeSet<&str> = selected.iter().filter_map(Selected::volume).collect();
    let mut found = BTreeMap::new();
    for live in &snapshot.content.keys {
        let key = ObjectKey::parse(&live.key);
        if key.is("persistentvolumes") && wanted.contains(&*key.name) {
            let object = plain(snapshot, live)?.ok().and_then(|plain| object(&plain).ok());
            found.extend(object.map(|object| (key.name.clone().into_owned(), object)));
        }
    }
    Ok(found)
}

fn not_there(backup: &str, missing: &[Missing], labels: bool) -> CommandError {
    let names: Vec<&str> = missing.iter().map(|one| one.text.as_str()).collect();
    let with = if labels { " with these labels" } else { "" };
    let error = CommandError::failed(format!("backup {backup} has no {}{with}", names.join(", no ")));
    let near: Vec<&str> = missing.iter().flat_map(|one| &one.near).map(String::as_str).collect();
    let namespaces: BTreeSet<&str> = missing
        .iter()
        .flat_map(|one| &one.namespaces)
        .map(String::as_str)
        .collect();
    if !near.is_empty() {
        return error.hint(format!("it has {}", near.join(", ")));
    }
    if !namespaces.is_empty() {
        let namespaces: Vec<&str> = namespaces.into_iter().collect();
        return error.hint(format!("it is in namespace {}: pass -n", namespaces.join(", ")));
    }
    error.hint("run `inspect -o name` to list what it has")
}
