//! Why an attempt has failed, and what is told when it was the last.
//!
//! `Err(…) → Fault → another attempt, or Task::Fails | TaskFailed in the outbox`

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Event, Failure, Permanent};

/// Longer texts of an error are cut.
const LONGEST: usize = 2_000;

/// What an error of a task says of itself. A function that returns `Result<_, Fault>` converts errors that implement this with `?`.
///
/// ```
/// use convoke::{Explain, Fault};
/// use std::fmt;
///
/// #[derive(Debug)]
/// enum RegistrationError {
///     Taken,
///     Busy,
/// }
///
/// # impl fmt::Display for RegistrationError {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("registration") }
/// # }
/// # impl std::error::Error for RegistrationError {}
/// impl Explain for RegistrationError {
///     fn code(&self) -> Option<String> {
///         matches!(self, Self::Taken).then(|| "name_taken".to_owned())
///     }
///
///     fn is_permanent(&self) -> bool {
///         matches!(self, Self::Taken) // another attempt would find the same
///     }
/// }
///
/// fn register(name: &str) -> Result<(), Fault> {
///     if name == "root" {
///         Err(RegistrationError::Taken)?;
///     }
///     Ok(())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a task is to be tried again",
    label = "no `Fault` is made of it: write `.map_err(Fault::of)?`, or `impl Explain for {Self} {{}}`",
    note = "a function that returns a `Result<_, convoke::Failure>` takes any error by `?`"
)]
pub trait Explain: std::error::Error + Send + Sync + 'static {
    /// Returns a word by which programs know the error. Without one it is `failed`.
    fn code(&self) -> Option<String> {
        None
    }

    /// Returns where the error comes from: a component, a server, a field.
    fn origin(&self) -> Option<String> {
        None
    }

    /// Returns whether another attempt would fail as well, so that there is none.
    fn is_permanent(&self) -> bool {
        false
    }

    /// Returns how long to wait before another attempt, instead of what the task says.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Returns what else a program may want to know.
    fn data(&self) -> Option<Value> {
        None
    }
}

impl Explain for std::io::Error {}

impl Explain for serde_json::Error {}

impl Explain for crate::transport::TransportError {}

impl Explain for super::error::TaskError {}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Explain for sqlx::Error {}

/// Why an attempt has failed: a text, and what the error says of itself. An error that says nothing is tried again as the task
/// says, and its code is `failed`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault(Box<Parts>);

/// What is known of a fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) detail: String,
    pub(super) code: Option<String>,
    pub(super) origin: Option<String>,
    pub(super) data: Value,
    pub(super) permanent: bool,
    pub(super) retry_after: Option<Duration>,
}

impl Fault {
    /// Creates a fault from a text.
    pub fn new(detail: impl Into<String>) -> Self {
        Self(Box::new(Parts { detail: cut(detail.into()), ..Parts::default() }))
    }

    /// Creates a fault from an error, with the texts of its sources.
    pub fn of(error: impl Into<Failure>) -> Self {
        Self::from_failure(error.into())
    }

    /// Sets a word by which programs know it.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(cut(code.into()));
        self
    }

    /// Sets where it comes from.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.0.origin = Some(cut(origin.into()));
        self
    }

    /// Sets what else a program may want to know.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        self.0.data = data;
        self
    }

    /// Says that another attempt would fail as well: there is none.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.permanent = true;
        self
    }

    /// Sets how long to wait before another attempt.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.0
    }

    pub(super) fn coded(code: &str, detail: impl Into<String>) -> Self {
        Self::new(detail).code(code)
    }

    /// What it went wrong with, before its text; and a code, if it has none.
    pub(super) fn within(mut self, what: &str, code: &str) -> Self {
        self.0.detail = cut(format!("{what}: {}", self.0.detail));
        self.0.code.get_or_insert_with(|| code.to_owned());
        self
    }

    /// What tells of it, as the event of a task is made of it.
    pub(super) fn told(&self, id: Value, task: &str, job: i64) -> Value {
        let Parts { detail, code, origin, data, .. } = &*self.0;
        let code = code.as_deref().unwrap_or("failed");
        json!({ "id": id, "task": task, "job": job, "detail": detail, "code": code, "origin": origin, "data": data })
    }

    /// A fault that was boxed on its way stays what it is.
    pub(super) fn from_failure(failure: Failure) -> Self {
        let other = match failure.into_inner().downcast::<Carried>() {
            Ok(fault) => return fault.0,
            Err(other) => other,
        };
        let permanent = other.is::<Permanent>();
        let fault = Self::new(chain(&*other));
        if permanent { fault.permanent() } else { fault }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl<E: Explain> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(Box::new(Parts {
            detail: cut(chain(&error)),
            code: error.code().map(cut),
            origin: error.origin().map(cut),
            data: error.data().unwrap_or_default(),
            permanent: error.is_permanent(),
            retry_after: error.retry_after(),
        }))
    }
}

/// A [`Fault`] is no error of std, or `?` could not convert into it; within a [`Failure`] it is one.
#[derive(Debug)]
struct Carried(Fault);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {}

/// Has `?` convert a fault where a [`Handled`](crate::Handled) is returned.
impl From<Fault> for Box<dyn std::error::Error + Send + Sync> {
    fn from(fault: Fault) -> Self {
        Box::new(Carried(fault))
    }
}

/// An error that the function of a task may return: a [`Fault`], or whatever `?` makes a [`Failure`] of.
#[doc(hidden)]
pub trait IntoFault {
    fn into_fault(self) -> Fault;
}

impl<X: Into<Failure>> IntoFault for X {
    fn into_fault(self) -> Fault {
        Fault::from_failure(self.into())
    }
}

/// The text of an error and of its sources.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source
        && text.len() < LONGEST
    {
        let why = error.to_string();
        if !text.ends_with(&why) {
            text.push_str(": ");
            text.push_str(&why);
        }
        source = error.source();
    }
    text
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Tells that a job has failed for good, of a task that names no event of its own by `fails`.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "tasks/failed", entity = "Task", entity_id = job, crate = "crate")]
pub struct TaskFailed {
    /// What the task was about: its field `id`, or else the number of the job.
    pub id: Value,
    /// The name of the task.
    pub task: String,
    /// The number of the job.
    pub job: i64,
    /// Why the last attempt has failed.
    pub detail: String,
    /// A word for that: `failed`, `panicked`, `timed_out`, `expired`, `cancelled`, `crashed`, `unreadable`, `not_found` or
    /// `undeleted`, or what the error says of itself.
    pub code: String,
    /// Where it comes from, if the error says so.
    pub origin: Option<String>,
    /// What the error has added.
    pub data: Value,
}
