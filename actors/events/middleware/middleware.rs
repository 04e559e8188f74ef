//! What a middleware is: a function of the call and of what comes next.

use std::pin::Pin;
use std::sync::Arc;

use super::call::Call;
use super::next::Next;
use crate::base::Handled;

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
