//! Every form of listener: functions, closures, structs and actors; what they may ask for, and what they are called.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{ContainerError, ListenerError, Reason};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered")]
struct UserRegistered {
    id: u64,
}

const fn user(id: u64) -> UserRegistered {
    UserRegistered { id }
}

/// What is provided: writes down what is sent.
#[derive(Default)]
struct Outbox(std::sync::Mutex<Vec<String>>);

impl Outbox {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

trait Mail: Send + Sync {
    fn send(&self, text: String);
}

impl Mail for Outbox {
    fn send(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

fn failures(report: &Report) -> Vec<String> {
    report.failed().map(|(name, error)| format!("{name} {error}")).collect()
}

/// Calls all listeners with one event and tells what they have sent.
async fn sent(bus: &EventBus) -> Vec<String> {
    let report = bus.emit(user(7)).await;
    assert!(report.is_ok(), "{report}");
    bus.container().get::<Outbox>().unwrap().take()
}

// Functions and closures.

fn by_reference(user: &UserRegistered, outbox: Inject<Outbox>) {
    outbox.send(format!("reference {}", user.id));
}

fn by_arc(user: Arc<UserRegistered>, outbox: Inject<Outbox>) -> Result<(), io::Error> {
    outbox.send(format!("arc {}", user.id));
    Ok(())
}

async fn later(user: Arc<UserRegistered>, outbox: Inject<Outbox>) -> io::Result<()> {
    sleep(ms(1)).await;
    outbox.send(format!("later {}", user.id));
    Ok(())
}

async fn nothing(_: Arc<UserRegistered>) {}

#[convoke::test]
async fn a_function_is_called_with_what_its_arguments_say() {
    let bus = EventBus::builder().provide(Outbox::default()).build();
    let guards = [bus.on(by_reference), bus.on(by_arc), bus.on(later), bus.on(nothing)].map(Result::unwrap);
    assert_eq!(sent(&bus).await, ["reference 7", "arc 7", "later 7"]);
    let names: Vec<_> = guards.iter().map(|guard| guard.listener().to_owned()).collect();
    assert_eq!(names, ["by_reference", "by_arc", "later", "nothing"], "it is named after itself");
}

#[convoke::test]
async fn a_closure_may_change_what_it_has_captured_and_need_not_be_send() {
    let bus = EventBus::default();
    let (mut calls, seen) = (0, Rc::new(Cell::new(0)));
    let total = seen.clone();
    let counts = bus.on(move |user: &UserRegistered| {
        calls += user.id;
        total.set(calls);
    });
    let _counts = counts.unwrap();
    let total = seen.clone();
    let _later = bus
        .on(async move |user: Arc<UserRegistered>| {
            sleep(ms(1)).await;
            total.set(total.get() + 100 * user.id);
        })
        .unwrap();
    assert!(bus.emit(user(1)).await.is_ok());
    assert_eq!(seen.get(), 101);
    bus.publish(user(2)).unwrap();
    bus.drain().await;
    assert_eq!(seen.get(), 203);
}

#[convoke::test]
async fn nothing_or_any_result_may_be_returned() {
    #[derive(Debug)]
    struct Own;

    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("own")
        }
    }

    impl std::error::Error for Own {}

