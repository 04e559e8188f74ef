//! What a function may return, and what becomes of it.
//!
//! `() | Result<(), E> | Result<an event, E> | Result<a model, E> → Told: the event of its end, and what of it is kept`

use crate::tasks::{Fault, IntoFault, Task};
use crate::{Event, Outgoing};

/// What was returned by a function that has done its task.
pub(in crate::tasks) struct Told {
    /// The event of its end.
    pub(in crate::tasks) event: Option<Outgoing>,
    /// The payload of that as JSON, if it is to be kept.
    pub(in crate::tasks) text: Option<String>,
}

impl Told {
    pub(super) const NOTHING: Self = Self { event: None, text: None };

    fn of<E: Event>(event: E, keeps: bool) -> Result<Self, Fault> {
        let text = match keeps {
            true => Some(event.to_json().map_err(|error| untold::<E>(&error.to_string()))?.to_string()),
            false => None,
        };
        Ok(Self { event: Some(Outgoing::new(event)), text })
    }
}

fn untold<E: Event>(why: &str) -> Fault {
    Fault::coded("untold", format!("its event `{}` cannot become JSON: {why}", E::NAME))
}

/// What the function of a task `T` may return: nothing, an event that is published when the job has ended, or what the event of
/// its task ([`succeeds`](trait@Task)) is made of; the first two alone or as a `Result`, with any error, and the last as a `Result`. See
/// [`Fault`].
#[diagnostic::on_unimplemented(
    message = "the function of the task `{T}` cannot return `{Self}`",
    label = "neither nothing, nor an event, nor a `Result` of either",
    note = "it returns `()`, an event, `Result<(), E>`, `Result<Event, E>`, or, where the task says `succeeds = Event`, a `Result` of what \
            that is `From<&…>`; a closure that only panics needs `-> ()`"
)]
pub trait Ends<T, Kind> {
    /// Takes what was returned.
    #[doc(hidden)]
    fn told(self, keeps: bool) -> Result<Ended, Fault>;

    /// The event that cannot leave, if it is one of those.
    #[doc(hidden)]
    fn local() -> Option<&'static str> {
        None
    }
}

/// What became of it.
#[doc(hidden)]
pub struct Ended(pub(in crate::tasks) Told);

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ended").finish_non_exhaustive()
    }
}

/// Marks a function that tells nothing.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nothing;

/// Marks one that returns the event.
#[doc(hidden)]
#[derive(Debug)]
pub struct TheEvent;

/// Marks one that cannot fail.
#[doc(hidden)]
#[derive(Debug)]
pub struct Surely;

/// Marks one that returns what the event is made of.
#[doc(hidden)]
#[derive(Debug)]
pub struct AModel;

impl<T> Ends<T, Nothing> for () {
    fn told(self, _: bool) -> Result<Ended, Fault> {
        Ok(Ended(Told::NOTHING))
    }
}

impl<T, X: IntoFault> Ends<T, Nothing> for Result<(), X> {
    fn told(self, _: bool) -> Result<Ended, Fault> {
        self.map(|()| Ended(Told::NOTHING)).map_err(IntoFault::into_fault)
    }
}

impl<T, E: Event> Ends<T, Surely> for E {
    fn told(self, keeps: bool) -> Result<Ended, Fault> {
        Told::of(self, keeps).map(Ended)
    }

    fn local() -> Option<&'static str> {
        E::LOCAL.then_some(E::NAME)
    }
}

impl<T, E: Event, X: IntoFault> Ends<T, TheEvent> for Result<E, X> {
    fn told(self, keeps: bool) -> Result<Ended, Fault> {
        Told::of(self.map_err(IntoFault::into_fault)?, keeps).map(Ended)
    }

    fn local() -> Option<&'static str> {
        E::LOCAL.then_some(E::NAME)
    }
}

impl<T: Task, M, X: IntoFault> Ends<T, AModel> for Result<M, X>
where
    T::Succeeds: Event + for<'a> From<&'a M>,
{
    fn told(self, keeps: bool) -> Result<Ended, Fault> {
        let model = self.map_err(IntoFault::into_fault)?;
        Told::of(T::Succeeds::from(&model), keeps).map(Ended)
    }

    fn local() -> Option<&'static str> {
        T::Succeeds::LOCAL.then_some(T::Succeeds::NAME)
    }
}
