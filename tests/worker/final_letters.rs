//! Dead letters of a bus under a worker: what the server still has is none, and what a listener causes may be.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler};
use convoke::codec::{Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{DeadLetterRecord, DeadReason, Memory, MemoryQueue, Packet, Publisher};
use convoke::{Envelope, Permanent, Retry, Worker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "mails/sent")]
struct MailSent;

fn envelope(payload: Value) -> Envelope {
    Envelope::new(Metadata::of::<OrderPlaced>(), payload)
}

async fn put(queue: &MemoryQueue, payload: Value) {
    let packet: Packet = Wire.write(&envelope(payload));
    queue.publish(&[packet]).await.pop().unwrap().unwrap();
}

/// Waits until nothing waits, is lent or is held back.
async fn emptied(queue: &MemoryQueue) {
    while queue.waiting() + queue.lent() > 0 {
        sleep(ms(10)).await;
    }
}

/// The texts of the dead letters that somebody was told of.
fn alarm(bus: &EventBus) -> (Notes<String>, Subscription) {
    let alarms = Notes::new();
    let told = alarms.clone();
    (alarms, bus.on(move |letter: &DeadLetter| told.add(letter.to_string())).unwrap())
}

#[convoke::test]
async fn an_attempt_that_failed_and_is_done_later_is_no_dead_letter_of_the_bus() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (alarms, _alarm) = alarm(&bus);
    let charged = Rc::new(Cell::new(0));
    let _card = bus.on({
        let (charged, tries) = (charged.clone(), Cell::new(0));
        let charge = move |_: &OrderPlaced| {
            tries.set(tries.get() + 1);
            if tries.get() < 4 {
                return Err("not yet");
            }
            charged.set(charged.get() + 1);
            Ok(())
        };
        charge.named("card")
    });
    put(&queue, json!({"id": 7})).await;
    let worker = Worker::new(queue.clone(), &bus).retry(Retry::exponential(SECOND)).start().await.unwrap();
    emptied(&queue).await;
    // What an operator does about letters must not charge the card again.
    assert_eq!(bus.dead_letters().redrive_all(), 0);
    bus.drain().await;
    let report = worker.drain().await.unwrap();
    assert_eq!((report.done, report.retried, charged.get()), (1, 3, 1));
    assert_eq!((alarms.take(), bus.dead_letters().total()), (vec![], 0));
    // What has failed is counted all the same.
    assert_eq!(bus.subscriptions().iter().map(|info| info.failed).sum::<u64>(), 3);
}

#[convoke::test]
async fn what_is_dead_for_good_is_a_letter_of_the_server_alone() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (alarms, _alarm) = alarm(&bus);
    let _fails = bus.on((|_: &OrderPlaced| Err::<(), _>(Permanent::new("no such card"))).named("card"));
    put(&queue, json!({"id": 7})).await;
    let worker = Worker::new(queue.clone(), &bus).start().await.unwrap();
    emptied(&queue).await;
    let report = worker.drain().await.unwrap();
    let [letter] = &queue.dead_letters().packets()[..] else { panic!() };
    let record = DeadLetterRecord::of(letter).unwrap();
    assert_eq!((report.dead, record.reason), (1, DeadReason::Permanent));
    assert_eq!(record.errors, ["`card` failed for good: no such card"]);
    assert_eq!((alarms.take(), bus.dead_letters().total()), (vec![], 0));
}

struct Clerk;

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Heard<OrderPlaced>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, _: Heard<OrderPlaced>, ctx: &mut Context<Self>) -> Handled {
        ctx.stop();
        Err("the clerk has left".into())
    }
}