    let bus = EventBus::default();
    let guards = [
        bus.on((|_: &UserRegistered| ()).named("nothing")),
        bus.on((|_: &UserRegistered| Ok::<(), String>(())).named("fine")),
        bus.on((|_: &UserRegistered| Err::<(), _>("text")).named("text")),
        bus.on((|_: &UserRegistered| Err::<(), _>(String::from("string"))).named("string")),
        bus.on((|_: Arc<UserRegistered>| Err::<(), _>(io::Error::other("io"))).named("io")),
        bus.on((async |_: Arc<UserRegistered>| Err::<(), Own>(Own)).named("own")),
        bus.on((async |_: Arc<UserRegistered>| Err::<(), Box<dyn std::error::Error + Send + Sync>>("boxed".into()))
            .named("boxed")),
        bus.on((async |_: Arc<UserRegistered>| -> Handled { Err(Failure::new("failure")) }).named("failure")),
        bus.on((async |_: Arc<UserRegistered>| -> Handled { Ok(Err(io::Error::other("question mark"))?) }).named("?")),
    ]
    .map(Result::unwrap);
    let report = at_once(bus.emit(user(1))).await;
    let expected = ["text", "string", "io", "own", "boxed", "failure", "? failed: question mark"];
    let expected = expected.map(|name| if name.len() > 9 { name.to_owned() } else { format!("{name} failed: {name}") });
    assert_eq!((report.len(), failures(&report)), (guards.len(), expected.to_vec()));
}

struct N<const NUMBER: u64>;

#[convoke::test]
async fn up_to_eight_arguments_may_be_asked_for_after_the_event() {
    type U = UserRegistered;
    type I<const NUMBER: u64> = Inject<N<NUMBER>>;

    let builder = EventBus::builder().provide(N::<1>).provide(N::<2>).provide(N::<3>).provide(N::<4>);
    let bus = builder.provide(N::<5>).provide(N::<6>).provide(N::<7>).provide(N::<8>).build();
    let calls = Rc::new(Cell::new(0));
    let call = || {
        let calls = calls.clone();
        move || calls.set(calls.get() + 1)
    };
    let c: [_; 12] = std::array::from_fn(|_| call());
    let [a, b, d, e, f, g, h, i, j, k, l, m] = c;
    let guards = [
        bus.on(move |_: &U| a()),
        bus.on(move |_: &U, _: I<1>| b()),
        bus.on(move |_: &U, _: I<1>, _: I<2>| d()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>| e()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>| f()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>| g()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>| h()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>| i()),
        bus.on(move |_: &U, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>, _: I<8>| j()),
        bus.on(move |_: Arc<U>, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>, _: I<8>| k()),
        bus.on(async move |_: Arc<U>, _: I<1>, _: I<2>, _: I<3>, _: I<4>, _: I<5>, _: I<6>, _: I<7>, _: I<8>| l()),
        // In any order.
        bus.on(async move |_: Arc<U>, _: Metadata, _: I<8>, _: EventBus, _: I<1>, _: Metadata| m()),
    ]
    .map(Result::unwrap);
    let report = at_once(bus.emit(user(1))).await;
    assert!(report.is_ok() && report.len() == 12 && calls.get() == 12, "{report}");
    drop(guards);
}

// What is injected.

#[convoke::test]
async fn a_value_is_shared_a_factory_makes_one_for_each_call_and_a_trait_stands_for_what_implements_it() {
    struct Serial(u64);

    let made = Arc::new(AtomicU64::new(0));
    let count = made.clone();
    let outbox = Arc::new(Outbox::default());
    let bus = EventBus::builder()
        .provide_as::<dyn Mail>(outbox.clone())
        .factory(move |_| Ok(Serial(count.fetch_add(1, Ordering::Relaxed))))
        .provide_with(|container| Ok(format!("from {}", *container.get::<u32>()?)))
        .provide(5_u32)
        .build();
    let each = |_: &UserRegistered, mail: Inject<dyn Mail>, serial: Inject<Serial>, from: Inject<String>| {
        mail.send(format!("{} {}", serial.0, *from));
    };
    let _each = bus.on(each).unwrap();
    let before = made.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert!(at_once(bus.emit(user(1))).await.is_ok());
    }
    bus.publish(user(2)).unwrap();
    settled().await;
    let expected: Vec<_> = (before..before + 4).map(|serial| format!("{serial} from 5")).collect();
    assert_eq!(outbox.take(), expected);
}

