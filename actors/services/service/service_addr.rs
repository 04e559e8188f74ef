//! The stable address of a service: it finds the present actor, and keeps what is sent while there is none.
//!
//! `send → Shared::find → Addr of the present actor`, `restarting: wait, up to a bound and a deadline → the next actor`

use std::fmt;
use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Addr, Context, Handler, MailboxError, Message};

use super::service::BaseService;
use crate::events::event::Name;
use crate::runtime;
use crate::services::life::{InFlight, Node, ServiceTree, Shared};
use crate::services::standing::{ServiceError, ServiceStatus};

/// The stable address of a service. It reaches the service's present actor, from any thread.
///
/// A message that you send while the service restarts waits for it. At most as many messages wait as the
/// [capacity](crate::Supervised::capacity), 1,024 by default, and for at most the
/// [patience](crate::Supervised::patience), 30 s by default. The address does not keep the service alive.
pub struct ServiceAddr<A: BaseService> {
    shared: Arc<Shared<A>>,
}

impl<A: BaseService> ServiceAddr<A> {
    pub(crate) fn new(shared: &Arc<Shared<A>>) -> Self {
        Self { shared: shared.clone() }
    }

    /// Sends a message to the service and waits for the answer.
    ///
    /// # Errors
    ///
    /// - `Stopped` if the service is stopping, has stopped or was not started; `Failed` if it has failed for good.
    /// - `Busy` while the service restarts, if its capacity of waiting messages is used up.
    /// - `TimedOut` if the service does not come back, or does not answer, within its patience.
    /// - `Restarting` in a handler of a service that is being restarted together with this one.
    /// - `Lost` if the service ends while it has the message.
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

    /// Sends a message without waiting for an answer, if an actor can take it now.
    ///
    /// # Errors
    ///
    /// Returns `Stopped` if the service is stopping, has stopped or was not started, `Failed` if it has failed for
    /// good, `Busy` while it restarts or if its mailbox is full, and `Lost` if its actor ends at that moment.
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

    /// Waits until the service is running. Returns at once if it is.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`send`](Self::send).
    pub async fn running(&self) -> Result<(), ServiceError> {
        let shared = &self.shared;
        match runtime::within(shared.patience, shared.arrived()).await {
            Some(arrived) => arrived.map(drop),
            None => Err(ServiceError::TimedOut { service: shared.service(), after: shared.patience }),
        }
    }

    /// Returns the address of the present actor; `None` if there is no actor. That address ends with that actor.
    pub fn present(&self) -> Option<Addr<A>> {
        self.shared.here().ok()
    }

    /// Returns the status of the service.
    pub fn status(&self) -> ServiceStatus {
        self.shared.record.seen()
    }

    /// Returns the service as a tree of one, with its last changes, which you may keep and look at from any thread.
    pub fn tree(&self) -> ServiceTree {
        let needs = A::NEEDS.iter().map(|name| Name::constant(name)).collect();
        let record = self.shared.record.clone();
        ServiceTree::new(vec![Node { record, strategy: None, needs, children: Vec::new() }])
    }

    /// The same, which nobody looks at.
    pub(crate) fn unlooked(&self) -> ServiceStatus {
        self.shared.record.status()
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
