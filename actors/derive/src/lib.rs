//! The macros of Convoke. Use them from the crate `convoke`, which re-exports them: they expand to `::convoke` paths.

mod arguments;

mod event;
mod event_keys;
mod fields;
mod listener;
mod service;
mod spans;
mod task;
mod task_fields;
mod task_keys;
mod test;
mod times;
mod topic;
mod words;

use proc_macro::TokenStream;

/// Makes a test of an `async fn`. `convoke::testing` runs it in virtual time: a timeout of an hour passes at once.
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
/// The macro comes with the feature `testing`, which belongs under `[dev-dependencies]`.
///
/// The test has a `System` of its own, with one arbiter and no sockets. It fails, and names the actor, when an actor of
/// Convoke is still alive at its end. It also fails when something has failed that the test has not looked at: see
/// `testing::expect_failure`. The function may return a `Result`, as any test may. Other attributes (`#[should_panic]`,
/// `#[ignore]`, `#[cfg(…)]`) keep their meaning.
///
/// # Arguments
///
/// - `allow_failures`: failures in the test do not make it fail. Without this argument, the test has to look at every
///   listener or handler that panics or fails, and at every dead letter (`report.ok()`, `report.failed()`,
///   `bus.dead_letters()`, `testing::expect_failure("name")`).
/// - `seeds = 1000`: runs the test once for each of this many seeds. Each seed is another order in which the actors get
///   their turn. A failure names its seed; the environment variable `CONVOKE_SEED` replays that one. By default the
///   test runs once.
/// - `crate = "framework::convoke"`: the path of Convoke, for a crate that re-exports it. The default is `::convoke`.
///
/// # Errors
///
/// Reports a compile error, at the place concerned, when the function is not `async`, has parameters or generics or a
/// second `#[test]`, and when an argument is unknown, given twice, or not a positive number of seeds.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(arguments.into(), item.into()).unwrap_or_else(|error| error.into_compile_error()).into()
}

/// Implements `Event` for a struct or an enum: data that listeners hear.
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
/// The type also needs `Serialize` and `Deserialize`, unless it is `#[event(local)]`.
///
/// # Keys
///
/// You write the keys in `#[event(…)]` above the type, in any order.
///
/// - `topic = "orders/placed"`: the topic on which the event travels, in segments between slashes, without wildcards.
///   The default is the name of the event.
/// - `name = "OrderPlaced"`: the name by which services elsewhere know the event. The default is the name of the type.
/// - `entity = "Order"`: the kind of thing that the event is about. The default is the name without its last word, or
///   the name itself if it has only one word. A word begins with a capital or after a sign; digits and a version (`V2`)
///   belong to the word before them.
/// - `entity_id = id`: the field that identifies the thing that the event is about. The event's metadata shows it with
///   its `Display`. `entity_id = 0` is the first field of a tuple. In an enum every variant has the field. By default
///   there is none.
/// - `version = 2`: the version of the event's shape. The default is 1.
/// - `example = Self { … }`: an event as an example, for documents and tests. By default there is none.
/// - `contains_personal_data`: hides the payload in every log, error and `Debug` of Convoke. The id of the entity is
///   not part of the payload.
/// - `retained`: the bus keeps the last event for those who subscribe later.
/// - `local`: the event never leaves the process, and needs no serde.
/// - `crate = "framework::convoke"`: the path of Convoke, for a crate that re-exports it. The default is `::convoke`.
///
/// A generic type is one event with one topic, whatever its type arguments are: `Stored<User>` and `Stored<Order>` have
/// the same name.
///
/// # Errors
///
/// Reports a compile error, at the place concerned, when a key is unknown, given twice or of the wrong form; when a
/// topic has no segments, an empty segment, a wildcard, a control character, whitespace at an end, more than 256 bytes
/// or more than 32 segments; when `#[event(…)]` stands on a field or a variant; and when the type is a union, borrows,
/// or cannot be sent to another thread.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(item: TokenStream) -> TokenStream {
    beside_stand_in(event::expand(item.clone().into()), || event::stand_in(item.into()))
}