#[convoke::test]
async fn what_is_missing_is_told_at_registration_by_listener_event_and_type() {
    let bus = EventBus::builder().provide(Arc::new(Outbox::default())).build();
    let error = bus.on(by_reference).unwrap_err();
    let text = "`by_reference` cannot listen to UserRegistered: no `Outbox` is provided: add `.provide(…)` or \
                `.provide_with(…)` to the builder; there is `alloc::sync::Arc<";
    assert!(error.to_string().starts_with(text), "{error}");
    let ListenError::Container { listener, hears, error } = error else { panic!("{error}") };
    assert_eq!((&*listener, hears.as_str()), ("by_reference", "UserRegistered"));
    assert!(matches!(error, ContainerError::Missing { .. }));

    let asks = |_: &JsonEvent, _: Inject<dyn Mail>| ();
    let error = bus.on_topic(["users/*", "**"], asks.named("mail")).unwrap_err();
    let text = "`mail` cannot listen to users/*, **: no `dyn Mail` is provided: add `.provide_as::<dyn Mail>(…)` to the \
                builder";
    assert!(error.to_string().starts_with(text), "{error}");
    let error = bus.answer(|_: &UserRegistered, _: Inject<Outbox>| Answer(1)).unwrap_err();
    assert!(matches!(error, ListenError::Container { .. }));
    assert!(std::error::Error::source(&error).is_some());
    // Nothing of them is left.
    assert!(bus.subscriptions().is_empty());
    assert!(at_once(bus.emit(user(1))).await.is_empty());
}

#[convoke::test]
async fn a_factory_that_fails_for_one_call_is_a_failure_of_that_call() {
    struct Connection;

    let broken = Arc::new(AtomicU64::new(0));
    let state = broken.clone();
    let bus = EventBus::builder()
        .factory(move |_| match state.load(Ordering::Relaxed) {
            0 => Ok(Connection),
            1 => Err(Failure::new("no connection")),
            _ => panic!("no idea"),
        })
        .build();
    let notes = Notes::new();
    let heard = notes.clone();
    let _needs =
        bus.on((move |user: &UserRegistered, _: Inject<Connection>| heard.add(user.id)).named("needs")).unwrap();
    let _later = bus.on((async |_: Arc<UserRegistered>, _: Inject<Connection>| ()).named("later")).unwrap();
    assert!(at_once(bus.emit(user(1))).await.is_ok());
    for (state, reason) in [(1, "no connection"), (2, "no idea")] {
        broken.store(state, Ordering::Relaxed);
        let report = at_once(bus.emit(user(2))).await;
        let failed: Vec<_> = report.failed().collect();
        for ((name, error), expected) in failed.iter().zip(["needs", "later"]) {
            assert_eq!(*name, expected);
            assert!(matches!(error, ListenerError::Unprovided(text) if text.contains(reason)), "{error}");
        }
        assert_eq!(failed.len(), 2);
        bus.publish(user(3)).unwrap();
        settled().await;
        assert_eq!(bus.dead_letters().take_all().len(), 4);
    }
    broken.store(0, Ordering::Relaxed);
    assert!(at_once(bus.emit(user(4))).await.is_ok());
    assert_eq!(notes.take(), [1, 4]);
}

#[convoke::test]
async fn the_bus_that_is_asked_for_is_the_bus_that_calls() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let heard = notes.clone();
    let recursive = move |user: &UserRegistered, bus: EventBus| {
        heard.add((user.id, bus.subscriptions().len()));
        if user.id > 0 {
            bus.publish(UserRegistered { id: user.id - 1 }).unwrap();
        }
    };
    let _guard = bus.on(recursive).unwrap();
    bus.publish(user(2)).unwrap();
    at_once(bus.drain()).await;
    assert_eq!(notes.take(), [(2, 1), (1, 1), (0, 1)]);
}

// Structs.

struct Audit {
    notes: Notes<String>,
}

impl Listener<UserRegistered> for Audit {
    async fn hear(&self, user: Heard<UserRegistered>) -> Handled {
        sleep(ms(user.id)).await;
        let kept: Arc<UserRegistered> = user.event().clone();
        self.notes.add(format!("{} {}", kept.id, user.metadata().event));
        if user.id == 9 { Err(Failure::new("nine")) } else { Ok(()) }
    }
}

impl Listener<JsonEvent> for Audit {
    async fn hear(&self, event: Heard<JsonEvent>) -> Handled {
        self.notes.add(format!("json {}", event.topic()));
        Ok(())
    }
}

