//! The worker as a service: one lifecycle with the others, and one probe.
//!
//! `Services::add(worker) → start: connect → begin: engine.rs → healthy? status → stop: drain → its report, in the log`

use std::fmt;
use std::time::Duration;

use actix::prelude::*;
use convoke_actors::__private::Kept;
use tokio::sync::{oneshot, watch};

use super::account::{WorkerError, WorkerReport};
use super::engine::{Engine, Order};
use super::worker::Worker;
use crate::transport::Source;
use crate::{BaseService, Failure, Handled, IntoChild, Restart, ServiceContext, Supervised};

/// How often it is looked at whether it makes progress.
const LOOK: Duration = Duration::from_secs(1);

/// What may pass between the end of a drain and the actor's.
const LAST_STEP: Duration = Duration::from_secs(1);

/// A worker that is kept alive with the services of an application.
pub(crate) struct WorkerService<S: Source> {
    worker: Option<Box<Worker<S>>>,
    engine: Option<Box<Engine<S>>>,
    orders: Option<watch::Sender<Order>>,
    end: Option<oneshot::Receiver<WorkerReport>>,
}

impl<S: Source> Actor for WorkerService<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(engine) = self.engine.take() else { return };
        let stats = engine.stats();
        let (ended, end) = oneshot::channel();
        (self.orders, self.end) = (Some(engine.orders()), Some(end));
        // A panic in it is one of the service.
        ctx.spawn(engine.run().into_actor(self).map(|report, _, _| {
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
        let Some(worker) = self.worker.take() else { return Err(Failure::new("a worker starts once")) };
        self.engine = Some(Box::new(worker.into_engine().await?));
        Ok(())
    }

    fn stop(&mut self, _: &mut Context<Self>) -> ResponseFuture<Handled> {
        let (orders, end) = (self.orders.take(), self.end.take());
        Box::pin(async move {
            let (Some(orders), Some(end)) = (orders, end) else { return Ok(()) };
            orders.send_replace(Order::Drain);
            let report = end.await.map_err(|_| WorkerError::Gone)?;
            log::info!(target: "convoke::worker", "{report}");
            if report.drained { Ok(()) } else { Err(Failure::new(report.to_string())) }
        })
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
        let mut worker = Some(Box::new(self));
        let service: Supervised<WorkerService<S>> = WorkerService::supervised(&bus, move |_| match worker.take() {
            Some(worker) => Ok(WorkerService { worker: Some(worker), engine: None, orders: None, end: None }),
            None => Err(Failure::new("a worker is not started again: what it has left comes again to another process")),
        });
        let service = service.named(name).restart(Restart::Never).brings_in_work();
        service.stop_timeout(drain_timeout.saturating_add(LAST_STEP)).into_child()
    }
}
