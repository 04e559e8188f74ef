//! What is called with an event: a function whose arguments say what it needs, a struct, or an actor.
//!
//! `fn(event, Inject<T>, Metadata, EventBus) → Function → Call → station.rs`

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix::Recipient;

use crate::bus::EventBus;
use crate::consumer::IntoHandled;
use crate::container::{Container, Inject, Source};
use crate::container_error::ContainerError;
use crate::error::Handled;
use crate::heard::Heard;
use crate::hub::Hub;
use crate::listening::{Listening, Seated, Seating};
use crate::metadata::Metadata;
use crate::parcel::{Parcel, Subject};
use crate::report::ListenerError;
use crate::subscription::Post;

/// How a call ended, or that it has not yet.
pub(crate) enum Ran {
    Done(Result<(), ListenerError>),
    Later(Pin<Box<dyn Step>>),
}

/// A call under way.
pub(crate) trait Step {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ListenerError>>;
}

/// The place of a future is used again for the next call, so that a call that is ready at once allocates nothing.
impl<F: Future<Output = Result<(), ListenerError>>> Step for Option<F> {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ListenerError>> {
        match self.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// What a call is about.
#[doc(hidden)]
pub struct Scope<'a, S> {
    pub(crate) parcel: &'a Arc<Parcel<S>>,
    pub(crate) hub: &'a Arc<Hub>,
    pub(crate) post: &'a Arc<Post>,
}

impl<S> fmt::Debug for Scope<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Something that can be called with a parcel.
pub(crate) trait Call<S>: 'static {
    fn call(&self, scope: &Scope<'_, S>) -> Ran;
}

/// What a listener may ask for beside its event: [`Inject<T>`](Inject), [`Metadata`], [`EventBus`].
#[diagnostic::on_unimplemented(
    message = "a listener cannot be given `{Self}`",
    label = "not something a listener can ask for",
    note = "after the event, a listener asks for `Inject<T>`, `Metadata` or `EventBus`, up to 8 of them"
)]
pub trait Argument: Sized + 'static {
    /// What is looked up once, when the listener is registered.
    #[doc(hidden)]
    type Source: 'static;

    /// Whether it shows the event's metadata.
    #[doc(hidden)]
    const SEES: bool = false;

    /// Looks it up.
    #[doc(hidden)]
    fn prepare(container: &Container) -> Result<Self::Source, ContainerError>;

    /// Takes one for a call.
    #[doc(hidden)]
    fn take<S: Subject>(source: &Self::Source, scope: &Scope<'_, S>) -> Result<Self, ListenerError>;
}

impl<T: ?Sized + Send + Sync + 'static> Argument for Inject<T> {
    type Source = Source<T>;

    fn prepare(container: &Container) -> Result<Source<T>, ContainerError> {
        container.source()
    }

    fn take<S: Subject>(source: &Source<T>, _: &Scope<'_, S>) -> Result<Self, ListenerError> {
        source.take().map_err(|error| ListenerError::Unprovided(error.to_string()))
    }
}

impl Argument for Metadata {
    type Source = ();

    const SEES: bool = true;

    fn prepare(_: &Container) -> Result<(), ContainerError> {
        Ok(())
    }

    fn take<S: Subject>(_: &(), scope: &Scope<'_, S>) -> Result<Self, ListenerError> {
        Ok(Self::clone(scope.parcel.metadata()))
    }
}

impl Argument for EventBus {
    type Source = ();

    fn prepare(_: &Container) -> Result<(), ContainerError> {
        Ok(())
    }

    fn take<S: Subject>(_: &(), scope: &Scope<'_, S>) -> Result<Self, ListenerError> {
        Ok(Self::of(scope.hub))
    }
}

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
pub trait Returned {}

impl Returned for () {}

impl<T, X> Returned for Result<T, X> {}

impl<R> Returned for crate::asking::Answer<R> {}

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

struct SyncCall<F>(F);

impl<S, F: Fn(&Scope<'_, S>) -> Result<(), ListenerError> + 'static> Call<S> for SyncCall<F> {
    #[inline]
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        Ran::Done((self.0)(scope))
    }
}

/// An async function, with the place in which its future last was.
struct AsyncCall<M, Fut> {
    make: M,
    place: Cell<Option<Pin<Box<Option<Fut>>>>>,
}

impl<M, Fut> AsyncCall<M, Fut> {
    /// Only to tell the compiler what `make` is: a closure of a scope of any lifetime.
    fn new<S>(make: M) -> Self
    where
        M: Fn(&Scope<'_, S>) -> Result<Fut, ListenerError> + 'static,
    {
        Self { make, place: Cell::new(None) }
    }
}

impl<S, M, Fut> Call<S> for AsyncCall<M, Fut>
where
    M: Fn(&Scope<'_, S>) -> Result<Fut, ListenerError> + 'static,
    Fut: Future<Output = Result<(), ListenerError>> + 'static,
{
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        let future = match (self.make)(scope) {
            Ok(future) => future,
            Err(error) => return Ran::Done(Err(error)),
        };
        let mut place = match self.place.take() {
            Some(mut place) => {
                place.set(Some(future));
                place
            }
            None => Box::pin(Some(future)),
        };
        // Under a seed its first step has its turn like any other.
        if scope.post.door().is_seeded() {
            return Ran::Later(place);
        }
        // Most are ready at once. If it is not, it is polled again with a waker of its own, which is then the one that
        // counts.
        match place.as_mut().step(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                place.set(None);
                self.place.set(Some(place));
                Ran::Done(result)
            }
            Poll::Pending => Ran::Later(place),
        }
    }
}

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
    ListenerError::Failed("it was called again while it runs: let it be `Fn`, or async".to_owned())
}