#[convoke::test]
async fn a_struct_listens_to_every_event_it_implements() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let typed = bus.on::<UserRegistered, _>(Audit { notes: notes.clone() }).unwrap();
    let json = bus.on_topic("**", Audit { notes: notes.clone() }).unwrap();
    assert_eq!((typed.listener(), json.listener()), ("Audit", "Audit"));
    assert!(after(ms(5), bus.emit(user(5))).await.is_ok());
    let mut heard = notes.take();
    heard.sort();
    assert_eq!(heard, ["5 UserRegistered", "json users/registered"]);
    drop(json);
    assert_eq!(failures(&bus.emit(user(9)).await), ["Audit failed: nine"]);
    bus.publish(user(3)).unwrap();
    bus.publish(user(1)).unwrap();
    after(ms(4), bus.drain()).await;
    assert_eq!(notes.take(), ["9 UserRegistered", "3 UserRegistered", "1 UserRegistered"]);
    let optional = Listen::<UserRegistered, _>::named(Audit { notes: notes.clone() }, "audit").once().priority(3);
    assert_eq!(bus.on(optional).unwrap().listener(), "audit");
}

#[convoke::test]
async fn a_heard_event_can_be_made_by_hand_for_a_test_of_its_listener() {
    let notes = Notes::new();
    let audit = Audit { notes: notes.clone() };
    audit.hear(Heard::by_hand(user(1))).await.unwrap();
    assert_eq!(notes.take(), ["1 UserRegistered"]);
    let heard = Heard::by_hand(user(3));
    assert_eq!((heard.clone().id, format!("{heard:?}")), (3, "Heard(UserRegistered { id: 3 })".to_owned()));
}

// Names.

/// Registers a closure in a generic function.
fn generic<T: Default + 'static>(bus: &EventBus) -> Subscription {
    bus.on(|_: &UserRegistered| drop(T::default())).unwrap()
}

impl Audit {
    fn method(_: &UserRegistered) {}

    fn closure(bus: &EventBus) -> Subscription {
        bus.on(|_: &UserRegistered| ()).unwrap()
    }
}

fn generic_function<T: Default>(_: &UserRegistered) {
    drop(T::default());
}

#[convoke::test]
async fn a_listener_is_named_by_its_function_its_type_the_place_of_a_closure_or_as_told() {
    let bus = EventBus::default();
    let line = line!() + 1;
    let closure = bus.on(|_: &UserRegistered| ()).unwrap();
    let place = |line: u32| format!("tests/listeners.rs:{line}");
    assert_eq!(closure.listener(), place(line));
    let later = bus.on(async |_: Arc<UserRegistered>| ()).unwrap();
    assert_eq!(later.listener(), place(line + 3));
    let topic = bus.on_topic("**", |_: &JsonEvent| ()).unwrap();
    assert_eq!(topic.listener(), place(line + 5));
    let answer = bus.answer(|_: &UserRegistered| Answer(1)).unwrap();
    assert_eq!(answer.listener(), place(line + 7));
    let options = bus.on((|_: &UserRegistered| ()).priority(1)).unwrap();
    assert_eq!(options.listener(), place(line + 9));
    assert!(generic::<String>(&bus).listener().starts_with("tests/listeners.rs:"), "a place says which closure it is");
    assert!(Audit::closure(&bus).listener().starts_with("tests/listeners.rs:"));
    assert_eq!(bus.on(Audit::method).unwrap().listener(), "method");
    assert_eq!(bus.on(generic_function::<Vec<String>>).unwrap().listener(), "generic_function");
    assert_eq!(bus.on((|_: &UserRegistered| ()).named("told")).unwrap().listener(), "told");
    assert_eq!(bus.on(by_arc_free.named(String::from("told"))).unwrap().listener(), "told");
    let addr = Clerk::start_with(&bus, |_, _| Box::pin(fut::ready(Ok(()))));
    let recipient = bus.on(addr.clone().recipient::<Heard<UserRegistered>>()).unwrap();
    assert_ne!(recipient.listener(), "Recipient", "which of all?");
    addr.do_send(Stop);
    settled().await;
}

fn by_arc_free(_: Arc<UserRegistered>) {}

// Actors, from within.

type Answering = ResponseActFuture<Clerk, Handled>;

type Handle = dyn FnMut(Heard<UserRegistered>, &mut Context<Clerk>) -> Answering;

/// An actor that does what it was made with.
struct Clerk {
    bus: EventBus,
    handle: Box<Handle>,
    subscription: Option<Subscription>,
}

