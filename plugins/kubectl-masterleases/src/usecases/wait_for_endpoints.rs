//! After pruning: waits until the API servers publish what is left.

use std::net::IpAddr;
use std::time::Duration;

use crate::rules::endpoints::{Listing, Published, listing};
use crate::rules::masterlease::name_of;
use crate::usecases::etcd_objects::published;
use runbook_kit::model::kubernetes::masterlease::FOLDER;
use runbook_kit::ports::{EtcdError, EtcdKv};
use tokio::time::{Instant, sleep};

/// What `default/kubernetes` came to.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What it lists at the end.
    pub after: Published,
    /// Whether that is nobody but who is announced in etcd.
    pub listing: Listing,
}

/// Looks once a second until it is right or `limit` has passed. What is not known may be known a moment later.
///
/// # Errors
/// Where etcd does not answer.
pub async fn settle(etcd: &dyn EtcdKv, prefix: &str, limit: Duration) -> Result<Settled, EtcdError> {
    let begun = Instant::now();
    loop {
        let range = etcd.range(format!("{prefix}{FOLDER}").as_bytes()).await?;
        let announced: Vec<IpAddr> = range
            .keys
            .iter()
            .filter_map(|key| name_of(&key.key, prefix).1)
            .collect();
        let after = published(etcd, prefix).await?;
        let listing = listing(&after, &announced);
        if listing == Listing::Right || begun.elapsed() >= limit {
            return Ok(Settled { after, listing });
        }
        sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use runbook_kit::testing::{MemoryEtcd, endpoints};

    use super::*;

    const ENDPOINTS: &str = "/registry/services/endpoints/default/kubernetes";
    const SLICE: &str = "/registry/endpointslices/default/kubernetes";

    #[tokio::test(start_paused = true)]
    async fn waits_for_an_api_server_to_publish_and_not_for_ever() {
        let etcd = MemoryEtcd::default();
        etcd.masterlease("10.0.0.57", 7);
        etcd.put(ENDPOINTS, &endpoints(&["10.0.0.1", "10.0.0.57"]), 0);
        etcd.put(SLICE, &slice("10.0.0.57"), 0);
        let settled = settle(&etcd, "/registry", Duration::from_secs(30)).await.unwrap();
        assert_eq!(settled.listing, Listing::Wrong);
        let (settled, ()) = tokio::join!(settle(&etcd, "/registry", Duration::from_secs(30)), async {
            sleep(Duration::from_secs(9)).await;
            etcd.put(ENDPOINTS, &endpoints(&["10.0.0.57"]), 0);
        });
        assert_eq!(settled.unwrap().listing, Listing::Right);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_or_cannot_be_read_is_not_right() {
        let etcd = MemoryEtcd::default();
        etcd.masterlease("10.0.0.57", 7);
        let listing = async || {
            settle(&etcd, "/registry", Duration::from_secs(30))
                .await
                .unwrap()
                .listing
        };
        assert_eq!(listing().await, Listing::NotKnown);
        etcd.put(ENDPOINTS, &endpoints(&["10.0.0.57"]), 0);
        assert_eq!(listing().await, Listing::NotKnown);
        etcd.put(SLICE, b"damaged", 0);
        assert_eq!(listing().await, Listing::NotKnown);
        etcd.put(SLICE, &slice("10.0.0.57"), 0);
        assert_eq!(listing().await, Listing::Right);
    }

    fn slice(ip: &str) -> Vec<u8> {
        format!(r#"{{"kind":"EndpointSlice","endpoints":[{{"addresses":["{ip}"]}}]}}"#).into_bytes()
    }
}
