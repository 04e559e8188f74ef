//! What the expansions of our macros name, and the crate `convoke`. Nothing here is for users, and any of it may change.
//!
//! `#[derive(Event)] → json_of, from_json, no_json`; `#[derive(BaseService)] → awaited, handled, begun, stopping, handles`; `#[listener] → discover! → Discovered → a bus`

use std::fmt::Display;

use std::future::Future;

use serde::de::Error as _;

#[cfg(feature = "discover")]
pub use inventory;
pub use serde::Serialize;
pub use serde::de::DeserializeOwned;
pub use serde_json::{Error as JsonError, Value};

pub use crate::__discover as discover;
pub use crate::base::{Count, IS_MEASURED, Level, Lives, Spread};
use crate::base::{Handled, IntoHandled};
pub use crate::base::{Living, Shown};
pub use crate::debug_is_display;
#[cfg(feature = "discover")]
pub use crate::events::bus::Discovered;
use crate::events::envelope;
pub use crate::events::envelope::Case;
use crate::events::event::Event;
use crate::events::event::Metadata;
pub use crate::events::event::Subject;
pub use crate::events::event::{Carrier, PublishDate, derived};
use crate::events::listener::Heard;
pub use crate::events::listener::Sending;
pub use crate::events::parcel::{Stamp, Unstamped};
pub use crate::events::seats::Sender;
pub use crate::events::topics::check_topic;
pub use crate::rounds::broker::DeskBroker;
pub use crate::rounds::durable as rounds;
pub use crate::services::supervision::Kept;

/// Whether an actor may be started here.
pub fn is_arbiter() -> bool {
    crate::runtime::is_arbiter()
}

/// Whether a service is being polled that is about to be started again: its `stop` is called for no more than a pause.
pub fn is_pausing() -> bool {
    crate::services::life::is_pausing()
}

/// Whether a test runs on this thread in virtual time.
pub fn is_virtual() -> bool {
    crate::runtime::is_virtual()
}

/// Whether the clock of this thread stands still, as in a test in virtual time: no socket and no other thread is waited for.
pub fn stands_still() -> bool {
    crate::runtime::stands_still()
}

/// Registers a listener to whatever has a form as JSON and whose `publisher/event` matches one of these.
#[track_caller]
pub fn on_names<Kind>(
    bus: &crate::events::bus::EventBus,
    patterns: Vec<crate::events::topics::Pattern>,
    listener: impl crate::events::listener::Listen<crate::events::event::JsonEvent, Kind>,
) -> Result<crate::events::seats::Subscription, crate::events::listener::ListenError> {
    bus.on_names(patterns, listener)
}

/// How many published events wait for a listener, asked for on any thread.
pub fn queued(subscription: &crate::events::seats::Subscription) -> impl Fn() -> usize + Send + Sync + 'static {
    let post = std::sync::Arc::downgrade(subscription.post());
    move || post.upgrade().map_or(0, |post| post.queued())
}

/// Calls the listeners of an event that a server has lent: whatever fails is in the report alone, and the server settles it.
///
/// # Errors
///
/// Those of [`EventBus::emit_envelope`](crate::EventBus::emit_envelope).
pub fn emit_held(
    bus: &crate::events::bus::EventBus,
    envelope: crate::events::envelope::Envelope,
) -> Result<crate::events::bus::Emitting<crate::events::event::JsonEvent>, crate::events::topics::TopicError> {
    bus.emit_held(envelope)
}

/// Another bus with what this one provides, but without its listeners.
pub fn beside(bus: &crate::events::bus::EventBus) -> crate::events::bus::EventBus {
    crate::events::bus::EventBusBuilder::beside(bus)
}

/// A future of the user's, whose panic is an answer.
pub async fn guarded<F: Future>(future: F) -> Result<F::Output, String> {
    crate::runtime::Guarded::new(future).await
}

/// Runs what is the user's: its panic is an answer.
pub fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    crate::runtime::catch(run)
}

/// Notes for a test that a function of the user's has panicked, of which nothing else tells.
pub fn note_panic(of: &str, event: &str, why: &str) {
    #[cfg(feature = "testing")]
    crate::base::note(crate::base::Of::Itself, Some(&of.into()), event, || format!("panicked: {}", Shown::text(why)));
    #[cfg(not(feature = "testing"))]
    let _ = (of, event, why);
}

