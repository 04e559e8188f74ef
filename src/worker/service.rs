//! The worker as a service: one lifecycle with the others, and one probe.
//!
//! `Services::add(worker) → start: connect → begin: engine.rs → healthy? status → stop: drain → its report, in the log`,
//! `a neighbor has fallen → stop: drain, or give back → the worker is at home → start`

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use convoke_actors::__private::{Kept, is_pausing};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::account::{WorkerError, WorkerReport};
use super::engine::{Engine, Order};
use super::options::Options;
use super::worker::Worker;
use crate::transport::Source;
use crate::{BaseService, EventBus, Failure, Handled, IntoChild, Restart, ServiceContext, Supervised};

/// How often it is looked at whether it makes progress.
const LOOK: Duration = Duration::from_secs(1);

/// What may pass between the end of a drain and the actor's.
const LAST_STEP: Duration = Duration::from_secs(1);

/// How long those that are started again together with a worker wait for what it hears. Beyond that it gives back what it
/// has: it may well wait for one of them.
const PAUSE: Duration = Duration::from_secs(1);

/// Where a worker is while it does not run.
type Home<S> = Rc<RefCell<Option<Box<Worker<S>>>>>;

/// A worker that is kept alive with the services of an application.
pub(crate) struct WorkerService<S: Source> {
    worker: Option<Box<Worker<S>>>,
    home: Home<S>,
    /// What the worker is made of again when its source is back.
    parts: Option<(EventBus, Options)>,
    engine: Option<Box<Engine<S>>>,
    orders: Option<watch::Sender<Order>>,
    end: Option<oneshot::Receiver<WorkerReport>>,
}

impl<S: Source> Actor for WorkerService<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (Some(engine), Some((bus, options))) = (self.engine.take(), self.parts.take()) else { return };
        let stats = engine.stats();
        let (ended, end) = oneshot::channel();
        (self.orders, self.end) = (Some(engine.orders()), Some(end));
        // A panic in it is one of the service. The source does not outlive that: what it has is for others.
        ctx.spawn(engine.run().into_actor(self).map(|(report, source), worker, _| {
            *worker.home.borrow_mut() = Some(Box::new(Worker { source, bus, options }));
            // Whoever has ordered the end may wait no longer.
            let _ = ended.send(report);
        }));
        let mut was_healthy = true;
        ctx.run_interval(LOOK, move |_, ctx| {
            let health = stats.health();
            let is_healthy = health.healthy || health.ended;
            match (was_healthy, is_healthy) {
                (true, false) => ctx.degrade(health.to_string()),
                (false, true) => ctx.recover(),
                _ => {}
            }
            was_healthy = is_healthy;
        });
    }
}

impl<S: Source> BaseService for WorkerService<S> {
    const NAME: &'static str = "Worker";

    async fn start(&mut self) -> Handled {
        let Some(worker) = &mut self.worker else { return Err(Failure::new("a worker starts once")) };
        worker.open().await?;
        self.parts = Some((worker.bus.clone(), worker.options.clone()));
        self.engine = self.worker.take().map(|worker| Box::new(worker.into_engine()));
        Ok(())
    }

    fn stop(&mut self, _: &mut Context<Self>) -> ResponseFuture<Handled> {
        let (orders, end) = (self.orders.take(), self.end.take());
        let pauses = is_pausing();
        Box::pin(async move {
            let (Some(orders), Some(mut end)) = (orders, end) else { return Ok(()) };
            orders.send_replace(Order::Drain);
            let ended = match pauses {
                true => timeout(PAUSE, &mut end).await.ok(),
                false => None,
            };
            let report = match ended {
                Some(ended) => ended,
                None => {
                    if pauses {
                        orders.send_replace(Order::Hurry);
                    }
                    end.await
                }
            };
            let report = report.map_err(|_| WorkerError::Gone)?;
            log::info!(target: "convoke::worker", "{report}");
            if report.drained || pauses { Ok(()) } else { Err(Failure::new(report.to_string())) }
        })
    }
}

impl<S: Source> Drop for WorkerService<S> {
    fn drop(&mut self) {
        // One that has not started may be asked to once more.
        if let Some(worker) = self.worker.take() {
            *self.home.borrow_mut() = Some(worker);
        }
    }
}

impl<S: Source> fmt::Debug for WorkerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerService").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// A worker can be one of the [`Services`](crate::Services) of an application, or a child of a
/// [`Supervisor`](crate::Supervisor).
///
/// Its name is the name of its source, or the one that you [gave](Worker::named) it. It starts after all services that
/// are no workers, and drains before any other service stops. A worker that does not start makes the start of the
/// application fail. A server that says nothing makes the worker [degraded](crate::ServiceState::Degraded). A panic of
/// the worker itself ends it for good.
///
/// A worker inside a supervisor is started again when the supervisor restarts it with its neighbors. Before that it has
/// 1 s to finish what is being heard, and gives back the rest, which comes again.
///
/// ```
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use convoke::{Services, Worker};
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default(); // and its listeners
/// let services = Services::new(&bus).add(Worker::new(Memory::queue("orders"), &bus).named("orders")).await?;
/// assert!(services.health().is_ready());
/// assert_eq!(services.statuses()[0].to_string(), "orders is running");
/// assert!(services.shutdown().await.is_clean());
/// # Ok::<(), convoke::ServicesError>(())
/// # }).unwrap();
/// ```
impl<S: Source> IntoChild for Worker<S> {
    fn into_child(self) -> Kept {
        let name = self.options.name.clone().unwrap_or_else(|| self.source.name().to_owned());
        let (bus, drain_timeout) = (self.bus.clone(), self.options.drain_timeout);
        let home: Home<S> = Rc::new(RefCell::new(Some(Box::new(self))));
        let service: Supervised<WorkerService<S>> = WorkerService::supervised(&bus, move |_| match home.take() {
            Some(worker) => {
                let (worker, home) = (Some(worker), home.clone());
                Ok(WorkerService { worker, home, parts: None, engine: None, orders: None, end: None })
            }
            None => Err(Failure::new(
                "a worker that has panicked or did not end is not started again: what it has left comes again to another process",
            )),
        });
        let service = service.named(name).restart(Restart::Never).brings_in_work();
        service.stop_timeout(drain_timeout.saturating_add(LAST_STEP)).into_child()
    }
}
