//! An application that has something of everything, and a console of it at an address of this machine: a shop in which some things go wrong.

use std::any::Any;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::prelude::*;
use actix_web::dev::ServerHandle;
use actix_web::rt::spawn;
use actix_web::rt::time::sleep;
use actix_web::{App, HttpServer};
use convoke::codec::{Codec, Wire};
use convoke::look::Address;
use convoke::prelude::*;
use convoke::schema::Document;
use convoke::transport::{AnyQueue, DeadLetterRecord, DeadReason, Packet, Publisher, Source, Sqlite, SqliteDatabase};
use convoke::{Envelope, Fault, Route, Services, Supervisor, Tasks, Uuid, Worker};
use convoke_console::{Allowed, Shown, scope};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::all;
use crate::jobs::{NobodyDoes, SendReceipt};

mod before {
    use convoke::prelude::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Event, JsonSchema, Serialize, Deserialize)]
    #[event(topic = "orders/placed", name = "OrderPlaced")]
    pub(super) struct OrderPlaced {
        id: u64,
        note: Option<String>,
    }
}

#[derive(Event, JsonSchema, Serialize, Deserialize)]
#[event(topic = "orders/placed", entity_id = id, version = 2, example = Self { id: 7, total: 40 })]
pub(super) struct OrderPlaced {
    pub(super) id: u64,
    pub(super) total: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
struct UserRegistered {
    email: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "receipts/sent")]
struct ReceiptSent {
    order: u64,
}

/// A service that cannot bear an order of nothing.
#[derive(BaseService)]
#[service(on(OrderPlaced))]
struct Billing;

impl Handler<Heard<OrderPlaced>> for Billing {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        assert!(order.total > 0, "order {} has no total", order.id);
        Ok(())
    }
}

/// One that runs.
#[derive(BaseService)]
#[service(on(UserRegistered))]
struct Welcome;

impl Handler<Heard<UserRegistered>> for Welcome {
    type Result = Handled;

    fn handle(&mut self, _: Heard<UserRegistered>, _: &mut Context<Self>) -> Handled {
        Ok(())
    }
}

async fn send(task: Arc<SendReceipt>) -> Result<ReceiptSent, Fault> {
    match task.order {
        1 => Err(Fault::new("the address is none").permanent()),
        order => Ok(ReceiptSent { order }),
    }
}

/// A shop that runs, and the site of its console.
pub(super) struct Stage {
    /// Where the site begins: `http://127.0.0.1:7070`. The console is at `/convoke`, the same as production at `/production`, and one
    /// that lets nobody in at `/denied`.
    pub(super) site: String,
    pub(super) bus: EventBus,
    pub(super) address: Address,
    server: ServerHandle,
    _kept: Vec<Box<dyn Any>>,
    _folder: TempDir,
}

/// What the database is called in links.
pub(super) const SERVER: &str = "sqlite-shop.db";

impl Stage {
    /// A shop in which something of everything has happened.
    pub(super) async fn new() -> Self {
        let (folder, db, address) = database().await;
        let bus = EventBus::builder().publisher("shop").build();
        let mut kept: Vec<Box<dyn Any>> = Vec::new();
        let old = Document::builder("shop", "1.3.0").publishes::<before::OrderPlaced>().build().unwrap();
        let new = Document::builder("shop", "1.4.0").publishes::<OrderPlaced>().build().unwrap();
        // A database in a folder that is not there: its server does not answer.
        let away = folder.path().join("away").join("mails.db");
        let away: Address = format!("sqlite:{}", away.display()).parse().unwrap();
        let mut shown = Shown::new("shop").bus(&bus).at(address.clone()).at(away).document(old).document(new);
        letters(&address).await;
        shown = works(shown, &db, &bus, &mut kept).await;
        shown = process(shown, &bus, &mut kept).await;
        shown = rounds(shown, &mut kept).await;
        Self::serve(shown, bus, address, folder, kept)
    }

