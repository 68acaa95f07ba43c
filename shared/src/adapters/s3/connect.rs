//! Finds credentials, the server, and each bucket's region.
//!
//! As kops does (kubernetes/kops `util/pkg/vfs/s3context.go`): with `S3_ENDPOINT` a server of the user's with static keys; else
//! AWS' own chain, and the bucket's own region.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use super::bucket::Bucket;
use super::problem::Problem;
use crate::adapters::stores::{Multipart, StoreOptions};
use crate::ports::StoreErrorKind;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until an answer begins; its body is watched for stalls instead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const STALL_GRACE: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 3;
/// Where to start looking when nobody says: S3 tells from there where a bucket is.
const FIRST_REGION: &str = "us-east-1";

/// Makes one client per bucket, when it is first used.
pub(super) struct Connector {
    options: StoreOptions,
    base: OnceCell<Base>,
    buckets: Mutex<HashMap<String, Arc<OnceCell<Arc<Bucket>>>>>,
}

/// What all clients share.
struct Base {
    config: Builder,
    /// A server that is not AWS: path-style, no checksums that it may not know.
    custom: bool,
    /// Ask for each bucket's region.
    seeks_region: bool,
    acl: Option<String>,
}

impl Connector {
    pub(super) fn new(options: StoreOptions) -> Self {
        Self {
            options,
            base: OnceCell::new(),
            buckets: Mutex::default(),
        }
    }

    pub(super) fn multipart(&self) -> Multipart {
        self.options.multipart
    }

    pub(super) async fn bucket(&self, name: &str) -> Result<Arc<Bucket>, Problem> {
        let cell = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            buckets.entry(name.to_owned()).or_default().clone()
        };
        let bucket = cell.get_or_try_init(|| async {
            let base = self.base.get_or_try_init(|| self.base()).await?;
            let client = match base.seeks_region {
                true => in_own_region(base, name).await?,
                false => Client::from_conf(base.config.clone().build()),
            };
            Ok::<_, Problem>(Arc::new(Bucket::new(name, client, base.custom, base.acl.clone())))
        });
        bucket.await.cloned()
    }

    async fn base(&self) -> Result<Base, Problem> {
        let acl = self.options.environment.kops_state_s3_acl.clone();
        let (config, custom, seeks_region) = match &self.options.environment.s3_endpoint {
            Some(endpoint) => (self.kops_server(endpoint)?, true, false),
            None => {
                let config = self.aws_chain().await;
                let endpoint = custom_endpoint(&config);
                (Builder::from(&config), endpoint, true)
            }
        };
        let config = match custom {
            false => config,
            true => config
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired),
        };
        Ok(Base {
            config,
            custom,
            seeks_region,
            acl,
        })
    }

    fn kops_server(&self, endpoint: &str) -> Result<Builder, Problem> {
        let environment = &self.options.environment;
        let mandatory = |value: &Option<String>, name: &str| {
            let missing =
                || StoreErrorKind::Unsupported(format!("S3_ENDPOINT is set, so {name} must be set, too, as for kops"));
            value.clone().ok_or_else(|| Problem::of(missing()))
        };
        let id = mandatory(&environment.s3_access_key_id, "S3_ACCESS_KEY_ID")?;
        let secret = mandatory(&environment.s3_secret_access_key, "S3_SECRET_ACCESS_KEY")?;
        let region = environment.s3_region.clone().or_else(|| self.options.region.clone());
        // Go's SDK, and so kops, takes a bare host name for an HTTPS server.
        let endpoint = if endpoint.contains("://") {
            endpoint.to_owned()
        } else {
            format!("https://{endpoint}")
        };
        Ok(Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new(id, secret, None, None, "S3_ACCESS_KEY_ID"))
            .region(Region::new(region.unwrap_or_else(|| FIRST_REGION.to_owned())))
            .endpoint_url(endpoint)
            .timeout_config(timeouts())
            .retry_config(retries())
            .stalled_stream_protection(stalls()))
    }

    async fn aws_chain(&self) -> SdkConfig {
        let profile = self.options.profile.as_deref();
        // Not the metadata service: without one, a look for a region there costs seconds, and any region will do to start.
        let region = RegionProviderChain::first_try(self.options.region.clone().map(Region::new))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile_region(profile))
            .or_else(Region::new(FIRST_REGION));
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .timeout_config(timeouts())
            .retry_config(retries())
            .stalled_stream_protection(stalls())
            .identity_cache(IdentityCache::lazy().build());
        loader = match profile {
            // Named by the user, so it wins over keys in the environment: as with the AWS CLI, not as in the SDK's chain.
            Some(name) => loader
                .profile_name(name)
                .credentials_provider(ProfileFileCredentialsProvider::builder().profile_name(name).build()),
            None => loader.credentials_provider(
                DefaultCredentialsChain::builder()
                    .imds_client(hasty_imds())
                    .build()
                    .await,
            ),
        };
        loader.load().await
    }
}

fn profile_region(profile: Option<&str>) -> ProfileFileRegionProvider {
    let builder = ProfileFileRegionProvider::builder();
    match profile {
        Some(name) => builder.profile_name(name).build(),
        None => builder.build(),
    }
}

/// A machine without the metadata service must learn so in seconds; one that has it gets its answer in milliseconds.
fn hasty_imds() -> imds::Client {
    imds::Client::builder()
        .max_attempts(2)
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(2))
        .build()
}

/// Whether the environment or the profile names a server that is not AWS, for everything or for S3.
fn custom_endpoint(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .profile("endpoint_url")
        .env("AWS_ENDPOINT_URL")
        .build();
    let of_s3 = key
        .ok()
        .zip(config.service_config())
        .and_then(|(key, service)| service.load_config(key));
    of_s3.is_some() || config.endpoint_url().is_some()
}

/// S3 tells a bucket's region to anybody who asks, whatever else it refuses.
async fn in_own_region(base: &Base, name: &str) -> Result<Client, Problem> {
    let client = Client::from_conf(base.config.clone().build());
    let region = match client.head_bucket().bucket(name).send().await {
        Ok(found) => found.bucket_region().map(str::to_owned),
        Err(error) => {
            let problem = Problem::from(error);
            match problem.status() {
                // An answer to HEAD has no body, so it cannot say why: the next request will.
                Some(404) => return Err(Problem::of(StoreErrorKind::NoSuchBucket)),
                Some(_) => problem.region().map(str::to_owned),
                None => return Err(problem),
            }
        }
    };
    let current = client.config().region().map(|region| region.as_ref().to_owned());
    match region.filter(|region| !region.is_empty() && Some(region) != current.as_ref()) {
        Some(region) => Ok(Client::from_conf(
            base.config.clone().region(Region::new(region)).build(),
        )),
        None => Ok(client),
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(ANSWER_TIMEOUT)
        .build()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

fn stalls() -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled()
        .grace_period(STALL_GRACE)
        .build()
}
