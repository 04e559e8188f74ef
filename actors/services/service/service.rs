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

/// An actix actor that subscribes when it starts, cleans up when it stops, comes back when it fails, and reports its
/// state. You derive the trait, with `#[derive(BaseService)]`.
///
/// The handlers of a service are those of any actor with `Context<Self>`. A service hears events as
/// [`Heard<E>`](crate::Heard). You declare the rest above the struct, in `#[service(…)]`:
///
/// | | |
/// |---|---|
/// | `on(OrderPlaced, OrderClosed)` | the types of events that the service hears |
/// | `topics("stock/*")` | the topics that the service hears, as `Heard<JsonEvent>` |
/// | `start = open` | `async fn open(&mut self) -> Handled`: before the service is an actor, and before it subscribes |
/// | `begin = tick` | `fn tick(&mut self, ctx: &mut Context<Self>)`: when it is an actor, for timers and streams |
/// | `stop = close` | `fn close(&mut self) -> impl Future<Output = Handled> + use<>`: after the last event |
/// | `needs(Ledger)` | the services that have to run before this one, where [`Services`](crate::Services) starts them |
/// | `name = "billing"` | the name of the service; by default the name of the type |
/// | `own_actor` | the type has its own `impl Actor`, with `Context<Self>`; its `started` takes the place of `begin` |
/// | `crate = "path::to::convoke"` | the path of Convoke; by default `::convoke` |
///
/// `start` and `stop` return nothing or a [`Handled`], at once or by a future. `begin` neither waits nor fails. `stop`
/// is no `async fn`: the service is still an actor then, and a future of an actor cannot borrow it. So `stop` takes out
/// of the service what it needs, and returns a future that owns that.
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
    /// The name of the service, unless [`named`](Supervised::named) sets another.
    const NAME: &'static str;

    /// The names of the services that have to run before this one.
    const NEEDS: &'static [&'static str] = &[];

    /// Subscribes the service to the events that it hears.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`EventBus::subscribe`].
    fn subscribe(subscriptions: &mut Subscriptions<'_, Self>) -> Result<(), ListenError> {
        let _ = subscriptions;
        Ok(())
    }

    /// Prepares the service, before it is an actor and before it subscribes. The service does not run if this method
    /// fails, panics, or takes longer than the [start timeout](Supervised::start_timeout).
    ///
    /// An event that you emit here is not heard by the service itself, which does not run yet. When the service is
    /// being rebuilt, such an event waits for it. So publish an event that the service itself hears, and do not await
    /// it here.
    ///
    /// # Errors
    ///
    /// Returns the error that keeps the service from starting.
    fn start(&mut self) -> impl Future<Output = Handled> {
        async { Ok(()) }
    }

    /// Cleans up. It is called when the service is told to stop, after the last event that waited for it. The service
    /// is no longer subscribed then. After a panic this method is not called; only the `Drop` of the service runs.
    ///
    /// # Errors
    ///
    /// Returns what went wrong. The service stops nevertheless, and its status shows the error.
    fn stop(&mut self, ctx: &mut Context<Self>) -> ResponseFuture<Handled> {
        let _ = ctx;
        Box::pin(async { Ok(()) })
    }

    /// Starts the service on this arbiter and keeps it alive. The `factory` builds the service, once for each start. It
    /// is a closure that takes the bus and returns the service, or a `Result` of it.
    ///
    /// The returned value has the options. Await it: it is ready when the service is running.
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
