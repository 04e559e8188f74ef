//! The stable address of a service: it finds the present actor, and keeps what is sent while there is none.
//!
//! `send → Shared::find → Addr of the present actor`, `restarting: wait, up to a bound and a deadline → the next actor`

use std::fmt;
use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Addr, Context, Handler, MailboxError, Message};

use super::service::BaseService;
use crate::runtime;
use crate::services::life::{InFlight, Shared};
use crate::services::standing::{ServiceError, ServiceStatus};

/// The stable address of a service: whichever actor it is at present, and from any thread.
///
/// What is sent while the service restarts waits for it: up to its capacity, 1,024 messages unless it was told, and for
/// at most its patience, 30 s unless it was told. It does not keep the service alive.
pub struct ServiceAddr<A: BaseService> {
    shared: Arc<Shared<A>>,
}

impl<A: BaseService> ServiceAddr<A> {
    pub(crate) fn new(shared: &Arc<Shared<A>>) -> Self {
        Self { shared: shared.clone() }
    }

    /// Sends a message and waits for its answer.
    ///
    /// # Errors
    ///
    /// `Stopped`, `Failed`; `Busy` and `TimedOut` while it restarts, the latter also if there is no answer within its
    /// patience; `Restarting` in a handler of a service that is started again together with it; `Lost` if it ends with the
    /// message.
    pub async fn send<M>(&self, message: M) -> Result<M::Result, ServiceError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let shared = &self.shared;
        let patience = shared.patience;
        let answered = runtime::within(patience, async {
            let addr = shared.arrived().await?;
            let _counted = InFlight::count(shared);
            addr.send(message).await.map_err(|error| match error {
                MailboxError::Closed => shared.lost(),
                MailboxError::Timeout => ServiceError::TimedOut { service: shared.service(), after: patience },
            })
        });
        match answered.await {
            Some(answer) => answer,
            None => Err(ServiceError::TimedOut { service: shared.service(), after: patience }),
        }
    }

    /// Sends a message without an answer, if there is an actor that takes it now.
    ///
    /// # Errors
    ///
    /// `Stopped`, `Failed`; `Busy` while it restarts or if its mailbox is full.
    pub fn try_send<M>(&self, message: M) -> Result<(), ServiceError>
    where
        A: Handler<M>,
        M: Message + Send + 'static,
        M::Result: Send,
        Context<A>: ToEnvelope<A, M>,
    {
        let addr = self.shared.here()?;
        addr.try_send(message).map_err(|error| match error {
            SendError::Full(_) => ServiceError::Busy { service: self.shared.service() },
            SendError::Closed(_) => self.shared.lost(),
        })
    }

    /// Waits until the service runs: at once if it does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub async fn running(&self) -> Result<(), ServiceError> {
        let shared = &self.shared;
        match runtime::within(shared.patience, shared.arrived()).await {
            Some(arrived) => arrived.map(drop),
            None => Err(ServiceError::TimedOut { service: shared.service(), after: shared.patience }),
        }
    }

    /// Returns the address of the present actor, if there is one. It ends with that actor.
    pub fn present(&self) -> Option<Addr<A>> {
        self.shared.here().ok()
    }

    /// Returns how the service is.
    pub fn status(&self) -> ServiceStatus {
        self.shared.record.seen()
    }
}

impl<A: BaseService> Clone for ServiceAddr<A> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<A: BaseService> fmt::Debug for ServiceAddr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServiceAddr").field(&self.status().to_string()).finish()
    }
}
