//! Routes whose server is away: for how long they try, what waits meanwhile, and where it is when the time is over.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::testing::expect_failure;
use convoke::transport::{Abilities, BoxFuture, ErrorKind, Memory, MemoryQueue, Packet, Publisher, TransportError};
use convoke::{Envelope, Reason, Retry, Route, Services};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::common::{Notes, SECOND, after, at_once, ms, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
pub(super) struct OrderPlaced {
    pub(super) id: u64,
}

pub(super) fn shop() -> EventBus {
    EventBus::builder().publisher("Shop").build()
}

fn id_of(packet: &Packet) -> u64 {
    Envelope::from_slice(&packet.body).unwrap().payload["id"].as_u64().unwrap()
}

/// The numbers of the orders that have left, in their order.
pub(super) fn left(queue: &MemoryQueue) -> Vec<u64> {
    queue.packets().iter().map(id_of).collect()
}

/// The numbers of those that are dead letters.
pub(super) fn dead(bus: &EventBus) -> Vec<u64> {
    let letters = bus.dead_letters().list();
    letters.iter().map(|letter| letter.payload().unwrap()["id"].as_u64().unwrap()).collect()
}

#[convoke::test]
async fn a_route_outlives_a_restart_of_its_server() {
    const PUBLISHED: u64 = 2_053;
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).capacity(PUBLISHED as usize).open(&bus).unwrap();
    queue.set_reachable(false);
    for id in 0..PUBLISHED {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    let emitted = bus.emit(OrderPlaced { id: PUBLISHED });
    let (report, ()) = tokio::join!(emitted, async {
        sleep(10 * SECOND).await;
        assert!(bus.dead_letters().is_empty(), "it is too soon to give up");
        queue.set_reachable(true);
    });
    report.ok().unwrap();
    let back = Instant::now();
    bus.drain().await;
    assert!(back.elapsed() <= 2 * SECOND, "{:?}", back.elapsed());
    // The one that was emitted did not wait in the queue, and all others are in their order.
    let published: Vec<_> = left(&queue).into_iter().filter(|id| *id != PUBLISHED).collect();
    assert!(published.into_iter().eq(0..PUBLISHED));
    assert_eq!((queue.published(), bus.dead_letters().total()), (PUBLISHED + 1, 0));
}

/// Refuses every connection at once, and counts how often it was asked.
#[derive(Clone, Default)]
struct Refuses(Arc<AtomicUsize>);

impl Publisher for Refuses {
    fn name(&self) -> &str {
        "gone"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let refused = || Err(TransportError::new(ErrorKind::Unreachable, "gone", "the connection was refused"));
        Box::pin(async move { packets.iter().map(|_| refused()).collect() })
    }
}

#[convoke::test]
async fn a_refused_connection_is_tried_until_the_deadline_and_not_five_times() {
    expect_failure("route to gone");
    let (bus, gone) = (shop(), Refuses::default());
    let out = Route::new("**", gone.clone()).open(&bus).unwrap();
    let report = after(30 * SECOND, bus.emit(OrderPlaced { id: 1 })).await;
    let text = "OrderPlaced: 1 listener, 1 failed: `route to gone` failed: gone: the connection was refused; it was tried for 30s";
    assert_eq!(report.to_string(), text, "it says what the server said");
    assert!(gone.0.load(Ordering::Relaxed) >= 15, "{gone:?} attempts", gone = gone.0);
    // Nobody waits any more, so nobody tries any more.
    sleep(2 * SECOND).await;
    let tried = gone.0.load(Ordering::Relaxed);
    sleep(600 * SECOND).await;
    assert_eq!(gone.0.load(Ordering::Relaxed), tried);
    drop(out);

    let gone = Refuses::default();
    let _hasty = Route::new("**", gone.clone()).timeout(ms(700)).open(&bus).unwrap();
    assert!(!after(ms(700), bus.emit(OrderPlaced { id: 2 })).await.is_ok());
    let gone = Refuses::default();
    let _thrice = Route::new("**", gone.clone()).retry(Retry::exponential(ms(10)).attempts(3)).open(&bus).unwrap();
    assert!(!bus.emit(OrderPlaced { id: 3 }).await.is_ok());
    assert_eq!(gone.0.load(Ordering::Relaxed), 3, "who asked for three attempts gets three");
}

#[convoke::test]
async fn what_a_route_gives_up_is_a_dead_letter_and_can_be_given_back_in_order() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    queue.set_reachable(false);
    let refused = (0..2_000).filter(|id| bus.publish(OrderPlaced { id: *id }).is_err()).count();
    assert_eq!(refused, 2_000 - 1_024, "the queue is bounded, and whoever publishes is told");
    assert_eq!(bus.dead_letters().take_all().len(), refused, "what is refused is a dead letter as well");
    // Their time runs from their turn: 256 at a time.
    sleep(31 * SECOND).await;
    assert_eq!(dead(&bus), (0..256).collect::<Vec<_>>());
    assert!(
        matches!(&bus.dead_letters().list()[0].reason, Reason::Failed(error) if error.to_string().contains("memory:out"))
    );
    queue.set_reachable(true);
    bus.drain().await;
    assert_eq!(left(&queue), (256..1_024).collect::<Vec<_>>());
    assert_eq!(bus.dead_letters().redrive_all(), 256);
    bus.drain().await;
    assert_eq!(left(&queue)[768..], (0..256).collect::<Vec<_>>());
}

