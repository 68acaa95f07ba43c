//! Finds credentials and a region as AWS' own tools do: for S3, EC2 and the rest alike.

pub(super) mod error;

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

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until an answer begins; its body is watched for stalls instead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const STALL_GRACE: Duration = Duration::from_secs(20);

/// What the user configured, and the timeouts.
pub(super) struct Chain<'a> {
    /// `--region`.
    pub region: Option<&'a str>,
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// The region where none is configured.
    pub otherwise: Option<String>,
    /// Timeout for each request attempt, where the user set one.
    pub silence: Option<Duration>,
    /// How often a request is tried.
    pub attempts: u32,
}

impl Chain<'_> {
    /// Reads environment and settings files; makes no request yet.
    pub(super) async fn load(&self) -> SdkConfig {
        // Not from the metadata service: without one, that costs seconds.
        let mut region = RegionProviderChain::first_try(self.region.map(|region| Region::new(region.to_owned())))
            .or_else(EnvironmentVariableRegionProvider::new())
            .or_else(profile_region(self.profile));
        if let Some(otherwise) = &self.otherwise {
            region = region.or_else(Region::new(otherwise.clone()));
        }
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .timeout_config(timeouts(self.silence))
            .retry_config(retries(self.attempts))
            .stalled_stream_protection(stalls(self.silence))
            .identity_cache(IdentityCache::lazy().build());
        loader = match self.profile {
            // Named by the user, so it wins over keys in the environment: as with the AWS CLI, not as in the SDK's chain.
            Some(name) => loader
                .profile_name(name)
                .credentials_provider(ProfileFileCredentialsProvider::builder().profile_name(name).build()),
            None => loader.credentials_provider(
                DefaultCredentialsChain::builder()
                    .imds_client(imds_with_short_timeouts())
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
fn imds_with_short_timeouts() -> imds::Client {
    imds::Client::builder()
        .max_attempts(2)
        .connect_timeout(Duration::from_secs(1))
        .read_timeout(Duration::from_secs(2))
        .build()
}

pub(super) fn timeouts(silence: Option<Duration>) -> TimeoutConfig {
    let answer = silence.unwrap_or(ANSWER_TIMEOUT);
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(answer))
        .read_timeout(answer)
        .build()
}

pub(super) fn retries(attempts: u32) -> RetryConfig {
    RetryConfig::standard().with_max_attempts(attempts)
}

pub(super) fn stalls(silence: Option<Duration>) -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled()
        .grace_period(silence.unwrap_or(STALL_GRACE))
        .build()
}