/// Notes for a test that there is a dead letter outside of any bus: with what is called so, and has this number.
pub fn note_letter(number: u64, of: &str, event: &str, why: &str) {
    #[cfg(feature = "testing")]
    crate::base::note(crate::base::Of::Outside(number), Some(&of.into()), event, || {
        format!("dead: {}", Shown::text(why))
    });
    #[cfg(not(feature = "testing"))]
    let _ = (number, of, event, why);
}

/// The dead letters of what has this number were looked at.
pub fn saw_letters(number: u64) {
    #[cfg(feature = "testing")]
    crate::base::saw_all(crate::base::Of::Outside(number));
    #[cfg(not(feature = "testing"))]
    let _ = number;
}

/// The date, as tests may set it.
pub fn wall_clock() -> std::time::SystemTime {
    crate::runtime::wall_clock()
}

/// Runs a future on this arbiter, beside whoever asks for it. Under a seed it takes its turns among the actors, in the order of the seed.
///
/// # Panics
///
/// Outside a runtime.
pub fn spawn(what: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    crate::runtime::spawn_beside(what, future);
}

/// Under a seed lets others take a turn, as a database would that is asked something; otherwise does nothing.
pub async fn gives_way() {
    crate::runtime::give_way().await;
}

/// A random number, for jitter: under a seed one that the seed determines.
pub fn random() -> u64 {
    crate::runtime::random()
}

/// What can become JSON.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` does not implement `Serialize`",
    label = "it has no form as JSON",
    note = "derive it: `#[derive(Event, Serialize, Deserialize)]`; or mark the event `#[event(local)]` if it never \
            leaves the process"
)]
pub trait ToJson: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> ToJson for T {}

/// What can be made from JSON.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` does not implement `Deserialize`",
    label = "it cannot be made from JSON",
    note = "derive it: `#[derive(Event, Serialize, Deserialize)]`; or mark the event `#[event(local)]` if it never \
            leaves the process"
)]
pub trait FromJson: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromJson for T {}

/// What can say which one it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Display`",
    label = "it cannot be an `entity_id`",
    note = "name a field that has a `Display`, such as a number, a `String` or a `Uuid`"
)]
pub trait Show: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display> Show for T {}

pub fn show<T: Show>(id: &T) -> String {
    id.to_string()
}

/// An event that becomes JSON, and how it does.
#[derive(Debug)]
pub struct Json<'a, E> {
    event: &'a E,
    to_value: fn(&E) -> Result<Value, JsonError>,
    write: fn(&E, &mut Vec<u8>) -> Result<(), JsonError>,
}

/// The only one that asks for something, so that the compiler says once what a type lacks.
pub fn json_of<E: ToJson>(event: &E) -> Json<'_, E> {
    Json { event, to_value: crate::events::event::to_value, write: crate::events::event::write_value }
}

impl<E> Json<'_, E> {
    pub fn to_value(&self) -> Result<Value, JsonError> {
        (self.to_value)(self.event)
    }

    /// Writes it behind what is there, if what is written is the same value; `false` if it has to become that first.
    pub fn write(&self, to: &mut Vec<u8>) -> bool {
        (self.write)(self.event, to).is_ok()
    }
}

/// Writes an envelope of these, whose keys are in this case.
pub fn write_envelope(metadata: &Metadata, payload: &Value, case: Case) -> Vec<u8> {
    envelope::to_vec(metadata, payload, case)
}

/// The same of a payload that is written already.
pub fn write_envelope_around(metadata: &Metadata, payload: &[u8], case: Case) -> Vec<u8> {
    envelope::to_vec_around(metadata, payload, case)
}

/// Reads the payload where it is, without a copy of it.
pub fn from_json<E: FromJson>(payload: &Value) -> Result<E, JsonError> {
    E::deserialize(payload)
}

/// What a local event answers when it is asked for JSON.
pub fn no_json<E: Event, T>() -> Result<T, JsonError> {
    Err(JsonError::custom(format_args!("the event `{}` is local and has no JSON: remove `#[event(local)]`", E::NAME)))
}

