//! Asks the API whether it would take the objects: validation, admission and webhooks run, and nothing is kept.

use futures::stream::{self, StreamExt, TryStreamExt};
use runbook_kit::model::kubernetes::for_apply::Along;
use runbook_kit::ports::cluster_api::KubeError;
use runbook_kit::ports::cluster_objects::{Answer, ClusterObjects};

use crate::rules::restore_objects::plan::{Action, Item, fall_with_what_they_need};
use crate::rules::restore_objects::{answer, changes};

/// Requests at the same time.
const AT_ONCE: usize = 8;

/// The plan, in which what the API would refuse is not done. What lies in a namespace that is still to be created, or is of a kind that is
/// still to be defined, cannot be asked about.
pub async fn check(
    api: &dyn ClusterObjects,
    items: Vec<Item>,
    along: &Along,
    progress: &(dyn Fn(&Item) + Send + Sync),
) -> Result<Vec<Item>, KubeError> {
    let asked = stream::iter(items).map(|item| async move {
        let asked = ask(api, &item).await?;
        progress(&item);
        Ok::<_, KubeError>(match asked {
            Some(answer) => judged(item, answer, along),
            None => item,
        })
    });
    let mut items: Vec<Item> = asked.buffered(AT_ONCE).try_collect().await?;
    fall_with_what_they_need(&mut items);
    Ok(items)
}

async fn ask(api: &dyn ClusterObjects, item: &Item) -> Result<Option<Answer>, KubeError> {
    Ok(match &item.action {
        Action::Create(creation) if creation.after.is_empty() => {
            let place = item.id.place(&creation.resource);
            Some(api.would_create(place, &creation.object).await?)
        }
        Action::Overwrite(change) => {
            let place = item.id.place(&change.resource);
            Some(api.would_patch(place, &change.patch).await?)
        }
        _ => None,
    })
}

fn judged(item: Item, answer: Answer, along: &Along) -> Item {
    let action = match (answer, item.action) {
        (Err(refusal), _) => Action::Cannot(answer::why(&item.id, &refusal)),
        // It would change nothing: the API fills in what the backup lacks, or drops what it no longer knows.
        (Ok(after), Action::Overwrite(change)) => {
            let same = changes::comparable(&after, along) == changes::comparable(&change.before, along);
            if same { Action::Same } else { Action::Overwrite(change) }
        }
        (Ok(_), action) => action,
    };
    Item { action, ..item }
}
