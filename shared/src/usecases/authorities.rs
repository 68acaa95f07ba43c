//! The CAs of a key store, without their private keys.

use futures::future::join_all;

use crate::failure::chain;
use crate::model::certificate::Authority;
use crate::model::kops::keyset::{Keyset, keyset_place};
use crate::model::store_url::StoreUrl;
use crate::ports::{Certificates, ObjectStore};

/// More than any keyset.
const LARGEST: u64 = 1 << 20;

/// The CAs that were found, and what could not be read.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    /// Each generation that is trusted, by keyset.
    pub found: Vec<Authority>,
    /// Which keysets could not be read, and why.
    pub problems: Vec<String>,
}

/// Reads every CA below `<keyStore>/private`: `kubernetes-ca`, `etcd-clients-ca`, `etcd-manager-ca-main`, `etcd-peers-ca-main`,
/// `apiserver-aggregator-ca`, … kops' other keysets are no CAs.
///
/// # Errors
/// Where the key store cannot be listed.
pub async fn authorities(
    objects: &dyn ObjectStore,
    key_store: &StoreUrl,
    certificates: &dyn Certificates,
) -> Result<Authorities, String> {
    let names = objects
        .list_folders(&key_store.join("private"))
        .await
        .map_err(|error| chain(&error))?;
    let names: Vec<String> = names.into_iter().filter(|name| is_ca(name)).collect();
    let read = join_all(names.iter().map(|name| async move {
        let place = keyset_place(key_store, name);
        match objects.get(&place, LARGEST).await {
            Ok(content) => {
                Keyset::parse(&String::from_utf8_lossy(&content)).map_err(|error| format!("{place}: {error}"))
            }
            Err(error) => Err(chain(&error)),
        }
    }));
    let mut all = Authorities::default();
    for (name, read) in names.iter().zip(read.await) {
        let keyset = match read {
            Ok(keyset) => keyset,
            Err(why) => {
                all.problems.push(why);
                continue;
            }
        };
        // Keysets of old kops name no primary: then the last one signs.
        let last = keyset.keys.last().map(|key| key.id.clone());
        let primary = keyset.primary_id.clone().or(last);
        for key in keyset.keys.into_iter().filter(|key| !key.distrusted) {
            match certificates.validity(&key.certificate) {
                Ok(validity) => all.found.push(Authority {
                    keyset: name.clone(),
                    primary: primary.as_deref() == Some(key.id.as_str()),
                    id: key.id,
                    pem: key.certificate,
                    validity,
                }),
                Err(why) => all.problems.push(format!("key {} of keyset {name}: {why}", key.id)),
            }
        }
    }
    Ok(all)
}

fn is_ca(keyset: &str) -> bool {
    keyset.ends_with("-ca") || keyset.contains("-ca-")
}
