//! A projection as a service: it catches up whenever something was appended.
//!
//! `supervised → started: catch_up → a ring, or a second → catch_up …`, `what fails → degraded → tried again`

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{oneshot, watch};

use super::error::ProjectionError;
use super::project::Project;
use super::projection::Projection;
use crate::store::StoreDatabase;
use crate::{BaseService, EventBus, Handled, ServiceContext, Supervised};

/// How long it waits before it looks by itself: rings of other processes may be lost.
const POLL: Duration = Duration::from_secs(1);

/// How long it waits after a failure, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

type CatchUp = Rc<dyn Fn(watch::Receiver<bool>) -> Pin<Box<dyn Future<Output = Result<(), ProjectionError>>>>>;

/// The actor of a [`Projection`], which [`Projection::supervised`] keeps alive.
pub struct ProjectionService {
    catch_up: CatchUp,
    bell: watch::Receiver<()>,
    stop: Option<watch::Sender<bool>>,
    end: Option<oneshot::Receiver<()>>,
}

impl<D: StoreDatabase, P: Project<D::Connection>> Projection<D, P> {
    /// Starts a service of this bus that catches up whenever something was appended, also by another process. It is degraded while
    /// it cannot, and tries again after 0.5 s at first and 30 s at most. When it stops, the transaction that it is at is finished.
    ///
    /// Returns once it runs, which is before it has caught up.
    ///
    /// # Errors
    ///
    /// Those of [`BaseService::supervised`].
    pub fn supervised(&self, bus: &EventBus) -> Supervised<ProjectionService> {
        let this = self.clone();
        ProjectionService::supervised(bus, move |_| {
            let projection = this.clone();
            let catch_up: CatchUp = Rc::new(move |stopped| {
                let projection = projection.clone();
                Box::pin(async move { projection.catch_up_while(&|_| !*stopped.borrow()).await.map(drop) })
            });
            ProjectionService { catch_up, bell: this.records().bell(), stop: None, end: None }
        })
    }
}

impl Actor for ProjectionService {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (stop, mut stopped) = watch::channel(false);
        let (ended, end) = oneshot::channel();
        (self.stop, self.end) = (Some(stop), Some(end));
        let (catch_up, mut bell) = (self.catch_up.clone(), self.bell.clone());
        let service = ctx.address();
        ctx.spawn(
            async move {
                let mut failures = 0;
                while !*stopped.borrow() {
                    bell.mark_unchanged();
                    let pause = match catch_up(stopped.clone()).await {
                        Ok(()) => {
                            if failures > 0 {
                                service.do_send(Went { failed: None });
                            }
                            failures = 0;
                            POLL
                        }
                        Err(error) => {
                            service.do_send(Went { failed: Some(error.to_string()) });
                            failures += 1;
                            FIRST_PAUSE.saturating_mul(1 << failures.min(7)).min(LONGEST_PAUSE)
                        }
                    };
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = stopped.wait_for(|stopped| *stopped) => {}
                        Ok(()) = bell.changed(), if failures == 0 => {}
                    }
                }
            }
            .into_actor(self)
            .map(|(), _, _| {
                // Whoever has ordered the end may wait no longer.
                let _ = ended.send(());
            }),
        );
    }
}

/// How it went.
#[derive(Message)]
#[rtype(result = "()")]
struct Went {
    failed: Option<String>,
}

impl Handler<Went> for ProjectionService {
    type Result = ();

    fn handle(&mut self, went: Went, ctx: &mut Context<Self>) {
        match went.failed {
            Some(why) => ctx.degrade(why),
            None => ctx.recover(),
        }
    }
}

impl BaseService for ProjectionService {
    const NAME: &'static str = "Projection";

    fn stop(&mut self, _: &mut Context<Self>) -> ResponseFuture<Handled> {
        let (stop, end) = (self.stop.take(), self.end.take());
        Box::pin(async move {
            if let (Some(stop), Some(end)) = (stop, end) {
                stop.send_replace(true);
                let _ = end.await;
            }
            Ok(())
        })
    }
}

impl fmt::Debug for ProjectionService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectionService").finish_non_exhaustive()
    }
}
