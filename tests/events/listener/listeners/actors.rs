//! Actors, from within.

use convoke::testing::expect_failure;

use super::*;

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
    (2..=4).for_each(|id| {
        bus.publish(user(id)).unwrap();
    });
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
    (1..=3).for_each(|id| {
        bus.publish(user(id)).unwrap();
    });
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

#[convoke::test]
async fn a_handler_that_hangs_is_ended_by_the_timeout_of_the_bus() {
    expect_failure("Clerk");
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
            true => _ = bus.publish(user(1)).unwrap(),
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
    (1..=3).for_each(|id| {
        bus.publish(user(id)).unwrap();
    });
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
    let bus = EventBus::builder().capacity(2).overflow(Overflow::DropOldest).build();
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;
    bus.publish(user(1)).unwrap();
    settled().await;
    let emission = actix_rt::spawn(bus.emit(user(2)));
    settled().await;
    (3..=6).for_each(|id| {
        bus.publish(user(id)).unwrap();
    });
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

#[convoke::test]
async fn what_an_actor_is_told_comes_in_its_order_whether_somebody_awaits_it_or_not() {
    expect_failure("Clerk");
    let bus = EventBus::builder().capacity(4).overflow(Overflow::DropOldest).build();
    let notes = Notes::new();
    let clerk = Clerk::listening(&bus, &notes, ms(10)).await;
    let ids = |letters: Vec<Arc<DeadLetter>>| -> Vec<u64> {
        letters.iter().map(|letter| letter.downcast::<UserRegistered>().unwrap().id).collect()
    };
    let mut emissions = Vec::new();
    for id in 1..=9 {
        match id {
            2 | 4 | 8 => emissions.push(actix_rt::spawn(bus.emit(user(id)))),
            _ => _ = bus.publish(user(id)).unwrap(),
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
