//! Dead letters: where they go, and what becomes of those that go nowhere.

use super::*;

#[convoke::test]
async fn after_its_last_attempt_it_is_a_dead_letter_that_can_be_redriven() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let works = Rc::new(Cell::new(false));
    let _mail = bus.on({
        let works = works.clone();
        (move |_: &OrderPlaced| if works.get() { Ok(()) } else { Err("no connection") }).named("mail")
    });
    let mut packet = order(1);
    packet.attributes.insert("country", "Österreich");
    packet.attributes.insert("sizes", Attribute::List(vec![1.into(), "ä".into()]));
    packet.priority = 3;
    put(&queue, [packet.clone()]).await;
    let worker = worker(&queue, &bus).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let letters = dead(&queue).await;
    let [(record, letter)] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((record.reason, record.attempts, &*record.source), (DeadReason::Exhausted, 3, "memory:orders"));
    assert_eq!(record.errors, ["`mail` failed: no connection"]);
    assert_eq!(letter.body, packet.body);
    assert_eq!(DeadLetterRecord::revive(letter.clone()), packet);

    works.set(true);
    let redriven = redrive(&mut queue.dead_letters(), &queue, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.dead), (1, 1));
    assert!(dead(&queue).await.is_empty());
}

#[convoke::test]
async fn dead_letters_go_where_they_are_told_to() {
    let (queue, bus, grave) = (Memory::queue("orders"), EventBus::default(), Memory::queue("grave"));
    let _fails = bus.on(|_: &OrderPlaced| Err::<(), _>(Permanent::new("no such customer")));
    put(&queue, [order(1)]).await;
    grave.set_reachable(false);
    let worker = worker(&queue, &bus).dead_letter(grave.clone()).start().await.unwrap();
    sleep(10 * SECOND).await;
    assert_eq!((queue.waiting() + queue.lent(), grave.packets().len()), (1, 0), "it stays until it can be buried");
    grave.set_reachable(true);
    emptied(&queue).await;
    assert_eq!(worker.drain().await.unwrap().dead, 1);
    let record = DeadLetterRecord::of(&grave.packets()[0]).unwrap();
    assert_eq!(record.reason, DeadReason::Permanent);
    assert!(record.errors[0].ends_with("failed for good: no such customer"), "{:?}", record.errors);
    assert!(dead(&queue).await.is_empty());
}

#[convoke::test]
async fn letters_that_are_refused_for_good_keep_nobody_behind_them_from_being_redriven() {
    let dead = Memory::queue("dead");
    let small = Memory::queue("orders");
    let mut abilities = Publisher::abilities(&small);
    abilities.max_bytes = 1_000;
    let small = small.with_abilities(abilities);
    put(&dead, (0..12).map(|id| Packet::new(format!("large {id}"), vec![b'x'; 5_000]))).await;
    put(&dead, (0..100).map(order)).await;
    let redriven = redrive(&mut dead.clone(), &small, 1_000).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (100, 12));
    settled().await;
    assert_eq!((small.waiting(), dead.waiting(), dead.lent()), (100, 12, 0));
    // One that is away is not asked again and again.
    put(&dead, (0..100).map(order)).await;
    small.set_reachable(false);
    let redriven = redrive(&mut dead.clone(), &small, 1_000).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (0, 10));
    settled().await;
    assert_eq!((dead.waiting(), dead.lent()), (112, 0));
}

#[convoke::test]
async fn what_could_not_be_buried_is_buried_later_and_not_heard_again() {
    let (queue, dead, bus) = (Memory::queue("orders"), Memory::queue("elsewhere"), EventBus::default());
    let heard = Notes::new();
    let _mail = bus.on({
        let heard = heard.clone();
        let mail = move |order: &OrderPlaced| {
            heard.add(order.id);
            if order.id == 1 {
                Err(Failure::from(Permanent::new("no such customer")))
            } else {
                Err(Failure::new("no line"))
            }
        };
        mail.named("mail")
    });
    dead.set_reachable(false);
    put(&queue, [order(1), order(2)]).await;
    let worker = worker(&queue, &bus).retry(retry(2)).dead_letter(dead.clone()).start().await.unwrap();
    sleep(60 * SECOND).await;
    dead.set_reachable(true);
    emptied(&queue).await;
    let mut all = heard.take();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 2]);
    let record = |packet: &Packet| DeadLetterRecord::of(packet).unwrap();
    let mut records: Vec<_> = dead.packets().iter().map(record).map(|record| (record.reason, record.errors)).collect();
    records.sort_by_key(|(reason, _)| *reason == DeadReason::Exhausted);
    let errors = |text: &str| vec![text.to_owned()];
    let permanent = (DeadReason::Permanent, errors("`mail` failed for good: no such customer"));
    assert_eq!(records, [permanent, (DeadReason::Exhausted, errors("`mail` failed: no line"))]);
    drop(worker);
}

/// Panics whenever it is asked.
struct Panics;

impl Inbox for Panics {
    fn seen<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        panic!("seen")
    }

    fn mark<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        panic!("mark")
    }
}

impl Publisher for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn publish<'a>(&'a self, _: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async { panic!("publish") })
    }
}

#[convoke::test]
async fn an_inbox_or_a_publisher_that_panics_costs_an_attempt_and_nothing_else() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    put(&queue, [order(1)]).await;
    let asking = worker(&queue, &bus).deduplicate(Panics).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let (record, _) = &dead(&queue).await[0];
    assert_eq!(record.errors, ["the inbox could not be asked: inbox: panicked: seen"]);
    assert_eq!(asking.drain().await.unwrap().dead, 1);

    put(&queue, [Packet::new("2", "no event")]).await;
    let burying = worker(&queue, &bus).dead_letter(Panics).start().await.unwrap();
    sleep(60 * SECOND).await;
    let report = burying.drain().await.unwrap();
    // Once, however often it was tried: it is held meanwhile.
    assert_eq!((report.received, report.lost, report.kept), (1, 1, 1), "{report}");
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn a_server_that_deduplicates_loses_no_letter() {
    let window = 300 * SECOND;
    let queue = Memory::queue("orders").deduplicate(window);
    let grave = Memory::queue("grave").deduplicate(window);
    let bus = EventBus::default();
    let calls = Rc::new(Cell::new(0));
    let _never = bus.on({
        let calls = calls.clone();
        move |_: &OrderPlaced| {
            calls.set(calls.get() + 1);
            Err::<(), _>(Permanent::new("never"))
        }
    });
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).dead_letter(grave.clone()).start().await.unwrap();
    for times in 1..=3 {
        emptied(&queue).await;
        assert_eq!((calls.get(), grave.packets().len()), (times, 1), "within the window of both");
        assert_eq!(redrive(&mut grave.clone(), &queue, 1).await.unwrap().moved, 1);
    }
    emptied(&queue).await;
    drop(worker);
}
