//! Where the present actor of a service is, for every thread, and who waits for the next.
//!
//! `ServiceAddr::send → Presence → Addr of the present actor`, `restarting: wait, up to a bound and a deadline → the next actor`

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use actix::Addr;
use tokio::sync::{Notify, oneshot};

use super::living::Living;
use super::oversight::is_pausing;
use crate::runtime;
use crate::services::standing::{Record, ServiceError, ServiceState};

/// Where the actor of a service is.
enum Presence<A: Living> {
    Here(Addr<A>),
    /// It is being started.
    Away,
    /// It has ended, or was not started.
    Gone,
}

struct Waiting<A: Living> {
    presence: Presence<A>,
    /// Those who wait for its return, in their order.
    waiters: Vec<oneshot::Sender<()>>,
}

/// What every thread knows of a service.
pub(crate) struct Shared<A: Living> {
    pub(crate) record: Arc<Record>,
    waiting: Mutex<Waiting<A>>,
    /// How many may wait for its return.
    capacity: usize,
    /// How long a message waits for its return, and for its answer.
    pub(crate) patience: Duration,
    /// How many messages are under way.
    in_flight: AtomicUsize,
    /// Told when one is not any more.
    pub(crate) rest: Arc<Notify>,
}

impl<A: Living> Shared<A> {
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

    /// What it is called.
    pub(crate) fn service(&self) -> String {
        self.record.status().service.to_string()
    }

    /// The actor has ended over a message, of which its sender is told.
    pub(crate) fn lost(&self) -> ServiceError {
        ServiceError::Lost { service: self.record.seen().service.to_string() }
    }

    fn gone(&self) -> ServiceError {
        let status = self.record.seen();
        let service = status.service.to_string();
        match status.state {
            ServiceState::Failed => {
                ServiceError::Failed { service, error: status.error.unwrap_or_else(|| "without a reason".to_owned()) }
            }
            _ => ServiceError::Stopped { service },
        }
    }

    /// The present actor, if there is one; why there is none, otherwise.
    pub(crate) fn here(&self) -> Result<Addr<A>, ServiceError> {
        let gone = match &self.lock().presence {
            Presence::Here(addr) if addr.connected() => return Ok(addr.clone()),
            Presence::Here(_) | Presence::Away => false,
            Presence::Gone => true,
        };
        Err(if gone { self.gone() } else { ServiceError::Busy { service: self.service() } })
    }

    /// The present actor; waits for the next if there is none.
    pub(crate) async fn arrived(&self) -> Result<Addr<A>, ServiceError> {
        loop {
            match self.find()? {
                Found::Here(addr) => return Ok(addr),
                Found::Away(back) => until_back(back, self).await?,
            }
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

enum Found<A: Living> {
    Here(Addr<A>),
    Away(oneshot::Receiver<()>),
}

/// Waits for the next actor; not in a service that is itself about to be started again, perhaps because of that one.
async fn until_back<A: Living>(mut back: oneshot::Receiver<()>, shared: &Shared<A>) -> Result<(), ServiceError> {
    poll_fn(|cx| {
        if is_pausing() {
            return Poll::Ready(Err(ServiceError::Restarting { service: shared.service() }));
        }
        // An error is the end of the service, which the next look finds.
        Pin::new(&mut back).poll(cx).map(|_| Ok(()))
    })
    .await
}

/// A message under way.
pub(crate) struct InFlight<'a, A: Living>(&'a Shared<A>);

impl<'a, A: Living> InFlight<'a, A> {
    pub(crate) fn count(shared: &'a Shared<A>) -> Self {
        shared.in_flight.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl<A: Living> Drop for InFlight<'_, A> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.rest.notify_one();
        }
    }
}
