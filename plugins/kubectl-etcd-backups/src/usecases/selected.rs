//! Which objects of opened backups the command line means.

use runbook_kit::failure::CommandError;
use runbook_kit::model::backup::contents::Snapshot;
use runbook_kit::model::kubernetes::key::ObjectKey;
use runbook_kit::model::kubernetes::selection::{
    Namespaces, Request, RequestError, ResourceError, Resources, Selection,
};
use runbook_kit::model::kubernetes::served::Served;
use runbook_kit::model::kubernetes::value::Value;
use runbook_kit::model::kubernetes::whole::whole;
use runbook_kit::model::snapshot::Problem;
use serde_json::json;

/// What the arguments and `-n` mean; `None` for everything.
pub fn request(arguments: &[String], namespace: Option<&str>) -> Result<Option<Request>, CommandError> {
    if arguments.is_empty() && namespace.is_none() {
        return Ok(None);
    }
    let namespaces = namespace.map_or(Namespaces::All, |one| Namespaces::One(one.to_owned()));
    Request::parse(arguments, arguments.is_empty(), namespaces, None)
        .map(Some)
        .map_err(|error: RequestError| CommandError::usage(error.to_string()))
}

/// Finds the resources by the names that the backups and the cluster know them by.
pub fn resolve(
    request: &Request,
    backups: &[Snapshot<'_>],
    served: Option<&Served>,
) -> Result<Result<Selection, ResourceError>, Problem> {
    let mut definitions = Vec::new();
    for backup in backups {
        for live in &backup.content.keys {
            if ObjectKey::parse(&live.key).is("customresourcedefinitions") {
                let value = backup.value(live)?;
                let definition = Value::decode(&value).and_then(|value| whole(&value, None));
                definitions.extend(definition.map(|definition| definition.object));
            }
        }
    }
    for resource in served.iter().flat_map(|served| &served.resources) {
        let is_known = |group: &str| group.is_empty() || !group.contains('.');
        if !is_known(&resource.group) {
            definitions.push(json!({"spec": {"group": resource.group, "names": {
                "plural": resource.plural, "singular": resource.singular,
                "kind": resource.kind, "shortNames": resource.short,
            }}}));
        }
    }
    let keys = backups.iter().flat_map(|backup| &backup.content.keys);
    let mut resources = Resources::default();
    resources.add(&definitions, keys.map(|live| live.key.as_slice()));
    Ok(request.resolve(&resources))
}

/// Whether anything in the backups is meant.
pub fn is_any(selection: &Selection, backups: &[Snapshot<'_>]) -> bool {
    let mut keys = backups.iter().flat_map(|backup| &backup.content.keys);
    keys.any(|live| selection.takes(&live.key, &ObjectKey::parse(&live.key)))
}
