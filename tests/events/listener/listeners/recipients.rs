//! Actors, by their recipient.

use super::*;

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
