//! Finds credentials, the server, and each bucket's region.
//!
//! As kops does (kubernetes/kops `util/pkg/vfs/s3context.go`): with `S3_ENDPOINT` a server of the user's with static keys; else
//! AWS' own chain, and the bucket's own region.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use super::bucket::Bucket;
use super::problem::Problem;
use crate::adapters::aws_chain::{self, Chain};
use crate::adapters::store_options::{Multipart, StoreOptions};
use crate::ports::StoreErrorKind;

const ATTEMPTS: u32 = 3;
/// The region where none is configured: from there S3 tells the region of any bucket.
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
            .timeout_config(aws_chain::timeouts(self.options.silence))
            .retry_config(aws_chain::retries(ATTEMPTS))
            .stalled_stream_protection(aws_chain::stalls(self.options.silence)))
    }

    async fn aws_chain(&self) -> SdkConfig {
        let chain = Chain {
            region: self.options.region.as_deref(),
            profile: self.options.profile.as_deref(),
            // Any region will do to start.
            otherwise: Some(FIRST_REGION.to_owned()),
            silence: self.options.silence,
            attempts: ATTEMPTS,
        };
        chain.load().await
    }
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

/// S3 returns a bucket's region even where it denies everything else.
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
