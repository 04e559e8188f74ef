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

/// The actor of a worker, on the arbiter that started it. It stops after a drain, or when its [`WorkerHandle`] is
/// dropped, which drains it too.
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
    let engine: Pin<Box<dyn Future<Output = WorkerReport>>> = Box::pin(async { engine.run().await.0 });
    let actor = WorkerActor { orders, stats: stats.clone(), engine: Some(engine), ended: Some(ended) };
    WorkerHandle { addr: actor.start(), stats, end }
}

/// A handle to a running worker. Dropping it drains the worker in the background.
#[must_use = "dropping it ends the worker, and so does `let _ =`: give it a name"]
pub struct WorkerHandle {
    addr: Addr<WorkerActor>,
    stats: Arc<Stats>,
    end: oneshot::Receiver<WorkerReport>,
}

impl WorkerHandle {
    /// Pauses the worker: it takes nothing new until you [resume](Self::resume) it. Deliveries whose listeners are
    /// running are finished. Deliveries that wait are given back, and other subscribers get them within a second.
    ///
    /// # Errors
    ///
    /// `Gone` if the worker has panicked, or its arbiter has ended.
    pub async fn pause(&self) -> Result<(), WorkerError> {
        self.tell(Order::Pause).await
    }

    /// Resumes a paused worker.
    ///
    /// # Errors
    ///
    /// `Gone` if the worker has panicked, or its arbiter has ended.
    pub async fn resume(&self) -> Result<(), WorkerError> {
        self.tell(Order::Run).await
    }

    /// Returns the health of the worker.
    pub fn health(&self) -> WorkerHealth {
        self.stats.health()
    }

    /// Returns what the worker has done so far.
    pub fn report(&self) -> WorkerReport {
        self.stats.report(Drained { whole: true, took: Duration::ZERO })
    }

    /// Returns a function that tells the health of the worker from any thread, for a probe. You may keep it after the
    /// handle is gone.
    pub fn probe(&self) -> impl Fn() -> WorkerHealth + Clone + Send + Sync + 'static {
        let stats = self.stats.clone();
        move || stats.health()
    }

    /// Drains the worker: it takes nothing new, gives back the deliveries that wait, and finishes those whose listeners
    /// are running, within its drain timeout. The future is ready when the worker has ended.
    ///
    /// # Errors
    ///
    /// `Gone` if the worker has panicked, or its arbiter has ended.
    pub async fn drain(self) -> Result<WorkerReport, WorkerError> {
        self.run_until(async {}).await
    }

    /// Lets the worker run until this signal, and then [drains](Self::drain) it. A second signal ends the drain at
    /// once.
    ///
    /// # Errors
    ///
    /// `Gone` if the worker has panicked, or its arbiter has ended.
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
