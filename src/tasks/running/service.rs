//! The worker of tasks as a service: one lifecycle with the others, and one probe.
//!
//! `Supervised → start: are the tables there? → engine.rs, ticker → healthy? status → stop: what runs is finished`

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{oneshot, watch};

use super::engine::{Engine, Order};
use super::meter::Meter;
use super::to_bus::ToBus;
use super::{Every, Options, Shared, Stats};
use crate::outbox::{OutboxBuilder, RelayService};
use crate::tasks::function::Does;
use crate::tasks::{TaskDatabase, TaskError, TaskQueue};
use crate::{BaseService, EventBus, Failure, Handled, Outbox, Route, ServiceContext, ServiceHandle};

/// How often it is looked at whether it gets on.
const LOOK: Duration = Duration::from_secs(1);

/// What a worker is made of, each time that it starts.
pub(in crate::tasks) struct Parts<D: TaskDatabase> {
    pub(in crate::tasks) database: D,
    pub(in crate::tasks) bus: EventBus,
    /// The one that somebody else relays.
    pub(in crate::tasks) outbox: Option<Outbox<D>>,
    /// The name of ours, if there is none.
    pub(in crate::tasks) publisher: String,
    pub(in crate::tasks) functions: Rc<HashMap<&'static str, Rc<dyn Does<D>>>>,
    pub(in crate::tasks) options: Options,
    pub(in crate::tasks) stats: Arc<Stats>,
    pub(in crate::tasks) schedules: Rc<[Every]>,
    /// Why it cannot start.
    pub(in crate::tasks) wrong: Option<TaskError>,
}

/// The actor of [`Tasks`](crate::Tasks), which is kept alive.
pub struct TasksService<D: TaskDatabase> {
    parts: Rc<Parts<D>>,
    engine: Option<Engine<D>>,
    relay: Option<ServiceHandle<RelayService>>,
    orders: Option<watch::Sender<Order>>,
    end: Option<oneshot::Receiver<usize>>,
    /// Looks after batches, until this is dropped and the other is ready.
    batches: Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>,
    queue: Option<TaskQueue<D>>,
}

impl<D: TaskDatabase> TasksService<D> {
    pub(in crate::tasks) fn new(parts: &Rc<Parts<D>>) -> Self {
        Self { parts: parts.clone(), engine: None, relay: None, orders: None, end: None, batches: None, queue: None }
    }

    async fn open(&mut self) -> Result<(), Failure> {
        let parts = &self.parts;
        if let Some(wrong) = &parts.wrong {
            return Err(wrong.clone().into());
        }
        let nobody = parts.schedules.iter().find(|every| !parts.functions.contains_key(&*every.job.task));
        if let Some(every) = nobody {
            return Err(TaskError::Nobody { task: every.job.task.to_string() }.into());
        }
        if parts.functions.is_empty() {
            let text = "it would do nothing: register a function with `.on(…)`; who only enqueues takes `tasks()` of the database";
            return Err(Failure::new(text));
        }
        let queue = TaskQueue::open(&parts.database).await?;
        let outbox = match &parts.outbox {
            Some(outbox) => outbox.clone(),
            None => {
                let outbox = OutboxBuilder::new(&parts.database, parts.publisher.clone()).await?;
                let route = Route::new(format!("{}/**", parts.publisher), ToBus(parts.bus.clone()));
                let poll = if queue.jobs().tells_all() { LOOK } else { parts.options.poll_every };
                let mut relay = outbox.relay(route).poll_every(poll);
                parts.stats.relayed_by(relay.probe());
                self.relay = Some(relay.start().await?);
                outbox
            }
        };
        self.queue = Some(queue.clone());
        let mut queues: Vec<Arc<str>> = parts.functions.values().map(|does| does.terms().queue.into()).collect();
        queues.sort_unstable();
        queues.dedup();
        let meter = Meter::new(parts.functions.keys().copied(), &queues);
        let shared = Shared {
            queue,
            outbox,
            bus: parts.bus.clone(),
            functions: parts.functions.clone(),
            options: parts.options,
            stats: parts.stats.clone(),
            meter,
            schedules: parts.schedules.clone(),
        };
        self.engine = Some(Engine::new(Rc::new(shared)));
        Ok(())
    }
}

impl<D: TaskDatabase> Actor for TasksService<D> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(engine) = self.engine.take() else { return };
        let (ended, end) = oneshot::channel();
        (self.orders, self.end) = (Some(engine.orders()), Some(end));
        // A panic in it is one of the service, which is started again: what it had comes again when its lease ends.
        ctx.spawn(engine.run().into_actor(self).map(|given_back, _, _| {
            // Whoever has ordered the end may wait no longer.
            let _ = ended.send(given_back);
        }));
        if let Some(queue) = self.queue.take() {
            let ((go_on, stop), (ended, end)) = (oneshot::channel(), oneshot::channel());
            self.batches = Some((go_on, end));
            let lease = self.parts.options.lease;
            ctx.spawn(super::batches::run(queue, lease, stop).into_actor(self).map(|(), _, _| drop(ended)));
        }
        let stats = self.parts.stats.clone();
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

impl<D: TaskDatabase> BaseService for TasksService<D> {
    const NAME: &'static str = "Tasks";

    async fn start(&mut self) -> Handled {
        self.open().await
    }

    fn stop(&mut self, _: &mut Context<Self>) -> ResponseFuture<Handled> {
        let (orders, end, relay) = (self.orders.take(), self.end.take(), self.relay.take());
        let batches = self.batches.take();
        Box::pin(async move {
            let mut given_back = 0;
            if let (Some(orders), Some(end)) = (orders, end) {
                orders.send_replace(Order::Drain);
                let text = "it has panicked while it stopped: its jobs come again when their leases end";
                given_back = end.await.map_err(|_| Failure::new(text))?;
            }
            // What has just ended may still be told.
            if let Some(relay) = relay {
                relay.stop().await;
            }
            if let Some((go_on, ended)) = batches {
                drop(go_on);
                let _ = ended.await;
            }
            match given_back {
                0 => Ok(()),
                jobs => Err(Failure::new(format!("{jobs} jobs were not done in time, and were given back"))),
            }
        })
    }
}

impl<D: TaskDatabase> fmt::Debug for TasksService<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TasksService").field("health", &self.parts.stats.health()).finish_non_exhaustive()
    }
}