/// Implements `Task` for a struct or an enum: what shall be done, by a function that takes it.
///
/// ```text
/// #[derive(Task, Serialize, Deserialize)]
/// #[task(attempts = 5, timeout = "30s", unique(id), per_key(tenant, at_once = 1))]
/// struct RegisterUser {
///     id: u64,
///     tenant: u32,
/// }
/// ```
///
/// The type also needs `Serialize` and `Deserialize`.
///
/// # Keys
///
/// You write the keys in `#[task(…)]` above the type, in any order. A time is a whole number and its unit: `250ms`, `30s`,
/// `15m`, `2h` or `7d`, from 1 ms to 36,500 days.
///
/// - `name = "RegisterUser"`: the name under which jobs are kept. The default is the name of the type.
/// - `queue = "mail"`: the queue in which jobs wait. The default is `default`.
/// - `attempts = 5`: how often a job is tried, from 1. The default is 15.
/// - `first_wait = "1s"`, `longest_wait = "1h"`: the wait after a failure is a random time up to the first wait, which
///   doubles with each failure, up to the longest. The defaults are 1 s and 1 h.
/// - `timeout = "30s"`: how long an attempt may take. The default is 15 min.
/// - `priority = 2`: how urgent a job is, from -9 to 9. The default is 0.
/// - `expires = "1d"`: how long a job may be due before it begins. A job that waits for longer fails. The default is
///   for ever.
/// - `unique`, `unique(id, tenant)`: there is at most one unfinished job with equal values of these fields, or of all
///   fields if none is named. With `for = "1h"`, there is one for so long after it was enqueued, also if it is over by
///   then; with `while = "waiting"`, another may be enqueued as soon as it runs. By default there may be any number.
///   The values are compared as JSON, where an object is the same in whatever order its keys are; a set is an array, so
///   name none whose order is left to chance, such as a `HashSet`.
/// - `per_key(tenant, at_once = 1)`: of the jobs with an equal value of this field, shown with its `Display`, so many
///   run at the same time. With `rate = "10/1m"`, so many of them begin in such a time. By default any number does.
/// - `id = user`: the field that says what the job is about. It stands in the event of its failure. The default is the
///   field `id`, or else the one of `instance`, if there is one.
/// - `instance(user: User)`: the function may ask for an `Instance<User>`, which the `Repository` of users finds by this
///   field before each attempt.
/// - `delete_on_success`, `delete_on_failure`: that instance is deleted when the job is done; when it has failed for good,
///   or was cancelled. It goes only if the event that says so is on its way. By default it stays.
/// - `succeeds = UserRegistered`: the event that is made of what the function returns. By default the function returns
///   the event.
/// - `fails = UserRegistrationFailed`: the event that tells that the job has failed for good. The default is
///   `TaskFailed`.
/// - `crate = "framework::convoke"`: the path of Convoke, for a crate that re-exports it. The default is `::convoke`.
///
/// In an enum, a field that is named in `unique`, `per_key`, `id` or `instance` is in every variant.
///
/// A generic type is one task with one name, whatever its type arguments are.
///
/// # Errors
///
/// Reports a compile error, at the place concerned, when a key is unknown, given twice or of the wrong form; when a
/// number or a time is 0 or too large; when a field is not there; when the first wait is longer than the longest; when
/// something is to be deleted that is not named; when
/// `#[task(…)]` stands on a field or a variant; and when the type is a union, borrows, or has no serde.
#[proc_macro_derive(Task, attributes(task))]
pub fn task(item: TokenStream) -> TokenStream {
    beside_stand_in(task::expand(item.clone().into()), || task::stand_in(item.into()))
}

/// Implements `BaseService` for a struct or an enum: an actix actor with a lifecycle.
///
/// ```text
/// #[derive(BaseService)]
/// #[service(on(OrderPlaced), topics("stock/*"), start = open_ledger, stop = close_ledger)]
/// struct Billing {
///     bus: EventBus,
/// }
/// ```
///
/// The macro implements `BaseService`, and `Actor` with `Context<Self>`. You write the handlers.
///
/// # Keys
///
/// You write the keys in `#[service(…)]` above the type, in any order.
///
/// - `on(OrderPlaced, OrderClosed)`: the types of events that the service hears, and handles as `Heard<OrderPlaced>`.
/// - `topics("stock/*")`: the topics that the service hears, and handles as `Heard<JsonEvent>`.
/// - `start = open`: `async fn open(&mut self)`, awaited before the service is an actor and before it subscribes. It
///   returns nothing or a `Handled`, which is a `Result<(), E>`, and so does `close`. Neither has to be async.
/// - `begin = tick`: `fn tick(&mut self, ctx: &mut Context<Self>)`, called when the service is an actor, for its
///   timers.
/// - `stop = close`: `fn close(&mut self) -> impl Future<Output = Handled> + use<>`, awaited after the last event. The
///   future owns what it needs: by then the service belongs to actix, and cannot be borrowed for longer than a call.
/// - `needs(Ledger)`: the services that have to run before this one, where `Services` starts them.
/// - `name = "billing"`: the name of the service. The default is the name of the type.
/// - `own_actor`: the type has its own `impl Actor`, with `Context<Self>`.
/// - `crate = "framework::convoke"`: the path of Convoke, for a crate that re-exports it. The default is `::convoke`.
///
/// # Errors
///
/// Reports a compile error, at the place concerned, when a key is unknown, given twice or of the wrong form; when a
/// pattern is invalid; when the service does not handle what it declares to hear; when `#[service(…)]` stands on a
/// field or a variant; and when `begin` stands beside `own_actor`.
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
/// The macro comes with the feature `discover`. The function stays as it is: you may also call it. If you register it
/// by hand as well, it is called once more for each event.
///
/// Only a crate that is linked is discovered. Name a crate that holds nothing but listeners where you build the bus,
/// for example with `use receipts as _;`.
///
/// # Arguments
///
/// - `name = "receipts"`: the name of the listener in reports and the log. The default is the name of the function.
/// - `priority = 3`: listeners with a higher priority are called first. The default is 0.
/// - `once`: the listener hears one event only.
/// - `topics("orders/*", "**/late")`: the listener hears what travels on these topics, instead of the events of its
///   type.
/// - `crate = "framework::convoke"`: the path of Convoke, for a crate that re-exports it. The default is `::convoke`.
///
/// # Errors
///
/// Reports a compile error, at the place concerned, when the function has a `self` or generics, has no parameter for
/// the event, is `const` or `unsafe`, or cannot listen; when an argument is unknown, given twice or of the wrong form;
/// and when the feature `discover` is off. `EventBus::discover` returns an error if the listener needs something that
/// the bus does not have.
#[proc_macro_attribute]
pub fn listener(arguments: TokenStream, item: TokenStream) -> TokenStream {
    // Also beside an error the function stays: whoever calls it by hand has no fault of his own.
    let written = item.clone();
    match listener::expand(arguments.into(), item.into()) {
        Ok(expanded) => expanded.into(),
        Err(error) => [error.into_compile_error().into(), written].into_iter().collect(),
    }
}