/// A struct that listens to an event.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// use std::sync::Arc;
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// struct Audit {
///     file: &'static str,
/// }
///
/// impl Listener<OrderPlaced> for Audit {
///     async fn hear(&self, order: Heard<OrderPlaced>) -> Handled {
///         println!("{}: order {} at {:?}", self.file, order.id, order.metadata().time);
///         Ok(())
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let _audit = bus.on(Audit { file: "orders.log" })?;
/// assert!(bus.emit(OrderPlaced { id: 7 }).await.is_ok());
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
pub trait Listener<E: Subject>: Sized + 'static {
    /// Hears an event.
    fn hear(&self, event: Heard<E>) -> impl Future<Output = Handled>;
}

/// What the bus can call with an event of type `E`: a function or closure whose arguments say what it needs, a
/// [`Listener`], or a `Recipient<Heard<E>>`, each with or without options.
///
/// It is implemented for all of them; `Kind` only tells the compiler which it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot listen to `{E}`",
    label = "not a listener",
    note = "a listener is a function or closure of `&{E}` or `Arc<{E}>`, async only of `Arc<{E}>`, then any of \
            `Inject<T>`, `Metadata` and `EventBus`, returning `()` or a `Result<(), E>` with an error that is `Send + Sync`",
    note = "write the type of its first argument: `|event: &{E}| …`"
)]
pub trait Listen<E: Subject, Kind>: Sized + 'static {
    /// Returns it with options to be set.
    fn listening(self) -> Listening<E>;

    /// Gives it a name, by which reports, errors and the log know it. The default is that of the function, or where a
    /// closure was registered.
    fn named(self, name: impl Into<Arc<str>>) -> Listening<E> {
        self.listening().named(name)
    }

    /// Lets it hear of one event only. See [`Listening::times`].
    fn once(self) -> Listening<E> {
        self.listening().once()
    }

    /// Lets it hear of so many events only. See [`Listening::times`].
    fn times(self, times: u64) -> Listening<E> {
        self.listening().times(times)
    }

    /// Calls it before those of a lower priority. See [`Listening::priority`].
    fn priority(self, priority: i32) -> Listening<E> {
        self.listening().priority(priority)
    }

    /// Lets it hear only of events for which this is true. See [`Listening::when`].
    fn when(self, condition: impl Fn(&E) -> bool + 'static) -> Listening<E> {
        self.listening().when(condition)
    }

    /// Sets how many published events it may be at work on at the same time. See [`Listening::concurrency`].
    fn concurrency(self, events: usize) -> Listening<E> {
        self.listening().concurrency(events)
    }

    /// Sets how many published events may wait for it. See [`Listening::capacity`].
    fn capacity(self, events: usize) -> Listening<E> {
        self.listening().capacity(events)
    }

    /// Sets what happens when that many wait. See [`Listening::overflow`].
    fn overflow(self, policy: crate::Overflow) -> Listening<E> {
        self.listening().overflow(policy)
    }

    /// Sets how long one call may take. See [`Listening::timeout`].
    fn timeout(self, limit: std::time::Duration) -> Listening<E> {
        self.listening().timeout(limit)
    }

    /// Puts a middleware around it. See [`Listening::with`].
    fn with(self, middleware: impl crate::Middleware) -> Listening<E> {
        self.listening().with(middleware)
    }
}

impl<E: Subject, Out: IntoHandled + Returned, Kind, F: Function<E, Out, Kind>> Listen<E, (Out, Kind)> for F {
    fn listening(self) -> Listening<E> {
        Listening::new::<F>(F::SEES, move |seating| self.seat::<E, Telling>(seating))
    }
}

impl<E: Subject> Listen<E, ()> for Listening<E> {
    fn listening(self) -> Listening<E> {
        self
    }
}

/// Marks a struct.
#[doc(hidden)]
#[derive(Debug)]
pub struct Struct;

impl<E: Subject, L: Listener<E>> Listen<E, Struct> for L {
    fn listening(self) -> Listening<E> {
        Listening::new::<L>(true, move |seating| {
            let listener = Rc::new(self);
            Ok(seating.seat(AsyncCall::new(move |scope: &Scope<'_, E>| {
                let (listener, event) = (listener.clone(), Heard::new(scope.parcel.clone()));
                Ok(async move { listener.hear(event).await.map_err(ListenerError::from) })
            })))
        })
    }
}

/// Marks an actor.
#[doc(hidden)]
#[derive(Debug)]
pub struct ByActor;

impl<E: Subject> Listen<E, ByActor> for Recipient<Heard<E>> {
    fn listening(self) -> Listening<E> {
        Listening::new::<Self>(true, move |seating| {
            Ok(seating.seat(AsyncCall::new(move |scope: &Scope<'_, E>| {
                let answer = self.send(Heard::new(scope.parcel.clone()));
                Ok(async move { answer.await.map_err(|_| ListenerError::Gone)?.map_err(ListenerError::from) })
            })))
        })
    }
}
