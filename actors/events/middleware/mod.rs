//! Middleware: layers around the calls of listeners, each a function of the call and of what comes next.
//!
//! `seat → Middleware (of the bus) → Middleware (of the subscription) → listener`
//!
//! In reading order: `middleware`, the trait; `call`, its argument; `next`, what comes after it; `ready/`, those that
//! are ready to use. Beneath them: `per_listener`, the state kept for each listener.
//!
//! The middleware that was added first is the outermost one. The middleware of a bus stands outside of the middleware
//! of a listener. A panic of the listener reaches middleware as an error. What the outermost middleware returns is the
//! result of the listener, in the report and in dead letters.

#[expect(clippy::module_inception, reason = "a file may carry the name of its folder")]
mod middleware;
mod call;
mod next;
mod ready;
mod per_listener;

pub use call::Call;
pub use middleware::{Handling, Middleware};
pub use next::Next;
use per_listener::PerListener;
#[cfg(feature = "metrics")]
pub use ready::Measure;
pub use ready::{
    Allows, Authorize, CircuitBreaker, CircuitOpen, Deduplicate, Logging, RetryInPlace, Timeout, Unauthorized,
};
#[cfg(feature = "rate-limit")]
pub use ready::{RateLimit, RateLimited};
