//! A task: what shall be done, as a type, and by which rules.
//!
//! `#[derive(Task)] → Task → enqueue → a job`

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::function::TaskInstance;
use super::terms::TaskTerms;
use crate::Event;

/// What shall be done: the payload of a job is a value of this type, and a function that takes an `Arc` of it does it. You
/// derive the trait, with `#[derive(Task)]`.
///
/// | `#[task(…)]` | | default |
/// |---|---|---|
/// | `name = "RegisterUser"` | under which name jobs are kept | the name of the type |
/// | `queue = "mail"` | in which queue they wait | `default` |
/// | `attempts = 5` | how often it is tried | 15 |
/// | `first_wait = "1s"`, `longest_wait = "1h"` | the wait after a failure: a random time up to the first, doubled each time up to the longest | 1 s, 1 h |
/// | `timeout = "30s"` | how long an attempt may take | 15 min |
/// | `priority = 2` | how urgent it is, from -9 to 9: see [`TaskTerms::priority`] | 0 |
/// | `expires = "1d"` | how long it may wait before it begins; after that it fails | for ever |
/// | `unique`, `unique(id, tenant)` | there is one unfinished job with these fields, of all fields if none is named | any number |
/// | `unique(id, for = "1h")` | for so long after it was enqueued there is one, also if it is over by then | |
/// | `unique(id, while = "waiting")` | another may be enqueued as soon as it is running | until it is over |
/// | `per_key(tenant, at_once = 1)` | of each value of this field so many run at the same time, and the values take turns | any number |
/// | `per_key(tenant, rate = "10/1m")` | of each value of this field so many begin in such a time | any number |
/// | `id = user` | which field says what it is about; it stands in the event of its failure, as `id` | the field `id`, or else the one of `instance`, if there is one |
/// | `instance(user: User)` | its function may ask for an [`Instance<User>`](crate::Instance), which is found by this field | none |
/// | `delete_on_success`, `delete_on_failure` | the instance is deleted when the job is done; when it has failed for good, or was cancelled | it stays |
/// | `succeeds = UserRegistered` | which event is made of what the function returns, by `From<&…>` | the event that is returned |
/// | `fails = UserRegistrationFailed` | which event tells that it has failed for good: see [`Fails`](Self::Fails) | [`TaskFailed`](super::TaskFailed) |
/// | `crate = "path::to::convoke"` | the path of Convoke | `::convoke` |
///
/// Times are written as `250ms`, `30s`, `15m`, `2h` and `7d`.
///
/// ```
/// use convoke::Task;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Task, Serialize, Deserialize)]
/// #[task(attempts = 5, timeout = "30s", unique(user))]
/// struct SendWelcome {
///     user: u64,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a task",
    label = "not a task",
    note = "write `#[derive(Task, Serialize, Deserialize)]` over the type"
)]
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The event that is made of what the function returns; [`AsReturned`] if it returns the event, or nothing.
    type Succeeds: 'static;

    /// The event that tells that a job has failed for good. It is made from JSON:
    /// `{"id", "task", "job", "detail", "code", "origin", "data"}`. So its type has some of these fields:
    ///
    /// - `id`: what the task was about, as the field `id` of the task. Without one it is the number of the job in `TaskFailed`, and an
    ///   event of yours has none.
    /// - `task`: the name of the task; `job`: the number of the job.
    /// - `detail`: why the last attempt has failed.
    /// - `code`: `failed`, `panicked`, `timed_out`, `expired`, `cancelled`, `crashed`, `unreadable`, `not_found` or `undeleted`, or
    ///   what the error says of itself.
    /// - `origin`: where that comes from, if the error says so; else `null`.
    /// - `data`: what the error has added; else `null`.
    ///
    /// Whether the type can be made from that is tried when the function is registered.
    type Fails: Event;

    /// Its name, under which jobs are kept.
    const NAME: &'static str;

    /// By which rules it is done.
    const TERMS: TaskTerms = TaskTerms::new();

    /// Whether some of its jobs have a [unique key](Self::unique_key). A queue without a database refuses such a task when it is
    /// set up.
    const UNIQUE: bool = false;

    /// Whether [`id`](Self::id) says what it is about. If not, its function cannot be registered with an event of a failure that
    /// has a field `id`, but for [`TaskFailed`](super::TaskFailed).
    const ABOUT: bool = true;

    /// Returns what it is about.
    fn id(&self) -> Option<Value> {
        None
    }

    /// Returns of what type the instance is that it is about, and what becomes of that when a job ends.
    fn instance() -> Option<TaskInstance> {
        None
    }

    /// Returns the id of that instance, as JSON.
    ///
    /// # Errors
    ///
    /// If it cannot become JSON.
    fn instance_id(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.id())
    }

    /// Returns what there shall be no second job of.
    ///
    /// # Errors
    ///
    /// If it cannot become JSON.
    fn unique_key(&self) -> Result<Option<String>, serde_json::Error> {
        Ok(None)
    }

    /// Returns that of which only some run at the same time.
    fn limit_key(&self) -> Option<String> {
        None
    }
}

/// What stands for the event of a task of which nothing is said: it is what the function returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsReturned {}
