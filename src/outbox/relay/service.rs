//! The relay as a service: one lifecycle with the others, and one probe.
//!
//! `Supervised → start: are the routes right? → begin: engine.rs → healthy? status → stop: what is at a server is finished`

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{oneshot, watch};

use super::engine::{Engine, Options};
use super::health::Stats;
use super::way::Ways;
use crate::outbox::OutboxError;
use crate::outbox::Rows;
use crate::{BaseService, Failure, Handled, ServiceContext, Uuid};

/// How often it is looked at whether events leave in time.
const LOOK: Duration = Duration::from_secs(1);

/// What a relay is made of, each time that it starts.
pub(super) struct Parts {
    pub(super) id: Uuid,
    pub(super) rows: Arc<dyn Rows>,
    pub(super) ways: Result<Rc<Ways>, OutboxError>,
    pub(super) publisher: Arc<str>,
    pub(super) stats: Arc<Stats>,
    pub(super) options: Options,
}

/// The actor of a [`Relay`](super::Relay), which [`Relay::supervised`](super::Relay::supervised) keeps alive.
pub struct RelayService {
    parts: Rc<Parts>,
    stop: Option<watch::Sender<bool>>,
    end: Option<oneshot::Receiver<()>>,
}

impl RelayService {
    pub(super) fn new(parts: &Rc<Parts>) -> Self {
        Self { parts: parts.clone(), stop: None, end: None }
    }
}

impl Actor for RelayService {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let parts = &self.parts;
        let Ok(ways) = &parts.ways else { return };
        let engine = Engine::new(parts.id, parts.rows.clone(), ways.clone(), parts.stats.clone(), parts.options);
        let (ended, end) = oneshot::channel();
        (self.stop, self.end) = (Some(engine.stop()), Some(end));
        // A panic in it is one of the service, which is started again.
        ctx.spawn(engine.run().into_actor(self).map(|(), _, _| {
            // Whoever has ordered the end may wait no longer.
            let _ = ended.send(());
        }));
        let stats = parts.stats.clone();
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

impl BaseService for RelayService {
    const NAME: &'static str = "Relay";

    async fn start(&mut self) -> Handled {
        let ways = self.parts.ways.clone().map_err(Failure::from)?;
        for way in &ways.all {
            way.outward.check(&self.parts.publisher).map_err(OutboxError::from)?;
        }
        Ok(())
    }

    fn stop(&mut self, _: &mut Context<Self>) -> ResponseFuture<Handled> {
        let (stop, end) = (self.stop.take(), self.end.take());
        Box::pin(async move {
            let (Some(stop), Some(end)) = (stop, end) else { return Ok(()) };
            stop.send_replace(true);
            end.await.map_err(|_| {
                Failure::new("it has panicked while it stopped: others have its lanes when its lease ends")
            })
        })
    }
}

impl fmt::Debug for RelayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayService").field("outbox", self.parts.rows.name()).finish_non_exhaustive()
    }
}
