//! The CAs of a key store, without their private keys.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::failure::chain;
use crate::model::certificate::Authority;
use crate::model::kops::keyset::Keyset;
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

/// Reads every CA of the key store: `kubernetes-ca`, `etcd-clients-ca`, `etcd-manager-ca-main`, `etcd-peers-ca-main`,
/// `apiserver-aggregator-ca`, … kops' other keysets are no CAs. kops keeps a copy of each without its private keys in `issued/`: that is
/// read where it is there. Source: kubernetes/kops `upup/pkg/fi/vfs_castore.go`.
///
/// # Errors
/// Where the key store cannot be listed.
pub async fn authorities(
    objects: &dyn ObjectStore,
    key_store: &StoreUrl,
    certificates: &dyn Certificates,
) -> Result<Authorities, String> {
    let (issued, private) = (key_store.join("issued"), key_store.join("private"));
    let (public, whole) = tokio::join!(objects.list_folders(&issued), objects.list_folders(&private));
    let (public, whole) = (
        public.map_err(|error| chain(&error))?,
        whole.map_err(|error| chain(&error))?,
    );
    let places: BTreeMap<String, StoreUrl> = whole
        .into_iter()
        .map(|name| (name, &private))
        // Of one that is in both the latter counts.
        .chain(public.into_iter().map(|name| (name, &issued)))
        .filter(|(name, _)| is_ca(name))
        .map(|(name, folder)| {
            let place = folder.join(&name).join("keyset.yaml");
            (name, place)
        })
        .collect();
    let read = join_all(places.values().map(|place| async move {
        match objects.get(place, LARGEST).await {
            Ok(content) => {
                Keyset::parse(&String::from_utf8_lossy(&content)).map_err(|error| format!("{place}: {error}"))
            }
            Err(error) => Err(chain(&error)),
        }
    }));
    let mut all = Authorities::default();
    for (name, read) in places.keys().zip(read.await) {
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
