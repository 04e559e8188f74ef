//! Dead letters: what was not delivered or has failed, kept with its reason, looked at, listened to and given back.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::{ListenerError, Reason, RedriveError};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "mails/sent")]
struct MailSent(u64);

/// A listener that fails as long as the line is down, and else writes down what it hears.
fn mail(line: &Rc<Cell<bool>>, notes: &Notes<u64>) -> impl Fn(&MailSent) -> Result<(), &'static str> + 'static {
    let (line, notes) = (line.clone(), notes.clone());
    move |mail| {
        if !line.get() {
            return Err("the line is down");
        }
        notes.add(mail.0);
        Ok(())
    }
}

fn ids(bus: &EventBus) -> Vec<u64> {
    bus.dead_letters().list().iter().map(|letter| letter.id).collect()
}

/// The mails of all that are kept.
fn mails(bus: &EventBus) -> Vec<u64> {
    bus.dead_letters().list().iter().map(|letter| letter.downcast::<MailSent>().unwrap().0).collect()
}

#[convoke::test]
async fn a_letter_says_what_for_whom_why_and_when() {
    let bus = EventBus::builder().publisher("Post").build();
    let started = Metadata::new("now").time;
    let _sees = bus.on(|_: &MailSent, _: Metadata| ()).unwrap();
    let fails = async |_: Arc<MailSent>| {
        sleep(ms(10)).await;
        Err::<(), _>("no stamps")
    };
    let _fails = bus.on(fails.named("mail")).unwrap();
    bus.publish(MailSent(7)).unwrap();
    bus.drain().await;
    let letters = bus.dead_letters();
    assert_eq!((letters.len(), letters.is_empty(), letters.total()), (1, false, 1));
    let letter = &letters.list()[0];
    assert_eq!((letter.id, letter.event.as_str(), letter.topic.as_str()), (1, "MailSent", "mails/sent"));
    assert_eq!(letter.listener.as_deref(), Some("mail"));
    assert_eq!(letter.reason, Reason::Failed(ListenerError::Failed("no stamps".to_owned())));
    assert_eq!((letter.time, letter.metadata.time), (started + ms(10), started));
    assert_eq!((letter.metadata.event.as_str(), &*letter.metadata.publisher), ("MailSent", "Post"));
    assert_eq!(letter.downcast::<MailSent>().unwrap().0, 7);
    assert!(letter.downcast::<DeadLetter>().is_none());
    assert_eq!(letter.payload(), Some(json!(7)));
    assert_eq!(letter.to_string(), "dead letter 1: MailSent: `mail` failed: no stamps");
    assert_eq!(
        format!("{letter:?}"),
        "DeadLetter { id: 1, event: \"MailSent\", listener: Some(\"mail\"), reason: Failed(failed: no stamps), .. }"
    );
    assert_eq!(serde_json::to_value(&letter.reason).unwrap(), json!({ "failed": { "failed": "no stamps" } }));
    assert_eq!(format!("{letters:?}"), "DeadLetters { kept: 1, total: 1, forgotten: 0 }");
}

#[convoke::test]
async fn the_plain_bus_remembers_when_an_event_was_emitted_that_comes_to_nothing() {
    let bus = EventBus::builder().publisher("Post").build();
    let started = Metadata::new("now").time;
    let fails = async |_: Arc<MailSent>| {
        sleep(ms(10)).await;
        Err::<(), _>("no stamps")
    };
    let _fails = bus.on(fails.named("mail")).unwrap();
    bus.publish(MailSent(7)).unwrap();
    bus.drain().await;
    let letter = &bus.dead_letters().list()[0];
    assert_eq!(&*letter.metadata.publisher, "Post");
    assert!(letter.metadata.time >= started, "{letter:?}");
}

#[convoke::test]
async fn they_are_kept_in_a_ring() {
    let bus = EventBus::builder().dead_letters(3).build();
    let _fails = bus.on(|_: &MailSent| Err::<(), _>("no")).unwrap();
    for mail in 1..=5 {
        at_once(bus.emit(MailSent(mail))).await.ok().unwrap_err();
    }
    assert_eq!((ids(&bus), mails(&bus)), (vec![3, 4, 5], vec![3, 4, 5]));
    assert_eq!((bus.dead_letters().len(), bus.dead_letters().total()), (3, 5));

    let none = EventBus::builder().dead_letters(0).build();
    let fails = none.on(|_: &MailSent| Err::<(), _>("no")).unwrap();
    at_once(none.emit(MailSent(1))).await.ok().unwrap_err();
    assert_eq!((none.dead_letters().len(), none.dead_letters().total(), fails.info().failed), (0, 1, 1));
}

