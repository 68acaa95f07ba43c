//! AWS' machines: EC2 and Auto Scaling in one account and region, and who we are there.

mod change;
mod facts;
mod problem;
mod read;

use std::time::Duration;

use aws_config::SdkConfig;
use tokio::sync::OnceCell;

use self::problem::Problem;
use super::aws_chain::Chain;
use crate::ports::fleet::{FleetError, FleetErrorKind};

/// AWS throttles whole accounts: each further attempt waits longer.
const ATTEMPTS: u32 = 5;

/// What the user chose about AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetOptions {
    /// `--region`; else `AWS_REGION`, else the profile's.
    pub region: Option<String>,
    /// `--profile`; else AWS' own chain.
    pub profile: Option<String>,
    /// `--aws-timeout`: how long AWS may keep silent; by default half a minute.
    pub silence: Option<Duration>,
}

/// The region where none is configured, if it is known by then.
pub type KnownRegion = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// [`crate::ports::fleet::Fleet`] on AWS, or on what `AWS_ENDPOINT_URL` names.
pub struct AwsFleet {
    options: FleetOptions,
    known_region: KnownRegion,
    clients: OnceCell<Clients>,
}

struct Clients {
    region: String,
    config: SdkConfig,
    ec2: aws_sdk_ec2::Client,
    scaling: aws_sdk_autoscaling::Client,
}

impl AwsFleet {
    /// Connects to nothing yet. `known_region` is asked when the first request is made, if neither flag, environment nor profile names
    /// a region: the cluster's spec may tell it.
    #[must_use]
    pub fn new(options: FleetOptions, known_region: KnownRegion) -> Self {
        Self {
            options,
            known_region,
            clients: OnceCell::new(),
        }
    }

    /// The clients, made when first needed. `action` is what they are needed for.
    async fn clients(&self, action: &str) -> Result<&Clients, FleetError> {
        let made = self.clients.get_or_try_init(|| self.connect()).await;
        made.map_err(|problem| problem.on(action))
    }

    async fn connect(&self) -> Result<Clients, Problem> {
        let chain = Chain {
            region: self.options.region.as_deref(),
            profile: self.options.profile.as_deref(),
            // A guess would show an empty region, which looks like a deleted cluster.
            otherwise: (self.known_region)(),
            silence: self.options.silence,
            attempts: ATTEMPTS,
        };
        let config = chain.load().await;
        let region = config.region().map(|region| region.as_ref().to_owned());
        let region = region.ok_or_else(|| Problem::of(FleetErrorKind::NoRegion))?;
        Ok(Clients {
            region,
            ec2: aws_sdk_ec2::Client::new(&config),
            scaling: aws_sdk_autoscaling::Client::new(&config),
            config,
        })
    }
}
