//! What is known of an emission, and where it came from: metadata, the ids of a chain of events, and its end where it
//! would have none.

use std::sync::Arc;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Reason, TooDeep, TraceContext, Uuid, testing};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "causes/first", name = "FirstHeard", entity_id = 0, version = 3)]
struct First(u64);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "causes/second")]
struct Second(u64);

/// Keeps the metadata of every event of that type.
fn seen<E: Event>(bus: &EventBus) -> (Notes<Metadata>, Subscription) {
    let notes = Notes::new();
    let seen = notes.clone();
    (notes, bus.on(move |_: &E, metadata: Metadata| seen.add(metadata)).unwrap())
}

fn only(notes: &Notes<Metadata>) -> Metadata {
    let [metadata] = notes.take().try_into().unwrap();
    metadata
}

// What is known of an emission.

#[convoke::test]
async fn metadata_says_what_the_event_is_and_by_whom_and_when_it_was_emitted() {
    let bus = EventBus::builder().publisher("OrderService").build();
    let (notes, _guard) = seen::<First>(&bus);
    let started = Metadata::new("now").time;
    sleep(ms(5)).await;
    at_once(bus.emit(First(7))).await.ok().unwrap();
    let metadata = only(&notes);
    assert_eq!((metadata.event.as_str(), metadata.topic.as_str()), ("FirstHeard", "causes/first"));
    assert_eq!((metadata.entity.as_str(), metadata.version), ("First", 3));
    assert_eq!(metadata.entity_id.as_deref(), Some("7"));
    assert_eq!((&*metadata.publisher, metadata.contains_personal_data), ("OrderService", false));
    assert_eq!(metadata.time, started + ms(5));
    assert_eq!((metadata.correlation, metadata.causation), (metadata.id, None), "it is the first of its chain");
    assert!(metadata.authorization.is_empty());
    assert_eq!(metadata.id.get_version_num(), 7);
}

#[convoke::test]
async fn all_who_hear_one_emission_see_the_same_metadata() {
    let bus = EventBus::default();
    let (notes, _guard) = seen::<First>(&bus);
    let [struct_like, json] = [1, 2].map(|_| notes.clone());
    let _json = bus.on_topic("causes/*", move |_: &JsonEvent, metadata: Metadata| json.add(metadata)).unwrap();
    struct Struct(Notes<Metadata>);
    impl Listener<First> for Struct {
        async fn hear(&self, event: Heard<First>) -> Handled {
            sleep(ms(10)).await;
            self.0.add(event.metadata().clone());
            Ok(())
        }
    }
    let _struct = bus.on(Struct(struct_like)).unwrap();
    let mut last = None;
    for publish in [false, true] {
        match publish {
            true => bus.publish(First(1)).unwrap(),
            false => bus.emit(First(1)).await.ok().unwrap(),
        }
        bus.drain().await;
        let seen = notes.take();
        assert!(seen.len() == 3 && seen.iter().all(|metadata| *metadata == seen[0]), "{seen:#?}");
        assert_ne!(last.replace(seen[0].id), Some(seen[0].id));
    }
}

#[convoke::test]
async fn the_time_is_that_of_the_emission_however_long_the_event_waited() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let seen = notes.clone();
    let slow = async move |_: Arc<First>, metadata: Metadata| {
        sleep(ms(100)).await;
        seen.add(metadata.time);
    };
    let _slow = bus.on(slow).unwrap();
    let started = Metadata::new("now").time;
    bus.publish(First(1)).unwrap();
    bus.publish(First(2)).unwrap();
    sleep(ms(10)).await;
    bus.publish(First(3)).unwrap();
    bus.drain().await;
    assert_eq!(notes.take(), [started, started, started + ms(10)]);
}

#[convoke::test]
async fn what_is_emitted_as_json_has_its_topic_as_name() {
    let bus = EventBus::default();
    let (notes, _typed) = seen::<First>(&bus);
    let json = notes.clone();
    let _json = bus.on_topic("causes/*", move |_: &JsonEvent, metadata: Metadata| json.add(metadata)).unwrap();
    at_once(bus.emit_json("causes/first", json!(7)).unwrap()).await.ok().unwrap();
    let [typed, json] = notes.take().try_into().unwrap();
    assert_eq!(typed, json, "it is one emission");
    assert_eq!((json.event.as_str(), json.topic.as_str(), json.version), ("causes/first", "causes/first", 1));
}