#[convoke::test]
async fn a_thousand_are_kept_unless_it_is_told() {
    let bus = EventBus::default();
    let _fails = bus.on(|_: &MailSent| Err::<(), _>("no")).unwrap();
    for mail in 1..=1001 {
        at_once(bus.emit(MailSent(mail))).await.ok().unwrap_err();
    }
    assert_eq!((bus.dead_letters().len(), ids(&bus)[0]), (1000, 2));
}

#[convoke::test]
async fn they_may_be_taken_out() {
    let bus = EventBus::default();
    let _fails = bus.on(|_: &MailSent| Err::<(), _>("no")).unwrap();
    for mail in 1..=3 {
        at_once(bus.emit(MailSent(mail))).await.ok().unwrap_err();
    }
    let letters = bus.dead_letters();
    assert_eq!(letters.take(2).unwrap().id, 2);
    assert!(letters.take(2).is_none() && letters.take(9).is_none());
    assert_eq!(ids(&bus), [1, 3]);
    assert_eq!(letters.take_all().len(), 2);
    assert!(letters.is_empty() && letters.take_all().is_empty());
    assert_eq!(letters.redrive(1).unwrap_err(), RedriveError::Unknown { id: 1 });
    assert_eq!(
        RedriveError::Unknown { id: 1 }.to_string(),
        "no dead letter 1: it was taken, or newer ones have taken its place"
    );
    at_once(bus.emit(MailSent(4))).await.ok().unwrap_err();
    assert_eq!(ids(&bus), [4], "their numbers go on");
}

#[convoke::test]
async fn one_that_is_given_back_is_queued_for_the_listener_that_did_not_get_it_and_nobody_else() {
    let bus = EventBus::default();
    let (line, notes, others) = (Rc::new(Cell::new(false)), Notes::new(), Notes::new());
    let _mail = bus.on(mail(&line, &notes).named("mail")).unwrap();
    let other = others.clone();
    let _other = bus.on(move |mail: &MailSent| other.add(mail.0)).unwrap();
    bus.publish(MailSent(1)).unwrap();
    bus.publish_json("mails/sent", json!(2)).unwrap();
    settled().await;
    assert_eq!((others.take(), notes.take()), (vec![1, 2], vec![]));

    // It fails again: that is another letter.
    bus.dead_letters().redrive(1).unwrap();
    settled().await;
    assert_eq!((ids(&bus), mails(&bus).len()), (vec![2, 3], 2));
    line.set(true);
    assert_eq!(bus.dead_letters().redrive_all(), 2);
    assert!(notes.take().is_empty(), "it is queued");
    settled().await;
    assert_eq!((notes.take(), others.take()), (vec![2, 1], vec![]));
    assert_eq!((bus.dead_letters().len(), bus.dead_letters().total()), (0, 3));
    assert_eq!(bus.dead_letters().redrive_all(), 0);
}

#[convoke::test]
async fn one_whose_listener_is_gone_stays_until_one_like_it_is_registered() {
    let bus = EventBus::default();
    let (line, notes) = (Rc::new(Cell::new(false)), Notes::new());
    let first = bus.on(mail(&line, &notes).named("mail")).unwrap();
    for number in 1..=3 {
        at_once(bus.emit(MailSent(number))).await.ok().unwrap_err();
    }
    drop(first);
    let letters = bus.dead_letters();
    let error = letters.redrive(2).unwrap_err();
    assert_eq!(error, RedriveError::NoListener { listener: Some("mail".into()) });
    let text = "no listener `mail` takes it back: register it under that name, or wait until it has room";
    assert_eq!(error.to_string(), text);
    assert_eq!(letters.redrive_all(), 0);
    assert_eq!(ids(&bus), [1, 2, 3], "none has lost its place");
    line.set(true);
    let _second = bus.on(mail(&line, &notes).named("mail")).unwrap();
    assert_eq!(letters.redrive_all(), 3);
    settled().await;
    assert_eq!(notes.take(), [1, 2, 3]);
}

#[convoke::test]
async fn one_that_has_no_room_stays_and_nobody_else_is_dropped_for_it() {
    let bus = EventBus::default();
    let (line, notes) = (Rc::new(Cell::new(false)), Notes::new());
    let guard = bus.on(mail(&line, &notes).named("mail").capacity(1)).unwrap();
    for number in 1..=2 {
        at_once(bus.emit(MailSent(number))).await.ok().unwrap_err();
    }
    line.set(true);
    bus.publish(MailSent(3)).unwrap();
    assert_eq!(bus.dead_letters().redrive_all(), 0);
    assert_eq!((ids(&bus), guard.info().dropped), (vec![1, 2], 0));
    settled().await;
    assert_eq!(bus.dead_letters().redrive_all(), 1, "one place, one letter");
    settled().await;
    assert_eq!(bus.dead_letters().redrive_all(), 1);
    settled().await;
    assert_eq!(notes.take(), [3, 1, 2]);
}

