//! What is called with an event: a function whose arguments say what it needs, a struct, or an actor.
//!
//! `function, struct, recipient → Listen → Listening → a seat`

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use actix::Recipient;

use super::function::{Function, Returned, Telling};
use super::heard::Heard;
use super::listening::Listening;
use crate::base::{Handled, IntoHandled};
use crate::events::event::Subject;
use crate::events::middleware::Middleware;
use crate::events::seats::{AsyncCall, Scope};
use crate::events::verdict::{ListenerError, Overflow};

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
    message = "`{Self}` cannot listen to this event",
    label = "not a listener",
    note = "a listener is a function or closure of `&YourEvent` or `Arc<YourEvent>`, async only of `Arc<YourEvent>`, then \
            up to 8 of `Inject<T>`, `Metadata` and `EventBus`, returning `()` or a `Result<(), E>` with an error that is \
            `Send + Sync`",
    note = "the usual causes: the argument has no type (`|event: &YourEvent| …`), the event has no `#[derive(Event)]` or is \
            taken by value, a dependency is `Arc<T>` instead of `Inject<T>` or is not `Send + Sync`"
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
    fn overflow(self, policy: Overflow) -> Listening<E> {
        self.listening().overflow(policy)
    }

    /// Sets how long one call may take. See [`Listening::timeout`].
    fn timeout(self, limit: std::time::Duration) -> Listening<E> {
        self.listening().timeout(limit)
    }

    /// Lets it not hear of the last event that the bus has kept. See [`Listening::skip_retained`].
    fn skip_retained(self) -> Listening<E> {
        self.listening().skip_retained()
    }

    /// Puts a middleware around it. See [`Listening::with`].
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
