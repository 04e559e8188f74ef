//! Writes a line into the log for each call of a listener.
//!
//! `call → next → Line (written when it is dropped) → log`

use std::sync::Arc;

use log::Level;
use tokio::time::Instant;

use super::super::{Call, Handling, Middleware, Next};
use super::verdict::watched;
use crate::base::Shown;
use crate::events::verdict::ListenerError;
use crate::runtime;

/// Where its lines go.
const TARGET: &str = "convoke::listener";

/// Logs a line at the end of each call of a listener: the event, the listener, the result and the duration.
///
/// The target is `convoke::listener`. The level is `debug`, unless [`level`](Self::level) sets another. No line
/// contains the payload or the authorization; the text of a listener's error is logged. A call that is dropped before
/// its end, by a timeout further out, is logged too.
///
/// The duration does not include middleware outside of this one, such as a [`RetryInPlace`](super::RetryInPlace).
/// Inside of a `RetryInPlace`, this middleware logs a line for each attempt.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::Logging;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// let bus = EventBus::builder().with(Logging::new()).build();
/// let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no connection")).named("mail"))?;
/// bus.emit(OrderPlaced { id: 7 }).await;
/// // DEBUG convoke::listener: OrderPlaced: listener `mail` failed: no connection, after 12µs
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Logging {
    level: Level,
}

impl Logging {
    /// Creates a middleware that logs at the level `debug`.
    pub fn new() -> Self {
        Self { level: Level::Debug }
    }

    /// Sets the level of the lines. The default is `debug`.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level }
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Logging {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        if !log::log_enabled!(target: TARGET, self.level) {
            return next.run(call);
        }
        Box::pin(async move {
            let mut line = Line { level: self.level, call: call.clone(), began: runtime::now(), end: End::Dropped };
            let look = |error: Option<&ListenerError>| line.end = error.cloned().map_or(End::Done, End::Failed);
            watched(next.run(call), look).await
        })
    }
}

enum End {
    Done,
    Failed(ListenerError),
    Dropped,
}

/// The line of a call, written however that ends.
struct Line {
    level: Level,
    call: Call,
    began: Instant,
    end: End,
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = runtime::now() - self.began;
        let (name, listener) = (self.call.event_name(), self.call.listener());
        let event = Shown::name(&name);
        match &self.end {
            End::Done => log::log!(target: TARGET, self.level, "{event}: listener `{listener}` is done after {took:?}"),
            End::Failed(error) => {
                log::log!(target: TARGET, self.level, "{event}: listener `{listener}` {error}, after {took:?}");
            }
            End::Dropped => {
                log::log!(target: TARGET, self.level, "{event}: listener `{listener}` was dropped after {took:?}");
            }
        }
    }
}
