//! Queues and their dead letters, over each server.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use convoke::codec::{Codec, Wire};
use convoke::look::Address;
use convoke::transport::{AnyQueue, DeadReason, Packet, Publisher, RabbitMq, Source};
use convoke::{Envelope, Metadata};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::binary::{command, done, lines, refused};
use crate::transports::servers::aws::AwsServer;
use crate::transports::servers::is_ci;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::RedisServer;

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// What one server does otherwise than another.
#[derive(Clone, Copy)]
struct Wants {
    /// It lists its queues.
    lists: bool,
    /// It can be heard without taking.
    tails: bool,
    /// To read a letter is to receive it.
    leases: bool,
}

/// A queue that nobody else has.
pub(super) fn unlike_any_other() -> String {
    format!("orders-{}", convoke::Uuid::now_v7().simple())
}

pub(super) fn packet(name: &str, number: u64) -> Packet {
    let mut packet = Wire::camel().write(&Envelope::new(Metadata::new(name.to_owned()), json!({"id": number})));
    packet.key = Some(format!("key-{}", number % 3));
    packet
}

pub(super) async fn publish(queue: &AnyQueue, packets: &[Packet]) {
    for taken in queue.publish(packets).await {
        taken.unwrap();
    }
}

/// Has all that waits die, as a worker does.
pub(super) async fn kill_all(queue: &mut AnyQueue, most: usize) {
    queue.open(most).await.unwrap();
    let (end, mut died) = (Instant::now() + LONG, 0);
    while died < most {
        assert!(Instant::now() < end, "{died} of {most} came");
        for delivery in queue.receive(most).await.unwrap() {
            delivery.dead_letter(DeadReason::Exhausted, vec!["no \u{1b}[31msuch book".to_owned()]).await.unwrap();
            died += 1;
        }
    }
    queue.close().await.unwrap();
}

/// What waits, acknowledged.
pub(super) async fn take(queue: &mut AnyQueue, most: usize) -> Vec<Packet> {
    queue.open(most).await.unwrap();
    let (end, mut all) = (Instant::now() + LONG, Vec::new());
    while all.len() < most && Instant::now() < end {
        for delivery in queue.receive(most).await.unwrap() {
            all.push(delivery.packet().clone());
            delivery.ack().await.unwrap();
        }
    }
    queue.close().await.unwrap();
    all
}

pub(super) fn number(packet: &Packet) -> u64 {
    serde_json::from_slice::<Value>(&packet.body).unwrap()["payload"]["id"].as_u64().unwrap()
}

