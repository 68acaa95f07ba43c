//! What `--undo` does: it deletes what a run created, and puts back what it overwrote. Never anything else.

use std::collections::{BTreeMap, BTreeSet};

use runbook_kit::model::kubernetes::for_apply::{Along, for_apply};
use runbook_kit::ports::cluster_objects::FIELD_MANAGER;
use serde_json::Value;

use super::changes;
use super::journal::{Changed, Done, Journal, Target};
use super::living::{Found, going};
use super::object::{ObjectId, list, text};

/// One change, and what is done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoItem {
    pub target: Target,
    pub action: UndoAction,
    /// What its reader should know.
    pub hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum UndoAction {
    /// It is the object that was created.
    Delete { uid: String },
    /// It is the object that was overwritten.
    PutBack { patch: Value },
    /// Nothing is left to do.
    Gone,
    /// It is left as it is, and why.
    Leave(String),
}

impl UndoItem {
    pub const fn is_change(&self) -> bool {
        matches!(self.action, UndoAction::Delete { .. } | UndoAction::PutBack { .. })
    }
}

/// What a namespace or the definition of a custom resource takes with it when it is deleted, and this run did not create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Others {
    Known(Vec<String>),
    Unknown(String),
}

/// Plans the undoing of a journal, last change first.
pub fn plan(journal: &Journal, living: &BTreeMap<ObjectId, Found>, even_if_changed: bool) -> Vec<UndoItem> {
    let mut seen = BTreeSet::new();
    let of_done = |done: &Done| {
        let id = &done.target.id;
        let action = match living.get(id) {
            // A later change of the same object stands before it: it undoes both, or knows why not.
            _ if !seen.insert(id.clone()) => UndoAction::Leave("was changed again by the same run".to_owned()),
            None => UndoAction::Leave("the cluster was not asked for it".to_owned()),
            Some(Found::Unknown(why)) => UndoAction::Leave(why.clone()),
            Some(Found::Absent) => absent(&done.change),
            Some(Found::There(object)) => there(&done.change, object, even_if_changed),
        };
        UndoItem {
            hint: hint(id, &action),
            target: done.target.clone(),
            action,
        }
    };
    journal.done.iter().rev().map(of_done).collect()
}

fn absent(change: &Changed) -> UndoAction {
    match change {
        Changed::Created { .. } | Changed::InDoubt { created: true } => UndoAction::Gone,
        Changed::Overwritten { .. } | Changed::InDoubt { created: false } => {
            UndoAction::Leave("was deleted since it was overwritten".to_owned())
        }
    }
}

fn there(change: &Changed, living: &Value, even_if_changed: bool) -> UndoAction {
    let leave = |why: &str| UndoAction::Leave(why.to_owned());
    let (uid, content) = match change {
        Changed::InDoubt { created: true } => {
            return leave(
                "may have been created by this run, or by somebody else: the run ended before the API's answer",
            );
        }
        Changed::InDoubt { created: false } => {
            return leave("may have been overwritten by this run: it ended before the API's answer");
        }
        Changed::Created { uid, content } | Changed::Overwritten { uid, content, .. } => (uid, content),
    };
    if text(living, "/metadata/uid") != uid {
        return leave("is another object of the same name, created since");
    }
    if let Some(going) = going(living) {
        return UndoAction::Leave(going);
    }
    if !is_ours(living) {
        return UndoAction::Leave(format!("no field of it was written by {FIELD_MANAGER}"));
    }
    if changes::fingerprint(living) != *content && !even_if_changed {
        return leave("was changed since; --even-if-changed includes it");
    }
    match change {
        Changed::Overwritten { before, .. } => {
            let along = Along::default();
            match changes::patch(living, &changes::comparable(before, &along), &along) {
                Some(patch) => UndoAction::PutBack {
                    patch: changes::guarded(patch, uid, text(living, "/metadata/resourceVersion")),
                },
                None => UndoAction::Gone,
            }
        }
        _ => UndoAction::Delete { uid: uid.clone() },
    }
}

/// Whether the API has seen this command write it.
fn is_ours(living: &Value) -> bool {
    let managers = list(living, "/metadata/managedFields").iter();
    managers
        .map(|entry| text(entry, "/manager"))
        .any(|manager| manager == FIELD_MANAGER)
}

fn hint(id: &ObjectId, action: &UndoAction) -> Option<String> {
    let deletes = matches!(action, UndoAction::Delete { .. });
    let claim = deletes && id.is("", "persistentvolumeclaims");
    claim.then(|| "its volume is deleted with it where the reclaim policy is Delete".to_owned())
}

/// Whether deleting an object deletes others that are not its own.
pub fn takes_others(id: &ObjectId) -> bool {
    id.is("", "namespaces") || id.is("apiextensions.k8s.io", "customresourcedefinitions")
}

/// Leaves what would take others with it. `others` has been asked for each of them.
pub fn spare_others(items: &mut [UndoItem], others: &BTreeMap<ObjectId, Others>) {
    for item in items.iter_mut().filter(|item| takes_others(&item.target.id)) {
        if matches!(item.action, UndoAction::Delete { .. })
            && let Some(why) = spare(others.get(&item.target.id))
        {
            item.action = UndoAction::Leave(why);
        }
    }
}

/// Why an object that takes others with it is left, if so.
pub fn spare(others: Option<&Others>) -> Option<String> {
    const SHOWN: usize = 3;
    match others {
        Some(Others::Known(found)) if found.is_empty() => None,
        Some(Others::Known(found)) => {
            let shown: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
            let more = match found.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Some(format!("holds what is not deleted: {}{more}", shown.join(", ")))
        }
        Some(Others::Unknown(why)) => Some(format!("what else it holds is not known: {why}")),
        None => Some("what else it holds was not asked for".to_owned()),
    }
}

/// The UIDs of what is deleted.
pub fn deleted(items: &[UndoItem]) -> BTreeSet<String> {
    let uid = |item: &UndoItem| match &item.action {
        UndoAction::Delete { uid } => Some(uid.clone()),
        _ => None,
    };
    items.iter().filter_map(uid).collect()
}

/// Those of `objects` that neither `ours` are (by UID), nor follow one of these when it goes, nor are made by themselves in every
/// namespace. Each with its name for the user.
pub fn others(objects: &[(ObjectId, Value)], ours: &BTreeSet<String>) -> Vec<String> {
    let mut going: BTreeSet<&str> = ours.iter().map(String::as_str).collect();
    loop {
        let before = going.len();
        for (_, object) in objects {
            let mut owners = list(object, "/metadata/ownerReferences").iter();
            // With several owners it stays until the last is gone.
            let owned = !list(object, "/metadata/ownerReferences").is_empty();
            if owned && owners.all(|owner| going.contains(text(owner, "/uid"))) {
                going.insert(text(object, "/metadata/uid"));
            }
        }
        if going.len() == before {
            break;
        }
    }
    let stays = |(_, object): &&(ObjectId, Value)| {
        !going.contains(text(object, "/metadata/uid")) && for_apply(object.clone(), &Along::default()).is_ok()
    };
    let mut found: Vec<String> = objects.iter().filter(stays).map(|(id, _)| id.to_string()).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
