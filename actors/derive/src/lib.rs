//! The macros of Convoke. Use them from the crate `convoke`, which re-exports them: they expand to `::convoke` paths.

mod arguments;
mod entity_id;
mod event;
mod event_keys;
mod listener;
mod service;
mod spans;
mod test;
mod topic;
mod words;

use proc_macro::TokenStream;

/// Makes a test of an `async fn`, run by `convoke::testing` in virtual time: an hour's timeout passes at once.
///
/// ```text
/// #[convoke::test]
/// async fn a_round_nobody_completes_is_cancelled() {
///     let broker = Broker::<u32>::new(Duration::from_secs(3600)).start();
///     let stock = Emitter::join(&broker, "stock").await.unwrap();
///     let _payment = Emitter::join(&broker, "payment").await.unwrap();
///     assert!(!stock.emit(3).await.unwrap().is_resolved());
/// }
/// ```
///
/// It comes with the feature `testing`, which belongs under `[dev-dependencies]`.
///
/// The test has a `System` of its own, with one arbiter and no sockets. It fails, and names the actor, when an actor of
/// Convoke is still alive at its end. The function may return a `Result`, as any test may; other attributes
/// (`#[should_panic]`, `#[ignore]`, `#[cfg(…)]`) keep their meaning.
///
/// # Arguments
///
/// - `allow_failures`: what fails in it fails it not; without that, a listener or handler that panics or fails, and any dead
///   letter, has to be looked at (`report.ok()`, `report.failed()`, `bus.dead_letters()`, `testing::expect_failure("name")`).
/// - `seeds = 1000`: the test is run once for each of so many seeds, and each seed is another order in which the actors
///   get their turn. A failure names its seed; the environment variable `CONVOKE_SEED` replays that one. Without this
///   argument the test is run once.
/// - `crate = "framework::convoke"`: where Convoke is found, for a crate that re-exports it; `::convoke` by default.
///
/// # Errors
///
/// It is a compile error, at the place concerned, when the function is not `async`, has parameters or generics or a
/// second `#[test]`, and when an argument is unknown, given twice, or no positive number of seeds.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Makes an event of a struct or an enum: data that listeners hear.
///
/// ```text
/// #[derive(Event, Serialize, Deserialize)]
/// #[event(topic = "orders/placed", entity_id = id)]
/// struct OrderPlaced {
///     id: u64,
///     total: u32,
/// }
/// ```
///
/// The type needs `Serialize` and `Deserialize` beside it, unless it is `#[event(local)]`.
///
/// # Keys
///
/// They stand in `#[event(…)]` over the type, in any order.
///
/// - `topic = "orders/placed"`: where it travels, segments between slashes without wildcards; its name by default.
/// - `name = "OrderPlaced"`: by which services elsewhere know it; the name of the type by default.
/// - `entity = "Order"`: what it is about; by default the name without its last word, and the name itself if it has only
///   one. A word begins with a capital or after a sign; digits and a version (`V2`) belong to the word before them.
/// - `entity_id = id`: the field that says which one it is about, shown with its `Display` in the event's metadata; none
///   by default. `entity_id = 0` is the first field of a tuple. In an enum every variant has the field.
/// - `version = 2`: the version of its shape; 1 by default.
/// - `contains_personal_data`: its payload is shown in no log, error or `Debug` of Convoke. The id of its entity is no part
///   of the payload.
/// - `retained`: the bus keeps the last one for those who subscribe later.
/// - `local`: it never leaves the process, and needs no serde.
/// - `crate = "framework::convoke"`: where Convoke is found, for a crate that re-exports it; `::convoke` by default.
///
/// A generic type is one event with one topic, whatever it is generic over: `Stored<User>` and `Stored<Order>` have the
/// same name.
///
/// # Errors
///
/// It is a compile error, at the place concerned, when a key is unknown, given twice or of the wrong form; when a topic
/// has no segments, an empty one, a wildcard, a control character, whitespace at an end, more than 256 bytes or more than
/// 32 segments; when `#[event(…)]` stands on a field or a variant; and when the type is a union, borrows, or cannot be
/// sent to another thread.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(item: TokenStream) -> TokenStream {
    beside_stand_in(event::expand(item.clone().into()), || event::stand_in(item.into()))
}

