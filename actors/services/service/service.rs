//! A service: an actor with a lifecycle, and what it declares.
//!
//! `#[derive(BaseService)] → BaseService → Supervised → life`

use std::future::Future;
use std::rc::Rc;

use actix::{Actor, Context, ResponseFuture};

use super::subscriptions::Subscriptions;
use super::supervised::{IntoService, Supervised};
use crate::base::Handled;
use crate::events::bus::EventBus;
use crate::events::listener::ListenError;
use crate::services::life::{Living, Oversight, ServiceSeat, Terms};

/// An actix actor that subscribes when it starts, cleans up when it stops, comes back when it fails, and says how it
/// is. Derived, with `#[derive(BaseService)]`.
///
/// Its handlers are those of any actor, with `Context<Self>`; it hears events as [`Heard<E>`](crate::Heard). What it declares
/// stands over the struct, in `#[service(…)]`:
///
/// | | |
/// |---|---|
/// | `on(OrderPlaced, OrderClosed)` | the types of events that it hears |
/// | `topics("stock/*")` | the topics that it hears, as `Heard<JsonEvent>` |
/// | `start = open` | `async fn open(&mut self) -> Handled`: before it is an actor, and before it subscribes |
/// | `begin = tick` | `fn tick(&mut self, ctx: &mut Context<Self>)`: when it is an actor, for timers and streams |
/// | `stop = close` | `fn close(&mut self) -> impl Future<Output = Handled> + use<>`: after its last event |
/// | `needs(Ledger)` | the services that have to run before it, where [`Services`](crate::Services) starts many |
/// | `name = "billing"` | what it is called; the name of the type, unless given |
/// | `own_actor` | the type has its own `impl Actor`, with `Context<Self>`; `begin` is then its `started` |
/// | `crate = "path::to::convoke"` | `::convoke` unless given |
///
/// `start` and `stop` return nothing or a [`Handled`], at once or by a future. `begin` neither waits nor fails. While it stops
/// it is an actor, whose future cannot borrow it: `stop` is no `async fn`, but takes out what it needs, and returns a future
/// that owns that.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use actix::prelude::*;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # #[event(topic = "orders/placed")]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// #[derive(BaseService)]
/// #[service(on(OrderPlaced), start = open_ledger)]
/// struct Billing {
///     ledger: Vec<u64>,
/// }
///
/// impl Billing {
///     async fn open_ledger(&mut self) -> std::io::Result<()> {
///         self.ledger.reserve(100);
///         Ok(())
///     }
/// }
///
/// impl Handler<Heard<OrderPlaced>> for Billing {
///     type Result = Handled;
///
///     fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
///         self.ledger.push(order.id);
///         Ok(())
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let billing = Billing::supervised(&bus, |_| Billing { ledger: Vec::new() }).await?; // subscribed, and running
/// assert!(bus.emit(OrderPlaced { id: 7 }).await.is_ok());
/// billing.stop().await;
/// assert!(bus.subscriptions().is_empty());
/// # Ok::<(), StartError>(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service",
    label = "not a service",
    note = "write `#[derive(BaseService)]` over the struct"
)]
pub trait BaseService: Actor<Context = Context<Self>> {
    /// What it is called, unless it is [named](Supervised::named) otherwise.
    const NAME: &'static str;

    /// The names of the services that have to run before it.
    const NEEDS: &'static [&'static str] = &[];

    /// Declares what it hears.
    ///
    /// # Errors
    ///
    /// What [`EventBus::subscribe`] says.
    fn subscribe(subscriptions: &mut Subscriptions<'_, Self>) -> Result<(), ListenError> {
        let _ = subscriptions;
        Ok(())
    }

    /// Prepares it: before it is an actor and before it subscribes. It does not run if this fails, panics, or takes longer
    /// than its [start timeout](Supervised::start_timeout).
    ///
    /// What is emitted here is not heard by the service itself, which does not run yet; when it is built anew, that waits
    /// for it. So do not await here an event that it hears: publish it.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting.
    fn start(&mut self) -> impl Future<Output = Handled> {
        async { Ok(()) }
    }

    /// Lets go of what it has: when it is told to stop, after the last event that waited for it. It is no longer subscribed
    /// then. After a panic nothing is called but its `Drop`.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; it stops nevertheless, and the error stands in its status.
    fn stop(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<Handled> {
        let _ = ctx;
        Box::pin(async { Ok(()) })
    }

    /// Starts the service on this arbiter and keeps it alive. It is built by `factory`, anew for each start: a closure of
    /// the bus that returns the service, or a `Result` of it.
    ///
    /// What is returned has the options, and is awaited: it is ready when the service is running.
    ///
    /// ```text
    /// let billing = Billing::supervised(&bus, |bus| Billing { bus }).backoff(Backoff::none()).await?;
    /// ```
    fn supervised<F, R>(bus: &EventBus, factory: F) -> Supervised<Self>
    where
        F: FnMut(EventBus) -> R + 'static,
        R: IntoService<Self>,
    {
        Supervised::new(bus, factory)
    }
}

/// What keeps it alive knows no more of it than this.
impl<A: BaseService> Living for A {
    const TYPE: &'static str = A::NAME;
    const NEEDED: &'static [&'static str] = A::NEEDS;

    fn seats(oversight: &Rc<Oversight>, terms: &Terms) -> Result<Vec<Box<dyn ServiceSeat<Self>>>, ListenError> {
        Subscriptions::make(oversight, terms)
    }

    fn prepare(&mut self) -> impl Future<Output = Handled> {
        self.start()
    }

    fn let_go(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<Handled> {
        self.stop(ctx)
    }
}
