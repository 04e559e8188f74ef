//! Its concurrency, its order, its pace, its pauses and its end.

use super::*;

#[convoke::test]
async fn no_more_are_heard_at_once_than_it_may_and_no_more_are_fetched() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let _slow = bus.on({
        let (now, most) = (now.clone(), most.clone());
        async move |_: Arc<OrderPlaced>| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            sleep(SECOND).await;
            now.set(now.get() - 1);
        }
    });
    put(&queue, (0..40).map(order)).await;
    let worker = worker(&queue, &bus).concurrency(4).prefetch(3).start().await.unwrap();
    settled().await;
    assert_eq!((now.get(), queue.lent(), worker.health().in_flight, worker.health().here), (4, 7, 4, 7));
    let began = Instant::now();
    emptied(&queue).await;
    assert_eq!(most.get(), 4);
    assert!(began.elapsed() < 11 * SECOND, "four at a time take ten seconds: {:?}", began.elapsed());
    drop(worker);
}

#[convoke::test]
async fn a_key_is_heard_in_order_whatever_fails() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let heard: Rc<RefCell<BTreeMap<u64, Vec<u64>>>> = Rc::default();
    let failures = Rc::new(Cell::new(0_u64));
    let _fails = bus.on({
        let (heard, failures) = (heard.clone(), failures.clone());
        async move |order: Arc<OrderPlaced>| {
            sleep(ms(10 * (order.id % 3))).await;
            failures.set(failures.get() + 1);
            if failures.get() % 4 == 0 {
                return Err("every fourth");
            }
            heard.borrow_mut().entry(order.customer).or_default().push(order.id);
            Ok(())
        }
    });
    put(&queue, (0..90).map(|id| order_of(id, id % 3))).await;
    let by_customer = |envelope: &Envelope| envelope.metadata.entity_id.as_deref().map(str::to_owned);
    let worker = worker(&queue, &bus).retry(retry(50)).ordered_by(by_customer).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    for (customer, ids) in heard.borrow().iter() {
        let wanted: Vec<_> = (0..90).filter(|id| id % 3 == *customer).collect();
        assert_eq!(ids, &wanted);
    }
    assert_eq!((report.done, settled_in(&report)), (90, report.received));
    assert!(report.retried > 20);
}

#[convoke::test]
async fn a_lease_is_extended_for_as_long_as_it_takes() {
    let (queue, bus) = (Memory::queue("orders").lease(30 * SECOND), EventBus::default());
    let calls = Rc::new(Cell::new(0));
    let _slow = bus.on({
        let calls = calls.clone();
        (async move |_: Arc<OrderPlaced>| {
            calls.set(calls.get() + 1);
            sleep(300 * SECOND).await;
        })
        .timeout(600 * SECOND)
    });
    // The second waits its turn for five minutes, and is extended meanwhile too.
    put(&queue, [order(1), order(2)]).await;
    let worker = worker(&queue, &bus).concurrency(1).prefetch(1).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(calls.get(), 2);
    assert_eq!(worker.drain().await.unwrap().done, 2);
}

#[convoke::test]
async fn paused_it_takes_nothing_and_goes_on_where_it_was() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    let worker = worker(&queue, &bus).start().await.unwrap();
    worker.pause().await.unwrap();
    settled().await;
    put(&queue, (0..5).map(order)).await;
    sleep(3_600 * SECOND).await;
    let health = worker.health();
    assert_eq!((queue.waiting(), health.paused, health.healthy), (5, true, true), "{health}");
    worker.resume().await.unwrap();
    emptied(&queue).await;
    // What is said last counts, whoever waits for whom.
    let (paused, resumed) = tokio::join!(worker.pause(), worker.resume());
    paused.and(resumed).unwrap();
    assert!(!worker.health().paused);
    assert_eq!(worker.drain().await.unwrap().done, 5);
}

#[convoke::test]
async fn a_drain_finishes_what_is_heard_and_gives_back_the_rest() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _slow = bus.on(async |_: Arc<OrderPlaced>| sleep(5 * SECOND).await);
    put(&queue, (0..10).map(order)).await;
    let worker = worker(&queue, &bus).concurrency(2).prefetch(4).start().await.unwrap();
    sleep(SECOND).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.released, report.drained), (2, 4, true));
    assert_eq!((report.took.as_secs(), queue.waiting(), queue.lent()), (4, 8, 0));
}

#[convoke::test]
async fn beyond_its_time_a_drain_gives_back_what_hangs() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _hangs = bus.on((async |_: Arc<OrderPlaced>| sleep(3_600 * SECOND).await).timeout(7_200 * SECOND));
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).drain_timeout(10 * SECOND).start().await.unwrap();
    sleep(SECOND).await;
    let report = worker.drain().await.unwrap();
    assert_eq!(
        (report.released, report.drained, report.took.as_secs()),
        (1, false, 8),
        "what is left is for the goodbye"
    );
    assert_eq!((queue.waiting(), queue.lent()), (1, 0));
    assert!(report.to_string().ends_with("0 dead, 1 given back; not all was finished in time"), "{report}");
}

