//! Reaches the API at the addresses of the masters where its DNS name does not work: the record may still point to a master that is gone.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use runbook_kit::model::fleet::Instance;
use runbook_kit::model::kubernetes::cluster::Readiness;
use runbook_kit::ports::cluster_api::ApiEndpoint;
use tokio::time::{Instant, timeout};

use crate::context::Context;
use crate::rules::machines::is_running_master;

/// Timeout of one request.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout for AWS: following must not wait longer.
const AWS_TIMEOUT: Duration = Duration::from_secs(8);
/// How long the others may take once a server is known to serve.
const OTHERS_WAIT: Duration = Duration::from_millis(300);
/// How long the masters are cached: AWS limits the rate of requests.
const MASTERS_CACHED_FOR: Duration = Duration::from_secs(60);
/// Where kops' API servers listen.
const PORT: u16 = 443;

/// One address of a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAddress {
    /// `i-…`, or the host that the user named.
    pub label: String,
    pub address: IpAddr,
}

/// What the addresses showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServersFound {
    place: ApiEndpoint,
    /// All known addresses.
    servers: Vec<ApiAddress>,
    /// Those where an API server serves, with the port.
    serving: Vec<(ApiAddress, u16)>,
    /// Those where an API server responds but is not ready, with its answer.
    starting: Vec<(ApiAddress, String)>,
}

/// Checks the addresses.
pub struct ByAddress<'a> {
    context: &'a Context,
    cluster: String,
    hosts: Vec<String>,
    masters: Mutex<Option<(Instant, Vec<ApiAddress>)>>,
}

impl<'a> ByAddress<'a> {
    /// Uses the hosts that the user named, else the cluster's masters in AWS.
    pub fn new(context: &'a Context, cluster: &str, hosts: &[String]) -> Self {
        Self {
            context,
            cluster: cluster.to_owned(),
            hosts: hosts.to_vec(),
            masters: Mutex::default(),
        }
    }

    /// `None` where no address is known, or none shows more than the name does.
    pub async fn find(&self) -> Option<ServersFound> {
        let servers = self.servers().await;
        if servers.is_empty() {
            return None;
        }
        let place = self.context.api_place(&self.cluster, TIMEOUT).await.ok()?;
        let mut ports = vec![PORT, place.port];
        ports.dedup();
        let questions = servers
            .iter()
            .flat_map(|server| ports.iter().map(move |port| (server, *port)));
        let open = questions.map(|(server, port)| async move {
            let api = self
                .context
                .api_at(&self.cluster, server.address, port, TIMEOUT)
                .await
                .ok()?;
            let readiness = api.readyz().await.ok()?;
            Some((server.clone(), port, readiness))
        });
        let answers = until_one_serves(open.collect()).await;
        let found = ServersFound::of(place, servers.clone(), answers.into_iter());
        let tells_more = found.serves() || !found.starting.is_empty();
        (tells_more && !found.is_at_the_name()).then_some(found)
    }

    async fn servers(&self) -> Vec<ApiAddress> {
        let named: Vec<ApiAddress> = self
            .hosts
            .iter()
            .filter_map(|host| {
                Some(ApiAddress {
                    label: host.clone(),
                    address: host.parse().ok()?,
                })
            })
            .collect();
        if !named.is_empty() || self.cluster.is_empty() {
            return named;
        }
        if let Some((at, masters)) = &*self.masters()
            && at.elapsed() < MASTERS_CACHED_FOR
        {
            return masters.clone();
        }
        let asked = timeout(AWS_TIMEOUT, self.context.fleet().instances_of(&self.cluster)).await;
        // Without AWS only the name is left.
        let masters = match asked {
            Ok(Ok(instances)) => of_masters(&instances, &self.cluster),
            _ => Vec::new(),
        };
        *self.masters() = Some((Instant::now(), masters.clone()));
        masters
    }

