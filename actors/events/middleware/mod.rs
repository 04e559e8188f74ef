//! What stands around a listener: a function of the call and of what comes next.
//!
//! `seat → Middleware (of the bus) → Middleware (of the subscription) → listener`
//!
//! In reading order: `middleware`, what one is; `call`, what it is called with; `next`, what comes after it; `ready/`, those that
//! are ready to use. Beneath them: `per_listener`, what is kept of each.
//!
//! The first that was put stands outermost, and those of a bus outside of a subscription's own. A panic of the listener is an
//! error to them; what they return is the result of the listener, in the report and in dead letters.

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
