//! Lets calls through at a limited rate.
//!
//! `call → Gate (one at a time) → governor → next`

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use std::{error, fmt};

use super::super::{Call, Handling, Middleware, Next, PerListener};
use super::gate::Gate;

/// How long a call waits for its place unless it is told: a third of what a listener has by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets so many calls of a listener through in a time; the others wait, or are refused.
///
/// It counts by the [generic cell rate algorithm](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm) of the crate
/// `governor`: places come back evenly, one each `per / calls`, and as many as the [burst](Self::burst) may be saved up.
/// Each listener has places of its own, also where one `RateLimit` stands around a whole bus, unless they are shared
/// [`together`](Self::together).
///
/// Calls that wait have their turn in the order in which they came, up to [`wait`](Self::wait); then, or at once after
/// [`refuse`](Self::refuse), they end with [`RateLimited`]. The listener's own timeout runs while they wait. A call that
/// is dropped while it waits has taken no place. Timers count in milliseconds, so that calls which wait one by one come
/// through at no more than 1,000 a second; a burst greater than 1 makes up for it.
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
    /// Lets so many calls through in this time, with a burst of as many. Zero calls count as 1, and no time as the
    /// shortest.
    pub fn new(calls: u32, per: Duration) -> Self {
        let (calls, gates) = (calls.max(1), PerListener::default());
        Self { calls, per, burst: calls, patience: Some(PATIENCE), shared: None, gates }
    }

    /// Lets so many calls through in a second. See [`new`](Self::new).
    pub fn per_second(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(1))
    }

    /// Sets how many calls may come at once after a pause. The default is those of the time that was given; 1 spaces
    /// them evenly, and zero counts as 1.
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

    /// Refuses what has no place at once, instead of waiting.
    #[must_use]
    pub fn refuse(mut self) -> Self {
        self.patience = None;
        self
    }

    /// Shares one number of places among all listeners that this stands around, on every arbiter: those of a bus, or,
    /// with an `Arc` of it, those that each have `async move |call, next| limit.clone().handle(call, next).await`.
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

/// More calls came than [`RateLimit`] lets through, and this one could not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    /// How many are let through.
    pub calls: u32,
    /// In which time.
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