    fn masters(&self) -> MutexGuard<'_, Option<(Instant, Vec<ApiAddress>)>> {
        self.masters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = (ApiAddress, u16, Readiness);

/// All answers; once one serves, only those that come soon: a server that hangs does not hold up the news.
async fn until_one_serves(mut open: FuturesUnordered<impl Future<Output = Option<Answer>>>) -> Vec<Answer> {
    let (mut answers, mut wait) = (Vec::new(), TIMEOUT + TIMEOUT);
    while let Ok(Some(answer)) = timeout(wait, open.next()).await {
        if answer.as_ref().is_some_and(|(_, _, readiness)| readiness.may_serve()) {
            wait = OTHERS_WAIT;
        }
        answers.extend(answer);
    }
    answers
}

/// The private address of each, and the public one where there is one: either may be reachable.
fn of_masters(instances: &[Instance], cluster: &str) -> Vec<ApiAddress> {
    let masters = instances.iter().filter(|instance| is_running_master(instance, cluster));
    masters
        .flat_map(|instance| {
            let addresses = instance.private_ips.iter().chain(&instance.public_ip);
            addresses.filter_map(|address| {
                Some(ApiAddress {
                    label: instance.id.clone(),
                    address: address.parse().ok()?,
                })
            })
        })
        .collect()
}

impl ServersFound {
    fn of(
        place: ApiEndpoint,
        servers: Vec<ApiAddress>,
        answers: impl Iterator<Item = (ApiAddress, u16, Readiness)>,
    ) -> Self {
        let (mut serving, mut starting) = (Vec::new(), Vec::new());
        for (server, port, readiness) in answers {
            if readiness.may_serve() {
                serving.push((server, port));
            } else {
                starting.push((server, readiness.describe()));
            }
        }
        Self {
            place,
            servers,
            serving,
            starting,
        }
    }

    /// Whether an API server serves at one of the addresses.
    pub fn serves(&self) -> bool {
        !self.serving.is_empty()
    }

    /// Whether the name resolves only to addresses where an API server serves: then it has just started, and the name works.
    fn is_at_the_name(&self) -> bool {
        let serves = |address: &IpAddr| {
            let mut serving = self.serving.iter();
            serving.any(|(server, port)| server.address == *address && *port == self.place.port)
        };
        let addresses = self.place.addresses.as_deref().unwrap_or_default();
        !addresses.is_empty() && addresses.iter().all(serves)
    }

    /// The result as text.
    pub fn describe(&self) -> String {
        let Some((first, port)) = self.serving.first() else {
            let starting: Vec<String> = self
                .starting
                .iter()
                .map(|(server, words)| format!("master {} responds: {words}", server.name()))
                .collect();
            return format!("by address {}", starting.join(", "));
        };
        let serving: Vec<String> = self.serving.iter().map(|(server, _)| server.name()).collect();
        let server = std::net::SocketAddr::new(first.address, *port);
        format!(
            "{}; master {} serves; {}; until then: kubectl --server https://{server} --tls-server-name kubernetes.default.svc",
            self.resolves(),
            serving.join(", "),
            self.who_updates_it()
        )
    }

    fn resolves(&self) -> String {
        let host = &self.place.host;
        let addresses = match &self.place.addresses {
            Err(why) => return format!("{host} does not resolve ({why})"),
            Ok(addresses) => addresses,
        };
        let listed: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let listed = listed.join(", ");
        let resolves = match host.parse::<IpAddr>() {
            Ok(_) => format!("the kubeconfig points to {host}"),
            Err(_) => format!("{host} still resolves to {listed}"),
        };
        let known = |address: &IpAddr| self.servers.iter().any(|server| server.address == *address);
        if addresses.iter().any(known) {
            resolves
        } else {
            format!("{resolves}, not a running master")
        }
    }

    fn who_updates_it(&self) -> &'static str {
        if self.place.host.ends_with(".elb.amazonaws.com") {
            "the load balancer adds a new master once its health checks pass"
        } else if self.place.host.parse::<IpAddr>().is_ok() {
            "`kops export kubeconfig --admin` writes the API's name into it"
        } else {
            "kops' dns-controller, which runs on the masters, updates the record within minutes"
        }
    }
}

impl ApiAddress {
    fn name(&self) -> String {
        let address = self.address.to_string();
        if self.label == address {
            address
        } else {
            format!("{} ({address})", self.label)
        }
    }
}

#[cfg(test)]
mod tests {
    use runbook_kit::model::fleet::{InstanceState, Tags};

    use super::*;

    fn server(address: &str) -> ApiAddress {
        ApiAddress {
            label: "i-0new".to_owned(),
            address: address.parse().unwrap(),
        }
    }