impl Clerk {
    fn start_with(
        bus: &EventBus,
        handle: impl FnMut(Heard<UserRegistered>, &mut Context<Self>) -> Answering + 'static,
    ) -> Addr<Self> {
        Self { bus: bus.clone(), handle: Box::new(handle), subscription: None }.start()
    }

    /// One that listens from within, and writes down when it begins and, with 100 added, when it has ended.
    async fn listening(bus: &EventBus, notes: &Notes<u64>, takes: std::time::Duration) -> Addr<Self> {
        let notes = notes.clone();
        let clerk = Self::start_with(bus, move |user, _| {
            let notes = notes.clone();
            notes.add(user.id);
            Box::pin(fut::wrap_future(async move {
                sleep(takes).await;
                notes.add(100 + user.id);
                Ok(())
            }))
        });
        clerk.send(Subscribe).await.unwrap();
        clerk
    }
}

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Heard<UserRegistered>> for Clerk {
    type Result = Answering;

    fn handle(&mut self, user: Heard<UserRegistered>, ctx: &mut Context<Self>) -> Answering {
        (self.handle)(user, ctx)
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Subscribe;

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

#[derive(Message)]
#[rtype(result = "()")]
struct Unsubscribe;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Subscribe> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Subscribe, ctx: &mut Context<Self>) {
        self.subscription = Some(self.bus.subscribe::<UserRegistered, Self>(ctx).unwrap());
    }
}

impl Handler<Stop> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<Unsubscribe> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Unsubscribe, _: &mut Context<Self>) {
        self.subscription = None;
    }
}

impl Handler<Panic> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("as told");
    }
}

/// An actor whose handler answers at once, and that also hears topics.
struct Quick {
    bus: EventBus,
    notes: Notes<String>,
    subscriptions: Vec<Subscription>,
}

impl Actor for Quick {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.subscriptions.push(self.bus.subscribe::<UserRegistered, Self>(ctx).unwrap());
        self.subscriptions.push(self.bus.subscribe_topic::<Self>(["orders/*", "orders/**"], ctx).unwrap());
    }
}

impl Handler<Heard<UserRegistered>> for Quick {
    type Result = Handled;

    fn handle(&mut self, user: Heard<UserRegistered>, _: &mut Context<Self>) -> Handled {
        self.notes.add(format!("user {}", user.id));
        if user.id == 9 { Err(Failure::new("nine")) } else { Ok(()) }
    }
}

impl Handler<Heard<JsonEvent>> for Quick {
    type Result = Handled;

    fn handle(&mut self, event: Heard<JsonEvent>, _: &mut Context<Self>) -> Handled {
        self.notes.add(format!("{} {}", event.topic(), event.payload()));
        Ok(())
    }
}

