//! How a round is aborted, and by whom.
//!
//! `Durable::abort → Aborting → await: queue.rs → the rules of the round say who may`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::running::{Ask, Core, Reply};
use super::store::Place;
use crate::transport::BoxFuture;
use crate::{EmitError, Payload, RoundId, Uuid};

/// A round that is about to be aborted. Awaiting it does so. See [`Durable::abort`](super::Durable::abort).
#[must_use = "the round is aborted when this is awaited"]
pub struct Aborting<P: Payload> {
    core: Arc<Core<P>>,
    place: Result<Place, EmitError>,
    reason: Arc<str>,
    by: Option<Arc<str>>,
}

impl<P: Payload> Aborting<P> {
    pub(super) fn new(core: Arc<Core<P>>, place: Result<Place, EmitError>, reason: Arc<str>) -> Self {
        Self { core, place, reason, by: None }
    }

    /// Says who does so. The outcome of the round tells it, and the rules of the round may
    /// [allow it to some alone](crate::DurableBuilder::aborted_by).
    pub fn by(mut self, name: impl Into<Arc<str>>) -> Self {
        // Nobody has no name.
        self.by = Some(name.into()).filter(|name| !name.is_empty());
        self
    }
}

impl<P: Payload + Serialize + DeserializeOwned> IntoFuture for Aborting<P> {
    type Output = Result<RoundId, EmitError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Aborts the round.
    ///
    /// # Errors
    ///
    /// [`EmitError::NoRound`] if there is none, [`EmitError::MayNotAbort`] if its rules name others, and those of an emission.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { core, place, reason, by } = self;
            let (answer, answered) = oneshot::channel();
            let ask = Ask::Abort { reason, by, token: Uuid::now_v7() };
            if core.ask(place?, ask, Reply::Round(answer)).is_err() {
                return Err(EmitError::Busy { limit: core.queue.bound });
            }
            answered.await.unwrap_or(Err(EmitError::BrokerGone))
        })
    }
}

impl<P: Payload> fmt::Debug for Aborting<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aborting").field("place", &self.place).field("by", &self.by).finish_non_exhaustive()
    }
}
