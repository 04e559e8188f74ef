//! The stable address of a service: it finds the present actor, and keeps what is sent while there is none.
//!
//! `send → Presence → Addr of the present actor`, `restarting: wait, up to a bound and a deadline → the next actor`

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::prelude::SendError;
use actix::{Addr, Context, Handler, MailboxError, Message};
use tokio::sync::{Notify, oneshot};

use super::service::{BaseService, ServiceState, ServiceStatus};
use crate::base::Shown;
use crate::runtime;
use crate::services::life::{Record, oversight};

/// What a service did not do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceError {
    /// It is stopping, or has stopped, or was not started.
    Stopped {
        /// What it is called.
        service: String,
    },
    /// It has failed for good.
    Failed {
        /// What it is called.
        service: String,
        /// What went wrong.
        error: String,
    },
    /// It is being built anew and as many messages wait for it as may, or its mailbox is full.
    Busy {
        /// What it is called.
        service: String,
    },
    /// It is being built anew together with who asks: if that one waited, neither would come back.
    Restarting {
        /// What it is called.
        service: String,
    },
    /// It did not come back in time, or did not answer in time.
    TimedOut {
        /// What it is called.
        service: String,
        /// The time.
        after: Duration,
    },
    /// It ended while it had the message: whether it has handled it is not known.
    Lost {
        /// What it is called.
        service: String,
    },
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { service } => {
                write!(f, "the service `{service}` does not run: it was stopped, or not started")
            }
            Self::Failed { service, error } => write!(f, "the service `{service}` has failed: {}", Shown::text(error)),
            Self::Busy { service } => {
                write!(
                    f,
                    "the service `{service}` takes no more now: it restarts, or as many messages wait as may; try again later"
                )
            }
            Self::Restarting { service } => {
                write!(f, "the service `{service}` restarts together with who asks it: ask again when both are back")
            }
            Self::TimedOut { service, after } => write!(f, "the service `{service}` did not answer within {after:?}"),
            Self::Lost { service } => {
                write!(f, "the service `{service}` ended while it had the message, which may have been handled or not")
            }
        }
    }
}

impl std::error::Error for ServiceError {}

/// Where the actor of a service is.
enum Presence<A: BaseService> {
    Here(Addr<A>),
    /// It is being started.
    Away,
    /// It has ended, or was not started.
    Gone,
}

struct Waiting<A: BaseService> {
    presence: Presence<A>,
    /// Those who wait for its return, in their order.
    waiters: Vec<oneshot::Sender<()>>,
}

/// What every thread knows of a service.
pub(crate) struct Shared<A: BaseService> {
    pub(crate) record: Arc<Record>,
    waiting: Mutex<Waiting<A>>,
    /// How many may wait for its return.
    capacity: usize,
    /// How long a message waits for its return, and for its answer.
    patience: Duration,
    /// How many messages are under way.
    in_flight: AtomicUsize,
    /// Told when one is not any more.
    pub(crate) rest: Arc<Notify>,
}