/// What a service is made of. No more of actix, or the compiler would name all of it by this path.
pub mod actix {
    pub use ::actix::{Actor, Context, ResponseFuture};
}

/// What `start` and `stop` of a service return, as a result.
pub fn handled(result: impl IntoHandled) -> Handled {
    result.into_handled()
}

/// What `start` and `stop` of a service return: it is there already, or a future of it.
#[diagnostic::on_unimplemented(
    message = "`start` and `stop` of a service return nothing or a `Handled`, and not `{Self}`",
    label = "nothing, a `Handled`, or a future of either",
    note = "write `async fn open(&mut self) -> Handled`, and `fn close(&mut self) -> impl Future<Output = Handled> + use<>`"
)]
pub trait Awaited<Kind> {
    /// What it is in the end.
    type Output;

    /// Waits for that.
    fn awaited(self) -> impl Future<Output = Self::Output>;
}

/// A hook that has returned what it had to say.
#[derive(Debug)]
pub struct AtOnce;

/// A hook that has returned a future of that.
#[derive(Debug)]
pub struct InTime;

impl<T: IntoHandled> Awaited<AtOnce> for T {
    type Output = T;

    fn awaited(self) -> impl Future<Output = T> {
        std::future::ready(self)
    }
}

impl<F: Future> Awaited<InTime> for F {
    type Output = F::Output;

    fn awaited(self) -> impl Future<Output = F::Output> {
        self
    }
}

/// What `start` of a service has returned, once it is there.
pub fn awaited<Kind, T: Awaited<Kind>>(returned: T) -> impl Future<Output = T::Output> {
    returned.awaited()
}

/// What `stop` of a service has returned, as its trait wants it.
// The compiler shows the line of `stop` to whoever writes an `async fn` there.
#[rustfmt::skip]
pub fn stopping<S, Kind: 'static, T>(
    service: &mut S,
    stop: impl FnOnce(&mut S) -> T, // write `fn close(&mut self) -> impl Future<Output = Handled> + use<>`
) -> ::actix::ResponseFuture<Handled>
where
    T: Awaited<Kind, Output: IntoHandled> + 'static,
{
    let returned = stop(service);
    Box::pin(async move { returned.awaited().await.into_handled() })
}

/// What `begin` of a service returns.
#[diagnostic::on_unimplemented(
    message = "`begin` of a service neither waits nor fails, and returns nothing",
    label = "not `fn tick(&mut self, ctx: &mut Context<Self>)`",
    note = "what takes time or may fail belongs into `start`, and a future into `ctx.spawn`"
)]
pub trait Begun {}

impl Begun for () {}

/// Says so in the log if a service begins that nobody keeps: it was started as a plain actor.
pub fn kept(service: &str) {
    if !crate::services::life::is_kept() {
        crate::runtime::quietly(|| {
            log::warn!(
                target: "convoke::service",
                "`{service}` was started as a plain actor: it hears no event, its `start` and `stop` are not called, and nobody \
                 restarts it; write `supervised(&bus, …).await?`"
            );
        });
    }
}

/// Takes what `begin` of a service has returned.
pub fn begun(_: impl Begun) {}

/// What handles an event that it has declared to hear.
#[diagnostic::on_unimplemented(
    message = "the service `{Self}` does not handle `{E}`",
    label = "declared here, and not handled",
    note = "write `impl Handler<Heard<{E}>> for {Self}`, with `type Result = Handled;`"
)]
pub trait Handles<E> {}

#[diagnostic::do_not_recommend]
impl<A: ::actix::Actor + ::actix::Handler<Heard<E>>, E: Subject> Handles<E> for A {}

pub fn handles<A: Handles<E>, E>() {}

#[cfg(feature = "discover")]
#[doc(hidden)]
#[macro_export]
macro_rules! __discover {
    ($name:expr, $register:expr) => {
        $crate::__private::inventory::submit! {
            $crate::__private::Discovered { name: $name, register: $register }
        }
    };
}

/// The macros know no features, so what they expand to tells of it.
#[cfg(not(feature = "discover"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __discover {
    ($name:expr, $register:expr) => {
        ::core::compile_error!(
            "`#[listener]` needs the feature `discover`: write `convoke = { version = \"…\", features = [\"discover\"] }`"
        );
    };
}