#[convoke::test]
async fn what_overflowed_or_waited_at_the_end_may_be_given_back() {
    let bus = EventBus::default();
    let (line, notes) = (Rc::new(Cell::new(true)), Notes::new());
    let guard = bus.on(mail(&line, &notes).named("mail").capacity(2).overflow(Overflow::DropOldest)).unwrap();
    (1..=4).for_each(|number| {
        bus.publish(MailSent(number)).unwrap();
    });
    drop(guard);
    assert_eq!(mails(&bus), [1, 2, 3, 4]);
    let _again = bus.on(mail(&line, &notes).named("mail")).unwrap();
    assert_eq!(bus.dead_letters().redrive_all(), 4);
    settled().await;
    assert_eq!(notes.take(), [1, 2, 3, 4]);
}

#[convoke::test]
async fn one_that_nobody_was_called_with_is_published_again() {
    let bus = EventBus::builder().max_depth(2).build();
    let notes = Notes::new();
    let heard = notes.clone();
    let again = move |mail: &MailSent, bus: EventBus| {
        heard.add(mail.0);
        if mail.0 < 3 {
            let _ = bus.publish(MailSent(mail.0 + 1));
        }
    };
    let _again = bus.on(again).unwrap();
    bus.publish(MailSent(1)).unwrap();
    settled().await;
    assert_eq!((notes.take(), mails(&bus)), (vec![1, 2], vec![3]));
    let letter = bus.dead_letters().list()[0].clone();
    assert_eq!(letter.listener, None);
    assert!(letter.to_string().starts_with("dead letter 1: MailSent: events have caused each other 2 deep"));
    assert!(letter.metadata.causation.is_some());
    bus.dead_letters().redrive(1).unwrap();
    settled().await;
    assert_eq!(notes.take(), [3], "it begins a chain of its own");
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn they_are_events_that_may_be_listened_to() {
    let bus = EventBus::default();
    let (sync, later, json) = (Notes::new(), Notes::new(), Notes::new());
    let [notes, told, seen] = [sync.clone(), later.clone(), json.clone()];
    let _sync = bus.on(move |letter: &DeadLetter| notes.add(letter.to_string())).unwrap();
    let _later = bus
        .on(async move |letter: Arc<DeadLetter>, metadata: Metadata| {
            sleep(ms(1)).await;
            assert_eq!(metadata.causation, Some(letter.metadata.id));
            told.add(letter.to_string());
        })
        .unwrap();
    let _json = bus.on_topic("**", move |event: &JsonEvent| seen.add(event.topic().to_owned())).unwrap();
    let _fails = bus.on((|_: &MailSent| Err::<(), _>("no")).named("mail")).unwrap();
    at_once(bus.emit(MailSent(1))).await.ok().unwrap_err();
    assert!(sync.take().is_empty(), "they are queued");
    bus.drain().await;
    let text = "dead letter 1: MailSent: `mail` failed: no";
    assert_eq!((sync.take(), later.take()), (vec![text.to_owned()], vec![text.to_owned()]));
    assert_eq!(json.take(), ["mails/sent"], "they are local");
}

#[convoke::test]
async fn one_that_is_not_delivered_makes_no_other() {
    convoke::testing::expect_failure("DeadLetter");
    let bus = EventBus::default();
    let told = bus.on((|_: &DeadLetter| Err::<(), _>("nor this")).named("first").capacity(2)).unwrap();
    let panics = bus.on((|_: &DeadLetter| -> () { panic!("oh") }).named("second")).unwrap();
    let refuses = (|_: &DeadLetter| ()).named("third").capacity(1).overflow(Overflow::Refuse);
    let _fails = bus.on(|_: &MailSent| Err::<(), _>("no")).unwrap();
    for number in 1..=5 {
        at_once(bus.emit(MailSent(number))).await.ok().unwrap_err();
    }
    settled().await;
    assert_eq!((bus.dead_letters().len(), bus.dead_letters().total()), (5, 5));
    assert_eq!((told.info().failed, told.info().dropped, panics.info().failed), (2, 3, 5));
    // One that refuses has them in the ring.
    let refuses = bus.on(refuses).unwrap();
    for number in 1..=5 {
        at_once(bus.emit(MailSent(number))).await.ok().unwrap_err();
    }
    settled().await;
    assert_eq!((bus.dead_letters().total(), refuses.info().done), (10, 1));
}

#[convoke::test]
async fn a_listener_to_dead_letters_may_give_them_back() {
    let bus = EventBus::default();
    let notes = Notes::new();
    let (heard, tries) = (notes.clone(), Cell::new(0));
    let flaky = move |mail: &MailSent| {
        tries.set(tries.get() + 1);
        heard.add((mail.0, tries.get()));
        if tries.get() < 3 { Err("again") } else { Ok(()) }
    };
    let _flaky = bus.on(flaky).unwrap();
    let redrive = |letter: &DeadLetter, bus: EventBus| bus.dead_letters().redrive(letter.id);
    let _redrive = bus.on(redrive).unwrap();
    bus.publish(MailSent(7)).unwrap();
    at_once(bus.drain()).await;
    assert_eq!(notes.take(), [(7, 1), (7, 2), (7, 3)]);
    assert!(bus.dead_letters().is_empty());
}

#[convoke::test]
async fn a_listener_that_gives_back_what_always_fails_is_stopped() {
    const ENOUGH: u64 = 5_000;
    let bus = EventBus::builder().max_depth(8).build();
    let tries = Rc::new(Cell::new(0));
    let count = tries.clone();
    let fails = move |_: &MailSent| {
        count.set(count.get() + 1);
        Err::<(), _>("for ever")
    };
    let _fails = bus.on(fails).unwrap();
    let count = tries.clone();
    let redrive = move |letter: &DeadLetter, bus: EventBus| {
        // So that the test ends even if this does not.
        if count.get() < ENOUGH {
            let _ = bus.dead_letters().redrive(letter.id);
        }
    };
    let _redrive = bus.on(redrive).unwrap();
    bus.publish(MailSent(7)).unwrap();
    at_once(bus.drain()).await;
    assert!(tries.get() < ENOUGH, "it goes on for ever");
}

#[convoke::test]
async fn they_outlive_their_bus_with_whoever_holds_them() {
    let bus = EventBus::default();
    let letters = bus.dead_letters();
    let fails = bus.on((|_: &MailSent| Err::<(), _>("no")).named("mail")).unwrap();
    at_once(bus.emit(MailSent(7))).await.ok().unwrap_err();
    drop(bus);
    settled().await;
    assert!(!fails.is_active());
    assert_eq!(letters.list()[0].downcast::<MailSent>().unwrap().0, 7);
    assert!(matches!(letters.redrive(1), Err(RedriveError::NoListener { .. })));
    assert_eq!(letters.len(), 1);
}

#[convoke::test]
async fn giving_all_of_many_back_costs_little_for_each_though_none_is_taken() {
    let cost = async |letters: usize| {
        let bus = EventBus::builder().dead_letters(letters).capacity(8).build();
        let stuck = (async |_: Arc<MailSent>| std::future::pending::<()>().await).overflow(Overflow::DropNewest);
        let _stuck = bus.on(stuck.timeout(60 * SECOND)).unwrap();
        let mut mail = 0;
        while bus.dead_letters().len() < letters {
            let _ = bus.publish(MailSent(mail));
            mail += 1;
        }
        let (before, kept) = (convoke::testing::steps(), ids(&bus));
        assert_eq!(bus.dead_letters().redrive_all(), 0);
        assert_eq!(ids(&bus), kept, "each has its place");
        for id in &kept {
            bus.dead_letters().redrive(*id).unwrap_err();
        }
        assert_eq!(ids(&bus), kept);
        (convoke::testing::steps() - before) / letters as u64
    };
    let (few, many) = (cost(100).await, cost(6_400).await);
    assert!(few > 0 && many <= few + 40, "{few} steps for each of 100, {many} for each of 6,400");
}

#[convoke::test]
async fn a_ring_keeps_its_bound_and_its_order_while_all_are_given_back() {
    let bus = EventBus::builder().capacity(2).dead_letters(10).build();
    let stuck = (async |_: Arc<MailSent>| std::future::pending::<()>().await).overflow(Overflow::DropNewest);
    let _stuck = bus.on(stuck.timeout(60 * SECOND).named("stuck")).unwrap();
    convoke::testing::expect_failure("stuck");
    let other = bus.clone();
    let publishes = std::thread::spawn(move || (0..500).for_each(|mail| drop(other.publish(MailSent(mail)))));
    for _ in 0..100 {
        tokio::task::yield_now().await;
        bus.dead_letters().redrive_all();
        let ids = ids(&bus);
        assert!(ids.len() <= 10 && ids.is_sorted(), "{ids:?}");
    }
    publishes.join().unwrap();
    bus.dead_letters().redrive_all();
    (0..100).for_each(|mail| drop(bus.publish(MailSent(mail))));
    settled().await;
    assert_eq!(bus.dead_letters().len(), 10);
}