    /// A site of what is shown, with this database.
    pub(super) fn serve(
        shown: Shown,
        bus: EventBus,
        address: Address,
        folder: TempDir,
        kept: Vec<Box<dyn Any>>,
    ) -> Self {
        let app = move || {
            let console = |path: &str| scope(path).showing(&shown);
            App::new()
                .service(console("/convoke").allow(all))
                .service(console("/production").allow(all).production(true))
                .service(console("/denied").allow(|_| Allowed::Unknown))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let site = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        spawn(server);
        Self { site, bus, address, server: handle, _kept: kept, _folder: folder }
    }

    /// Has these in a queue of the database, which is there from then on.
    pub(super) async fn publish(&self, queue: &str, packets: &[Packet]) {
        publish(&self.address, queue, packets).await;
    }

    /// Ends the site, also for those who follow a page.
    pub(super) async fn end(self) {
        self.server.stop(false).await;
    }
}

/// A database in a folder that goes with its test.
pub(super) async fn database() -> (TempDir, SqliteDatabase, Address) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let db = Sqlite::open(&file).await.unwrap();
    let address = format!("sqlite:{}", file.display()).parse().unwrap();
    (folder, db, address)
}

pub(super) async fn publish(address: &Address, queue: &str, packets: &[Packet]) {
    let mut queue = AnyQueue::at(&address.clone().named(queue)).await.unwrap();
    queue.open(1).await.unwrap();
    for some in packets.chunks(1_000) {
        for taken in queue.publish(some).await {
            taken.unwrap();
        }
    }
    queue.close().await.unwrap();
}

/// An event as it stands in a queue, published some minutes ago.
pub(super) fn event(number: u64, name: &str, payload: Value, is_personal: bool) -> Packet {
    let mut metadata = Metadata::new(name.to_owned());
    metadata.id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number));
    metadata.topic = "shop/events".into();
    metadata.time = SystemTime::now() - Duration::from_secs(40 * 60);
    metadata.contains_personal_data = is_personal;
    let mut packet = Wire::camel().write(&Envelope::new(metadata, payload));
    packet.key = Some(format!("customer-{}", number % 3));
    packet
}

/// The letter that a packet is, which has died after that.
pub(super) fn dead(packet: &Packet, reason: DeadReason, errors: &[&str]) -> Packet {
    let errors = errors.iter().map(|error| (*error).to_owned()).collect();
    let mut record = DeadLetterRecord::new("shop:orders", packet, 5, reason, errors);
    let died = SystemTime::now() - Duration::from_secs(32 * 60);
    record.time = died.duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
    record.bury(packet.clone(), usize::MAX, usize::MAX)
}

/// Orders that wait, and five letters.
async fn letters(address: &Address) {
    let order = |number| event(number, "OrderPlaced", json!({ "id": number, "total": number * 10 }), false);
    publish(address, "orders", &[order(11), order(12), order(13)]).await;
    // One whose payload is longer than its box.
    let items: Vec<Value> = (1..=60).map(|item| json!({ "item": item, "title": "a book" })).collect();
    let long = event(2, "OrderPlaced", json!({ "id": 2, "items": items }), false);
    let registered = event(3, "UserRegistered", json!({ "email": "ada@example.org" }), true);
    let declined = ["cannot bill the order", "the card was declined"];
    let letters = [
        dead(&order(1), DeadReason::Exhausted, &declined),
        dead(&long, DeadReason::Permanent, &["no such book"]),
        dead(&registered, DeadReason::Rejected, &["no such template"]),
        dead(&Packet::new("4", "no event"), DeadReason::Broken, &["the body is no JSON"]),
        dead(&order(5), DeadReason::Exhausted, &declined),
    ];
    publish(address, "orders-dead", &letters).await;
}

