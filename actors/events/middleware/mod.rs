//! Middleware: layers around the calls of listeners, each a function of the call and of what comes next.
//!
//! `seat → Middleware (of the bus) → Middleware (of the subscription) → listener`
//!
//! In reading order: `middleware`, the trait; `call`, its argument; `next`, what comes after it. Ready to use:
//! `logging`, `timeout`, `retry`, `circuit_breaker` with its `circuit`, `rate_limit` with its `gate`, `deduplicate`,
//! `authorize`, `measure`. Beneath them: `verdict`, how a call ended; `per_listener`, the state kept for each listener.
//!
//! The middleware that was added first is the outermost one. The middleware of a bus stands outside of the middleware
//! of a listener. A panic of the listener reaches middleware as an error. What the outermost middleware returns is the
//! result of the listener, in the report and in dead letters.

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