/// Looks until a server that tells late says so.
async fn until(words: &[&str], mut holds: impl FnMut(&Value) -> bool) -> Value {
    let end = Instant::now() + LONG;
    loop {
        let said: Value = serde_json::from_str(&done(words).await).unwrap();
        if holds(&said) {
            return said;
        }
        assert!(Instant::now() < end, "{words:?}: {said}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// All of it over one server, whose URL has no name behind `#`.
async fn holds(server: &str, secret: Option<&str>, wants: Wants) {
    let name = unlike_any_other();
    let url = format!("{server}#{name}");
    let address: Address = url.parse().unwrap();
    let mut queue = AnyQueue::at(&address).await.unwrap();
    let packets: Vec<Packet> = (0..6).map(|n| packet(if n < 4 { "OrderPlaced" } else { "OrderLost" }, n)).collect();
    publish(&queue, &packets).await;
    kill_all(&mut queue, 6).await;

    // stats
    let stats = until(&["stats", &url, "--json"], |said| said["queues"][0]["dead"] == 6).await;
    assert_eq!(stats["queues"][0]["name"], name.as_str());
    let table = done(&["stats", &url]).await;
    assert!(table.starts_with("QUEUE ") && table.contains(&name[..12]), "{table}");
    if wants.lists {
        let all = done(&["stats", server, "--json"]).await;
        assert!(all.contains(&name), "{all}");
    }
    let missing = refused(&["stats", &format!("{server}#{name}-none")]).await;
    assert!(missing.starts_with("error: "), "{missing}");

    // list, show
    let listed = lines(&["dead", "list", &url, "--json"]).await;
    assert_eq!(listed.len(), 6, "{listed:?}");
    assert!(listed.iter().all(|letter| letter["why"] == "exhausted" && letter["payload"]["id"].is_u64()), "{listed:?}");
    let of_event = lines(&["dead", "list", &url, "--json", "--event", "OrderLost"]).await;
    assert_eq!(of_event.len(), 2, "{of_event:?}");
    let ids: Vec<&str> = listed.iter().map(|letter| letter["id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6, "{ids:?}");
    let shown = done(&["dead", "show", &url, ids[0]]).await;
    assert!(shown.contains("no attempt is left") && shown.contains(r"no \u{1b}[31msuch book"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let table = done(&["dead", "list", &url]).await;
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(refused(&["dead", "show", &url, "0f0f0f0f"]).await.contains("0f0f0f0f"));

    // redrive: one, those of a name, all; purge one
    assert!(done(&["dead", "redrive", &url, ids[0]]).await.starts_with("1 letter redriven"));
    refused(&["dead", "redrive", &url, ids[0]]).await;
    assert!(done(&["dead", "purge", &url, ids[1], "--yes"]).await.starts_with("1 letter deleted"));
    assert!(done(&["dead", "redrive", &url, "--event", "OrderLost"]).await.starts_with("2 letters redriven"));
    assert!(done(&["dead", "redrive", &url, "--all"]).await.starts_with("2 letters redriven"));
    assert!(lines(&["dead", "list", &url, "--json"]).await.is_empty());
    let back = take(&mut queue, 5).await;
    let numbers: BTreeSet<u64> = back.iter().map(number).collect();
    let gone = listed[1]["payload"]["id"].as_u64().unwrap();
    assert_eq!(numbers, (0..6).filter(|number| *number != gone).collect(), "{back:?}");
    assert_eq!(back.len(), 5);

    // publish, tail
    let published = done(&["publish", &url, "OrderPaid", "--json", "{\"id\": 9}", "--key", "ada"]).await;
    assert!(published.starts_with("Event published: OrderPaid"), "{published}");
    let paid = take(&mut queue, 1).await;
    assert_eq!(paid.iter().map(number).collect::<Vec<_>>(), [9]);
    if wants.tails {
        let taken = hears(&url, &queue).await;
        assert_eq!(take(&mut queue, taken).await.len(), taken, "what was heard was taken from others");
    } else if wants.leases {
        let said = refused(&["tail", &url, "--lines", "1"]).await;
        assert!(said.starts_with("error: "), "{said}");
    }
    if let Some(secret) = secret {
        for words in [["stats", &url], ["tail", &format!("{server}#{name}-none")]] {
            let output = super::binary::run(&words).await;
            let said = [output.stdout, output.stderr].concat();
            assert!(!String::from_utf8_lossy(&said).contains(secret), "{words:?}");
        }
    }
}

/// What is published while it listens comes, by its name and topic. Returns how many were published.
async fn hears(url: &str, to: &impl Publisher) -> usize {
    let words = ["tail", url, "--json", "--event", "OrderPlaced", "--topic", "*", "--lines", "3"];
    let mut process = command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let read = tokio::task::spawn_blocking(move || {
        let mut heard = Vec::new();
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 {
            heard.push(serde_json::from_str::<Value>(&line).unwrap());
            line.clear();
        }
        heard
    });
    // It says nothing of when it has begun to listen.
    let (end, mut number) = (Instant::now() + LONG, 100);
    while !read.is_finished() {
        assert!(Instant::now() < end, "it hears nothing");
        for taken in to.publish(&[packet("OrderPlaced", number), packet("OrderLost", number)]).await {
            // An exchange that nobody listens to yet takes it and says so.
            assert!(taken.is_ok() || url.starts_with("amqp"), "{taken:?}");
        }
        number += 1;
        sleep(Duration::from_millis(100)).await;
    }
    let heard = read.await.unwrap();
    assert!(process.wait().unwrap().success());
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard.iter().all(|line| line["event"] == "OrderPlaced"), "{heard:?}");
    2 * usize::try_from(number - 100).unwrap()
}

pub(super) fn over<S, E: std::fmt::Display>(server: Result<S, E>) -> Option<S> {
    match server {
        Ok(server) => Some(server),
        Err(error) => {
            assert!(!is_ci(), "{error}");
            println!("not tried: {error}");
            None
        }
    }
}

#[test]
fn redis_is_looked_at_and_repaired() {
    actix::System::new().block_on(async {
        let Some(server) = over(RedisServer::start().await) else { return };
        holds(server.url(), None, Wants { lists: true, tails: true, leases: false }).await;
    });
}

#[test]
fn postgres_is_looked_at_and_repaired() {
    actix::System::new().block_on(async {
        let Some(server) = over(PostgresServer::start().await) else { return };
        let url = server.url().replace("://postgres@", "://postgres:geheim@");
        holds(&url, Some("geheim"), Wants { lists: true, tails: true, leases: false }).await;
    });
}

#[test]
fn rabbitmq_is_looked_at_and_repaired() {
    actix::System::new().block_on(async {
        let Some(server) = over(RabbitMqServer::start().await) else { return };
        // An exchange is heard there, and not a queue.
        holds(server.url(), None, Wants { lists: false, tails: false, leases: false }).await;
        let name = unlike_any_other();
        let exchange = RabbitMq::exchange(&name).at(server.url()).create_if_missing().await.unwrap();
        hears(&format!("{}#{name}", server.url()), &exchange).await;
    });
}

#[test]
fn sqs_is_looked_at_and_repaired() {
    actix::System::new().block_on(async {
        let Some(server) = over(AwsServer::start().await) else { return };
        // The key of a stand-in is its account.
        let account = u64::from(std::process::id()) % 1_000_000 * 100_000 + 77_777;
        let endpoint = server.endpoint();
        let url = format!("sqs://{account:012}:geheim@eu-central-1?endpoint={endpoint}");
        holds(&url, Some("geheim"), Wants { lists: true, tails: false, leases: true }).await;
    });
}