#[convoke::test]
async fn who_drops_the_handle_ends_the_worker() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    let worker = worker(&queue, &bus).start().await.unwrap();
    let probe = worker.probe();
    drop(worker);
    sleep(SECOND).await;
    assert!(probe().ended && !probe().healthy);
    assert_eq!(probe().to_string(), "memory:orders has ended: 0 in flight, 0 here");
    put(&queue, [order(1)]).await;
    sleep(60 * SECOND).await;
    assert_eq!(queue.waiting(), 1);
}

#[convoke::test]
async fn listeners_that_take_too_long_are_tried_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let calls = Rc::new(Cell::new(0));
    let _slow = bus.on({
        let calls = calls.clone();
        async move |_: Arc<OrderPlaced>| {
            calls.set(calls.get() + 1);
            if calls.get() == 1 {
                sleep(20 * SECOND).await;
            }
        }
    });
    put(&queue, [order(1)]).await;
    let worker = worker(&queue, &bus).timeout(2 * SECOND).retry(retry(3)).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((calls.get(), report.done, report.retried), (2, 1, 1));
    sleep(30 * SECOND).await;
}

#[convoke::test]
async fn no_more_begin_in_a_second_than_may() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let began = Instant::now();
    let times = Notes::new();
    let _done = bus.on({
        let times = times.clone();
        move |_: &OrderPlaced| times.add(began.elapsed().as_millis())
    });
    put(&queue, (0..5).map(order)).await;
    let worker = worker(&queue, &bus).rate_limit(10, SECOND).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(times.take(), [0, 100, 200, 300, 400]);
    assert_eq!(worker.drain().await.unwrap().done, 5);

    put(&queue, (0..5).map(order)).await;
    let worker = self::worker(&queue, &bus).rate_limit(1, Duration::MAX).start().await.unwrap();
    sleep(1_000 * SECOND).await;
    assert_eq!(worker.drain().await.unwrap().done, 1);
}

#[convoke::test]
async fn a_drain_does_not_wait_for_the_pace() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    put(&queue, (0..5).map(order)).await;
    let worker = worker(&queue, &bus).rate_limit(1, 3_600 * SECOND).start().await.unwrap();
    sleep(SECOND).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.released, report.took), (1, 4, Duration::ZERO));
}

#[convoke::test]
async fn a_server_that_was_lost_is_found_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _done = bus.on(|_: &OrderPlaced| ());
    let worker = worker(&queue, &bus).start().await.unwrap();
    put(&queue, (0..5).map(order)).await;
    emptied(&queue).await;
    queue.set_reachable(false);
    sleep(120 * SECOND).await;
    let health = worker.health();
    assert_eq!((health.connected, health.healthy), (false, false), "{health}");
    queue.set_reachable(true);
    sleep(60 * SECOND).await;
    put(&queue, (5..10).map(order)).await;
    emptied(&queue).await;
    let health = worker.health();
    assert_eq!((health.connected, health.healthy), (true, true), "{health}");
    assert_eq!(worker.drain().await.unwrap().done, 10);
}

#[convoke::test]
async fn health_is_progress_and_not_being_there() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _hangs = bus.on((async |_: Arc<OrderPlaced>| sleep(200 * SECOND).await).timeout(3_600 * SECOND));
    let worker = worker(&queue, &bus).concurrency(1).prefetch(0).progress_within(60 * SECOND).start().await.unwrap();
    sleep(3_600 * SECOND).await;
    assert!(worker.health().healthy, "an empty queue is no fault: {}", worker.health());
    put(&queue, [order(1)]).await;
    sleep(90 * SECOND).await;
    assert!(!worker.health().healthy, "{}", worker.health());
    assert_eq!(worker.health().to_string(), "memory:orders makes no progress: 1 in flight, 1 here");
    sleep(120 * SECOND).await;
    assert!(worker.health().healthy, "{}", worker.health());
    drop(worker);
}

#[convoke::test]
async fn a_listener_that_panics_costs_an_attempt_and_nothing_else() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let _panics = bus.on((|order: &OrderPlaced| assert!(order.id != 3, "as told")).named("panics"));
    put(&queue, (0..6).map(order)).await;
    convoke::testing::expect_failure("ordered_by");
    let worker = worker(&queue, &bus).retry(retry(2)).ordered_by(|_| panic!("as told")).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.retried, report.dead), (5, 1, 1));
    assert_eq!(dead(&queue).await[0].0.errors, ["`panics` panicked: as told"]);
}

