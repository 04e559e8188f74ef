//! The worker as an actor: what may be said to it, and the handle of whoever has started it.
//!
//! `Pause, Resume, Drain, Inspect → WorkerActor → orders → engine.rs → WorkerReport`

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::select;
use tokio::sync::{oneshot, watch};

use super::account::{Drained, Stats, WorkerError, WorkerHealth, WorkerReport};
use super::engine::{Engine, Order};
use crate::Shutdown;
use crate::transport::Source;

/// The actor of a worker, on the arbiter that started it. It stops when its [`WorkerHandle`] is dropped, as a drain does.
pub struct WorkerActor {
    orders: watch::Sender<Order>,
    stats: Arc<Stats>,
    engine: Option<Pin<Box<dyn Future<Output = WorkerReport>>>>,
    ended: Option<oneshot::Sender<WorkerReport>>,
}

impl Actor for WorkerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(engine) = self.engine.take() else { return };
        ctx.spawn(engine.into_actor(self).map(|report, worker, ctx| {
            if let Some(ended) = worker.ended.take() {
                // Whoever has started it may be gone.
                let _ = ended.send(report);
            }
            ctx.stop();
        }));
    }
}

impl fmt::Debug for WorkerActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerActor").field("order", &*self.orders.borrow()).finish_non_exhaustive()
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Tell(Order);

impl Handler<Tell> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Tell(order): Tell, _: &mut Self::Context) {
        // It never goes back from a drain, or from hurry to a drain.
        self.orders.send_if_modified(|current| {
            let changes = *current != order && (*current < Order::Drain || order > *current);
            if changes {
                *current = order;
                self.stats.set_paused(order == Order::Pause);
            }
            changes
        });
    }
}

/// Starts the actor of a worker here.
pub(crate) fn start<S: Source>(engine: Engine<S>) -> WorkerHandle {
    let (ended, end) = oneshot::channel();
    let (orders, stats) = (engine.orders(), engine.stats());
    let engine: Pin<Box<dyn Future<Output = WorkerReport>>> = Box::pin(engine.run());
    let actor = WorkerActor { orders, stats: stats.clone(), engine: Some(engine), ended: Some(ended) };
    WorkerHandle { addr: actor.start(), stats, end }
}

/// Whoever has started a worker holds this. Dropped, the worker drains by itself.
#[must_use = "dropping it ends the worker, and so does `let _ =`: give it a name"]
pub struct WorkerHandle {
    addr: Addr<WorkerActor>,
    stats: Arc<Stats>,
    end: oneshot::Receiver<WorkerReport>,
}

impl WorkerHandle {
    /// Has it take nothing new until it is [resumed](Self::resume). What is being heard is finished, and what waits here is
    /// given back: within a second others get it.
    ///
    /// # Errors
    ///
    /// `Gone`.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        self.tell(Order::Pause).await
    }

    /// Has it go on.
    ///
    /// # Errors
    ///
    /// `Gone`.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        self.tell(Order::Run).await
    }

    /// Returns how it is.
    pub fn health(&self) -> WorkerHealth {
        self.stats.health()
    }

    /// Returns what it has done so far.
    pub fn report(&self) -> WorkerReport {
        self.stats.report(Drained { whole: true, took: Duration::ZERO })
    }

    /// Returns what tells how it is from any thread, for a probe, for as long as that wants.
    pub fn probe(&self) -> impl Fn() -> WorkerHealth + Clone + Send + Sync + 'static {
        let stats = self.stats.clone();
        move || stats.health()
    }

    /// Has it take nothing new, give back what waits here, and finish what is being heard, within its drain timeout; ready
    /// when it has ended.
    ///
    /// # Errors
    ///
    /// `Gone` if it has panicked, or its arbiter has ended.
    pub async fn drain(self) -> Result<WorkerReport, WorkerError> {
        self.run_until(async {}).await
    }

    /// Lets it work until this signal, and then [drains](Self::drain) it; a second signal ends that at once.
    ///
    /// # Errors
    ///
    /// `Gone` if it has panicked, or its arbiter has ended.
    pub async fn run_until(self, shutdown: impl Shutdown) -> Result<WorkerReport, WorkerError> {
        let (signal, hurry) = shutdown.into_signals();
        self.run(signal, hurry).await
    }

    pub(super) async fn run(
        mut self,
        signal: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> Result<WorkerReport, WorkerError> {
        select! {
            biased;
            () = signal => {}
            ended = &mut self.end => return ended.map_err(|_| WorkerError::Gone),
        }
        self.tell(Order::Drain).await?;
        select! {
            biased;
            ended = &mut self.end => return ended.map_err(|_| WorkerError::Gone),
            () = hurry => {}
        }
        self.tell(Order::Hurry).await?;
        (&mut self.end).await.map_err(|_| WorkerError::Gone)
    }

    async fn tell(&self, order: Order) -> Result<(), WorkerError> {
        self.addr.send(Tell(order)).await.map_err(|_| WorkerError::Gone)
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // The mailbox of an actor that is gone takes nothing; there is nothing to do then.
        let _ = self.addr.try_send(Tell(Order::Drain));
    }
}

impl fmt::Debug for WorkerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkerHandle").field(&self.health().to_string()).finish()
    }
}