    fn found(host: &str, resolves: Result<&[&str], &str>, answers: &[(&str, Readiness)]) -> ServersFound {
        let addresses = match resolves {
            Ok(list) => Ok(list.iter().map(|address| address.parse().unwrap()).collect()),
            Err(why) => Err(why.to_owned()),
        };
        let place = ApiEndpoint {
            host: host.to_owned(),
            port: 443,
            addresses,
        };
        let answers = answers
            .iter()
            .map(|(address, readiness)| (server(address), 443, readiness.clone()));
        ServersFound::of(place, vec![server("10.0.1.9")], answers)
    }

    #[test]
    fn a_name_that_points_to_a_removed_master_is_reported_with_what_updates_it() {
        let old = found(
            "api.example.com",
            Ok(&["10.0.1.5"]),
            &[("10.0.1.9", Readiness::Alive { status: 401 })],
        );
        assert!(old.serves());
        assert_eq!(
            old.describe(),
            "api.example.com still resolves to 10.0.1.5, not a running master; master i-0new (10.0.1.9) serves; \
             kops' dns-controller, which runs on the masters, updates the record within minutes; until then: kubectl --server \
             https://10.0.1.9:443 --tls-server-name kubernetes.default.svc"
        );
        let nowhere = found(
            "api.example.com",
            Err("no such name"),
            &[("10.0.1.9", Readiness::Ready)],
        );
        assert!(
            nowhere
                .describe()
                .starts_with("api.example.com does not resolve (no such name)")
        );
        let balanced = found(
            "api-x.eu-west-1.elb.amazonaws.com",
            Ok(&["10.0.9.9"]),
            &[("10.0.1.9", Readiness::Ready)],
        );
        assert!(balanced.describe().contains("the load balancer adds a new master"));
        // One of two has gone: what has come up is not where the name leads alone.
        let both = Ok(&["10.0.1.5", "10.0.1.9"][..]);
        let half = found("api.example.com", both, &[("10.0.1.9", Readiness::Ready)]);
        assert!(!half.describe().contains("not a running master") && !half.is_at_the_name());
        let same = found("api.example.com", Ok(&["10.0.1.9"]), &[("10.0.1.9", Readiness::Ready)]);
        assert!(same.is_at_the_name());
        assert!(!old.is_at_the_name() && !nowhere.is_at_the_name());
        let by_number = found("10.0.1.5", Ok(&["10.0.1.5"]), &[("10.0.1.9", Readiness::Ready)]);
        assert!(
            by_number
                .describe()
                .starts_with("the kubeconfig points to 10.0.1.5, not a running")
        );
    }

    #[test]
    fn an_api_server_that_starts_is_reported_as_not_serving() {
        let starting = Readiness::NotReady {
            status: 500,
            failing: vec!["etcd".to_owned()],
        };
        let found = found("api.example.com", Ok(&["10.0.1.5"]), &[("10.0.1.9", starting)]);
        assert!(!found.serves());
        assert_eq!(
            found.describe(),
            "by address master i-0new (10.0.1.9) responds: not ready: etcd"
        );
    }

    #[test]
    fn only_running_masters_of_this_cluster_are_checked_by_address() {
        let instance = |id: &str, cluster: &str, role: &str, state| {
            let tags: Tags = [("KubernetesCluster", cluster), (role, "1")]
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            Instance {
                id: id.to_owned(),
                state,
                tags,
                private_ips: vec!["10.0.1.9".to_owned(), "ip-10-0-1-9.ec2.internal".to_owned()],
                public_ip: Some("198.51.100.7".to_owned()),
                ..Instance::default()
            }
        };
        let master = "k8s.io/role/control-plane";
        let all = [
            instance("i-1", "a.example.com", master, InstanceState::Running),
            instance("i-2", "a.example.com", master, InstanceState::Terminated),
            instance("i-3", "a.example.com", "k8s.io/role/node", InstanceState::Running),
            instance("i-4", "x.a.example.com", master, InstanceState::Running),
        ];
        let servers = of_masters(&all, "a.example.com");
        let shown: Vec<String> = servers.iter().map(ApiAddress::name).collect();
        assert_eq!(shown, ["i-1 (10.0.1.9)", "i-1 (198.51.100.7)"]);
    }
}
