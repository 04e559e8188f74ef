//! A dead letter that a listener hears was looked at if that listener is the test's own, and has heard it.

use actix::{Actor, Context, Handler};
use convoke::middleware::{Call, Next};
use convoke::prelude::*;
use convoke::testing::{self, expect_failure};

use super::{ORDER, OrderPlaced, said};
use crate::common::Notes;

/// What a test says in the end, which stands in this file as its listeners do.
fn end_of<F: AsyncFnOnce(EventBus)>(test: F) -> Result<(), String> {
    said(|| testing::run("this test", async || test(EventBus::default()).await))
}

/// Publishes what `mail` fails on, so often.
async fn mail_fails(bus: &EventBus, times: usize) {
    let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
    for _ in 0..times {
        bus.publish(ORDER).unwrap();
    }
    bus.drain().await;
}

#[test]
fn what_the_test_collects_it_has_looked_at() {
    let end = end_of(async |bus| {
        let letters = Notes::new();
        let notes = letters.clone();
        let _letters = bus.on(move |letter: &DeadLetter| notes.add(letter.to_string())).unwrap();
        mail_fails(&bus, 2).await;
        assert_eq!(letters.take().len(), 2);
    });
    assert_eq!(end, Ok(()));
}

#[test]
fn an_alarm_of_the_application_looks_at_nothing_for_the_test() {
    let end = end_of(async |bus| {
        super::said::wire(&bus);
        mail_fails(&bus, 1).await;
    });
    let end = end.unwrap_err();
    assert!(
        end.starts_with("this test did not look at what has failed: `mail` on OrderPlaced: failed: no address"),
        "{end}"
    );
}

#[test]
fn a_letter_that_does_not_come_to_it_was_not_looked_at() {
    let declined = end_of(async |bus| {
        let _letters = bus.on((|_: &DeadLetter| ()).when(|letter: &DeadLetter| letter.id > 1)).unwrap();
        mail_fails(&bus, 2).await;
    });
    let declined = declined.unwrap_err();
    assert_eq!(declined.matches("`mail` on OrderPlaced").count(), 1, "{declined}");

    let refused = end_of(async |bus| {
        let letters = (async |_: std::sync::Arc<DeadLetter>| tokio::task::yield_now().await).named("letters");
        let _letters = bus.on(letters.capacity(1)).unwrap();
        mail_fails(&bus, 5).await;
    });
    assert!(refused.unwrap_err().contains("`mail` on OrderPlaced"), "there was no room for it");
}

#[test]
fn who_fails_on_a_letter_fails_the_test() {
    let fails = async |bus: EventBus| {
        let _letters = bus.on((|_: &DeadLetter| -> () { panic!("at the letter") }).named("letters")).unwrap();
        mail_fails(&bus, 1).await;
    };
    let end = end_of(fails).unwrap_err();
    assert!(end.contains("`letters` on DeadLetter: panicked: at the letter"), "{end}");
    let expected = end_of(async |bus| {
        expect_failure("letters");
        fails(bus).await;
    });
    assert_eq!(expected, Ok(()));
}

/// Emits what `mail` fails on; the report is not looked at.
async fn mail_fails_unread(bus: &EventBus) {
    let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
    drop(bus.emit(ORDER).await);
}

/// Whether the failures of `mail` fail a test, and how many.
fn unread<F: AsyncFnOnce(EventBus)>(test: F) -> usize {
    end_of(test).err().unwrap_or_default().matches("`mail` on OrderPlaced").count()
}

fn not_called(letter: &DeadLetter) {
    panic!("it is called with {letter}");
}

#[test]
fn a_letter_that_only_waits_for_it_was_not_looked_at() {
    let dropped = unread(async |bus| {
        let letters = bus.on(not_called).unwrap();
        mail_fails_unread(&bus).await;
        drop(letters);
    });
    assert_eq!(dropped, 1, "its guard was dropped before");
    let ended = unread(async |bus| {
        let _letters = bus.on(not_called).unwrap();
        mail_fails_unread(&bus).await;
    });
    assert_eq!(ended, 1, "its guard was dropped by the end of the test");
    let cleared = unread(async |bus| {
        let _letters = bus.on(not_called).unwrap();
        mail_fails_unread(&bus).await;
        bus.clear();
    });
    assert_eq!(cleared, 1, "the bus was cleared");
    let gave_way = unread(async |bus| {
        let letters = Notes::new();
        let notes = letters.clone();
        let listener = (move |letter: &DeadLetter| notes.add(letter.id.to_string())).named("letters");
        let _letters = bus.on(listener.capacity(1).overflow(Overflow::DropOldest)).unwrap();
        let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
        let _more = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
        drop(bus.emit(ORDER).await);
        testing::settle().await;
        assert_eq!(letters.take(), ["2"]);
    });
    assert_eq!(gave_way, 1, "it gave way to another");
    let kept_back = unread(async |bus| {
        let keeps_back = async |_: Call, _: Next| Handled::Ok(());
        let _letters = bus.on(not_called.with(keeps_back)).unwrap();
        mail_fails_unread(&bus).await;
        testing::settle().await;
    });
    assert_eq!(kept_back, 1, "a middleware has kept it back");
}

/// Hears letters.
struct Clerk;

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Heard<DeadLetter>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, _: Heard<DeadLetter>, _: &mut Context<Self>) -> Handled {
        Ok(())
    }
}

#[test]
fn whoever_is_called_with_it_in_whichever_form_has_looked_for_the_test() {
    let lives_on = unread(async |bus| {
        bus.on(|_: &DeadLetter| ()).unwrap().forever();
        mail_fails_unread(&bus).await;
    });
    assert_eq!(lives_on, 0, "it is called at the end of the test");
    let later = unread(async |bus| {
        let letters = bus.on(async |_: std::sync::Arc<DeadLetter>| std::future::pending::<()>().await).unwrap();
        mail_fails_unread(&bus).await;
        testing::settle().await;
        drop(letters);
    });
    assert_eq!(later, 0, "it was at it");
    let passed_on = unread(async |bus| {
        let passes_on = async |call: Call, next: Next| next.run(call).await;
        let _letters = bus.on((|_: &DeadLetter| ()).with(passes_on)).unwrap();
        mail_fails_unread(&bus).await;
        testing::settle().await;
    });
    assert_eq!(passed_on, 0, "a middleware stands around it");
    let message = unread(async |bus| {
        let _letters = bus.on(Clerk.start().recipient::<Heard<DeadLetter>>()).unwrap();
        mail_fails_unread(&bus).await;
        testing::settle().await;
    });
    assert_eq!(message, 0, "an actor got it as a message");
    let within = unread(async |bus| {
        let (from, letters) = (bus.clone(), std::cell::Cell::new(None));
        let _clerk = Clerk::create(|ctx| {
            letters.set(from.subscribe::<DeadLetter, Clerk>(ctx).ok());
            Clerk
        });
        mail_fails_unread(&bus).await;
        testing::settle().await;
    });
    assert_eq!(within, 0, "an actor heard it in its own context");
}
