//! Actors, by messages to their mailbox: how many are there at a time, and when it is looked whether they have answered.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::*;

/// An actor that writes down what it hears, and answers at once.
pub(super) struct Swift {
    pub(super) notes: Notes<u64>,
}

impl Actor for Swift {
    type Context = Context<Self>;
}

impl Handler<Heard<UserRegistered>> for Swift {
    type Result = Handled;

    fn handle(&mut self, user: Heard<UserRegistered>, ctx: &mut Context<Self>) -> Handled {
        self.notes.add(user.id);
        match user.id {
            // Holds up what is behind it in the mailbox.
            7 => ctx.wait(fut::wrap_future(sleep(SECOND))),
            8 => panic!("eight"),
            9 => return Err(Failure::new("nine")),
            _ => {}
        }
        Ok(())
    }
}

impl Handler<Stop> for Swift {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Swift {
    pub(super) fn start_with(notes: &Notes<u64>) -> Addr<Self> {
        Self { notes: notes.clone() }.start()
    }
}

/// One that takes ten milliseconds, and writes down when it begins and, with 100 added, when it has ended.
fn slow(bus: &EventBus, notes: &Notes<u64>) -> Addr<Clerk> {
    let notes = notes.clone();
    Clerk::start_with(bus, move |user, _| {
        let notes = notes.clone();
        notes.add(user.id);
        Box::pin(fut::wrap_future(async move {
            sleep(ms(10)).await;
            notes.add(100 + user.id);
            Ok(())
        }))
    })
}

#[convoke::test]
async fn an_actor_is_registered_by_its_address() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _guard = bus.on(Swift::start_with(&notes)).unwrap();
    assert_eq!(failures(&at_once(bus.emit(user(9))).await), ["Swift failed: nine"]);
    bus.publish(user(2)).unwrap();
    at_once(bus.drain()).await;
    assert_eq!(notes.take(), [9, 2]);
    assert_eq!(bus.dead_letters().take_all().len(), 1);
}

#[convoke::test]
async fn what_an_actor_has_answered_counts_in_order() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _guard = bus.on(Swift::start_with(&notes).recipient::<Heard<UserRegistered>>().named("swift")).unwrap();
    let ids: Vec<u64> = (10..110).chain([9, 9]).collect();
    for id in &ids {
        bus.publish(user(*id)).unwrap();
    }
    at_once(bus.drain()).await;
    assert_eq!(notes.take(), ids);
    let told = &bus.subscriptions()[0];
    assert_eq!((told.done, told.failed, told.waiting), (100, 2, 0));
    assert_eq!(bus.dead_letters().take_all().len(), 2);
}

#[convoke::test]
async fn an_actor_is_sent_one_published_event_at_a_time() {
    for by_address in [false, true] {
        let (bus, notes) = (EventBus::default(), Notes::new());
        let clerk = slow(&bus, &notes);
        let _guard =
            if by_address { bus.on(clerk) } else { bus.on(clerk.recipient::<Heard<UserRegistered>>()) }.unwrap();
        for id in 1..4 {
            bus.publish(user(id)).unwrap();
        }
        settled().await;
        assert_eq!(bus.subscriptions()[0].waiting, 2);
        after(ms(30), bus.drain()).await;
        assert_eq!(notes.take(), [1, 101, 2, 102, 3, 103]);
    }
}

#[convoke::test]
async fn as_many_are_sent_as_its_concurrency_says() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _guard = bus.on(slow(&bus, &notes).concurrency(2)).unwrap();
    for id in 1..4 {
        bus.publish(user(id)).unwrap();
    }
    after(ms(20), bus.drain()).await;
    assert_eq!(notes.take(), [1, 2, 101, 102, 3, 103]);
}

/// A mailbox has room for 16, and one that waits for room in an actix mailbox is not woken by it.
#[convoke::test]
async fn more_may_be_emitted_to_an_actor_than_its_mailbox_has_room_for() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _guard = bus.on(slow(&bus, &notes).recipient::<Heard<UserRegistered>>()).unwrap();
    let emissions: Vec<_> = (0..40).map(|id| actix_rt::spawn(bus.emit(user(id)))).collect();
    after(ms(10), async {
        for emission in emissions {
            assert!(emission.await.unwrap().is_ok());
        }
    })
    .await;
    assert_eq!(notes.len(), 80);
}

#[convoke::test]
async fn what_was_sent_goes_on_when_its_registration_ends() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let guard = bus.on(Swift::start_with(&notes).named("swift")).unwrap();
    let mut emission = pin!(bus.emit(user(9)).into_future());
    let is_pending = poll_fn(|cx| Poll::Ready(emission.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending);
    // It lies in the mailbox, and nobody has looked whether it is answered.
    drop(guard);
    assert_eq!(failures(&at_once(emission).await), ["swift failed: nine"]);
    assert_eq!(notes.take(), [9]);
    assert_eq!(bus.dead_letters().take_all().len(), 1);
}

#[convoke::test]
async fn an_actor_that_does_not_answer_is_given_up_at_its_time() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let clerk = slow(&bus, &notes);
    let _guard = bus.on(clerk.named("clerk").timeout(ms(4))).unwrap();
    let report = after(ms(4), bus.emit(user(1)).timed()).await;
    assert_eq!(failures(&report), ["clerk was not done after 4ms"]);
    assert_eq!(report.iter().next().unwrap().took, Some(ms(4)));
    bus.publish(user(2)).unwrap();
    after(ms(4), bus.drain()).await;
    assert_eq!(bus.dead_letters().take_all().len(), 2);
}

#[convoke::test]
async fn the_time_of_an_actor_that_has_answered_is_measured() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _guard = bus.on(slow(&bus, &notes)).unwrap();
    let report = after(ms(10), bus.emit(user(1)).timed()).await;
    assert_eq!(report.iter().next().unwrap().took, Some(ms(10)));
}

#[convoke::test(seeds = 64)]
async fn an_actor_answers_under_any_order() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _guard = bus.on(Swift::start_with(&notes)).unwrap();
    for id in 10..13 {
        bus.publish(user(id)).unwrap();
    }
    assert!(bus.emit(user(1)).await.is_ok());
    bus.drain().await;
    let heard = notes.take();
    let published: Vec<u64> = heard.iter().copied().filter(|id| *id > 9).collect();
    assert_eq!((heard.len(), published), (4, vec![10, 11, 12]));
}

/// On another arbiter, where no turn of this one tells that the actor had its own.
#[test]
fn an_actor_of_another_arbiter_answers() {
    crate::common::on_a_system(async {
        let bus = EventBus::default();
        let arbiter = Arbiter::new();
        let there = Remote::start_in_arbiter(&arbiter.handle(), |_| Remote);
        let _guard = bus.on(there.named("remote")).unwrap();
        assert!(bus.emit(user(1)).await.is_ok());
        assert_eq!(failures(&bus.emit(user(9)).await), ["remote failed: nine"]);
        for _ in 0..100 {
            bus.publish(user(2)).unwrap();
        }
        bus.drain().await;
        assert_eq!(bus.subscriptions()[0].done, 101);
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

struct Remote;

impl Actor for Remote {
    type Context = Context<Self>;
}

impl Handler<Heard<UserRegistered>> for Remote {
    type Result = Handled;

    fn handle(&mut self, user: Heard<UserRegistered>, _: &mut Context<Self>) -> Handled {
        if user.id == 9 { Err(Failure::new("nine")) } else { Ok(()) }
    }
}