#[convoke::test]
async fn a_route_refuses_for_itself_alone_unless_it_is_told_to_refuse_for_all() {
    for all_or_none in [false, true] {
        let (bus, queue, here) = (shop(), Memory::queue("out"), Notes::new());
        let out = Route::new("**", queue.clone()).capacity(2);
        let _out = if all_or_none { out.all_or_none() } else { out }.open(&bus).unwrap();
        let notes = here.clone();
        let _here = bus.on(move |order: &OrderPlaced| notes.add(order.id)).unwrap();
        (0..2).for_each(|id| _ = bus.publish(OrderPlaced { id }).unwrap());
        let error = bus.publish(OrderPlaced { id: 2 }).unwrap_err();
        let route: Arc<str> = "route to memory:out".into();
        let expected = match all_or_none {
            false => PublishError::Refused { listeners: vec![route], dropped: 0 },
            true => PublishError::Full { listener: route, capacity: 2 },
        };
        assert_eq!(error, expected);
        bus.drain().await;
        assert_eq!(left(&queue), [0, 1]);
        let (heard, letters) = if all_or_none { (vec![0, 1], vec![]) } else { (vec![0, 1, 2], vec![2]) };
        assert_eq!((here.take(), dead(&bus)), (heard, letters));
        // As each is to be done again.
        match all_or_none {
            false => assert_eq!(bus.dead_letters().redrive_all(), 1),
            true => _ = bus.publish(OrderPlaced { id: 2 }).unwrap(),
        }
        bus.drain().await;
        assert_eq!(left(&queue), [0, 1, 2]);
        assert_eq!(here.take(), if all_or_none { vec![2] } else { vec![] });
    }
}

/// Never answers.
struct Silent(Mutex<Vec<u64>>);

impl Publisher for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.0.lock().unwrap().extend(packets.iter().map(id_of));
        Box::pin(std::future::pending())
    }
}

#[convoke::test]
async fn a_server_that_never_answers_is_waited_for_until_the_deadline() {
    let (bus, silent) = (shop(), Arc::new(Silent(Mutex::default())));
    let _out = Route::new("**", silent.clone()).open(&bus).unwrap();
    let report = after(30 * SECOND, bus.emit(OrderPlaced { id: 1 })).await;
    let (_, error) = report.failed().next().unwrap();
    assert_eq!(error.to_string(), "failed: silent: nobody said within 30s whether the server has it");
    assert_eq!((dead(&bus), &*silent.0.lock().unwrap()), (vec![1], &vec![1]));
}

#[convoke::test]
async fn what_a_route_still_holds_when_the_application_ends_is_counted() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    let services = Services::new(&bus).await.unwrap();
    queue.set_reachable(false);
    for id in 0..1_000 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    let report = after(10 * SECOND, services.shutdown()).await;
    assert_eq!((report.drained, report.left, report.is_clean()), (false, 1_000, false));
    assert_eq!(
        report.to_string(),
        "0 of 0 services stopped after 10s, not all events were handled, 1000 of them are lost"
    );

    // Nothing is lost before the process ends: the time of some of them is over, and others leave.
    sleep(25 * SECOND).await;
    queue.set_reachable(true);
    let services = Services::new(&bus).await.unwrap();
    let report = services.shutdown().await;
    assert_eq!((report.drained, report.left), (true, 0));
    assert_eq!(dead(&bus).len() + left(&queue).len(), 1_000);
}

#[convoke::test]
async fn what_waits_for_a_route_that_is_closed_is_a_dead_letter() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let out = Route::new("**", queue.clone()).open(&bus).unwrap();
    queue.set_reachable(false);
    for id in 0..1_000 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    sleep(ms(10)).await;
    drop(out);
    assert_eq!(dead(&bus), (256..1_000).collect::<Vec<_>>(), "those under way go on to their end");
    after_drain(&bus, 30).await;
    assert_eq!((bus.dead_letters().total(), left(&queue).len()), (1_000, 0));
}

async fn after_drain(bus: &EventBus, seconds: u32) {
    let began = Instant::now();
    bus.drain().await;
    assert!(began.elapsed() <= seconds * SECOND, "{:?}", began.elapsed());
}

