//! What is told once more: to a bus, to a listener, to a server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use convoke::prelude::*;
use convoke::transport::Memory;
use convoke::{Position, Replay, ReplayFault, StoreError, codec};

use super::{Base, Moved, filled, moved, noted, orders};

/// What was heard: the order, the step, and the position if it was told once more.
type Heard = Rc<RefCell<Vec<(u32, u32, Option<String>)>>>;

/// A listener that notes what it hears.
fn listens(bus: &EventBus) -> (Heard, Subscription) {
    let heard = Heard::default();
    let notes = heard.clone();
    let listener = move |order: Arc<Moved>, replay: Replay| {
        notes.borrow_mut().push((order.order, order.step, replay.position().map(str::to_owned)));
    };
    (heard, bus.on(listener).unwrap())
}

pub(super) async fn a_bus_hears_what_was_appended_in_order_and_knows_that_it_is_a_replay<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 3, 4).await;
    store.append(noted("another topic")).await.unwrap();
    let bus = EventBus::default();
    let (heard, _listens) = listens(&bus);
    let mails = Rc::new(Cell::new(0));
    let sent = mails.clone();
    let _mails = bus.on((move |_: &Moved| sent.set(sent.get() + 1)).unless_replayed()).unwrap();
    let replayed = store.replay("orders/*").to(&bus).await.unwrap();
    assert_eq!((replayed.told, replayed.failed, replayed.position.number()), (12, 0, 12));
    let steps: Vec<_> = heard.borrow().iter().map(|(order, step, _)| (*order, *step)).collect();
    assert_eq!(steps, (0..4).flat_map(|step| (0..3).map(move |order| (order, step))).collect::<Vec<_>>());
    let first: Position = heard.borrow()[0].2.as_deref().unwrap().parse().unwrap();
    assert_eq!(first.number(), 1);
    assert_eq!(mails.get(), 0, "who is unless_replayed hears nothing");
    bus.emit(moved(1, 99)).await.ok().unwrap();
    assert_eq!((mails.get(), heard.borrow().last().unwrap().2.clone()), (1, None), "what happens now is no replay");
    // From a position, of an entity.
    heard.borrow_mut().clear();
    let replayed = store.replay("**").after(first).about("Order", 1).to(&bus).await.unwrap();
    assert_eq!((replayed.told, heard.borrow().len()), (4, 4));
    // It makes no dead letters, and no routes take it.
    assert_eq!(bus.dead_letters().len(), 0);
}

pub(super) async fn what_a_listener_fails_on_ends_it_and_it_is_taken_up_behind_the_last_that_was_done<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 10).await;
    let (bus, fails) = (EventBus::default(), Rc::new(Cell::new(true)));
    let (heard, _listens) = listens(&bus);
    let may = fails.clone();
    let listener = move |order: &Moved| match may.get() && order.step == 6 {
        true => Err(std::io::Error::other("no more")),
        false => Ok(()),
    };
    let _fails = bus.on(listener.named("fussy")).unwrap();
    let reported = Rc::<RefCell<Vec<_>>>::default();
    let reports = reported.clone();
    let replay = store.replay("**").on_progress(move |progress| reports.borrow_mut().push(progress));
    let error = replay.to(&bus).await.unwrap_err();
    assert_eq!((error.told, error.position.number()), (6, 6));
    assert!(matches!(&*error.fault, ReplayFault::Listener { listener, position, .. }
        if listener == "fussy" && position.number() == 7));
    let last = reported.borrow().last().copied().unwrap();
    assert_eq!((last.position, last.told, last.left()), (error.position, 6, 4));
    assert_eq!(bus.dead_letters().len(), 0, "the store has it");
    let on = store.replay("**").keep_going().to(&bus).await.unwrap();
    assert_eq!((on.told, on.failed), (10, 1));
    fails.set(false);
    heard.borrow_mut().clear();
    let rest = store.replay("**").after(error.position).to(&bus).await.unwrap();
    assert_eq!((rest.told, rest.position.number()), (4, 10));
    assert_eq!(heard.borrow().iter().map(|(_, step, _)| *step).collect::<Vec<_>>(), [6, 7, 8, 9]);
}

pub(super) async fn one_listener_hears_it_alone_with_what_the_bus_provides<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 2, 3).await;
    let bus = EventBus::builder().provide(String::from("provided")).build();
    let (heard, _listens) = listens(&bus);
    let alone = Rc::new(Cell::new(0));
    let count = alone.clone();
    let listener = move |_: Arc<Moved>, text: Inject<String>| {
        assert_eq!(text.as_str(), "provided");
        count.set(count.get() + 1);
    };
    let replayed = store.replay("**").to_listener(&bus, |bus| bus.on(listener)).await.unwrap();
    assert_eq!((replayed.told, alone.get(), heard.borrow().len()), (6, 6, 0));
    let missing = |_: Arc<Moved>, _: Inject<u8>| {};
    let error = store.replay("**").to_listener(&bus, |bus| bus.on(missing)).await.unwrap_err();
    assert!(matches!(*error.fault, ReplayFault::Listen(_)), "{error}");
}

