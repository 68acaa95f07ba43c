//! The objects that are wanted, out of a backup.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::failure::CommandError;
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::kubernetes::for_apply::Stage;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::metadata::ObjectMeta;
use runbook_kit::model::kubernetes::selection::LabelSelector;
use runbook_kit::model::kubernetes::value::Value;
use runbook_kit::model::kubernetes::whole::whole;
use runbook_kit::model::snapshot::{LiveKey, Problem};

use crate::rules::restore_objects::object::ObjectId;
use crate::rules::restore_objects::prepare::Selected;
use crate::usecases::export::find::Found;
use crate::usecases::open::Opened;

/// What was found.
pub struct FromBackup {
    pub selected: Vec<Selected>,
    /// The PersistentVolumes that selected claims were bound to.
    pub volumes: BTreeMap<String, serde_json::Value>,
}

/// Reads what was picked, as far as its labels are asked for, and the namespaces that it lies in.
pub fn read(found: &Found, labels: Option<&LabelSelector>) -> Result<FromBackup, CommandError> {
    let unreadable = |problem| found.opened.unreadable(problem);
    let snapshot = found.opened.snapshot();
    let mut selected = Vec::new();
    for live in found
        .picked
        .iter()
        .filter_map(|index| snapshot.content.keys.get(*index))
    {
        let key = ObjectKey::parse(&live.key);
        if !key.is_kubernetes() {
            continue;
        }
        let plain = plain(snapshot, live).map_err(unreadable)?;
        if labels_match(labels, &plain) {
            selected.push(one(&key, plain, false));
        }
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
fn labels_match(wanted: Option<&LabelSelector>, plain: &Result<Vec<u8>, String>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    let meta = plain.as_ref().ok().and_then(|plain| {
        let value = Value::decode(plain).ok()?;
        ObjectMeta::of_value(&value).ok()
    });
    meta.is_some_and(|meta| wanted.matches(&meta.labels.into_iter().collect()))
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
