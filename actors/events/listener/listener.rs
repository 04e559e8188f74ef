//! What is called with an event: a function whose arguments say what it needs, a struct, or an actor.
//!
//! `function, struct, recipient → Listen → Listening → a seat`

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::function::{Function, Returned, Telling};
use super::heard::Heard;
use super::listening::Listening;
use crate::base::{Handled, IntoHandled};
use crate::events::event::Subject;
use crate::events::middleware::Middleware;
use crate::events::seats::{AsyncCall, Scope};
use crate::events::verdict::{ListenerError, Overflow};

/// A struct that listens to events of type `E`.
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
    /// Handles an event.
    fn hear(&self, event: Heard<E>) -> impl Future<Output = Handled>;
}

/// A value that the bus can call with an event of type `E`.
///
/// This is a function or closure whose arguments say what it needs, a [`Listener`], or an actor by its
/// `Recipient<Heard<E>>`, by its `Addr<A>`, or [`Unheeded`](crate::Unheeded), each with or without options. The trait is
/// implemented for all of them. The parameter `Kind` only tells the compiler which kind of value it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot listen to this event",
    label = "not a listener",
    note = "a listener is a function or closure of `&YourEvent` or `Arc<YourEvent>`, async only of `Arc<YourEvent>`, then \
            up to 8 of `Inject<T>`, `Metadata` and `EventBus`, returning `()` or a `Result<(), E>` with an error that is \
            `Send + Sync`",
    note = "the usual causes: the argument has no type (`|event: &YourEvent| …`), the event has no `#[derive(Event)]` or is \
            taken by value, a dependency is `Arc<T>` instead of `Inject<T>` or is not `Send + Sync`, the error is a \
            `Box<dyn Error>`: return `convoke::Handled`, for which `?` takes any error that is `Send + Sync`",
    note = "an actor that handles `Heard<YourEvent>` is registered by its `Addr`, or by `addr.recipient::<Heard<YourEvent>>()`",
    note = "a `Route` listens once it is opened: `route.open(&bus)?`"
)]
pub trait Listen<E: Subject, Kind>: Sized + 'static {
    /// Wraps the listener in a [`Listening`], on which options can be set.
    fn listening(self) -> Listening<E>;

    /// Sets the name that reports, errors and the log show. The default is the name of the function, or the place at
    /// which a closure was registered. See [`Listening::named`].
    fn named(self, name: impl Into<Arc<str>>) -> Listening<E> {
        self.listening().named(name)
    }

    /// Limits the listener to one event. See [`Listening::once`].
    fn once(self) -> Listening<E> {
        self.listening().once()
    }

    /// Limits the listener to this number of events. See [`Listening::times`].
    fn times(self, times: u64) -> Listening<E> {
        self.listening().times(times)
    }

    /// Sets the priority: the listener is called before listeners of a lower priority. See [`Listening::priority`].
    fn priority(self, priority: i32) -> Listening<E> {
        self.listening().priority(priority)
    }

    /// Limits the listener to events for which `condition` returns `true`. See [`Listening::when`].
    fn when(self, condition: impl Fn(&E) -> bool + 'static) -> Listening<E> {
        self.listening().when(condition)
    }

    /// Sets how many published events the listener may handle at the same time. See [`Listening::concurrency`].
    fn concurrency(self, events: usize) -> Listening<E> {
        self.listening().concurrency(events)
    }

    /// Sets how many published events may wait for the listener. See [`Listening::capacity`].
    fn capacity(self, events: usize) -> Listening<E> {
        self.listening().capacity(events)
    }

    /// Sets what happens to a published event for which the listener has no room. See [`Listening::overflow`].
    fn overflow(self, policy: Overflow) -> Listening<E> {
        self.listening().overflow(policy)
    }

    /// Makes the listener refuse for all: if it has no room, no listener gets the event. See
    /// [`Listening::all_or_none`].
    fn all_or_none(self) -> Listening<E> {
        self.listening().all_or_none()
    }

    /// Sets how long one call may take. See [`Listening::timeout`].
    fn timeout(self, limit: std::time::Duration) -> Listening<E> {
        self.listening().timeout(limit)
    }

    /// Skips the retained event that the bus has kept. See [`Listening::skip_retained`].
    fn skip_retained(self) -> Listening<E> {
        self.listening().skip_retained()
    }

    /// Skips events that are told once more from a store. See [`Listening::unless_replayed`].
    fn unless_replayed(self) -> Listening<E> {
        self.listening().unless_replayed()
    }

    /// Adds a middleware around the listener. See [`Listening::with`].
    fn with(self, middleware: impl Middleware) -> Listening<E> {
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
                scope.begins();
                let (listener, event) = (listener.clone(), Heard::new(scope.parcel.clone()));
                Ok(async move { listener.hear(event).await.map_err(ListenerError::from) })
            })))
        })
    }
}
