//! What caused it.

use convoke::testing::expect_failure;

use super::*;

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
    let guards =
        [bus.on(given).unwrap(), bus.on(move |first: &First| captured.publish(Second(first.0 + 4)).map(drop)).unwrap()];
    for publish in [false, true] {
        match publish {
            true => _ = bus.publish(First(1)).unwrap(),
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

#[convoke::test]
async fn a_panic_of_a_listener_is_not_the_cause_of_what_comes_after() {
    expect_failure("FirstHeard");
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
