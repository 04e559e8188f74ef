//! A file of SQLite with queues, and letters that died.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use convoke::codec::{Codec, Wire};
use convoke::schema::Document;
use convoke::transport::{DeadLetterRecord, DeadReason, Packet, Publisher, Source, Sqlite};
use convoke::{Envelope, Event, Metadata, Uuid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Does something with a server, in a system of its own.
pub(crate) fn with<T>(work: impl AsyncFnOnce() -> T) -> T {
    actix::System::new().block_on(work())
}

/// An event as it stands in a queue, always the same one.
pub(crate) fn event(number: u128, name: &str, payload: Value, is_personal: bool) -> Packet {
    let mut metadata = Metadata::new(name.to_owned());
    metadata.id = Uuid::from_u128(number);
    metadata.topic = format!("shop/{}", name.to_lowercase()).into();
    metadata.time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    metadata.contains_personal_data = is_personal;
    Wire::camel().write(&Envelope::new(metadata, payload))
}

/// An order of this number, with a key.
pub(crate) fn order(number: u64, key: &str) -> Packet {
    let mut packet = event(number.into(), "OrderPlaced", json!({"id": number, "total": 40}), false);
    packet.key = Some(key.to_owned());
    packet
}

/// The letter that a packet is, that died so many hours ago.
pub(crate) fn dead(packet: &Packet, hours: u64, attempts: u32, reason: DeadReason, errors: &[&str]) -> Packet {
    let errors = errors.iter().map(|error| (*error).to_owned()).collect();
    let mut record = DeadLetterRecord::new("sqlite:orders", packet, attempts, reason, errors);
    let died = SystemTime::now() - Duration::from_secs(hours * 3600 + 60);
    record.time = u64::try_from(died.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    record.bury(packet.clone(), usize::MAX, usize::MAX)
}

/// Publishes to a queue of a file.
pub(crate) async fn publish(file: &Path, queue: &str, packets: &[Packet]) {
    let queue = Sqlite::queue(queue).at(file).await.unwrap();
    for taken in queue.publish(packets).await {
        taken.unwrap();
    }
}

/// How many packets a queue has that could be lent, and which, in their order.
pub(crate) fn waiting(file: &Path, queue: &str) -> Vec<Packet> {
    with(async || {
        let mut queue = Sqlite::queue(queue).at(file).await.unwrap();
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
    })
}

/// What the schema of the shop says of an order.
#[derive(Debug, Event, JsonSchema, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
    total: u32,
}

const CONTEXTS: &str = "\
[context.shop]
url = \"sqlite:live.db#orders\"
production = true
audit = \"audit.jsonl\"

[context.test]
url = \"sqlite:shop.db#orders\"
";

/// Files of contexts in which something is wrong, by the folders in which they stand.
const WRONG: [(&str, &str); 4] = [
    ("password", "[context.shop]\nurl = \"postgres://ada:geheim@db/shop\"\n"),
    ("typo", "[context.shop]\nurl = \"memory:\"\nproductions = true\n"),
    ("toml", "[context.shop]\nurl = \"postgres://ada:geheim@db/shop\n"),
    ("variable", "[context.shop]\nurl = \"postgres://ada:${CONVOKE_TEST_NOT_SET}@db/shop\"\n"),
];

/// Fills `shop.db` and `live.db` of a folder, and names them in a `convoke.toml`: `shop` is production, and is `live.db`.
pub(crate) fn fill(folder: &Path) {
    fs::write(folder.join("convoke.toml"), CONTEXTS).unwrap();
    fs::create_dir_all(folder.join("a/deep/folder")).unwrap();
    for (name, text) in WRONG {
        let folder = folder.join("wrong").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("convoke.toml"), text).unwrap();
    }
    let document = Document::builder("shop", "1").publishes::<OrderPlaced>().build().unwrap();
    document.save(folder.join("shop.asyncapi.json")).unwrap();
    with(async || {
        for name in ["shop.db", "live.db"] {
            let file = folder.join(name);
            publish(&file, "orders", &[order(1, "ada"), order(2, "bob")]).await;
            let declined = ["cannot bill the order", "the card was declined"];
            let registered = event(5, "UserRegistered", json!({"email": "ada@example.org", "name": "Ada"}), true);
            let letters = [
                dead(&order(3, "ada"), 3, 15, DeadReason::Exhausted, &declined),
                dead(&order(4, "bob"), 3, 15, DeadReason::Exhausted, &declined),
                dead(&registered, 50, 1, DeadReason::Permanent, &["no such template"]),
                dead(&Packet::new("6", "no event"), 100, 1, DeadReason::Broken, &["the body is no JSON"]),
            ];
            publish(&file, "orders-dead", &letters).await;
            publish(&file, "mails", &[order(7, "ada")]).await;
        }
    });
}