/// Makes a service of a struct or an enum: an actix actor with a lifecycle.
///
/// ```text
/// #[derive(BaseService)]
/// #[service(on(OrderPlaced), topics("stock/*"), start = open_ledger, stop = close_ledger)]
/// struct Billing {
///     bus: EventBus,
/// }
/// ```
///
/// It implements `BaseService`, and `Actor` with `Context<Self>`; the handlers are the user's.
///
/// # Keys
///
/// They stand in `#[service(…)]` over the type, in any order.
///
/// - `on(OrderPlaced, OrderClosed)`: the types of events it hears, and handles as `Heard<OrderPlaced>`.
/// - `topics("stock/*")`: the topics it hears, and handles as `Heard<JsonEvent>`.
/// - `start = open`: `async fn open(&mut self)`, awaited before it is an actor and before it subscribes. It returns nothing
///   or a `Handled`, that is a `Result<(), E>`, as `close` does; neither has to be async.
/// - `begin = tick`: `fn tick(&mut self, ctx: &mut Context<Self>)`, called when it is an actor, for its timers.
/// - `stop = close`: `fn close(&mut self) -> impl Future<Output = Handled> + use<>`, awaited after its last event. The
///   future owns what it needs: by then the service belongs to actix, and cannot be borrowed for longer than a call.
/// - `needs(Ledger)`: the services that have to run before it, where `Services` starts many.
/// - `name = "billing"`: what it is called; the name of the type by default.
/// - `own_actor`: the type has its own `impl Actor`, with `Context<Self>`.
/// - `crate = "framework::convoke"`: where Convoke is found, for a crate that re-exports it; `::convoke` by default.
///
/// # Errors
///
/// It is a compile error, at the place concerned, when a key is unknown, given twice or of the wrong form; when a pattern
/// is none; when the service does not handle what it declares to hear; when `#[service(…)]` stands on a field or a variant;
/// and when `begin` stands beside `own_actor`.
#[proc_macro_derive(BaseService, attributes(service))]
pub fn base_service(item: TokenStream) -> TokenStream {
    beside_stand_in(service::expand(item.clone().into()), || service::stand_in(item.into()))
}

/// The expansion, or what is wrong and something that stands in for it.
fn beside_stand_in(
    expanded: syn::Result<proc_macro2::TokenStream>,
    stand_in: impl FnOnce() -> proc_macro2::TokenStream,
) -> TokenStream {
    let expanded = expanded.unwrap_or_else(|error| [error.into_compile_error(), stand_in()].into_iter().collect());
    expanded.into()
}

/// Marks a function as a listener, which `EventBus::discover` registers.
///
/// ```text
/// #[listener]
/// async fn send_receipt(order: Arc<OrderPlaced>, mailer: Inject<Mailer>) -> io::Result<()> {
///     mailer.thank(order.id).await
/// }
/// ```
///
/// It comes with the feature `discover`. The function stays what it is, and may be called or registered by hand as well,
/// which has it called once more for each event.
/// Only what is linked is discovered: a crate that holds nothing but listeners is named where the bus is built, as by
/// `use receipts as _;`.
///
/// # Arguments
///
/// - `name = "receipts"`: by which reports and the log know it; the name of the function by default.
/// - `priority = 3`: it is called before those of a lower priority; 0 by default.
/// - `once`: it hears one event only.
/// - `topics("orders/*", "**/late")`: it hears what travels on these, instead of the events of its type.
/// - `crate = "framework::convoke"`: where Convoke is found, for a crate that re-exports it; `::convoke` by default.
///
/// # Errors
///
/// It is a compile error, at the place concerned, when the function has a `self` or generics, has no parameter to hear
/// with, is `const` or `unsafe`, or cannot listen; when an argument is unknown, given twice or of the wrong form; and when
/// the feature `discover` is off. What it needs and the bus does not have is told by `EventBus::discover`.
#[proc_macro_attribute]
pub fn listener(arguments: TokenStream, item: TokenStream) -> TokenStream {
    // Also beside an error the function stays: whoever calls it by hand has no fault of his own.
    let written = item.clone();
    match listener::expand(arguments.into(), item.into()) {
        Ok(expanded) => expanded.into(),
        Err(error) => [error.into_compile_error().into(), written].into_iter().collect(),
    }
}
