//! Whether a server can be reached, who one is there, and whether its settings keep what it confirms.
//!
//! ```text
//! Address ─▶ facts: what the server says of itself ─▶ findings: what that means, and what to do about it
//! ```
//!
//! - `finding.rs`: what was found: a fact that is right, one to know, one that loses or stalls something
//! - `clock.rs`: how far apart two clocks are
//! - `sqlite.rs`, `postgres.rs`, `redis.rs`, `rabbitmq.rs`, `sqs.rs`: a server each, first what it is asked, then how that is judged
//!
//! What must hold: nothing is written, created or set. What a server does not tell is a finding that says so, and never taken for right.
//! How facts are judged is a function of the facts alone, so that a test has them all without a server.

#[cfg(any(feature = "postgres", feature = "redis"))]
mod clock;
mod finding;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqs")]
mod sqs;

use std::time::Duration;

pub use finding::{Finding, Gravity};

use super::{Address, Server, ServerKind};
use crate::transport::{ErrorKind, TransportError};

/// Looks at a server or database: whether it can be reached, who one is there, and whether it keeps what it confirms. It writes
/// nothing.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use convoke::look::{Address, Checkup, Gravity};
///
/// # let folder = std::env::temp_dir().join(format!("convoke-checkup-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("shop.db");
/// # convoke::transport::Sqlite::open(&file).await?;
/// let address: Address = format!("sqlite:{}", file.display()).parse()?;
/// for finding in Checkup::new().of(&address).await? {
///     println!("{finding}");
///     assert!(finding.gravity() < Gravity::Risk);
/// }
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Checkup {
    patience: Duration,
    longest_handler: Option<Duration>,
}

impl Checkup {
    /// Creates a checkup that waits for at most 10 s.
    pub fn new() -> Self {
        Self { patience: Duration::from_secs(10), longest_handler: None }
    }

    /// Sets how long the server may take to answer all of it. The default is 10 s.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.patience = limit;
        self
    }

    /// Says how long the slowest handler of a delivery takes, so that it is compared with the time for which the server lends.
    pub fn longest_handler(mut self, time: Duration) -> Self {
        self.longest_handler = Some(time);
        self
    }

    /// Looks at this server, and at the queue if the address names one. What is most serious comes first.
    ///
    /// # Errors
    ///
    /// - `Unreachable` within the patience; `Denied`.
    /// - `Missing` if there is no such file or database.
    /// - `Unsupported` if this build cannot reach such a server, or it is one that has no settings.
    pub async fn of(&self, address: &Address) -> Result<Vec<Finding>, TransportError> {
        let looked = async {
            match address.server() {
                #[cfg(feature = "sqlite")]
                ServerKind::Sqlite => sqlite::look(address).await,
                #[cfg(feature = "postgres")]
                ServerKind::Postgres => postgres::look(address).await,
                #[cfg(feature = "redis")]
                ServerKind::Redis => redis::look(address, self.patience).await,
                #[cfg(feature = "rabbitmq")]
                ServerKind::RabbitMq => rabbitmq::look(address, self.patience, self.longest_handler).await,
                #[cfg(feature = "sqs")]
                ServerKind::Sqs => sqs::look(address, self.longest_handler).await,
                _ => {
                    let text =
                        "there are no settings to look at: it is in this process, or this build has not its feature";
                    Err(TransportError::new(ErrorKind::Unsupported, address.to_string(), text))
                }
            }
        };
        let looked: Result<Result<Vec<Finding>, TransportError>, _> = tokio::time::timeout(self.patience, looked).await;
        let mut findings = looked.unwrap_or_else(|_| {
            let text = format!("it has not answered within {:?}", self.patience);
            Err(TransportError::new(ErrorKind::Unreachable, address.to_string(), text))
        })?;
        findings.extend(self.found(address).await);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.gravity()));
        Ok(findings)
    }

    /// Looks whether the tables are there, and the queue that the address names. RabbitMQ and SQS have told of that already.
    async fn found(&self, address: &Address) -> Option<Finding> {
        if !matches!(address.server(), ServerKind::Sqlite | ServerKind::Postgres | ServerKind::Redis) {
            return None;
        }
        let looked = async {
            let server = Server::connect(address).await.map_err(|error| ("tables", error))?;
            let Some(name) = address.name() else { return Ok(None) };
            server.queue(name).await.map_err(|error| ("queue", error))?;
            Ok::<_, (&'static str, TransportError)>(Some(Finding::right("queue", "the queue is there")))
        };
        match tokio::time::timeout(self.patience, looked).await {
            Ok(Ok(found)) => found,
            Ok(Err(("tables", error))) if matches!(address.server(), ServerKind::Sqlite | ServerKind::Postgres) => {
                Some(Finding::broken(
                    "tables",
                    error.to_string(),
                    "make them by `migrate()`, or by `convoke migrate` on the command line",
                ))
            }
            Ok(Err((about, error))) => {
                Some(Finding::broken(about, error.to_string(), "look at the name, and whether somebody has made it"))
            }
            Err(_) => Some(Finding::known("queue", "it has not told in time whether the queue is there")),
        }
    }
}

impl Default for Checkup {
    fn default() -> Self {
        Self::new()
    }
}
