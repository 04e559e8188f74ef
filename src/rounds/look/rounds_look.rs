//! The durable brokers of a database, for who has not their types.
//!
//! `RoundsLook::over(&db) → brokers, broker → BrokerLook`

use std::fmt;
use std::sync::Arc;

use super::broker_look::BrokerLook;
use crate::durable::{DurableError, FoundRounds, RoundDatabase};
use crate::transport::{BoxFuture, TransportError};

/// How many names stand in an error.
const NAMED: usize = 8;

/// Looks at the durable rounds of a database, and aborts them, without the types of their payloads: for a tool. Nothing is made in the
/// database by looking.
///
/// ```
/// # use convoke::prelude::*;
/// # use convoke::transport::Memory;
/// # use convoke::RoundsLook;
/// # use std::time::Duration;
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let db = Memory::database();
/// # let approvals = Broker::<String>::new(Duration::from_secs(60)).expects(["legal"]).durable(&db, "approvals").await?;
/// # approvals.open(7).await?;
/// let look = RoundsLook::over(&db);
/// for name in look.brokers(None, 100).await? {
///     let broker = look.broker(&name).await?;
///     for round in broker.rounds(None, 100).await? {
///         println!("{name}: round {} waits for {:?}", round.round, round.missing);
///     }
/// }
/// look.broker("approvals").await?.abort(Some(7.into()), "the contract was withdrawn", None).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RoundsLook {
    brokers: Arc<dyn Brokers>,
}

/// What a look needs of a database.
pub(super) trait Brokers: Send + Sync + 'static {
    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>>;

    fn find(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds>;
}

struct Over<D>(D);

impl<D: RoundDatabase> Brokers for Over<D> {
    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        RoundDatabase::brokers(&self.0, behind, most)
    }

    fn find(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        self.0.find_rounds(broker)
    }
}

impl RoundsLook {
    /// Looks at the rounds of this database. It is asked when something is looked at.
    pub fn over<D: RoundDatabase>(database: &D) -> Self {
        Self { brokers: Arc::new(Over(database.clone())) }
    }

    /// Returns the names of the brokers behind this one, in their order, at most so many. A name with `:` is one that Convoke keeps for
    /// itself: `tasks:together` has the batches of tasks.
    ///
    /// A Redis is asked for its keys, some at a time: that takes the longer the more it has.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`], with `Missing` if there are no tables.
    pub async fn brokers(&self, behind: Option<&str>, most: usize) -> Result<Vec<Arc<str>>, DurableError> {
        Ok(self.brokers.brokers(behind.unwrap_or_default(), most).await?)
    }

    /// Returns the broker of this name.
    ///
    /// # Errors
    ///
    /// - [`DurableError::NoBroker`] if there is none: it names some that there are.
    /// - [`DurableError::Database`], with `Missing` if there are no tables.
    pub async fn broker(&self, name: &str) -> Result<BrokerLook, DurableError> {
        match self.brokers.find(name.into()).await? {
            Some((store, _)) => BrokerLook::new(name.into(), self.brokers.clone(), store),
            None => {
                let known = self.brokers(None, NAMED).await?;
                Err(DurableError::NoBroker { broker: name.to_owned(), known })
            }
        }
    }
}

impl fmt::Debug for RoundsLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoundsLook").finish_non_exhaustive()
    }
}
