//! Ends a run that takes too long.
//!
//! `call → next, within the limit → how it ended, or TimedOut`

use std::sync::Arc;
use std::time::Duration;

use crate::events::verdict::ListenerError;
use crate::runtime;

use super::super::{Call, Handling, Middleware, Next};

/// Ends a run of the listener, and of the middleware inside of this one, after a time limit, with
/// [`ListenerError::TimedOut`].
///
/// The run is dropped at the point where it waits. A run that blocks its thread cannot be stopped. Inside of a
/// [`RetryInPlace`](super::RetryInPlace) the limit applies to each attempt, outside of it to all attempts together. In
/// addition, the listener's own [timeout](crate::Listening::timeout) limits the whole call, with all middleware. A run
/// that is ready at once succeeds, even if the limit is zero.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::Timeout;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// async fn send_receipt(_: Arc<OrderPlaced>) {
///     std::future::pending().await // a server that does not answer
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let _mail = bus.on(send_receipt.with(Timeout::new(Duration::from_millis(5))))?;
/// let report = bus.emit(OrderPlaced { id: 7 }).await;
/// assert_eq!(report.to_string(), "OrderPlaced: 1 listener, 1 failed: `send_receipt` was not done after 5ms");
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    limit: Duration,
}

impl Timeout {
    /// Creates a timeout with this limit for one run.
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl Middleware for Timeout {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            let run = next.run(call);
            runtime::within(self.limit, run).await.unwrap_or_else(|| Err(ListenerError::TimedOut(self.limit).into()))
        })
    }
}
