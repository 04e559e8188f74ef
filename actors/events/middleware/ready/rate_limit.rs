//! Lets calls through at a limited rate.
//!
//! `call → Gate (one at a time) → governor → next`

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{error, fmt};

use super::super::{Call, Handling, Middleware, Next, PerListener};
use super::gate::Gate;
use crate::base::debug_is_display;

/// How long a call waits for its place unless it is told: a third of what a listener has by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Limits how many calls of a listener run in a period of time. Further calls wait, or are refused.
///
/// Calls are counted by the [generic cell rate algorithm](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm) of
/// the crate `governor`: a place becomes free every `per / calls`, and up to [`burst`](Self::burst) free places are
/// saved up. Each listener has places of its own, also where one `RateLimit` stands around a whole bus, unless
/// [`together`](Self::together) shares them.
///
/// Waiting calls proceed in the order in which they came. A call that gets no place within [`wait`](Self::wait) ends
/// with [`RateLimited`]. After [`refuse`](Self::refuse), a call without a place ends with this error at once. The
/// listener's own timeout runs while a call waits. A call that is dropped while it waits takes no place.
///
/// Timers count in milliseconds, so calls that wait one by one proceed at no more than 1,000 a second. A burst greater
/// than 1 makes up for it.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::RateLimit;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let text = |order: &OrderPlaced| println!("a text message about order {}", order.id);
/// let _text = bus.on(text.with(RateLimit::per_second(100).burst(10)))?;
/// for id in 0..12 {
///     assert!(bus.emit(OrderPlaced { id }).await.is_ok()); // the last two wait 10 ms each
/// }
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct RateLimit {
    calls: u32,
    per: Duration,
    burst: u32,
    /// None if it refuses.
    patience: Option<Duration>,
    shared: Option<OnceLock<Arc<Gate>>>,
    gates: PerListener<Option<Arc<Gate>>>,
}

impl RateLimit {
    /// Allows `calls` calls in each period of `per`, with a burst of the same number. Zero calls count as 1, and a
    /// period of zero counts as the shortest period.
    pub fn new(calls: u32, per: Duration) -> Self {
        let (calls, gates) = (calls.max(1), PerListener::default());
        Self { calls, per, burst: calls, patience: Some(PATIENCE), shared: None, gates }
    }

    /// Allows `calls` calls a second. See [`new`](Self::new).
    pub fn per_second(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(1))
    }

    /// Sets how many calls may come at once after a pause. The default is the number of calls per period. A burst of 1
    /// spaces the calls evenly; zero counts as 1.
    #[must_use]
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = calls;
        self
    }

    /// Sets how long a call may wait for its place. The default is 10 s.
    #[must_use]
    pub fn wait(mut self, limit: Duration) -> Self {
        self.patience = Some(limit);
        self
    }

    /// Refuses a call without a place at once, instead of letting it wait.
    #[must_use]
    pub fn refuse(mut self) -> Self {
        self.patience = None;
        self
    }

    /// Shares one set of places among all listeners that this middleware stands around, on every arbiter.
    ///
    /// The listeners are those of the bus that the middleware is added to. To share the places among single listeners,
    /// put the middleware into an `Arc` named `limit`, and add this middleware to each of them:
    /// `async move |call, next| limit.clone().handle(call, next).await`.
    #[must_use]
    pub fn together(mut self) -> Self {
        self.shared = Some(OnceLock::new());
        self
    }

    fn gate(&self, call: &Call) -> Arc<Gate> {
        let new = || Arc::new(Gate::new(self.calls, self.per, self.burst));
        match &self.shared {
            Some(gate) => gate.get_or_init(new).clone(),
            None => self.gates.with(call, |gate| gate.get_or_insert_with(new).clone()),
        }
    }

    async fn admit(&self, gate: &Gate) -> Result<(), RateLimited> {
        let come = match self.patience {
            Some(patience) => gate.wait(patience).await,
            None => gate.try_now(),
        };
        if come { Ok(()) } else { Err(RateLimited { calls: self.calls, per: self.per }) }
    }
}

impl Middleware for RateLimit {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            self.admit(&self.gate(&call)).await?;
            next.run(call).await
        })
    }
}

/// The error of a call that exceeds a [`RateLimit`] and could not wait, or not any longer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// The number of calls that are allowed in each period.
    pub calls: u32,
    /// The length of the period.
    pub per: Duration,
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, per } = self;
        let s = if *calls == 1 { "" } else { "s" };
        write!(f, "no more than {calls} call{s} in {per:?} are let through: try again later, or raise the limit")
    }
}

impl error::Error for RateLimited {}

debug_is_display!(RateLimited);
