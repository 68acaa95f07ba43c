//! After pruning: waits until the API servers have updated `default/kubernetes`.

use std::net::IpAddr;
use std::time::Duration;

use crate::rules::endpoints::{EndpointState, Published, endpoint_state};
use crate::rules::masterlease::name_of;
use crate::usecases::etcd_objects::published;
use runbook_kit::model::kubernetes::masterlease::FOLDER;
use runbook_kit::ports::{EtcdError, EtcdKv};
use tokio::time::{Instant, sleep};

/// What `default/kubernetes` lists at the end of the wait.
#[derive(Clone, Debug)]
pub struct EndpointsAfter {
    pub published: Published,
    /// Whether they agree with the masterleases.
    pub state: EndpointState,
}

/// Reads once a second until the state is correct or `limit` has passed.
pub async fn wait_for_endpoints(etcd: &dyn EtcdKv, prefix: &str, limit: Duration) -> Result<EndpointsAfter, EtcdError> {
    let begun = Instant::now();
    loop {
        let range = etcd.range(format!("{prefix}{FOLDER}").as_bytes()).await?;
        let announced: Vec<IpAddr> = range
            .keys
            .iter()
            .filter_map(|key| name_of(&key.key, prefix).1)
            .collect();
        let published = published(etcd, prefix).await?;
        let state = endpoint_state(&published, &announced);
        if state == EndpointState::Correct || begun.elapsed() >= limit {
            return Ok(EndpointsAfter { published, state });
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
    async fn waits_for_an_api_server_to_publish_until_the_limit() {
        let etcd = MemoryEtcd::default();
        etcd.masterlease("10.0.0.57", 7);
        etcd.put(ENDPOINTS, &endpoints(&["10.0.0.1", "10.0.0.57"]), 0);
        etcd.put(SLICE, &slice("10.0.0.57"), 0);
        let after = wait_for_endpoints(&etcd, "/registry", Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(after.state, EndpointState::Wrong);
        let (after, ()) = tokio::join!(wait_for_endpoints(&etcd, "/registry", Duration::from_secs(30)), async {
            sleep(Duration::from_secs(9)).await;
            etcd.put(ENDPOINTS, &endpoints(&["10.0.0.57"]), 0);
        });
        assert_eq!(after.unwrap().state, EndpointState::Correct);
    }

    #[tokio::test(start_paused = true)]
    async fn missing_or_unreadable_objects_are_unknown() {
        let etcd = MemoryEtcd::default();
        etcd.masterlease("10.0.0.57", 7);
        let state = async || {
            wait_for_endpoints(&etcd, "/registry", Duration::from_secs(30))
                .await
                .unwrap()
                .state
        };
        assert_eq!(state().await, EndpointState::Unknown);
        etcd.put(ENDPOINTS, &endpoints(&["10.0.0.57"]), 0);
        assert_eq!(state().await, EndpointState::Unknown);
        etcd.put(SLICE, b"damaged", 0);
        assert_eq!(state().await, EndpointState::Unknown);
        etcd.put(SLICE, &slice("10.0.0.57"), 0);
        assert_eq!(state().await, EndpointState::Correct);
    }

    fn slice(ip: &str) -> Vec<u8> {
        format!(r#"{{"kind":"EndpointSlice","endpoints":[{{"addresses":["{ip}"]}}]}}"#).into_bytes()
    }
}