impl<A: BaseService> Shared<A> {
    pub(crate) fn new(record: Arc<Record>, capacity: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            record,
            waiting: Mutex::new(Waiting { presence: Presence::Gone, waiters: Vec::new() }),
            capacity,
            patience,
            in_flight: AtomicUsize::new(0),
            rest: Arc::new(Notify::new()),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_(&self, presence: Presence<A>) {
        let wake = !matches!(presence, Presence::Away);
        let (before, waiters) = {
            let mut waiting = self.lock();
            let waiters = if wake { std::mem::take(&mut waiting.waiters) } else { Vec::new() };
            (std::mem::replace(&mut waiting.presence, presence), waiters)
        };
        runtime::drop_quietly(before);
        for waiter in waiters {
            runtime::quietly(|| {
                let _ = waiter.send(());
            });
        }
    }

    /// The actor is there.
    pub(crate) fn arrive(&self, addr: Addr<A>) {
        self.become_(Presence::Here(addr));
    }

    /// It comes back.
    pub(crate) fn leave(&self) {
        self.become_(Presence::Away);
    }

    /// It does not come back.
    pub(crate) fn end(&self) {
        self.become_(Presence::Gone);
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    fn service(&self) -> String {
        self.record.status().service.to_string()
    }

    fn gone(&self) -> ServiceError {
        let status = self.record.status();
        let service = status.service.to_string();
        match status.state {
            ServiceState::Failed => {
                ServiceError::Failed { service, error: status.error.unwrap_or_else(|| "without a reason".to_owned()) }
            }
            _ => ServiceError::Stopped { service },
        }
    }

    /// The present actor; or a place among those who wait for the next.
    fn find(&self) -> Result<Found<A>, ServiceError> {
        let mut waiting = self.lock();
        match &waiting.presence {
            Presence::Here(addr) if addr.connected() => return Ok(Found::Here(addr.clone())),
            // It has just ended, and its keeper does not know yet.
            Presence::Here(_) | Presence::Away => {}
            Presence::Gone => {
                drop(waiting);
                return Err(self.gone());
            }
        }
        waiting.waiters.retain(|waiter| !waiter.is_closed());
        if waiting.waiters.len() >= self.capacity {
            drop(waiting);
            return Err(ServiceError::Busy { service: self.service() });
        }
        let (waiter, back) = oneshot::channel();
        waiting.waiters.push(waiter);
        Ok(Found::Away(back))
    }
}

enum Found<A: BaseService> {
    Here(Addr<A>),
    Away(oneshot::Receiver<()>),
}

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
            let addr = loop {
                match shared.find()? {
                    Found::Here(addr) => break addr,
                    Found::Away(back) => until_back(back, shared).await?,
                }
            };
            let _counted = InFlight::count(shared);
            addr.send(message).await.map_err(|error| match error {
                MailboxError::Closed => ServiceError::Lost { service: shared.service() },
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
        let busy = || ServiceError::Busy { service: self.shared.service() };
        let Some(addr) = self.present() else {
            let gone = matches!(self.shared.lock().presence, Presence::Gone);
            return Err(if gone { self.shared.gone() } else { busy() });
        };
        addr.try_send(message).map_err(|error| match error {
            SendError::Full(_) => busy(),
            SendError::Closed(_) => ServiceError::Lost { service: self.shared.service() },
        })
    }

    /// Waits until the service runs: at once if it does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub async fn running(&self) -> Result<(), ServiceError> {
        let shared = &self.shared;
        let running = runtime::within(shared.patience, async {
            loop {
                match shared.find()? {
                    Found::Here(_) => return Ok(()),
                    Found::Away(back) => until_back(back, shared).await?,
                }
            }
        });
        let late = || ServiceError::TimedOut { service: shared.service(), after: shared.patience };
        running.await.unwrap_or_else(|| Err(late()))
    }

    /// Returns the address of the present actor, if there is one. It ends with that actor.
    pub fn present(&self) -> Option<Addr<A>> {
        match &self.shared.lock().presence {
            Presence::Here(addr) if addr.connected() => Some(addr.clone()),
            _ => None,
        }
    }

    /// Returns how the service is.
    pub fn status(&self) -> ServiceStatus {
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

/// Waits for the next actor; not in a service that is itself about to be started again, perhaps because of that one.
async fn until_back<A: BaseService>(mut back: oneshot::Receiver<()>, shared: &Shared<A>) -> Result<(), ServiceError> {
    poll_fn(|cx| {
        if oversight::is_pausing() {
            return Poll::Ready(Err(ServiceError::Restarting { service: shared.service() }));
        }
        // An error is the end of the service, which the next look finds.
        Pin::new(&mut back).poll(cx).map(|_| Ok(()))
    })
    .await
}

/// A message under way.
struct InFlight<'a, A: BaseService>(&'a Shared<A>);

impl<'a, A: BaseService> InFlight<'a, A> {
    fn count(shared: &'a Shared<A>) -> Self {
        shared.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl<A: BaseService> Drop for InFlight<'_, A> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.rest.notify_one();
        }
    }
}
