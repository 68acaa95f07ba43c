//! The order in which objects are applied, and which of them go along.

use runbook_kit::model::backup::contents::export;
use runbook_kit::model::kubernetes::for_apply::{self, Along, Stage};
use runbook_kit::model::kubernetes::key::ObjectKey;

use super::find::Found;

/// Orders the objects by their stages, Services that have an address of their own first: no other one can be given it then.
/// Adds those that others belong to to `along`.
pub fn for_applying(found: &mut Found, along: &mut Along) {
    let snapshot = found.opened.snapshot();
    let mut ranked: Vec<_> = found
        .picked
        .iter()
        .filter_map(|index| {
            let live = snapshot.content.keys.get(*index)?;
            let key = ObjectKey::parse(&live.key);
            // What cannot be read is told when it is written.
            if Along::matters(key.resource)
                && let Ok(metadata) = export::metadata(snapshot, live)
            {
                along.note(key.resource, &key.name, &metadata.uid);
            }
            let takes_any_address = key.is("services")
                && export::whole(snapshot, live).is_ok_and(|whole| !for_apply::asked_for_cluster_ip(&whole.object));
            Some((Stage::of(&key), takes_any_address, *index))
        })
        .collect();
    ranked.sort_unstable();
    found.picked = ranked.into_iter().map(|(_, _, index)| index).collect();
}
