//! Which objects of which backups are meant.

use runbook_kit::failure::{AnyFailure, CommandError};
use runbook_kit::model::backup::contents::export;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::selection::{Missing, Namespaces, Request, ResourceError, Resources, Selection};
use runbook_kit::usecases::choose::Chosen;

use crate::context::Context;
use crate::usecases::open::{self, Opened};

/// Objects of one backup.
pub struct Found {
    pub opened: Opened,
    /// Which of its live keys, in the order in which they are written.
    pub picked: Vec<usize>,
}

/// Looks into the backups, one of each etcd cluster, as far as is needed to find all that `request` names.
pub async fn find(context: &Context, chosen: &[Chosen<'_>], request: &Request) -> Result<Vec<Found>, AnyFailure> {
    let mut search = Search::default();
    // Only main has the definitions of custom resources, and nearly all else.
    let (main, others): (Vec<_>, Vec<_>) = chosen.iter().partition(|one| one.catalog.store.etcd == "main");
    for chosen in main.into_iter().chain(others) {
        context.tell_chosen(chosen);
        let opened = open::open(context, chosen).await?;
        if search.look_into(opened, request)? {
            break;
        }
    }
    search.end(context, request)
}

/// What was found so far.
#[derive(Default)]
struct Search {
    resources: Resources,
    found: Vec<Found>,
    /// Of each part of the request whether something was found, and else what there is like it.
    parts: Vec<Result<(), Missing>>,
    unknown: Option<ResourceError>,
    looked_into: Vec<String>,
}

impl Search {
    /// Returns whether nothing more is to be found.
    fn look_into(&mut self, opened: Opened, request: &Request) -> Result<bool, AnyFailure> {
        let keys = opened.content().keys.iter().map(|live| live.key.as_slice());
        self.looked_into.push(format!("etcd {}, {}", opened.etcd, opened.name));
        self.resources.add(&definitions(&opened), keys.clone());
        let selection = match request.resolve(&self.resources) {
            Ok(selection) => selection,
            Err(error @ ResourceError::Unknown(_)) => {
                self.unknown.get_or_insert(error);
                return Ok(false);
            }
            Err(error @ ResourceError::Ambiguous { .. }) => return Err(CommandError::usage(error.to_string()).into()),
        };
        self.unknown = None;
        let mut here = vec![false; selection.parts()];
        let mut picked = Vec::new();
        for (index, raw) in keys.clone().enumerate() {
            let key = ObjectKey::parse(raw);
            let mut parts = selection.parts_of(raw, &key).peekable();
            if parts.peek().is_some() {
                picked.push(index);
            }
            for part in parts {
                if let Some(found) = here.get_mut(part) {
                    *found = true;
                }
            }
        }
        self.tally(&selection, &here, keys);
        if !picked.is_empty() {
            self.found.push(Found { opened, picked });
        }
        Ok(!selection.is_everything() && self.parts.iter().all(Result::is_ok))
    }

    fn tally<'k>(&mut self, selection: &Selection, here: &[bool], keys: impl Iterator<Item = &'k [u8]> + Clone) {
        for (part, found) in here.iter().enumerate() {
            let state = match found {
                true => Ok(()),
                false => match selection.missing(part, keys.clone()) {
                    Some(missing) => Err(missing),
                    None => continue,
                },
            };
            match self.parts.get_mut(part) {
                None => self.parts.push(state),
                Some(known @ Err(_)) => {
                    let better = match (&state, &*known) {
                        (Err(new), Err(old)) => old.near.is_empty() && old.namespaces.is_empty() && old != new,
                        _ => true,
                    };
                    if better {
                        *known = state;
                    }
                }
                Some(Ok(())) => {}
            }
        }
    }

    fn end(self, context: &Context, request: &Request) -> Result<Vec<Found>, AnyFailure> {
        if let Some(unknown) = self.unknown {
            return Err(CommandError::failed(unknown.to_string())
                .hint("`inspect` lists the resources that this backup holds")
                .into());
        }
        let place = self.looked_into.join("; ");
        let missing: Vec<&Missing> = self.parts.iter().filter_map(|part| part.as_ref().err()).collect();
        let named = missing.iter().find(|missing| missing.named);
        match (named.or(missing.first()), self.found.is_empty()) {
            (Some(missing), true) => return Err(absent(missing, request, &place).into()),
            (Some(missing), false) if missing.named => return Err(absent(missing, request, &place).into()),
            (None, true) => return Err(CommandError::usage("no backup to export from").into()),
            _ => {}
        }
        for missing in missing {
            context
                .ui
                .note(&format!("no {} in {}", missing.text, within(request.namespaces())));
        }
        Ok(self.found)
    }
}

/// The CustomResourceDefinitions of a backup. Those that cannot be read name nothing; an export of them tells it.
fn definitions(opened: &Opened) -> Vec<serde_json::Value> {
    let snapshot = opened.snapshot();
    let is_definition = |raw: &[u8]| ObjectKey::parse(raw).is("customresourcedefinitions");
    let definitions = snapshot.content.keys.iter().filter(|live| is_definition(&live.key));
    definitions
        .filter_map(|live| Some(export::whole(snapshot, live).ok()?.object))
        .collect()
}

fn absent(missing: &Missing, request: &Request, place: &str) -> CommandError {
    let text = &missing.text;
    let message = match missing.named {
        true if text.matches('/').count() > 1 => format!("no object `{text}` in this backup ({place})"),
        true => format!(
            "no object `{text}` in {} of this backup ({place})",
            within(request.namespaces())
        ),
        false if request.is_everything() => format!("no {text} in this backup ({place})"),
        false => format!("no {text} in {} of this backup ({place})", within(request.namespaces())),
    };
    CommandError::failed(message).hint(match (missing.namespaces.as_slice(), missing.near.as_slice()) {
        ([], []) => "`inspect` lists the resources and namespaces that this backup holds".to_owned(),
        ([], near) => format!("did you mean {}?", near.join(", ")),
        ([one], _) => format!("it is in namespace {one}: pass -n {one}"),
        (several, _) => format!(
            "it is in the namespaces {}: pass -n with one of them, or -A",
            several.join(", ")
        ),
    })
}

fn within(namespaces: &Namespaces) -> String {
    match namespaces {
        Namespaces::One(namespace) => format!("namespace {namespace}"),
        Namespaces::All => "any namespace".to_owned(),
    }
}