impl Handler<Stop> for Quick {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

#[convoke::test]
async fn an_actor_hears_events_and_topics_in_its_own_context() {
    for bus in buses() {
        in_its_own_context(bus).await;
    }
}

async fn in_its_own_context(bus: EventBus) {
    let notes = Notes::new();
    bus.publish_retained("orders/kept", json!(0)).unwrap();
    let quick = Quick { bus: bus.clone(), notes: notes.clone(), subscriptions: Vec::new() }.start();
    settled().await;
    assert_eq!(notes.take(), ["orders/kept 0"]);
    let infos = bus.subscriptions();
    assert_eq!(
        infos.iter().map(|info| (&*info.listener, info.hears.as_str())).collect::<Vec<_>>(),
        [("Quick", "UserRegistered"), ("Quick", "orders/*, orders/**")]
    );
    let report = at_once(bus.emit(user(1))).await;
    assert!(report.is_ok() && report.len() == 1, "{report}");
    assert_eq!(failures(&at_once(bus.emit(user(9))).await), ["Quick failed: nine"]);
    (2..=4).for_each(|id| bus.publish(user(id)).unwrap());
    bus.publish_json("orders/placed", json!(7)).unwrap();
    bus.publish_json("users/registered", json!({ "id": 5 })).unwrap();
    bus.publish_json("users/registered", json!("nobody")).unwrap();
    at_once(bus.drain()).await;
    let mut heard = notes.take();
    heard.sort();
    assert_eq!(heard, ["orders/placed 7", "user 1", "user 2", "user 3", "user 4", "user 5", "user 9"]);
    assert_eq!(bus.dead_letters().take_all().len(), 2, "nine, and the bad payload");
    quick.send(Stop).await.unwrap();
    settled().await;
    assert!(bus.subscriptions().is_empty());
}

#[convoke::test]
async fn an_actor_takes_its_events_one_at_a_time_and_drain_waits_for_it() {
    for bus in buses() {
        one_at_a_time(bus).await;
    }
}

async fn one_at_a_time(bus: EventBus) {
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;
    at_once(bus.drain()).await;
    (1..=3).for_each(|id| bus.publish(user(id)).unwrap());
    after(ms(30), bus.drain()).await;
    assert_eq!(notes.take(), [1, 101, 2, 102, 3, 103]);
    // What is emitted waits for its turn as well: an actor does one thing at a time.
    bus.publish(user(4)).unwrap();
    settled().await;
    assert!(after(ms(20), bus.emit(user(5))).await.is_ok());
    assert_eq!(notes.take(), [4, 104, 5, 105]);
    clerk.send(Stop).await.unwrap();
    settled().await;
}

#[convoke::test(allow_failures)]
async fn a_handler_that_hangs_is_ended_by_the_timeout_of_the_bus() {
    let bus = EventBus::builder().listener_timeout(ms(50)).build();
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, SECOND).await;
    let report = after(ms(50), bus.emit(user(1))).await;
    assert_eq!(failures(&report), ["Clerk was not done after 50ms"]);
    bus.publish(user(2)).unwrap();
    after(ms(50), bus.drain()).await;
    sleep(2 * SECOND).await;
    assert_eq!(notes.take(), [1, 2], "it is dropped where it waits");
    clerk.send(Stop).await.unwrap();
    settled().await;
}

#[convoke::test]
async fn the_time_of_an_actor_is_counted_from_when_it_is_handed_the_event() {
    let bus = EventBus::builder().listener_timeout(ms(40)).build();
    let times = |report: &Report| report.iter().map(|result| result.took).collect::<Vec<_>>();
    let notes = Notes::new();
    let quick = Quick { bus: bus.clone(), notes: Notes::new(), subscriptions: Vec::new() }.start();
    settled().await;
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;

    let report = after(ms(10), bus.emit(user(1)).timed()).await;
    assert_eq!(times(&report), [Some(ms(0)), Some(ms(10))]);
    // That it waits until the actor has time for it is not the actor's time.
    bus.publish(user(2)).unwrap();
    settled().await;
    let untimed = actix_rt::spawn(bus.emit(user(3)));
    settled().await;
    assert_eq!(times(&after(ms(30), bus.emit(user(4)).timed()).await), [Some(ms(0)), Some(ms(10))]);
    assert_eq!(times(&at_once(untimed).await.unwrap()), [None, None]);
    clerk.send(Stop).await.unwrap();

    // So long it was at it before its time was over, or it was gone itself.
    let slow = Clerk::listening(&bus, &notes, SECOND).await;
    assert_eq!(times(&after(ms(40), bus.emit(user(5)).timed()).await), [Some(ms(0)), Some(ms(40))]);
    let at_it = actix_rt::spawn(bus.emit(user(6)).timed());
    settled().await;
    let waits = actix_rt::spawn(bus.emit(user(7)).timed());
    sleep(ms(3)).await;
    slow.send(Stop).await.unwrap();
    let report = at_once(at_it).await.unwrap();
    assert_eq!((failures(&report).len(), times(&report)), (1, vec![Some(ms(0)), Some(ms(3))]));
    let report = at_once(waits).await.unwrap();
    assert_eq!((failures(&report).len(), times(&report)), (1, vec![Some(ms(0)), None]));
    quick.send(Stop).await.unwrap();
    settled().await;
}

/// A bus, and one with a middleware that lets everything through.
fn buses() -> [EventBus; 2] {
    [EventBus::default(), EventBus::builder().with(async |call: Call, next: Next| next.run(call).await).build()]
}