#[convoke::test]
async fn an_event_of_few_numbers_is_not_taken_for_the_one_before() {
    let bus = EventBus::default();
    let (notes, _seen) = seen::<Second>(&bus);
    // Nobody sees the metadata of the first, until it has caused the second.
    let later = async |first: Arc<First>, bus: EventBus| {
        sleep(ms(1)).await;
        bus.emit(Second(first.0)).await.ok()
    };
    let _later = bus.on(later).unwrap();
    for number in 0..3 {
        bus.emit(First(number)).await.ok().unwrap();
    }
    let causes: Vec<_> = notes.take().iter().map(|metadata| metadata.causation.unwrap()).collect();
    assert!(causes[0] != causes[1] && causes[1] != causes[2] && causes[0] != causes[2], "{causes:?}");

    let _fails = bus.on(async |_: Arc<First>| {
        sleep(ms(1)).await;
        Err::<(), _>("no")
    });
    let mut ids = Vec::new();
    for number in 0..3 {
        bus.emit(First(number)).await.ok().unwrap_err();
        let [letter] = bus.dead_letters().take_all().try_into().unwrap();
        assert_eq!(letter.metadata.entity_id.as_deref(), Some(number.to_string().as_str()));
        ids.push(letter.metadata.id);
    }
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

/// The first id that a seeded run draws after three emissions to whoever is registered like this.
fn id_after(emit: impl AsyncFn(&EventBus, u64), register: impl Fn(&EventBus) -> Vec<Subscription>) -> Uuid {
    testing::run_seeds("an id after", 1, async || {
        let bus = EventBus::default();
        let _guards = register(&bus);
        for number in 0..3 {
            at_once(emit(&bus, number)).await;
        }
        Metadata::new("probe").id
    })
}

#[test]
fn metadata_that_nobody_can_see_is_not_made() {
    let not_at_all = async |_: &EventBus, _| ();
    let typed = async |bus: &EventBus, number| bus.emit(First(number)).await.ok().unwrap();
    let json = async |bus: &EventBus, number| {
        bus.emit_json("causes/first", json!(number)).unwrap().await.ok().unwrap();
    };
    let deaf = |bus: &EventBus| vec![bus.on(|_: &First| ()).unwrap()];
    let deaf_to_json = |bus: &EventBus| vec![bus.on_topic("causes/*", |_: &JsonEvent| ()).unwrap()];
    let others = |bus: &EventBus| vec![bus.on(|_: &Second, _: Metadata| ()).unwrap()];
    let sees = |bus: &EventBus| vec![bus.on(|_: &First, _: Metadata| ()).unwrap()];
    let nothing = id_after(not_at_all, deaf);
    assert_eq!(nothing, id_after(typed, deaf), "an id was drawn that nobody has seen");
    assert_eq!(nothing, id_after(typed, others), "an id was drawn for an event that nobody hears");
    assert_eq!(nothing, id_after(json, deaf_to_json), "an id was drawn for JSON that nobody has seen");
    assert_eq!(nothing, id_after(typed, deaf_to_json), "an id was drawn for its form as JSON");
    assert_eq!(nothing, id_after(json, deaf), "an id was drawn for its form as a type");
    assert_ne!(nothing, id_after(typed, sees), "or else this test sees nothing");
}

// What caused it.

#[convoke::test]
async fn what_a_listener_emits_was_caused_by_what_it_hears() {
    let bus = EventBus::default();
    let (firsts, _first) = seen::<First>(&bus);
    let (seconds, _second) = seen::<Second>(&bus);
    let given = async |first: Arc<First>, bus: EventBus| {
        bus.emit(Second(first.0)).await.ok()?;
        sleep(ms(1)).await;
        bus.publish(Second(first.0 + 1))?;
        sleep(ms(1)).await;
        bus.emit_json("causes/second", json!(first.0 + 2))?.await.ok()?;
        bus.publish_wait(Second(first.0 + 3)).await?;
        Handled::Ok(())
    };
    let captured = bus.clone();
    let guards = [bus.on(given).unwrap(), bus.on(move |first: &First| captured.publish(Second(first.0 + 4))).unwrap()];
    for publish in [false, true] {
        match publish {
            true => bus.publish(First(1)).unwrap(),
            false => bus.emit(First(1)).await.ok().unwrap(),
        }
        bus.drain().await;
        let (cause, caused) = (only(&firsts), seconds.take());
        assert_eq!(caused.len(), 5);
        for metadata in &caused {
            assert_eq!(metadata.causation, Some(cause.id));
            assert_eq!(metadata.correlation, cause.id);
            assert_eq!(metadata.trace.trace_id(), cause.trace.trace_id());
            assert_ne!(metadata.trace.parent_id(), cause.trace.parent_id());
        }
    }
    // What was captured holds the bus.
    drop(guards);
    at_once(bus.emit(Second(1))).await.ok().unwrap();
    assert_eq!(only(&seconds).causation, None, "outside of a listener nothing causes it");
}

#[convoke::test]
async fn two_listeners_that_take_their_time_are_not_mistaken_for_each_other() {
    let bus = EventBus::default();
    let (firsts, _first) = seen::<First>(&bus);
    let (seconds, _second) = seen::<Second>(&bus);
    let chatty = async |first: Arc<First>, bus: EventBus| {
        for _ in 0..3 {
            sleep(ms(1)).await;
            bus.publish(Second(first.0)).unwrap();
        }
    };
    let _chatty = bus.on(chatty.concurrency(2)).unwrap();
    bus.publish(First(1)).unwrap();
    bus.publish(First(2)).unwrap();
    bus.drain().await;
    let causes: Vec<_> = firsts.take().iter().map(|metadata| metadata.id).collect();
    let mut caused: Vec<_> = seconds.take().iter().map(|metadata| metadata.causation.unwrap()).collect();
    caused.sort();
    assert_eq!(caused, [[causes[0]; 3], [causes[1]; 3]].concat());
}

#[convoke::test(allow_failures)]
async fn a_panic_of_a_listener_is_not_the_cause_of_what_comes_after() {
    let bus = EventBus::default();
    let (seconds, _second) = seen::<Second>(&bus);
    let _sync = bus.on(|_: &First| -> () { panic!("oh") }).unwrap();
    let _later = bus.on(async |_: Arc<First>| -> () {
        sleep(ms(1)).await;
        panic!("oh")
    });
    assert!(!bus.emit(First(1)).await.is_ok());
    bus.publish(First(1)).unwrap();
    bus.drain().await;
    bus.emit(Second(1)).await.ok().unwrap();
    assert_eq!(only(&seconds).causation, None);
}

#[convoke::test]
async fn a_chain_keeps_its_correlation_and_its_trace_through_those_who_see_nothing() {
    let bus = EventBus::default();
    let (seconds, _second) = seen::<Second>(&bus);
    let _blind = bus.on(async |first: Arc<First>, bus: EventBus| bus.emit(Second(first.0)).await.ok()).unwrap();
    let (correlation, trace) = (Uuid::from_u128(7), TraceContext::root());
    let given = bus.with_correlation(correlation).with_trace(trace.clone());
    at_once(given.emit(First(1))).await.ok().unwrap();
    given.publish(First(2)).unwrap();
    given.publish_json("causes/first", json!(3)).unwrap();
    bus.drain().await;
    let seen = seconds.take();
    assert_eq!(seen.len(), 3);
    for metadata in seen {
        assert_eq!((metadata.correlation, metadata.trace.trace_id()), (correlation, trace.trace_id()));
        assert!(metadata.causation.is_some());
    }
}

#[convoke::test]
async fn what_is_said_by_hand_is_for_the_events_of_that_handle() {
    let bus = EventBus::default();
    let (notes, _guard) = seen::<First>(&bus);
    let (trace, cause, correlation) = (TraceContext::root(), Uuid::from_u128(1), Uuid::from_u128(2));
    let told = bus.with_trace(trace.clone()).with_causation(cause).with_correlation(correlation);
    at_once(told.with_authorization("Bearer x").emit(First(1))).await.ok().unwrap();
    let metadata = only(&notes);
    assert_eq!((metadata.causation, metadata.correlation), (Some(cause), correlation));
    assert_eq!(metadata.trace.trace_id(), trace.trace_id());
    assert_ne!(metadata.trace.parent_id(), trace.parent_id(), "it is a child of what was given");
    assert_eq!(metadata.authorization.expose(), "Bearer x");
    at_once(told.emit(First(2))).await.ok().unwrap();
    assert!(only(&notes).authorization.is_empty());
    at_once(bus.emit(First(3))).await.ok().unwrap();
    assert_eq!(only(&notes).causation, None);
    assert_eq!(told.subscriptions(), bus.subscriptions(), "it is the same bus");
}

/// An actor that answers every first with a second, as it was told.
struct Chatty {
    bus: EventBus,
    how: How,
    guard: Option<Subscription>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    AtOnce,
    Future,
    ActFuture,
}

impl Actor for Chatty {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.guard = Some(self.bus.subscribe::<First, Self>(ctx).unwrap());
    }
}

