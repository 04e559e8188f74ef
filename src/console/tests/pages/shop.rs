//! A shop whose servers are looked at.

use std::time::{Duration, UNIX_EPOCH};

use convoke::codec::{Codec, Wire};
use convoke::look::Address;
use convoke::transport::{
    AnyQueue, DeadLetterRecord, DeadReason, Memory, MemoryDatabase, Packet, Publisher, Source, Sqlite, SqliteDatabase,
};
use convoke::{Envelope, Metadata, Uuid};
use convoke_console::{Allowed, Person, Shown, scope};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Answer, Site, sent};

/// Which database is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Memory,
    Sqlite,
}

pub(crate) const BOTH: [On; 2] = [On::Memory, On::Sqlite];

/// A database, and a console that looks at it.
pub(crate) struct Shop {
    pub(crate) site: Site,
    /// One whose visitor may only look.
    pub(crate) looks: Site,
    /// What the database is called in links.
    pub(crate) server: String,
    pub(crate) address: Address,
    _folder: TempDir,
    pub(crate) memory: Option<MemoryDatabase>,
    pub(crate) sqlite: Option<SqliteDatabase>,
}

impl Shop {
    pub(crate) async fn new(on: On, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.db");
        let (mut memory, mut sqlite) = (None, None);
        let (address, server) = match on {
            On::Memory => {
                memory = Some(Memory::database_named(name));
                (format!("memory:{name}"), format!("memory-{name}"))
            }
            On::Sqlite => {
                sqlite = Some(Sqlite::open(&file).await.unwrap());
                (format!("sqlite:{}", file.display()), "sqlite-shop.db".to_owned())
            }
        };
        let address: Address = address.parse().unwrap();
        let shown = Shown::new("shop").at(address.clone());
        let looks = site(&shown, |person| person).await;
        let site = site(&shown, |person| person.operates().reveals()).await;
        Self { site, looks, server, address, _folder: folder, memory, sqlite }
    }

    /// Publishes to a queue, which is there from then on.
    pub(crate) async fn publish(&self, queue: &str, packets: &[Packet]) {
        let mut queue = AnyQueue::at(&self.address.clone().named(queue)).await.unwrap();
        // A queue of a database is there once somebody has opened it.
        queue.open(1).await.unwrap();
        for some in packets.chunks(1_000) {
            for taken in queue.publish(some).await {
                taken.unwrap();
            }
        }
        queue.close().await.unwrap();
    }

    /// Has letters of the queue of orders, in this order: in a file they are written as such, and in memory they die.
    pub(crate) async fn bury(&self, letters: &[(Packet, DeadReason, Vec<&str>)]) {
        self.publish("orders", &[]).await;
        if self.sqlite.is_some() {
            let letters: Vec<Packet> =
                letters.iter().map(|(packet, reason, errors)| dead(packet, *reason, errors)).collect();
            return self.publish("orders-dead", &letters).await;
        }
        let mut queue = AnyQueue::at(&self.address.clone().named("orders")).await.unwrap();
        queue.open(1).await.unwrap();
        for (packet, reason, errors) in letters {
            for taken in queue.publish(std::slice::from_ref(packet)).await {
                taken.unwrap();
            }
            for delivery in queue.receive(1).await.unwrap() {
                delivery.dead_letter(*reason, errors.iter().map(|error| (*error).to_owned()).collect()).await.unwrap();
            }
        }
        queue.close().await.unwrap();
    }

    /// What a queue has, in the order in which it is lent. It is taken out.
    pub(crate) async fn taken(&self, queue: &str) -> Vec<Packet> {
        let mut queue = AnyQueue::at(&self.address.clone().named(queue)).await.unwrap();
        queue.open(100_000).await.unwrap();
        let mut all = Vec::new();
        loop {
            let some = queue.receive(1_000).await.unwrap();
            if some.is_empty() {
                break;
            }
            for delivery in some {
                all.push(delivery.packet().clone());
                delivery.ack().await.unwrap();
            }
        }
        queue.close().await.unwrap();
        all
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.site.get(&format!("/convoke{path}")).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.site.ask(sent(&format!("/convoke{path}"), fields)).await
    }

    /// The page of the letters of a queue, with what else is asked.
    pub(crate) async fn letters(&self, asked: &str) -> Answer {
        self.get(&format!("/dead/{}?queue=orders{asked}", self.server)).await
    }
}

pub(crate) async fn site(shown: &Shown, person: fn(Person) -> Person) -> Site {
    let console = scope("/convoke").showing(shown).allow(move |_| Allowed::As(person(Person::named("ada"))));
    Site::new(console).await
}

/// An event as it stands in a queue.
pub(crate) fn event(number: u64, name: &str, payload: Value, is_personal: bool) -> Packet {
    let mut metadata = Metadata::new(name.to_owned());
    metadata.id = Uuid::from_u128(number.into());
    metadata.topic = "shop/events".into();
    metadata.time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    metadata.contains_personal_data = is_personal;
    Wire::camel().write(&Envelope::new(metadata, payload))
}

/// An order of this number, with a key.
pub(crate) fn order(number: u64, key: &str) -> Packet {
    let mut packet = event(number, "OrderPlaced", json!({"id": number}), false);
    packet.key = Some(key.to_owned());
    packet
}

/// The letter that a packet is.
pub(crate) fn dead(packet: &Packet, reason: DeadReason, errors: &[&str]) -> Packet {
    let errors = errors.iter().map(|error| (*error).to_owned()).collect();
    let mut record = DeadLetterRecord::new("shop:orders", packet, 5, reason, errors);
    // It died before anybody looks.
    record.time = 1_767_323_045_000;
    record.bury(packet.clone(), usize::MAX, usize::MAX)
}

/// The numbers of orders.
pub(crate) fn numbers(packets: &[Packet]) -> Vec<u64> {
    let number = |packet: &Packet| {
        let body: Value = serde_json::from_slice(&packet.body).unwrap();
        body["payload"]["id"].as_u64().unwrap()
    };
    packets.iter().map(number).collect()
}

/// What stands between the first two of these marks, each time.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to).map(|(found, _)| found)).collect()
}

/// The ids of the letters that are on a page.
pub(crate) fn ids(page: &str) -> Vec<String> {
    between(page, "type=\"checkbox\" name=\"id\" value=\"", "\"").into_iter().map(str::to_owned).collect()
}

/// The link to the next page, as a path behind `/convoke`.
pub(crate) fn next(page: &str) -> Option<String> {
    let link = between(page, "rel=\"next\" href=\"", "\"").first()?.replace("&#38;", "&").replace("&amp;", "&");
    Some(link.strip_prefix("/convoke").unwrap().to_owned())
}
