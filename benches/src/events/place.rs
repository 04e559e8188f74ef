//! Where the subscribers live: on the driver's arbiter, or on another one with a thread of its own.
//!
//! An arbiter is a current-thread runtime of tokio, built as `#[tokio::main]` builds it. So peers that know nothing of
//! actix are at home there as well: they are given its runtime's handle.

use actix::{Actor, Addr, Arbiter, ArbiterHandle, Context};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::harness::Failure;

/// The home of all subscribers of a contestant.
pub(super) struct Place {
    arbiter: ArbiterHandle,
    /// The runtime of that arbiter.
    pub(super) runtime: Handle,
    /// The other arbiter, which ends with this.
    other: Option<Arbiter>,
}

impl Place {
    /// The driver's own arbiter.
    pub(super) fn here() -> Self {
        Self { arbiter: Arbiter::current(), runtime: Handle::current(), other: None }
    }

    /// Another arbiter.
    pub(super) async fn across() -> Result<Self, Failure> {
        let other = Arbiter::new();
        let mut place = Self { arbiter: other.handle(), runtime: Handle::current(), other: Some(other) };
        place.runtime = place.run(|| async { Handle::current() }).await?;
        Ok(place)
    }

    /// Starts an actor there.
    pub(super) fn start<A: Actor<Context = Context<A>> + Send>(&self, actor: A) -> Addr<A> {
        if self.other.is_none() {
            return actor.start();
        }
        A::start_in_arbiter(&self.arbiter, |_| actor)
    }

    /// Runs something there that need not be `Send`, and waits for what it returns.
    pub(super) async fn run<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        self.arbiter.spawn_fn(move || {
            actix::spawn(async move {
                // Nobody waits any more only if the driver has failed, which it reports.
                let _ = answer.send(work().await);
            });
        });
        answered.await.map_err(|_| "the subscribers' arbiter has gone".into())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(arbiter) = self.other.take() {
            arbiter.stop();
            // A thread that has panicked has said so, and the driver found something missing.
            let _ = arbiter.join();
        }
    }
}