/// Has an actor stop: one that listens lives on without anybody who knows it.
#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Chatty {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<Heard<First>> for Chatty {
    type Result = ResponseActFuture<Self, Handled>;

    fn handle(&mut self, first: Heard<First>, _: &mut Context<Self>) -> Self::Result {
        let (bus, how) = (self.bus.clone(), self.how);
        if how == How::AtOnce {
            bus.publish(Second(first.0)).unwrap();
        }
        let later = async move {
            if how != How::AtOnce {
                sleep(ms(1)).await;
                bus.emit(Second(first.0)).await.ok()?;
            }
            Ok(())
        };
        Box::pin(later.into_actor(self).map(|handled, _, _| handled))
    }
}

#[convoke::test]
async fn what_an_actor_emits_was_caused_by_what_it_handles() {
    for how in [How::AtOnce, How::Future, How::ActFuture] {
        let bus = EventBus::default();
        let (firsts, _first) = seen::<First>(&bus);
        let (seconds, _second) = seen::<Second>(&bus);
        let actor = Chatty { bus: bus.clone(), how, guard: None }.start();
        settled().await;
        bus.emit(First(1)).await.ok().unwrap();
        bus.drain().await;
        assert_eq!(only(&seconds).causation, Some(only(&firsts).id), "{how:?}");
        actor.send(Stop).await.unwrap();
        settled().await;
    }
}

