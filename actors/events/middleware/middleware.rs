//! What stands around a listener: a function of the call and of what comes next.
//!
//! `seat → Ringed → Middleware (of the bus) → Middleware (of the subscription) → listener`

mod authorize;
mod circuit;
mod circuit_breaker;
mod deduplicate;
#[cfg(feature = "rate-limit")]
mod gate;
mod logging;
#[cfg(feature = "metrics")]
mod measure;
mod per_listener;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod retry;
mod timeout;
mod verdict;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

pub use authorize::{Allows, Authorize, Unauthorized};
pub use circuit::CircuitOpen;
pub use circuit_breaker::CircuitBreaker;
pub use deduplicate::Deduplicate;
pub use logging::Logging;
#[cfg(feature = "metrics")]
pub use measure::Measure;
#[cfg(feature = "rate-limit")]
pub use rate_limit::{RateLimit, RateLimited};
pub use retry::Retry;
pub use timeout::Timeout;

use crate::base::{Failure, Handled};
use crate::events::bus::Hub;
use crate::events::event::{Event, Metadata};
use crate::events::listener::{Call as ListenerCall, ListenerError, Ran, Scope, Step};
use crate::events::parcels::{AnyParcel, Parcel, Subject};
use crate::events::seats::{Post, SubscriptionId, panicked};

/// What a middleware's future is boxed as; it stays on the listener's arbiter.
pub type Handling = Pin<Box<dyn Future<Output = Handled>>>;

/// What stands around listeners: of a whole bus, by `EventBus::builder().with(…)`, or of one, by `listener.with(…)`.
///
/// It is written as a function, `async fn(call, next) -> Handled`, which calls `next.run(call)` once, several times or
/// not at all; or as a struct. The first that was put stands outermost, and those of the bus outside of the
/// subscription's own. It has to be `Send + Sync`, because the bus is; what it awaits need not be.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// use convoke::{Call, Next};
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// async fn by_day(call: Call, next: Next) -> Handled {
///     match call.listener() {
///         "night watch" => Ok(()), // it sleeps
///         _ => next.run(call).await,
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::builder().with(by_day).build();
/// let _watch = bus.on((|_: &OrderPlaced| Err::<(), _>("woken")).named("night watch"))?;
/// assert!(bus.emit(OrderPlaced { id: 7 }).await.is_ok());
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a middleware",
    label = "not a middleware",
    note = "a middleware is `async fn(call: Call, next: Next) -> Handled`, or a closure of that form that is `Send + Sync`, \
            or a type that implements `Middleware`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Handles a call, by letting it go on to the next or otherwise.
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling;
}

impl<F> Middleware for F
where
    F: AsyncFn(Call, Next) -> Handled + Send + Sync + 'static,
{
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move { (*self)(call, next).await })
    }
}

/// One call of one listener with one event.
#[derive(Clone)]
pub struct Call {
    parcel: Arc<dyn AnyParcel>,
    post: Arc<Post>,
    hub: Arc<Hub>,
}

impl Call {
    /// Returns the name of the listener.
    pub fn listener(&self) -> &str {
        self.post.name()
    }

    /// Returns the id of the listener's registration; unlike its name, no other listener of the bus has it.
    pub fn subscription(&self) -> SubscriptionId {
        SubscriptionId(self.post.id)
    }

    /// Returns the event's name.
    pub fn event_name(&self) -> String {
        self.parcel.name().to_string()
    }

    /// Returns where the event travels.
    pub fn topic(&self) -> String {
        self.parcel.topic().to_string()
    }

    /// Returns what is known of its emission.
    pub fn metadata(&self) -> &Metadata {
        self.parcel.metadata()
    }

    /// Returns the event, if it is of this type.
    pub fn event<E: Event>(&self) -> Option<Arc<E>> {
        self.parcel.event().downcast().ok()
    }