/// Jobs that are done, have failed and wait, durable rounds, records, a relay and a worker.
async fn works(shown: Shown, db: &SqliteDatabase, bus: &EventBus, kept: &mut Vec<Box<dyn Any>>) -> Shown {
    let tasks = Tasks::new(db, bus).on(send).unwrap().await.unwrap();
    let probe = tasks.probe();
    for order in [1, 2, 3] {
        let job = tasks.enqueue(SendReceipt { order, email: "ada@example.org".into() }).await.unwrap().into_job();
        job.wait(Duration::from_secs(20)).await.unwrap().unwrap();
    }
    drop(tasks.enqueue(NobodyDoes { email: "ada@example.org".into() }).await.unwrap().into_job());

    let hour = Duration::from_secs(3600);
    let approvals = Broker::<String>::new(hour).expects(["legal", "finance", "chair"]);
    let approvals = approvals.durable(db, "approvals").await.unwrap();
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    for contract in ["contract-7", "contract-9", "contract-12"] {
        legal.emit_for(contract, "yes".to_owned()).committed().await.unwrap();
    }
    approvals.abort("contract-9", "the customer has withdrawn").await.unwrap();

    let orders = db.store("orders").await.unwrap();
    let records = (1..=30_u64).map(|number| {
        let topic = if number % 5 == 0 { "notes/taken" } else { "orders/placed" };
        convoke::JsonEvent::new(topic, json!({ "id": number, "total": number * 10 }))
    });
    orders.append_all(records).await.unwrap();

    let outbox = db.outbox("shop").await.unwrap();
    let mut relay = outbox.relay(Route::new("shop/*", db.queue("events").await.unwrap()));
    let relay_probe = relay.probe();
    let relay = relay.supervised(bus).await.unwrap();
    let worker = Worker::new(db.queue("mails").await.unwrap(), bus).start().await.unwrap();
    let shown = shown.tasks("receipts", &probe).relay("shop", &relay_probe).worker("mails", &worker);
    kept.extend([Box::new(tasks) as Box<dyn Any>, Box::new((approvals, legal)), Box::new(relay), Box::new(worker)]);
    shown
}

/// Services of which one has failed and come back, listeners, and what they could not do.
async fn process(shown: Shown, bus: &EventBus, kept: &mut Vec<Box<dyn Any>>) -> Shown {
    let mail = |order: &OrderPlaced| if order.id == 7 { Err("no connection to the mail server") } else { Ok(()) };
    kept.push(Box::new(bus.on(mail.named("mail")).unwrap()));
    kept.push(Box::new(bus.on_topic("orders/*", (|_: &JsonEvent| ()).named("log")).unwrap()));
    let backoff = Backoff::fixed(Duration::from_millis(1));
    let orders = Supervisor::one_for_one(bus, "orders")
        .add(
            Billing::supervised(bus, |_| Billing).named("billing").backoff(backoff).budget(3, Duration::from_secs(600)),
        )
        .add(Welcome::supervised(bus, |_| Welcome).named("welcome"));
    let services = Services::new(bus).add(orders).await.unwrap();
    for id in 5..=9 {
        bus.publish(OrderPlaced { id, total: 40 }).unwrap();
    }
    bus.publish(UserRegistered { email: "ada@example.org".to_owned() }).unwrap();
    bus.publish(OrderPlaced { id: 10, total: 0 }).unwrap();
    let health = services.health();
    for _ in 0..2_000 {
        if health.statuses().iter().any(|status| status.restarts == 1 && status.state.is_up()) {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    let shown = shown.services(&services);
    kept.push(Box::new(services));
    shown
}

/// A broker with rounds that are over, and two that wait.
async fn rounds(shown: Shown, kept: &mut Vec<Box<dyn Any>>) -> Shown {
    let broker = Broker::<u32>::new(Duration::from_secs(3600)).expects(["stock", "payment", "fraud"]).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let payment = Emitter::join(&broker, "payment").await.unwrap();
    let fraud = Emitter::join(&broker, "fraud").await.unwrap();
    for order in ["order-1", "order-2", "order-3"] {
        let (first, second, third) =
            tokio::join!(stock.emit_for(order, 1), payment.emit_for(order, 2), fraud.emit_for(order, 3));
        assert!(first.unwrap().is_resolved() && second.unwrap().is_resolved() && third.unwrap().is_resolved());
    }
    let cancelled = spawn(stock.emit_for("order-4", 1));
    sleep(Duration::from_millis(20)).await;
    broker.abort_for("order-4", "the customer has cancelled").await.unwrap();
    drop(cancelled.await);
    drop(fraud);
    for order in ["order-7", "order-9"] {
        drop(spawn(stock.emit_for(order, 1)));
    }
    let shown = shown.broker("orders", &broker);
    kept.push(Box::new((broker, stock, payment)));
    shown
}