#[convoke::test]
async fn in_whatever_way_a_listener_fails_what_a_worker_holds_is_no_letter_of_the_bus() {
    let queue = Memory::queue("orders");
    let mut builder = EventBus::builder().listener_timeout(20 * SECOND).max_depth(2);
    builder = builder.with(async |call: Call, next: Next| {
        if call.listener() == "barred" {
            return Err("not with us".into());
        }
        next.run(call).await
    });
    let bus = builder.build();
    let (alarms, _alarm) = alarm(&bus);
    let hangs = async |_: Arc<OrderPlaced>| std::future::pending::<()>().await;
    let condition = |_: &OrderPlaced| -> bool { panic!("a condition") };
    let later = async |_: Arc<OrderPlaced>| {
        sleep(ms(1)).await;
        Err::<(), _>("later")
    };
    let clerk = Clerk.start();
    let guards = [
        bus.on((|_: &OrderPlaced| Err::<(), _>("no")).named("fails")).unwrap(),
        bus.on((|_: &OrderPlaced| -> () { panic!("oh") }).named("panics")).unwrap(),
        bus.on::<OrderPlaced, _>(hangs.named("hangs")).unwrap(),
        bus.on::<OrderPlaced, _>(later.named("later")).unwrap(),
        bus.on((|_: &OrderPlaced| ()).named("conditional").when(condition)).unwrap(),
        bus.on((|_: &OrderPlaced| ()).named("barred")).unwrap(),
        bus.on_topic("orders/*", (|_: &JsonEvent| Err::<(), _>("json")).named("json")).unwrap(),
        bus.on(clerk.recipient::<Heard<OrderPlaced>>()).unwrap(),
    ];
    let worker = Worker::new(queue.clone(), &bus).retry(Retry::never()).start().await.unwrap();
    for payload in [json!({"id": 7}), json!("no order"), json!({"id": 8})] {
        put(&queue, payload).await;
        emptied(&queue).await;
    }
    let report = worker.drain().await.unwrap();
    assert_eq!(report.dead, 3);
    let errors: Vec<_> =
        queue.dead_letters().packets().iter().map(|one| DeadLetterRecord::of(one).unwrap().errors).collect();
    let told = errors.concat().join("\n");
    for failure in [
        "`fails`",
        "`panics`",
        "`hangs`",
        "`later`",
        "`conditional`",
        "`barred`",
        "`json`",
        "the clerk has left",
        "is not that of",
    ] {
        assert!(told.contains(failure), "{failure} is missing: {told}");
    }
    assert_eq!((alarms.take(), bus.dead_letters().total()), (vec![], 0));
    drop(guards);
}

#[convoke::test]
async fn what_nobody_waits_for_any_more_is_no_letter_either() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let slow = async |_: Arc<OrderPlaced>| {
        sleep(5 * SECOND).await;
        Err::<(), _>("too late")
    };
    let slow = bus.on(slow.named("slow")).unwrap();
    put(&queue, json!({"id": 7})).await;
    let worker = Worker::new(queue.clone(), &bus).timeout(SECOND).retry(Retry::never()).start().await.unwrap();
    emptied(&queue).await;
    assert_eq!(worker.drain().await.unwrap().dead, 1);
    bus.drain().await;
    assert_eq!((slow.info().failed, bus.dead_letters().total()), (1, 0));
}

#[convoke::test]
async fn what_a_listener_of_a_worker_emits_and_publishes_has_its_letters() {
    let (queue, bus) = (Memory::queue("orders"), EventBus::default());
    let (alarms, _alarm) = alarm(&bus);
    let reports = Rc::new(RefCell::new(Vec::new()));
    let _order = bus.on({
        let reports = reports.clone();
        async move |_: Arc<OrderPlaced>, bus: EventBus| {
            bus.publish(MailSent).unwrap();
            let report = bus.emit(MailSent).await.to_string();
            reports.borrow_mut().push(report);
        }
    });
    let _mail = bus.on((|_: &MailSent| Err::<(), _>("no stamps")).named("mail"));
    put(&queue, json!({"id": 7})).await;
    let worker = Worker::new(queue.clone(), &bus).start().await.unwrap();
    emptied(&queue).await;
    bus.drain().await;
    assert_eq!(worker.drain().await.unwrap().done, 1);
    let mut told = alarms.take();
    told.sort();
    let text = |id| format!("dead letter {id}: MailSent: `mail` failed: no stamps");
    assert_eq!(told, [text(1), text(2)]);
    assert_eq!(reports.take(), ["MailSent: 1 listener, 1 failed: `mail` failed: no stamps"]);
    assert!(bus.dead_letters().list()[0].metadata.causation.is_some());
}

#[convoke::test]
async fn an_envelope_that_is_emitted_by_hand_has_its_letters() {
    let bus = EventBus::default();
    let line = Rc::new(Cell::new(false));
    let _mail = bus.on({
        let line = line.clone();
        (move |_: &OrderPlaced| if line.get() { Ok(()) } else { Err("the line is down") }).named("mail")
    });
    let report = at_once(bus.emit_envelope(envelope(json!({"id": 7}))).unwrap()).await;
    assert!(!report.is_ok());
    assert_eq!(bus.dead_letters().len(), 1, "nobody else has it");
    line.set(true);
    assert_eq!(bus.dead_letters().redrive_all(), 1);
    settled().await;
    assert!(bus.dead_letters().is_empty());
    after(ms(0), bus.drain()).await;
}

#[convoke::test]
async fn a_queue_is_not_its_own_queue_of_dead_letters() {
    let (bus, queue) = (EventBus::default(), Memory::queue("orders"));
    let error = Worker::new(queue.clone(), &bus).dead_letter(queue).start().await.unwrap_err();
    assert!(error.to_string().contains("cannot be its own queue of dead letters"), "{error}");
}
