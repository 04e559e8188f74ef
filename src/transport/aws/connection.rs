//! Where AWS is and who we are there: the standard chain, and what is set instead of it.
//!
//! `environment, profile, roles → aws-config → SdkConfig → Timeouts → a client of a service`

use std::fmt;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
#[cfg(feature = "sns")]
use aws_sdk_sns::config::{Credentials, SharedHttpClient};
#[cfg(not(feature = "sns"))]
use aws_sdk_sqs::config::{Credentials, SharedHttpClient};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::transport::{ErrorKind, TransportError, sockets};

/// How a transport connects, as it was told.
#[derive(Clone, Default)]
pub(in crate::transport) struct Connection {
    pub(in crate::transport) endpoint: Option<String>,
    pub(in crate::transport) region: Option<String>,
    pub(in crate::transport) profile: Option<String>,
    /// Id and secret.
    pub(in crate::transport) key: Option<(String, String)>,
    pub(in crate::transport) token: Option<String>,
    pub(in crate::transport) config: Option<SdkConfig>,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(in crate::transport) struct Timeouts {
    /// One attempt.
    attempt: Duration,
    /// All of them.
    whole: Duration,
}

impl Connection {
    /// Reads what the standard chain says, with what was set instead; `variable` is the one that names the endpoint of
    /// this service alone.
    pub(in crate::transport) async fn load(
        &self,
        at: &str,
        variable: &str,
        deadline: Duration,
    ) -> Result<SdkConfig, TransportError> {
        sockets(at)?;
        let mut config = match &self.config {
            Some(config) => config.clone(),
            None => self.chain(at, deadline).await?,
        };
        let mut changed = config.to_builder();
        if self.config.is_some() {
            // What a configuration of the application's own says is only changed where it was asked for.
            if let Some(region) = &self.region {
                changed.set_region(Region::new(region.clone()));
            }
        }
        if let Some(endpoint) = &self.endpoint {
            changed.set_endpoint_url(Some(endpoint.clone()));
        }
        if let Some(endpoint) = &self.endpoint
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            let text = "its endpoint is no URL: write it as in `http://localhost:4566`";
            return Err(TransportError::new(ErrorKind::Refused, at, text));
        }
        let own = std::env::var(variable).ok().filter(|url| !url.is_empty());
        let endpoint = self.endpoint.as_deref().or(own.as_deref()).or(config.endpoint_url());
        if self.config.is_none() && endpoint.is_some_and(|url| url.starts_with("http://")) {
            // Without TLS there are no certificates to load.
            changed.set_http_client(Some(aws_smithy_http_client::Builder::new().build_http()));
        } else if config.http_client().is_none() {
            changed.set_http_client(Some(https()));
        }
        changed.set_stalled_stream_protection(Some(StalledStreamProtectionConfig::disabled()));
        config = changed.build();
        if config.region().is_none() {
            let text = "no region is known: set AWS_REGION, or a region in the profile, or `.region(..)`";
            return Err(TransportError::new(ErrorKind::Refused, at, text));
        }
        Ok(config)
    }

    async fn chain(&self, at: &str, deadline: Duration) -> Result<SdkConfig, TransportError> {
        let mut chain = aws_config::defaults(BehaviorVersion::latest()).http_client(https());
        if let Some(region) = &self.region {
            chain = chain.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            chain = chain.profile_name(profile);
        }
        if let Some((id, secret)) = &self.key {
            chain = chain.credentials_provider(Credentials::new(id, secret, self.token.clone(), None, "convoke"));
        }
        tokio::time::timeout(deadline, chain.load()).await.map_err(|_| {
            let text =
                format!("the configuration of AWS was not there after {deadline:?}: set AWS_REGION, or try again");
            TransportError::new(ErrorKind::Unreachable, at, text)
        })
    }
}

fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

impl Timeouts {
    /// Those of a request that is answered at once: of two attempts one may hang; a third only follows a quick refusal.
    pub(in crate::transport) fn of_request(deadline: Duration) -> Self {
        Self { attempt: deadline / 2, whole: deadline }
    }

    /// Those of one that the server answers after a wait of its own: which is silent for longer has been forgotten.
    #[cfg(feature = "sqs")]
    pub(in crate::transport) fn of_poll(wait: Duration, more: Duration) -> Self {
        Self { attempt: wait + more, whole: wait + more }
    }

    /// Returns the configuration with these, for the clients of a [generation](super::Fresh). Connections are shared by those
    /// who may take equally long to connect: a little longer, and nobody else has them.
    pub(in crate::transport) fn apply(self, config: &SdkConfig, generation: u16) -> SdkConfig {
        let connect = (self.whole / 2).min(Duration::from_secs(5)) + Duration::from_millis(generation.into());
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.whole)
            .build();
        config.to_builder().timeout_config(timeouts).retry_config(RetryConfig::standard()).build()
    }
}

/// Neither the endpoint, which may have a password in it, nor any credentials.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("region", &self.region)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