// And where it would never end.

#[convoke::test]
async fn an_endless_cycle_of_emissions_is_stopped_and_shows_its_chain() {
    let bus = EventBus::builder().max_depth(5).build();
    let (depth, reports) = (Notes::new(), Notes::new());
    let (notes, told) = (depth.clone(), reports.clone());
    let ping = async move |first: Arc<First>, bus: EventBus| {
        notes.add(first.0);
        let report = bus.emit(Second(first.0 + 1)).await;
        told.add(report.to_string());
        report.ok()
    };
    let notes = depth.clone();
    let pong = async move |second: Arc<Second>, bus: EventBus| {
        notes.add(second.0);
        bus.emit(First(second.0 + 1)).await.ok()
    };
    let _ping = bus.on(ping.named("ping")).unwrap();
    let _pong = bus.on(pong.named("pong")).unwrap();
    let report = at_once(bus.emit(First(0))).await;
    assert_eq!(depth.take(), [0, 1, 2, 3, 4], "five deep, and no deeper");
    assert_eq!(report.len(), 1, "it was called; what it called is its own affair");
    let innermost = &reports.take()[0];
    let text = "Second: events have caused each other 5 deep, the most there may be: FirstHeard → Second → FirstHeard \
                → Second → FirstHeard → Second; break the cycle, or raise `max_depth`";
    assert_eq!(innermost, text);
    let error = report.failed().next().unwrap().1.to_string();
    assert!(error.starts_with("failed: ") && error.ends_with("`max_depth`"), "{error}");
    // The one that was stopped, and each listener that has made an error of it.
    let letters = bus.dead_letters().list();
    let TooDeep { limit, chain } = match &letters[0].reason {
        Reason::TooDeep(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!((*limit, chain.len(), letters[0].listener.as_deref()), (5, 6, None));
    assert_eq!(letters.len(), 6);
}

#[convoke::test(allow_failures)]
async fn the_report_of_what_was_stopped_says_so() {
    let bus = EventBus::builder().max_depth(1).build();
    let reports = Notes::new();
    let told = reports.clone();
    let nested = async move |_: Arc<First>, bus: EventBus| told.add(bus.emit(Second(1)).await);
    let _nested = bus.on(nested).unwrap();
    let (seconds, _seconds) = seen::<Second>(&bus);
    assert!(at_once(bus.emit(First(1))).await.is_ok());
    let [report]: [Report; 1] = reports.take().try_into().unwrap();
    assert!(!report.is_ok() && report.is_empty());
    assert_eq!(report.too_deep().unwrap().chain, ["FirstHeard", "Second"]);
    assert!(report.ok().is_err());
    assert!(seconds.take().is_empty());
    assert_eq!(bus.unheard(), 0);
}

#[convoke::test]
async fn an_endless_cycle_of_publications_is_stopped_as_well() {
    let bus = EventBus::default();
    let (depth, errors) = (Notes::new(), Notes::new());
    let (notes, told) = (depth.clone(), errors.clone());
    let again = move |first: &First, bus: EventBus| {
        notes.add(first.0);
        if let Err(error) = bus.publish(First(first.0 + 1)) {
            told.add(error);
        }
    };
    let _again = bus.on(again).unwrap();
    bus.publish(First(0)).unwrap();
    at_once(bus.drain()).await;
    assert_eq!(depth.take(), (0..64).collect::<Vec<_>>(), "64 unless it is told");
    let [error]: [PublishError; 1] = errors.take().try_into().unwrap();
    let PublishError::TooDeep(too_deep) = &error else { panic!("{error}") };
    assert_eq!((too_deep.limit, too_deep.chain.len()), (64, 8), "its end is enough to see the cycle");
    assert!(
        error.to_string().starts_with("events have caused each other 64 deep, the most there may be: … → FirstHeard")
    );
    let [letter] = bus.dead_letters().take_all().try_into().unwrap();
    assert_eq!(letter.downcast::<First>().unwrap().0, 64);
    assert_eq!(letter.reason, Reason::TooDeep(too_deep.clone()));
}

#[convoke::test]
async fn json_dead_letters_and_waiting_for_room_are_stopped_as_well() {
    for how in 0..3 {
        let bus = EventBus::builder().max_depth(7).build();
        let count = Notes::new();
        let notes = count.clone();
        let again = async move |event: Arc<JsonEvent>, bus: EventBus| {
            notes.add(event.as_u64().unwrap());
            assert!(notes.len() < 1_000, "it goes on for ever");
            let next = event.as_u64().unwrap() + 1;
            match how {
                0 => drop(bus.publish_json("causes/first", json!(next))),
                1 => drop(bus.publish_wait(First(next)).await),
                _ => drop(bus.emit_json("causes/first", json!(next)).unwrap().await),
            }
        };
        let _again = bus.on_topic("causes/*", again).unwrap();
        bus.publish(First(0)).unwrap();
        at_once(bus.drain()).await;
        assert_eq!(count.take(), (0..7).collect::<Vec<_>>(), "{how}");
        assert_eq!(bus.dead_letters().len(), 1);
    }
}

#[convoke::test(allow_failures)]
async fn an_actor_that_emits_its_own_event_for_ever_is_stopped() {
    struct Endless {
        bus: EventBus,
        heard: Notes<u64>,
    }

    impl Actor for Endless {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Context<Self>) {
            self.bus.subscribe::<First, Self>(ctx).unwrap().forever();
        }
    }

    impl Handler<Heard<First>> for Endless {
        type Result = ResponseFuture<Handled>;

        fn handle(&mut self, first: Heard<First>, ctx: &mut Context<Self>) -> Self::Result {
            self.heard.add(first.0);
            if self.heard.len() > 1_000 {
                ctx.stop();
            }
            let bus = self.bus.clone();
            Box::pin(async move {
                sleep(ms(1)).await;
                bus.publish(First(first.0 + 1)).inspect_err(|_| {
                    bus.clear();
                })?;
                Ok(())
            })
        }
    }

    let bus = EventBus::builder().max_depth(9).build();
    let heard = Notes::new();
    Endless { bus: bus.clone(), heard: heard.clone() }.start();
    settled().await;
    bus.publish(First(0)).unwrap();
    bus.drain().await;
    assert_eq!(heard.take(), (0..9).collect::<Vec<_>>());
}
