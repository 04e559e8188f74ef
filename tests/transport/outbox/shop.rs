//! A shop as its author would test it: orders come, a service bills them, what it writes and what it publishes commit together,
//! and an hour in which a server is away passes at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::transport::{Memory, MemoryDatabase, MemoryDatabaseInbox};
use convoke::{Heard, Outbox, Retry, Services, Worker};
use serde::{Deserialize, Serialize};

use crate::common::{SECOND, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed", entity_id = id)]
struct OrderPlaced {
    id: u64,
    total: u32,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "bills/sent", entity_id = order)]
struct BillSent {
    order: u64,
    total: u32,
}

/// What the application writes, with whichever database.
#[derive(Clone)]
struct Books {
    db: MemoryDatabase,
    inbox: MemoryDatabaseInbox,
    outbox: Outbox<MemoryDatabase>,
}

impl Books {
    /// Bills an order once, however often it comes: the mark and the next event commit together.
    async fn bill(&self, order: &OrderPlaced, id: &str) -> Handled {
        let mut tx = self.db.begin().await?;
        if self.inbox.mark_in(&mut tx, id).await? {
            self.outbox.publish(&mut tx, BillSent { order: order.id, total: order.total }).await?;
        }
        if order.total == 0 {
            return Err(Failure::new("nothing to pay")); // dropped, the transaction is rolled back
        }
        tx.commit().await?;
        Ok(())
    }
}

#[derive(BaseService)]
#[service(on(OrderPlaced))]
struct Billing {
    books: Books,
}

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = ResponseFuture<Handled>;

    fn handle(&mut self, placed: Heard<OrderPlaced>, _: &mut Context<Self>) -> Self::Result {
        let books = self.books.clone();
        Box::pin(async move { books.bill(placed.event(), &placed.metadata().identity()).await })
    }
}

fn by_order(event: &convoke::Envelope) -> Option<String> {
    event.metadata.entity_id.as_ref().map(ToString::to_string)
}

#[convoke::test]
async fn an_hour_without_a_server_costs_no_order_and_bills_none_twice() -> Result<(), Box<dyn std::error::Error>> {
    let db = Memory::database();
    db.migrate().await?;
    let (orders, bills) = (db.queue("orders").await?, db.queue("bills").await?);

    // Who takes orders: the event is written with the order, and leaves after that.
    let front = EventBus::builder().publisher("Shop").build();
    let shop = db.outbox("Shop").ordered_by(by_order).await?;
    let _leaves = shop.relay(Route::new("Shop/*", orders.clone())).supervised(&front).await?;

    // Who bills them.
    let bus = EventBus::builder().publisher("Billing").build();
    let inbox = db.inbox("billing").await?;
    let outbox = db.outbox("Billing").ordered_by(by_order).await?;
    let books = Books { db: db.clone(), inbox: inbox.clone(), outbox: outbox.clone() };
    let worker = Worker::new(orders.clone(), &bus)
        .ordered_by(by_order)
        .park()
        .deduplicate(inbox.clone())
        .retry(Retry::exponential(SECOND).attempts(3))
        .named("orders");
    let services = Services::new(&bus)
        .add(Billing::supervised(&bus, move |_| Billing { books: books.clone() }))
        .add(outbox.relay(Route::new("Billing/*", bills.clone())))
        .add(worker)
        .await?;

    // Whoever sends bills out.
    let (post, sent) = (EventBus::default(), Rc::<RefCell<Vec<(u64, u32)>>>::default());
    let _sends = post.on({
        let sent = sent.clone();
        async move |bill: Arc<BillSent>| sent.borrow_mut().push((bill.order, bill.total))
    });
    let sending = Worker::new(bills.clone(), &post).start().await?;

    let place = async |id: u64, total: u32| {
        let mut tx = db.begin().await?;
        shop.publish(&mut tx, OrderPlaced { id, total }).await?;
        tx.commit().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    place(1, 40).await?;
    sleep(SECOND).await;
    assert_eq!(sent.take(), [(1, 40)]);

    // An order that nobody can bill holds up what follows of it, and no other.
    place(2, 0).await?;
    place(2, 7).await?;
    // For an hour no bill can leave.
    bills.set_reachable(false);
    for id in 3..=50 {
        place(id, 10).await?;
        sleep(75 * SECOND).await;
    }
    let waits = outbox.figures().await?;
    assert_eq!((waits.ready, waits.dead), (48, 0));
    assert!(waits.oldest.is_some_and(|oldest| oldest > 3_500 * SECOND), "{waits:?}");
    assert!(sent.borrow().is_empty());
    assert_eq!(orders.waiting(), 1, "what is parked behind the order without a price, and nothing else");

    bills.set_reachable(true);
    sleep(60 * SECOND).await;
    let mut billed = sent.take();
    billed.sort_unstable();
    assert_eq!(billed, (3..=50).map(|id| (id, 10)).collect::<Vec<_>>());

    let parking = orders.parking();
    let letters = parking.dead_letters(10).await?;
    assert_eq!((letters.len(), letters[0].parked), (1, 1));
    assert!(letters[0].record.errors[0].contains("nothing to pay"), "{:?}", letters[0].record.errors);
    assert!(parking.discard(letters[0].position).await?);
    sleep(60 * SECOND).await;
    assert_eq!(sent.take(), [(2, 7)]);
    assert_eq!(outbox.figures().await?.ready + shop.figures().await?.ready, 0);

    sending.drain().await?;
    assert!(services.shutdown().await.is_clean());
    Ok(())
}
