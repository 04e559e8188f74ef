//! A function or closure as a listener or an answerer: by its arguments it says what it needs.
//!
//! `fn(event, arguments) → Function → Call`

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::argument::Argument;
use crate::base::IntoHandled;
use crate::events::container::ContainerError;
use crate::events::event::Subject;
use crate::events::parcel::Parcel;
use crate::events::seats::{AsyncCall, Scope, Seated, Seating, SyncCall};
use crate::events::verdict::ListenerError;

/// A function or closure, sync or async, of an event and up to 8 [arguments](Argument).
///
/// It is implemented for functions and closures; `Kind` only tells the compiler which of them it is.
#[doc(hidden)]
pub trait Function<E, Out, Kind>: Sized + 'static {
    /// Whether it sees the event's metadata.
    const SEES: bool;

    /// Looks up what it needs, and seats it.
    fn seat<S: Subject, W: Way<S, E, Out>>(self, seating: Seating<S>) -> Result<Seated<S>, ContainerError>;
}

/// How a function is called with what is heard: where in it the event is, and what becomes of what is returned.
#[doc(hidden)]
pub trait Way<S, E, Out>: 'static {
    /// What has to be kept during a call for its end.
    type Kept: 'static;

    /// Finds the event.
    fn event(parcel: &Parcel<S>) -> &Arc<E>;

    /// Keeps what the end needs.
    fn keep(parcel: &Arc<Parcel<S>>) -> Self::Kept;

    /// Takes what was returned.
    fn finish(kept: Self::Kept, out: Out) -> Result<(), ListenerError>;
}

/// An event is told to a listener, which answers nothing.
#[derive(Debug)]
pub(crate) struct Telling;

impl<E: Subject, Out: IntoHandled> Way<E, E, Out> for Telling {
    type Kept = ();

    #[inline]
    fn event(parcel: &Parcel<E>) -> &Arc<E> {
        &parcel.event
    }

    #[inline]
    fn keep(_: &Arc<Parcel<E>>) {}

    #[inline]
    fn finish((): (), out: Out) -> Result<(), ListenerError> {
        out.into_handled().map_err(ListenerError::from)
    }
}

/// What a function may return: nothing, a `Result`, an [`Answer`](crate::Answer). No future is one of them, by which the
/// compiler tells sync functions from async ones.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a listener cannot return `{Self}`",
    label = "neither nothing nor a `Result`",
    note = "a listener returns `()` or a `Result<(), E>`, an answerer `Answer(value)` or a `Result` of the value; a closure \
            that only panics needs `-> ()`"
)]
pub trait Returned {}

impl Returned for () {}

impl<T, X> Returned for Result<T, X> {}

/// Marks a sync function of `&E`.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByRef;

/// Marks a sync function of `Arc<E>`.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByArc;

/// Marks an async function of `Arc<E>`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Later;

macro_rules! functions {
    ($($argument:ident)*) => {
        #[allow(non_snake_case, unused_variables, reason = "the arguments are called as their types are")]
        impl<E, Out, F, $($argument),*> Function<E, Out, (ByRef, $($argument,)*)> for F
        where
            E: Subject,
            Out: Returned,
            F: FnMut(&E, $($argument),*) -> Out + 'static,
            $($argument: Argument,)*
        {
            const SEES: bool = false $(|| $argument::SEES)*;

            fn seat<S: Subject, W: Way<S, E, Out>>(self, seating: Seating<S>) -> Result<Seated<S>, ContainerError> {
                $(let $argument = $argument::prepare(seating.container())?;)*
                let function = RefCell::new(self);
                Ok(seating.seat(SyncCall(move |scope: &Scope<'_, S>| {
                    $(let $argument = $argument::take(&$argument, scope)?;)*
                    let event = W::event(scope.parcel);
                    scope.begins();
                    let out = (*function.try_borrow_mut().map_err(|_| entered())?)(event, $($argument),*);
                    W::finish(W::keep(scope.parcel), out)
                })))
            }
        }

        #[allow(non_snake_case, unused_variables, reason = "the arguments are called as their types are")]
        impl<E, Out, F, $($argument),*> Function<E, Out, (ByArc, $($argument,)*)> for F
        where
            E: Subject,
            Out: Returned,
            F: FnMut(Arc<E>, $($argument),*) -> Out + 'static,
            $($argument: Argument,)*
        {
            const SEES: bool = false $(|| $argument::SEES)*;

            fn seat<S: Subject, W: Way<S, E, Out>>(self, seating: Seating<S>) -> Result<Seated<S>, ContainerError> {
                $(let $argument = $argument::prepare(seating.container())?;)*
                let function = RefCell::new(self);
                Ok(seating.seat(SyncCall(move |scope: &Scope<'_, S>| {
                    $(let $argument = $argument::take(&$argument, scope)?;)*
                    let event = W::event(scope.parcel).clone();
                    scope.begins();
                    let out = (*function.try_borrow_mut().map_err(|_| entered())?)(event, $($argument),*);
                    W::finish(W::keep(scope.parcel), out)
                })))
            }
        }

        #[allow(non_snake_case, unused_variables, reason = "the arguments are called as their types are")]
        impl<E, Out, F, $($argument),*> Function<E, Out, (Later, $($argument,)*)> for F
        where
            E: Subject,
            Out: Returned,
            F: AsyncFn(Arc<E>, $($argument),*) -> Out + 'static,
            $($argument: Argument,)*
        {
            const SEES: bool = false $(|| $argument::SEES)*;

            fn seat<S: Subject, W: Way<S, E, Out>>(self, seating: Seating<S>) -> Result<Seated<S>, ContainerError> {
                $(let $argument = $argument::prepare(seating.container())?;)*
                let function = Rc::new(self);
                Ok(seating.seat(AsyncCall::new(move |scope: &Scope<'_, S>| {
                    $(let $argument = $argument::take(&$argument, scope)?;)*
                    let event = W::event(scope.parcel).clone();
                    scope.begins();
                    let (function, kept) = (function.clone(), W::keep(scope.parcel));
                    Ok(async move { W::finish(kept, (*function)(event, $($argument),*).await) })
                })))
            }
        }
    };
}

functions!();
functions!(A1);
functions!(A1 A2);
functions!(A1 A2 A3);
functions!(A1 A2 A3 A4);
functions!(A1 A2 A3 A4 A5);
functions!(A1 A2 A3 A4 A5 A6);
functions!(A1 A2 A3 A4 A5 A6 A7);
functions!(A1 A2 A3 A4 A5 A6 A7 A8);

/// A sync function that may change what it has captured was called from within itself.
#[cold]
fn entered() -> ListenerError {
    ListenerError::Failed("it was called again while it runs: let it be async".to_owned())
}
