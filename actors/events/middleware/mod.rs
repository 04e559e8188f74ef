//! What stands around a listener: a function of the call and of what comes next.
//!
//! `seat → Middleware (of the bus) → Middleware (of the subscription) → listener`
//!
//! In reading order: `middleware`, what one is; `call`, what it is called with; `next`, what comes after it. Those that are
//! ready to use: `logging`, `timeout`, `retry`, `circuit_breaker` with its `circuit`, `rate_limit` with its `gate`,
//! `deduplicate`, `authorize`, `measure`. Beneath them: `verdict`, how a call ended; `per_listener`, what is kept of each.
//!
//! The first that was put stands outermost, and those of a bus outside of a subscription's own. A panic of the listener is an
//! error to them; what they return is the result of the listener, in the report and in dead letters.

#[expect(clippy::module_inception, reason = "a file may carry the name of its folder")]
mod middleware;
mod call;
mod next;
mod logging;
mod timeout;
mod retry;
mod circuit;
mod circuit_breaker;
#[cfg(feature = "rate-limit")]
mod gate;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod deduplicate;
mod authorize;
#[cfg(feature = "metrics")]
mod measure;
mod verdict;
mod per_listener;

pub use authorize::{Allows, Authorize, Unauthorized};
pub use call::Call;
pub use circuit::CircuitOpen;
pub use circuit_breaker::CircuitBreaker;
pub use deduplicate::Deduplicate;
pub use logging::Logging;
#[cfg(feature = "metrics")]
pub use measure::Measure;
pub use middleware::{Handling, Middleware};
pub use next::Next;
#[cfg(feature = "rate-limit")]
pub use rate_limit::{RateLimit, RateLimited};
pub use retry::RetryInPlace;
pub use timeout::Timeout;
