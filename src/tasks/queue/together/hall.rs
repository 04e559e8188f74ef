//! Where the rounds and the outboxes of batches are, opened when somebody needs them.
//!
//! `Hall → OpenHall: rounds, the outbox of what is told to them, the outbox of those that have closed`

use std::fmt;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::OutboxDatabase;
use crate::durable::Gathering;
use crate::outbox::{Keeping, Keeps, Rows};
use crate::tasks::TaskDatabase;
use crate::transport::{BoxFuture, TransportError};

/// The name of the rounds of batches: no user's broker can have it.
const ROUNDS: &str = "tasks:together";

/// The outbox of what is told to them.
pub(super) const ENDS: &str = "tasks:together";

/// Who hears of those that have closed.
const CLOSER: &str = "then";

/// The batches of a database.
pub(in crate::tasks) struct Hall<D: TaskDatabase> {
    database: D,
    open: OnceCell<Arc<OpenHall<D>>>,
}

/// The same, once they are open.
pub(in crate::tasks) struct OpenHall<D: TaskDatabase> {
    pub(in crate::tasks) rounds: Arc<Gathering>,
    /// How batches open, and how their jobs end.
    pub(in crate::tasks) ends: Arc<dyn Keeping<<D as OutboxDatabase>::Connection>>,
    /// Batches that have closed.
    pub(in crate::tasks) closed: Arc<dyn Keeping<<D as OutboxDatabase>::Connection>>,
}

impl<D: TaskDatabase> Hall<D> {
    pub(in crate::tasks) fn new(database: &D) -> Self {
        Self { database: database.clone(), open: OnceCell::new() }
    }

    /// Opens them, if nobody has.
    ///
    /// # Errors
    ///
    /// Those of the database; it is tried again by the next one.
    pub(in crate::tasks) async fn open(&self) -> Result<&Arc<OpenHall<D>>, TransportError> {
        let outbox = |name: &str| <D as Keeps<D::Connection>>::open(&self.database, name.into());
        self.open
            .get_or_try_init(|| async {
                let rounds = Arc::new(Gathering::open(&self.database, ROUNDS, CLOSER).await?);
                let ends = outbox(ENDS).await?;
                let closed = outbox(&rounds.outbox_of(CLOSER)).await?;
                Ok(Arc::new(OpenHall { rounds, ends, closed }))
            })
            .await
    }
}

impl<D: TaskDatabase> OpenHall<D> {
    pub(in crate::tasks) fn ends(&self) -> Arc<dyn Rows> {
        self.ends.clone()
    }

    pub(in crate::tasks) fn closed(&self) -> Arc<dyn Rows> {
        self.closed.clone()
    }
}

/// What a handle of a batch needs, whatever the database is.
pub(in crate::tasks::queue) trait Doors: Send + Sync + 'static {
    fn rounds(&self) -> BoxFuture<'_, Result<Arc<Gathering>, TransportError>>;

    /// Whether something waits that is to be told to rounds.
    fn is_under_way(&self) -> BoxFuture<'_, Result<bool, TransportError>>;
}

impl<D: TaskDatabase> Doors for Hall<D> {
    fn rounds(&self) -> BoxFuture<'_, Result<Arc<Gathering>, TransportError>> {
        Box::pin(async { Ok(self.open().await?.rounds.clone()) })
    }

    fn is_under_way(&self) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async { Ok(self.open().await?.ends.figures(1).await?.ready > 0) })
    }
}

impl<D: TaskDatabase> fmt::Debug for Hall<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hall").field("open", &self.open.initialized()).finish_non_exhaustive()
    }
}
