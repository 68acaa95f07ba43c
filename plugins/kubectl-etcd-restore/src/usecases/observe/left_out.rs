//! The etcd clusters of the cluster that the flags leave out.

use runbook_kit::failure::AnyFailure;
use runbook_kit::model::observed::Observed;
use runbook_kit::usecases::catalog::Catalog;
use runbook_kit::usecases::wipe_journal::Entry;

use crate::context::Context;
use crate::rules::follow::{EtcdSeen, Seen};
use crate::rules::log_messages::LogEvent;
use crate::rules::preflight::LeftOut;
use crate::usecases::observe::wiped;

/// The etcd clusters that are not changed.
#[derive(Default)]
pub struct OtherEtcds {
    /// Those with a readable store.
    pub catalogs: Vec<Catalog>,
    /// The names of the others, and why their store cannot be read.
    pub unread: Vec<(String, String)>,
}

impl OtherEtcds {
    /// The etcd clusters that `--etcd` leaves out.
    pub async fn find(context: &Context) -> Result<Self, AnyFailure> {
        let mut found = Self::default();
        for (store, read) in context.session.left_out().await? {
            match read {
                Ok(catalog) => found.catalogs.push(catalog),
                Err(why) => found.unread.push((store.etcd, why)),
            }
        }
        Ok(found)
    }
}

/// The facts of the preflight.
pub fn facts(others: &OtherEtcds, seen: &[Seen], wipe: &Observed<Option<Entry>>) -> Vec<LeftOut> {
    let mut found = Vec::new();
    for (catalog, seen) in others.catalogs.iter().zip(seen) {
        let says_so = seen
            .log
            .iter()
            .flatten()
            .any(|event| *event == LogEvent::WaitsForCommand);
        found.push(LeftOut {
            etcd: catalog.store.etcd.clone(),
            commands: match &seen.store {
                Ok(store) => Observed::Known(store.commands.iter().map(|command| command.name.clone()).collect()),
                Err(why) => Observed::Unknown(why.clone()),
            },
            created: seen.store.as_ref().map_or(true, |store| store.created),
            seen: seen.etcd.clone(),
            no_members: match says_so {
                true => Some("etcd-manager's log shows it".to_owned()),
                false => wiped::no_restore_since(wipe, catalog),
            },
        });
    }
    found.extend(others.unread.iter().map(|(etcd, why)| LeftOut {
        etcd: etcd.clone(),
        commands: Observed::Unknown(why.clone()),
        created: true,
        seen: EtcdSeen::NotAsked("its store cannot be read".to_owned()),
        no_members: None,
    }));
    found
}
