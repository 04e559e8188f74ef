//! What a middleware is: a function of the call and of what comes next.

use std::pin::Pin;
use std::sync::Arc;

use super::call::Call;
use super::next::Next;
use crate::base::Handled;

/// The boxed future that a middleware returns. It stays on the listener's arbiter, and so need not be `Send`.
pub type Handling = Pin<Box<dyn Future<Output = Handled>>>;

/// A layer around the calls of listeners: of a whole bus, by `EventBus::builder().with(…)`, or of one listener, by
/// `listener.with(…)`.
///
/// Write a middleware as a function, `async fn(call, next) -> Handled`, or as a struct that implements this trait. The
/// function calls `next.run(call)` once, several times or not at all.
///
/// The middleware that was added first is the outermost one. The middleware of the bus stands outside of the middleware
/// of the listener. A middleware has to be `Send + Sync`, because the bus is; the futures that it awaits need not be.
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
    /// Handles a call, by passing it on to `next` or in another way.
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
