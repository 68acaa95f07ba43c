//! Accounts that are filled once in this process, and copied for each test.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use super::{AwsAccount, Built, KopsCluster};
use crate::error::Error;
use crate::servers::Moto;
use crate::store;

/// By what they hold; nobody asks them for anything after they were filled.
static FILLED: Mutex<BTreeMap<String, (Moto, Vec<Built>)>> = Mutex::new(BTreeMap::new());

/// A moto of its own with these clusters, built in this order, and with these buckets, at whose root is a state store with the backups
/// of a fixture store: `("kops-state", "state-store-restored")`. Its instances may have been launched a while ago.
///
/// # Errors
/// When moto does not start, or refuses.
pub fn account_with(clusters: &[&KopsCluster], stores: &[(&str, &str)]) -> Result<(Moto, Vec<Built>), Error> {
    let mut filled = FILLED.lock().unwrap_or_else(PoisonError::into_inner);
    let (moto, built) = match filled.entry(format!("{clusters:?} {stores:?}")) {
        Entry::Occupied(filled) => filled.into_mut(),
        Entry::Vacant(place) => place.insert(fill(clusters, stores)?),
    };
    Ok((moto.copy()?, built.clone()))
}

fn fill(clusters: &[&KopsCluster], stores: &[(&str, &str)]) -> Result<(Moto, Vec<Built>), Error> {
    let moto = Moto::start()?.until_the_end()?;
    let account = AwsAccount::of(&moto);
    let built = clusters.iter().map(|cluster| cluster.build(&account));
    let built = built.collect::<Result<_, _>>()?;
    for (bucket, backups) in stores {
        store::serve_state_store(&moto, bucket, backups)?;
    }
    Ok((moto, built))
}
