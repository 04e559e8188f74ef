//! A function that does a task: what it may ask for, and what it may return.
//!
//! `async fn(Arc<T>, arguments) → function.rs → Does (by the name of the task) → running/: a call → returned.rs → Told`
//!
//! In reading order: `place` is where its jobs are kept, `function` what is registered, and `argument` what it may ask for; `call`
//! is one attempt, as arguments see it; `returned` says what becomes of what it returns. `cancel_token`, `progress`, `steps` and
//! `tx` are arguments of our own. So is `instance`, what a task is about: `task_instance` is what the task says of it, and
//! `repository` finds it; `deletion` is the job that deletes it where no transaction can. `derived`, a module of the crate itself, is
//! what the expansion of `#[derive(Task)]` names.

mod place;
mod function;
mod argument;
mod call;
mod returned;
mod cancel_token;
mod progress;
mod steps;
mod tx;
mod instance;
mod task_instance;
mod repository;
mod deletion;

pub use argument::{Attempt, TaskArgument};
pub(super) use call::{Call, Kit, Slot, TaskCall};
pub use cancel_token::{CancelToken, Cancelling};
pub(super) use deletion::{owed, task_of_deletion};
pub use function::TaskFunction;
pub(super) use function::{Does, Done};
pub use instance::Instance;
pub(super) use place::sealed::Equips;
pub use place::{Queued, TaskPlace};
pub use progress::TaskProgress;
pub use repository::{DeleteFunction, FindFunction, Repository};
pub use returned::Ends;
pub(super) use returned::Told;
pub use steps::Steps;
pub use task_instance::TaskInstance;
pub use tx::Tx;
