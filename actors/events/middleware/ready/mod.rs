//! The middlewares that are ready to use, one in each file.
//!
//! `a call → one of these → Next → …`, `the result of Next → verdict → what it does about it`
//!
//! In reading order: `logging`, `timeout`, `retry`, `circuit_breaker` with its `circuit`, `rate_limit` with its `gate`,
//! `deduplicate`, `authorize`, `measure`. Beneath them: `verdict`, how a call ended.
//!
//! Each hands on the failure of a listener as it came, and has an error of its own for what it refuses. A new one is a file here,
//! and a line below.

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

pub use authorize::{Allows, Authorize, Unauthorized};
pub use circuit::CircuitOpen;
pub use circuit_breaker::CircuitBreaker;
pub use deduplicate::Deduplicate;
pub use logging::Logging;
#[cfg(feature = "metrics")]
pub use measure::Measure;
#[cfg(feature = "rate-limit")]
pub use rate_limit::{RateLimit, RateLimited};
pub use retry::RetryInPlace;
pub use timeout::Timeout;
