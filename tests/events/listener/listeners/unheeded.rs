//! Actors that are sent each event and not heeded.

use convoke::{PublishError, Unheeded};

use super::mailboxes::Swift;
use super::*;

/// Registers one that is not heeded, with room for four that wait outside of its mailbox.
fn unheeded(bus: &EventBus, notes: &Notes<u64>) -> (Addr<Swift>, Subscription) {
    let swift = Swift::start_with(notes);
    let listener = Unheeded(swift.clone().recipient::<Heard<UserRegistered>>());
    let guard = bus.on(listener.named("swift").capacity(4)).unwrap();
    (swift, guard)
}

#[convoke::test]
async fn what_an_unheeded_actor_answers_is_not_in_the_report_which_says_so() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let _swift = unheeded(&bus, &notes);
    let _other = bus.on((|_: &UserRegistered| Err::<(), _>("no")).named("other").when(|user| user.id == 9)).unwrap();
    let report = at_once(bus.emit(user(9))).await;
    assert_eq!(report.to_string(), "UserRegistered: 2 listeners (1 unheeded), 1 failed: `other` failed: no");
    assert_eq!(report.unheeded(), 1);
    let results: Vec<_> = report.iter().map(|result| (result.to_string(), result.heeded)).collect();
    assert_eq!(results, [("`swift` was sent it".to_owned(), false), ("`other` failed: no".to_owned(), true)]);
    // It is in the mailbox, and not heard yet.
    assert_eq!(notes.len(), 0);
    settled().await;
    assert_eq!(notes.take(), [9]);

    bus.publish(user(9)).unwrap();
    at_once(bus.drain()).await;
    settled().await;
    assert_eq!(notes.take(), [9]);
    let letters = bus.dead_letters().take_all();
    let failed: Vec<_> = letters.iter().map(|letter| letter.listener.as_deref().unwrap()).collect();
    assert_eq!(failed, ["other", "other"]);
}

#[convoke::test]
async fn an_event_for_an_unheeded_actor_that_has_stopped_is_a_dead_letter() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let (swift, _guard) = unheeded(&bus, &notes);
    swift.do_send(Stop);
    settled().await;
    assert_eq!(failures(&at_once(bus.emit(user(1))).await), ["swift was gone before it was done"]);
    bus.publish(user(2)).unwrap();
    at_once(bus.drain()).await;
    let letters = bus.dead_letters().take_all();
    let ids: Vec<_> = letters.iter().map(|letter| letter.downcast::<UserRegistered>().unwrap().id).collect();
    assert_eq!(ids, [1, 2]);
}

#[convoke::test]
async fn the_panic_of_an_unheeded_handler_is_nobodys_and_the_next_event_is_a_dead_letter() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let (_swift, _guard) = unheeded(&bus, &notes);
    assert!(at_once(bus.emit(user(8))).await.is_ok());
    settled().await;
    assert!(bus.dead_letters().is_empty());
    assert_eq!(failures(&at_once(bus.emit(user(1))).await), ["swift was gone before it was done"]);
    assert_eq!(bus.dead_letters().take_all().len(), 1);
}

#[convoke::test]
async fn what_a_full_mailbox_does_not_take_waits_and_beyond_that_is_a_dead_letter() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let (_swift, _guard) = unheeded(&bus, &notes);
    // The first holds up those behind it for a second.
    let ids: Vec<u64> = [7].into_iter().chain(1_000..1_300).collect();
    let refused: Vec<u64> = ids
        .iter()
        .copied()
        .filter(|id| match bus.publish(user(*id)) {
            Ok(_) => false,
            Err(PublishError::Refused { .. }) => true,
            Err(error) => panic!("{error}"),
        })
        .collect();
    // 256 in the mailbox, one that waits to be taken, and four behind it.
    assert_eq!(refused, ids[261..]);
    assert_eq!(bus.subscriptions()[0].waiting, 4);
    let letters = bus.dead_letters().take_all();
    assert!(letters.iter().all(|letter| letter.reason == Reason::Overflow(Overflow::Refuse)), "{letters:?}");
    assert_eq!(letters.len(), refused.len());
    after(SECOND, bus.drain()).await;
    settled().await;
    assert_eq!(notes.take(), ids[..261]);
}

#[convoke::test]
async fn who_emits_to_a_full_mailbox_waits_until_it_is_taken() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let (_swift, _guard) = unheeded(&bus, &notes);
    at_once(bus.emit(user(7))).await.ok().unwrap();
    for id in 1..256 {
        at_once(bus.emit(user(1_000 + id))).await.ok().unwrap();
    }
    // The handler's own error is not heeded then either.
    assert!(after(SECOND, bus.emit(user(9))).await.is_ok());
    assert_eq!(notes.len(), 257);
    at_once(bus.emit(user(1))).await.ok().unwrap();
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn one_that_is_not_taken_in_time_is_taken_back_and_a_dead_letter() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let swift = Swift::start_with(&notes);
    let listener = Unheeded(swift.recipient::<Heard<UserRegistered>>());
    let _guard = bus.on(listener.named("swift").timeout(ms(10))).unwrap();
    at_once(bus.emit(user(7))).await.ok().unwrap();
    for id in 1..256 {
        at_once(bus.emit(user(1_000 + id))).await.ok().unwrap();
    }
    assert_eq!(failures(&after(ms(10), bus.emit(user(1))).await), ["swift was not done after 10ms"]);
    sleep(SECOND).await;
    settled().await;
    assert_eq!(notes.len(), 256);
    assert_eq!(bus.dead_letters().take_all().len(), 1);
}

#[convoke::test]
async fn all_of_a_long_burst_are_heard_in_order_and_after_the_registration_has_ended() {
    let (bus, notes) = (EventBus::default(), Notes::new());
    let swift = Swift::start_with(&notes);
    let guard = bus.on(Unheeded(swift.recipient::<Heard<UserRegistered>>())).unwrap();
    let ids: Vec<u64> = (1_000..2_000).collect();
    for id in &ids {
        bus.publish(user(*id)).unwrap();
    }
    at_once(bus.drain()).await;
    bus.publish(user(1)).unwrap();
    drop(guard);
    settled().await;
    let heard = notes.take();
    assert_eq!(heard[..1_000], ids);
    assert_eq!(heard[1_000..], [1]);
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn a_condition_and_a_middleware_stand_before_an_unheeded_actor() {
    let notes = Notes::new();
    let bus = EventBus::builder().with(convoke::middleware::Logging::new()).build();
    let swift = Swift::start_with(&notes);
    let listener = Unheeded(swift.recipient::<Heard<UserRegistered>>()).when(|user: &UserRegistered| user.id > 10);
    let _guard = bus.on(listener.times(2)).unwrap();
    assert!(at_once(bus.emit(user(1))).await.is_empty());
    assert_eq!(at_once(bus.emit(user(11))).await.unheeded(), 1);
    bus.publish(user(12)).unwrap();
    bus.publish(user(13)).unwrap();
    at_once(bus.drain()).await;
    settled().await;
    assert_eq!(notes.take(), [11, 12]);
}