pub(super) async fn a_server_is_handed_it_in_order<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 3, 100).await;
    let queue = Memory::queue(format!("replayed-{}", convoke::Uuid::now_v7())).capacity(1000);
    let replayed = store.replay("orders/*").to_publisher(&queue).await.unwrap();
    assert_eq!((replayed.told, replayed.position.number()), (300, 300));
    let mut steps = [0; 3];
    for packet in queue.packets() {
        let envelope = codec::read(&packet, convoke::EnvelopeLimits::default()).unwrap();
        let order = envelope.payload["order"].as_u64().unwrap() as usize;
        assert_eq!(packet.key, Some(order.to_string()));
        assert_eq!(envelope.payload["step"], steps[order]);
        steps[order] += 1;
    }
    assert_eq!(steps, [100; 3]);
    // What it does not take ends the replay, and is handed over again.
    queue.fail_next(1);
    let error = store.replay("**").to_publisher(&queue).await.unwrap_err();
    assert_eq!((error.told, error.position), (0, Position::START));
    assert!(matches!(*error.fault, ReplayFault::Transport(_)), "{error}");
}

pub(super) async fn a_rate_is_kept_and_what_was_interrupted_is_taken_up<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 40).await;
    let bus = EventBus::default();
    let (heard, _listens) = listens(&bus);
    let start = tokio::time::Instant::now();
    let half = store.read("**").limit(20).all().await.unwrap()[19].position();
    store.replay("**").until(half).rate(200).to(&bus).await.unwrap();
    assert!(start.elapsed() >= std::time::Duration::from_millis(95), "{:?}", start.elapsed());
    // Dropped in the middle.
    heard.borrow_mut().clear();
    let slow = store.replay("**").rate(20).to(&bus);
    let some = async {
        while heard.borrow().len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        replayed = slow => panic!("too fast: {replayed:?}"),
        () = some => {}
    }
    let last: Position = heard.borrow().last().unwrap().2.as_deref().unwrap().parse().unwrap();
    assert!(last.number() < 20, "{last}");
    store.replay("**").after(last).to(&bus).await.unwrap();
    assert_eq!(heard.borrow().iter().map(|(_, step, _)| *step).collect::<Vec<_>>(), (0..40).collect::<Vec<_>>());
}

pub(super) async fn an_old_version_without_an_upcaster_is_an_error_of_the_listener<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let mut metadata = Metadata::of::<Moved>();
    metadata.version = 7;
    let payload = serde_json::to_value(moved(1, 1)).unwrap();
    store.append_envelope(convoke::Envelope::new(metadata, payload)).await.unwrap();
    let bus = EventBus::default();
    let (heard, _listens) = listens(&bus);
    let error = store.replay("**").to(&bus).await.unwrap_err();
    assert!(error.to_string().contains("version 7, and the type has 1"), "{error}");
    assert!(heard.borrow().is_empty());
    let ahead: Position = store.head().await.unwrap().to_string().replace("1@", "2@").parse().unwrap();
    let error = store.replay("**").after(ahead).to(&bus).await.unwrap_err();
    assert!(matches!(*error.fault, ReplayFault::Store(StoreError::Ahead { .. })), "{error}");
}

pub(super) async fn a_route_ends_in_a_store<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let bus = EventBus::builder().publisher("Shop").build();
    let _route = Route::new("Shop/*", store.clone()).open(&bus).unwrap();
    for step in 0..20 {
        bus.publish(moved(1, step)).unwrap();
    }
    bus.publish(noted("as well")).unwrap();
    let mut reading = store.read("**").follow().limit(21).start();
    for expected in 1..=21 {
        let record = tokio::time::timeout(super::LONG, reading.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(record.position().number(), expected);
        assert_eq!(&*record.envelope().unwrap().metadata.publisher, "Shop");
    }
    assert_eq!(store.read("notes/*").all().await.unwrap().len(), 1);
}

pub(super) async fn what_is_read_is_told_as_far_as_it_is_read<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 10).await;
    let bus = EventBus::default();
    let (heard, _listens) = listens(&bus);
    let replayed = store.read("orders/*").limit(4).replay().to(&bus).await.unwrap();
    assert_eq!((replayed.told, replayed.position.number(), heard.borrow().len()), (4, 4, 4));
    for read in [store.read("**").backward(), store.read("**").follow()] {
        let error = read.replay().to(&bus).await.unwrap_err();
        assert!(error.told == 0 && error.to_string().contains("leave out `backward` and `follow`"), "{error}");
    }
    assert_eq!(heard.borrow().len(), 4);
    let error = store.replay(Vec::<convoke::Pattern>::new()).to(&bus).await.unwrap_err();
    assert_eq!(*error.fault, ReplayFault::Store(StoreError::NoPattern));
}