#[convoke::test]
async fn an_actor_that_stops_gives_up_what_it_is_at_and_what_waits_for_it() {
    for (end, bus) in [0, 1].into_iter().flat_map(|end| buses().map(|bus| (end, bus))) {
        let notes = Notes::new();
        let clerk = Clerk::listening(&bus, &notes, SECOND).await;
        bus.publish(user(1)).unwrap();
        settled().await;
        bus.publish(user(2)).unwrap();
        let emission = actix_rt::spawn(bus.emit(user(3)));
        settled().await;
        match end {
            0 => clerk.send(Stop).await.unwrap(),
            _ => drop(clerk.send(Panic).await.unwrap_err()),
        }
        let report = at_once(emission).await.unwrap();
        assert_eq!(failures(&report), ["Clerk was gone before it was done"]);
        settled().await;
        assert!(bus.subscriptions().is_empty(), "its registration ends with it");
        let letters: Vec<_> = bus.dead_letters().list();
        let mut ids: Vec<_> = letters.iter().map(|letter| letter.downcast::<UserRegistered>().unwrap().id).collect();
        ids.sort();
        assert_eq!(ids, [1, 2, 3], "{letters:?}");
        assert!(letters.iter().any(|letter| letter.reason == Reason::Failed(ListenerError::Gone)));
        assert!(at_once(bus.emit(user(4))).await.is_empty());
        at_once(bus.drain()).await;
    }
}

#[convoke::test]
async fn an_actor_that_panics_over_an_event_leaves_a_dead_letter_and_the_others_well() {
    for (publish, bus) in [false, true].into_iter().flat_map(|publish| buses().map(|bus| (publish, bus))) {
        let clerk = Clerk::start_with(&bus, |_, _| panic!("oh"));
        clerk.send(Subscribe).await.unwrap();
        let notes = Notes::new();
        let heard = notes.clone();
        let _other = bus.on(move |user: &UserRegistered| heard.add(user.id)).unwrap();
        match publish {
            false => assert_eq!(failures(&at_once(bus.emit(user(1))).await), ["Clerk was gone before it was done"]),
            true => bus.publish(user(1)).unwrap(),
        }
        at_once(bus.drain()).await;
        let letters: Vec<_> = bus.dead_letters().list().iter().map(|letter| letter.to_string()).collect();
        assert_eq!(letters, ["dead letter 1: UserRegistered: `Clerk` was gone before it was done"]);
        assert_eq!(bus.subscriptions().len(), 1);
        assert!(at_once(bus.emit(user(2))).await.is_ok());
        assert_eq!(notes.take(), [1, 2]);
    }
}

#[convoke::test]
async fn an_actor_may_give_up_its_registration_and_live_on() {
    for bus in buses() {
        give_up(bus).await;
    }
}

async fn give_up(bus: EventBus) {
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;
    (1..=3).for_each(|id| bus.publish(user(id)).unwrap());
    settled().await;
    clerk.send(Unsubscribe).await.unwrap();
    settled().await;
    assert_eq!(bus.dead_letters().take_all().len(), 2);
    assert!(bus.subscriptions().is_empty());
    sleep(ms(10)).await;
    settled().await;
    assert_eq!(notes.take(), [1, 101], "what it is at goes on");
    clerk.send(Subscribe).await.unwrap();
    assert!(after(ms(10), bus.emit(user(4))).await.is_ok());
    clerk.send(Unsubscribe).await.unwrap();
    // Nobody knows it any more, and it listens to nothing.
    drop(clerk);
    settled().await;
    notes.take();
}

#[convoke::test]
async fn the_queue_of_an_actor_is_bounded_but_what_is_emitted_is_not_dropped_for_it() {
    let bus = EventBus::builder().capacity(2).build();
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;
    bus.publish(user(1)).unwrap();
    settled().await;
    let emission = actix_rt::spawn(bus.emit(user(2)));
    settled().await;
    (3..=6).for_each(|id| bus.publish(user(id)).unwrap());
    assert!(after(ms(20), emission).await.unwrap().is_ok());
    bus.drain().await;
    let begun: Vec<_> = notes.take().into_iter().filter(|id| *id < 100).collect();
    assert!(begun.starts_with(&[1, 2]) && begun.ends_with(&[6]), "{begun:?}");
    let letters = bus.dead_letters().take_all();
    assert_eq!(letters.len() + begun.len(), 6);
    assert!(letters.iter().all(|letter| letter.reason == Reason::Overflow(Overflow::DropOldest)), "{letters:?}");
    clerk.send(Stop).await.unwrap();
    settled().await;
}

