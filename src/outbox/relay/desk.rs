//! What a relay has the database do, each in a task of its own: a call that is dropped goes on, and leaves its connection
//! whole.
//!
//! `track.rs, batch.rs, renewing.rs → Desk → a task → rows.rs`

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Uuid;
use crate::outbox::{FirstDead, Lanes, OutboxFigures, Rows, Taken};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// The rows of an outbox, as one relay sees them.
#[derive(Clone)]
pub(super) struct Desk {
    relay: Uuid,
    rows: Arc<dyn Rows>,
}

impl Desk {
    pub(super) fn new(relay: Uuid, rows: Arc<dyn Rows>) -> Self {
        Self { relay, rows }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        self.rows.name()
    }

    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.rows.bell()
    }

    pub(super) fn first_look(&self) -> Duration {
        self.rows.first_look()
    }

    async fn done<T: Send + 'static>(
        &self,
        call: impl for<'a> FnOnce(&'a dyn Rows, Uuid) -> BoxFuture<'a, Result<T, TransportError>> + Send + 'static,
    ) -> Result<T, TransportError> {
        let (rows, relay) = (self.rows.clone(), self.relay);
        tokio::spawn(async move { call(&*rows, relay).await }).await.unwrap_or_else(|error| {
            let text =
                if error.is_panic() { "it panicked: that is a fault of this crate" } else { "its runtime is gone" };
            Err(TransportError::new(ErrorKind::Unreachable, self.name().clone(), text))
        })
    }

    pub(super) async fn lanes(&self, lease: Duration, busy: Vec<u16>) -> Result<Lanes, TransportError> {
        self.done(move |rows, relay| Box::pin(async move { rows.lanes(relay, lease, &busy).await })).await
    }

    pub(super) async fn leave(&self) -> Result<(), TransportError> {
        self.done(|rows, relay| rows.leave(relay)).await
    }

    pub(super) async fn take(
        &self,
        done: Vec<i64>,
        lanes: Vec<u16>,
        most: usize,
        bytes: usize,
    ) -> Result<Vec<Taken>, TransportError> {
        self.done(move |rows, _| Box::pin(async move { rows.take(&done, &lanes, most, bytes).await })).await
    }

    /// Deletes what has left.
    pub(super) async fn delete(&self, done: Vec<i64>) -> Result<(), TransportError> {
        self.take(done, Vec::new(), 0, 0).await.map(drop)
    }

    pub(super) async fn dead_keys(&self, lanes: Vec<u16>, most: usize) -> Result<FirstDead, TransportError> {
        self.done(move |rows, _| Box::pin(async move { rows.dead_keys(&lanes, most).await })).await
    }

    pub(super) async fn first_dead(&self, positions: Vec<i64>) -> Result<FirstDead, TransportError> {
        self.done(move |rows, _| Box::pin(async move { rows.first_dead(&positions).await })).await
    }

    pub(super) async fn bury(&self, dead: Vec<(i64, String)>) -> Result<(), TransportError> {
        self.done(move |rows, relay| Box::pin(async move { rows.bury(relay, &dead).await })).await
    }

    pub(super) async fn park(&self, positions: Vec<i64>) -> Result<Vec<i64>, TransportError> {
        self.done(move |rows, relay| Box::pin(async move { rows.park(relay, &positions).await })).await
    }

    pub(super) async fn figures(&self, most: u64) -> Result<OutboxFigures, TransportError> {
        self.done(move |rows, _| rows.figures(most)).await
    }
}