#[convoke::test]
async fn who_listens_beside_a_route_is_not_held_up_by_it() {
    let (bus, queue) = (shop(), Memory::queue("out"));
    let _out = Route::new("**", queue.clone()).open(&bus).unwrap();
    let heard = Rc::new(Cell::new(0));
    let _hears = bus.on({
        let heard = heard.clone();
        move |_: &OrderPlaced| heard.set(heard.get() + 1)
    });
    queue.set_reachable(false);
    for id in 0..500 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    sleep(ms(1)).await;
    assert_eq!(heard.get(), 500);
    queue.set_reachable(true);
    bus.drain().await;
    at_once(bus.emit(OrderPlaced { id: 500 })).await.ok().unwrap();
    assert_eq!(queue.published(), 501);
}

/// A queue of these abilities, and how many packets came in each call.
#[derive(Clone)]
struct Counted(MemoryQueue, Arc<Mutex<Vec<usize>>>);

impl Counted {
    fn new(takes_in_order: bool) -> Self {
        let queue = Memory::queue("out");
        let mut abilities = Publisher::abilities(&queue);
        abilities.takes_in_order = takes_in_order;
        Self(queue.with_abilities(abilities), Arc::default())
    }

    fn calls(&self) -> Vec<usize> {
        std::mem::take(&mut self.1.lock().unwrap())
    }
}

impl Publisher for Counted {
    fn name(&self) -> &str {
        Publisher::name(&self.0)
    }

    fn abilities(&self) -> Abilities {
        Publisher::abilities(&self.0)
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.1.lock().unwrap().push(packets.len());
        self.0.publish(packets)
    }
}

/// What a route is ordered by: two keys, and a third of the events without one.
fn third(event: &Envelope) -> Option<String> {
    let rest = event.payload["id"].as_u64()? % 3;
    (rest > 0).then(|| rest.to_string())
}

#[convoke::test]
async fn of_a_key_nothing_overtakes_what_was_not_taken() {
    for takes_in_order in [false, true] {
        for failing in 1..=20 {
            let (bus, out) = (shop(), Counted::new(takes_in_order));
            let _out = Route::new("**", out.clone()).ordered_by(third).open(&bus).unwrap();
            out.0.fail_next(failing);
            for id in 0..30 {
                bus.publish(OrderPlaced { id }).unwrap();
            }
            bus.drain().await;
            let mut all = left(&out.0);
            for key in 1..3 {
                let of_key: Vec<_> = all.iter().copied().filter(|id| id % 3 == key).collect();
                let wanted: Vec<_> = (0..30).filter(|id| id % 3 == key).collect();
                assert_eq!(of_key, wanted, "{failing} failed, {takes_in_order}");
            }
            all.sort_unstable();
            assert!(all.into_iter().eq(0..30), "each is there once");
            assert!(bus.dead_letters().is_empty());
        }
    }
}

#[convoke::test]
async fn what_has_failed_for_good_holds_up_nobody_of_its_key() {
    for (attempts, failing) in [(1, 1), (1, 3), (2, 2), (2, 3), (3, 7)] {
        let (bus, out) = (shop(), Counted::new(false));
        let retry = Retry::exponential(ms(10)).attempts(attempts);
        let _out = Route::new("**", out.clone()).retry(retry).ordered_by(|_| Some("one".into())).open(&bus).unwrap();
        out.0.fail_next(failing);
        for id in 0..10 {
            bus.publish(OrderPlaced { id }).unwrap();
        }
        bus.drain().await;
        let (dead, left) = (dead(&bus), left(&out.0));
        assert!(!dead.is_empty() && dead.len() <= failing, "{dead:?}");
        assert!(dead.into_iter().chain(left).eq(0..10), "in their order: {attempts} attempts, {failing} failed");
    }
}

#[convoke::test]
async fn a_route_goes_one_by_one_only_where_a_key_asks_for_it() {
    let all = |_: &Envelope| Some("all".to_owned());
    let each = |event: &Envelope| Some(event.payload["id"].to_string());
    let none = |_: &Envelope| None;
    let keys: [fn(&Envelope) -> Option<String>; 3] = [none, each, all];
    for (at, key) in keys.into_iter().enumerate() {
        for takes_in_order in [false, true] {
            let (bus, out) = (shop(), Counted::new(takes_in_order));
            let _out = Route::new("**", out.clone()).ordered_by(key).open(&bus).unwrap();
            for id in 0..256 {
                bus.publish(OrderPlaced { id }).unwrap();
            }
            bus.drain().await;
            let calls = out.calls();
            assert_eq!(calls.iter().sum::<usize>(), 256);
            let is_slow = at == 2 && !takes_in_order;
            assert_eq!(calls.len() > 10, is_slow, "{calls:?}");
            assert_eq!(left(&out.0), (0..256).collect::<Vec<_>>());
        }
    }
}