    /// Returns the event as JSON, unless it is a local one. Personal data is not hidden here.
    pub fn payload(&self) -> Option<Value> {
        self.parcel.clone().json().ok().map(|json| json.event.payload().clone())
    }

    /// Returns the bus.
    pub fn bus(&self) -> crate::events::bus::EventBus {
        crate::events::bus::EventBus::of(&self.hub)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("listener", self.post.name())
            .field("event", &self.parcel.name())
            .finish_non_exhaustive()
    }
}

/// What comes after a middleware: the next one, or the listener. It may be cloned, to be run several times.
#[derive(Clone)]
pub struct Next {
    chain: Rc<[Arc<dyn Middleware>]>,
    place: usize,
    listener: Rc<dyn Fn() -> Handling>,
}

impl Next {
    /// Lets the call go on, and returns how it ended.
    ///
    /// A panic of the listener is an error here.
    pub fn run(&self, call: Call) -> Handling {
        match self.chain.get(self.place) {
            Some(middleware) => middleware.clone().handle(call, Self { place: self.place + 1, ..self.clone() }),
            None => (self.listener)(),
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("place", &self.place).field("of", &self.chain.len()).finish_non_exhaustive()
    }
}

/// A listener with middleware around it.
pub(crate) struct Ringed<S> {
    chain: Rc<[Arc<dyn Middleware>]>,
    call: Rc<dyn ListenerCall<S>>,
}

impl<S: Subject> Ringed<S> {
    pub(crate) fn new(chain: Vec<Arc<dyn Middleware>>, call: Box<dyn ListenerCall<S>>) -> Self {
        Self { chain: chain.into(), call: call.into() }
    }
}

impl<S: Subject> ListenerCall<S> for Ringed<S> {
    fn call(&self, scope: &Scope<'_, S>) -> Ran {
        let call = Call { parcel: scope.parcel.clone(), post: scope.post.clone(), hub: scope.hub.clone() };
        let listener = innermost(self.call.clone(), scope);
        let next = Next { chain: self.chain.clone(), place: 0, listener };
        let mut handling = next.run(call);
        match handling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(handled) => Ran::Done(handled.map_err(ListenerError::from)),
            Poll::Pending => Ran::Later(Box::pin(Some(concluded(handling)))),
        }
    }
}

async fn concluded(handling: Handling) -> Result<(), ListenerError> {
    handling.await.map_err(ListenerError::from)
}

/// Calls the listener itself, as often as a middleware wants.
fn innermost<S: Subject>(call: Rc<dyn ListenerCall<S>>, scope: &Scope<'_, S>) -> Rc<dyn Fn() -> Handling> {
    let (parcel, hub, post) = (scope.parcel.clone(), scope.hub.clone(), scope.post.clone());
    Rc::new(move || {
        Box::pin(Innermost {
            call: call.clone(),
            parcel: parcel.clone(),
            hub: hub.clone(),
            post: post.clone(),
            under_way: None,
        })
    })
}

/// A call of the listener itself. Its panic is an error, so that a middleware sees it.
struct Innermost<S> {
    call: Rc<dyn ListenerCall<S>>,
    parcel: Arc<Parcel<S>>,
    hub: Arc<Hub>,
    post: Arc<Post>,
    under_way: Option<Pin<Box<dyn Step>>>,
}

impl<S: Subject> Future for Innermost<S> {
    type Output = Handled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handled> {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if self.under_way.is_none() {
                let scope = Scope { parcel: &self.parcel, hub: &self.hub, post: &self.post };
                match self.call.call(&scope) {
                    Ran::Done(result) => return Poll::Ready(result),
                    Ran::Later(future) => self.under_way = Some(future),
                }
            }
            match &mut self.under_way {
                Some(future) => future.as_mut().step(cx),
                None => Poll::Ready(Ok(())),
            }
        }));
        match polled {
            Ok(polled) => polled.map_err(Failure::from),
            Err(panic) => Poll::Ready(Err(panicked(panic).into())),
        }
    }
}
