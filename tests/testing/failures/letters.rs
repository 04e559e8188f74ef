//! A dead letter that a listener hears was looked at if that listener is the test's own, and has heard it.

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