#[convoke::test]
async fn what_was_done_is_not_done_again() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let calls = Notes::new();
    let _slow = bus.on({
        let calls = calls.clone();
        async move |order: Arc<OrderPlaced>| {
            sleep(SECOND).await;
            calls.add(order.id);
            // The second fails once, and its copy is the one that does it.
            if order.id == 2 && calls.len() < 3 { Err("not yet") } else { Ok(()) }
        }
    });
    let (first, second) = (order(1), order(2));
    put(&queue, [first.clone(), first.clone(), second.clone(), second]).await;
    let inbox = MemoryInbox::new(60 * SECOND);
    let worker = worker(&queue, &bus).deduplicate(inbox.clone()).start().await.unwrap();
    emptied(&queue).await;
    put(&queue, [first.clone()]).await;
    emptied(&queue).await;
    let mut heard = calls.take();
    heard.sort_unstable();
    assert_eq!(heard, [1, 2, 2]);
    sleep(61 * SECOND).await;
    put(&queue, [first]).await;
    emptied(&queue).await;
    assert_eq!(calls.take(), [1], "the window is over");
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.duplicates, report.retried), (3, 3, 1));
    assert!(report.to_string().ends_with(", 3 done before"), "{report}");
}

#[convoke::test]
async fn what_the_server_cannot_do_is_an_error_at_the_start() {
    let bus = EventBus::default();
    let able = |change: fn(&mut Abilities)| {
        let mut abilities = Publisher::abilities(&Memory::queue("orders"));
        change(&mut abilities);
        Memory::queue("orders").with_abilities(abilities)
    };
    let unsupported = |result: Result<convoke::WorkerHandle, WorkerError>| match result {
        Err(WorkerError::Transport(error)) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    let error = Worker::new(able(|a| a.order = false), &bus).ordered_by(|_| None).start().await;
    assert_eq!(
        unsupported(error),
        "memory:orders: it cannot keep the order of a key: take another server, or do without"
    );
    let error = Worker::new(able(|a| a.retry_after = Some(60 * SECOND)), &bus).start().await;
    assert_eq!(
        unsupported(error),
        "memory:orders: it cannot deliver again after 3600s, only after 60s: take another server, or `.max_delay(60s)` of its `Retry`"
    );
    let error = worker(&Memory::queue("orders"), &bus).timeout(Duration::ZERO).start().await;
    assert!(unsupported(error).contains("a timeout of zero"));
    let error = Worker::new(able(|a| a.dead_letters = false), &bus).start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "memory:orders has no queue for dead letters: name one with `.dead_letter(…)`, or configure the queue's own"
    );
    let down = Memory::queue("orders");
    down.set_reachable(false);
    let error = Worker::new(down, &bus).start().await.unwrap_err();
    assert!(matches!(&error, WorkerError::Transport(error) if error.kind() == ErrorKind::Unreachable), "{error}");
}

#[test]
fn without_an_arbiter_it_does_not_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(Worker::new(Memory::queue("orders"), &EventBus::default()).start()).unwrap_err();
    assert_eq!(error, WorkerError::NoArbiter);
}

/// Under many orders of events: nothing is lost, whatever fails, panics, hangs and is paused.
#[test]
fn whatever_happens_every_event_is_done_or_dead() {
    convoke::testing::run_seeds(
        "worker::deliveries::running::whatever_happens_every_event_is_done_or_dead",
        200,
        storm,
    );
}

async fn storm() {
    let (queue, bus) = (Memory::queue("orders").lease(5 * SECOND), EventBus::default());
    let done = Rc::new(RefCell::new(Vec::new()));
    let calls = Rc::new(Cell::new(0_u64));
    let _mixed = bus.on({
        let (done, calls) = (done.clone(), calls.clone());
        (async move |order: Arc<OrderPlaced>| -> Handled {
            calls.set(calls.get() + 1);
            match (order.id + calls.get()) % 7 {
                0 => return Err("fails".into()),
                1 => panic!("as told"),
                2 => sleep(9 * SECOND).await,
                3 => sleep(60 * SECOND).await,
                _ => {}
            }
            done.borrow_mut().push(order.id);
            Ok(())
        })
        .timeout(20 * SECOND)
    });
    put(&queue, (0..30).map(order)).await;
    let build = || worker(&queue, &bus).concurrency(4).retry(retry(4)).drain_timeout(3 * SECOND);
    let mut received = 0;
    for round in 0..6 {
        let worker = build().start().await.unwrap();
        sleep(ms(4_000 * (round + 1))).await;
        let report = worker.drain().await.unwrap();
        assert_eq!(settled_in(&report), report.received, "{report}");
        received += report.received;
    }
    let worker = build().start().await.unwrap();
    emptied(&queue).await;
    worker.drain().await.unwrap();
    let mut ends: Vec<u64> = done.borrow().clone();
    for (_, letter) in dead(&queue).await {
        let envelope = Envelope::from_slice(&letter.body).unwrap();
        ends.push(envelope.payload["id"].as_u64().unwrap());
    }
    ends.sort_unstable();
    ends.dedup();
    assert_eq!(ends, (0..30).collect::<Vec<_>>());
    assert!(received >= 30);
    sleep(60 * SECOND).await;
}