#[convoke::test(allow_failures)]
async fn what_an_actor_is_told_comes_in_its_order_whether_somebody_awaits_it_or_not() {
    let bus = EventBus::builder().capacity(4).build();
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;
    let ids = |letters: Vec<Arc<DeadLetter>>| -> Vec<u64> {
        letters.iter().map(|letter| letter.downcast::<UserRegistered>().unwrap().id).collect()
    };
    let mut emissions = Vec::new();
    for id in 1..=9 {
        match id {
            2 | 4 | 8 => emissions.push(actix_rt::spawn(bus.emit(user(id)))),
            _ => bus.publish(user(id)).unwrap(),
        }
        settled().await;
    }
    assert_eq!(bus.subscriptions()[0].waiting, 5, "what is emitted goes beyond the bound");
    assert_eq!(ids(bus.dead_letters().take_all()), [3, 5, 6]);
    after(ms(60), bus.drain()).await;
    assert_eq!(notes.take(), [1, 101, 2, 102, 4, 104, 7, 107, 8, 108, 9, 109]);
    for emission in emissions {
        assert!(at_once(emission).await.unwrap().is_ok());
    }

    // What waits is given up in that order as well.
    bus.publish(user(1)).unwrap();
    settled().await;
    bus.publish(user(2)).unwrap();
    let waits = actix_rt::spawn(bus.emit(user(3)));
    settled().await;
    bus.publish(user(4)).unwrap();
    clerk.send(Unsubscribe).await.unwrap();
    assert_eq!(failures(&at_once(waits).await.unwrap()), ["Clerk was gone before it was done"]);
    assert_eq!(ids(bus.dead_letters().take_all()), [2, 3, 4]);
    clerk.send(Stop).await.unwrap();
    settled().await;
}

// Actors, by their recipient.

#[convoke::test]
async fn an_actor_that_cannot_be_changed_is_registered_by_its_recipient() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let heard = notes.clone();
    let clerk = Clerk::start_with(&bus, move |user, _| {
        let heard = heard.clone();
        Box::pin(fut::wrap_future(async move {
            sleep(ms(10)).await;
            heard.add(user.id);
            if user.id == 9 { Err(Failure::new("nine")) } else { Ok(()) }
        }))
    });
    let guard = bus.on(clerk.clone().recipient::<Heard<UserRegistered>>().named("clerk")).unwrap();
    assert!(after(ms(10), bus.emit(user(1))).await.is_ok());
    assert_eq!(failures(&bus.emit(user(9)).await), ["clerk failed: nine"]);
    bus.publish(user(2)).unwrap();
    bus.publish_json("users/registered", json!({ "id": 3 })).unwrap();
    after(ms(20), bus.drain()).await;
    assert_eq!(notes.take(), [1, 9, 2, 3]);

    let emission = actix_rt::spawn(bus.emit(user(4)));
    settled().await;
    clerk.do_send(Stop);
    assert_eq!(failures(&at_once(emission).await.unwrap()), ["clerk was gone before it was done"]);
    // It is dead, and its guard still stands: each event says so.
    assert_eq!(failures(&at_once(bus.emit(user(5))).await), ["clerk was gone before it was done"]);
    bus.publish(user(6)).unwrap();
    at_once(bus.drain()).await;
    let letters = bus.dead_letters().take_all();
    let ids: Vec<_> = letters.iter().map(|letter| letter.downcast::<UserRegistered>().unwrap().id).collect();
    assert_eq!(ids, [9, 4, 5, 6]);
    drop(guard);
    assert!(at_once(bus.emit(user(7))).await.is_empty());
}

#[convoke::test]
async fn the_handler_of_a_recipient_that_panics_is_gone() {
    let bus = EventBus::default();
    let clerk = Clerk::start_with(&bus, |_, _| panic!("oh"));
    let _guard = bus.on(clerk.recipient::<Heard<UserRegistered>>().named("clerk")).unwrap();
    assert_eq!(failures(&at_once(bus.emit(user(1))).await), ["clerk was gone before it was done"]);
    assert_eq!(bus.dead_letters().len(), 1);
}
