//! A function that does a task: what it may ask for, and what it may return.
//!
//! `async fn(Arc<T>, arguments) → function.rs → Does (by the name of the task) → running/: a call → returned.rs → Told`
//!
//! In reading order: `place` is where its jobs are kept, `function` what is registered, and `argument` what it may ask for; `call`
//! is one attempt, as arguments see it; `returned` says what becomes of what it returns. `cancel_token`, `progress`, `steps` and
//! `tx` are arguments of our own.

mod place;
mod function;
mod argument;
mod call;
mod returned;
mod cancel_token;
mod progress;
mod steps;
mod tx;

pub use argument::{Attempt, TaskArgument};
pub(super) use call::{Call, Kit, Slot};
pub use cancel_token::{CancelToken, Cancelling};
pub use function::TaskFunction;
pub(super) use function::{Does, Done};
pub use place::{Queued, TaskPlace};
pub use progress::TaskProgress;
pub use returned::Ends;
pub(super) use returned::Told;
pub use steps::Steps;
pub use tx::Tx;
