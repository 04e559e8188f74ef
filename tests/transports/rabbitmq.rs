//! RabbitMQ: the fixture of the suite, and what only RabbitMQ has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, GROUPS, Server, Wants};
use convoke::transport::{
    Attribute, BoxFuture, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Packet, Publisher, RabbitMq,
    RabbitMqBuilder, Source, TransportError, redrive,
};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use super::logged::{listen, logged};
use crate::servers::rabbitmq::{RabbitMqServer, TREE};

/// What counts as an attempt.
mod attempts;
/// A server that cannot be reached, says nothing, or has lost the queue.
mod away;
/// What is lent, and to whom.
mod lending;
/// What the server takes back.
mod taken_back;

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// What a call may take while the server is away, and more than it takes otherwise.
const QUICK: Duration = Duration::from_secs(15);

/// RabbitMQ, with a real server.
pub(crate) struct RabbitMqFixture {
    server: RabbitMqServer,
    name: &'static str,
}

impl RabbitMqFixture {
    pub(crate) async fn start() -> Result<Self, String> {
        Ok(Self { server: RabbitMqServer::start().await?, name: "rabbitmq" })
    }

    /// With a server of which quorum queues have priorities.
    async fn newer() -> Result<Self, String> {
        Ok(Self { server: RabbitMqServer::newer("").await?, name: "rabbitmq-4.3" })
    }
}

impl Fixture for RabbitMqFixture {
    fn name(&self) -> &str {
        self.name
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            // Unlike any other, also on a server that keeps what it had.
            let name = format!("{}-{}", wants.name, convoke::Uuid::now_v7().simple());
            let mut builder = queue(&self.server, &name).deadline(QUICK);
            if wants.priority > 0 {
                builder = builder.priorities(wants.priority);
                builder = if self.name == "rabbitmq" { builder.classic() } else { builder };
            }
            if !wants.fan_out {
                let queue = builder.await?;
                let dead = queue.dead_letters().expect("it was made").await?;
                let publisher = Arc::new(queue.clone());
                return Ok(Channel {
                    publisher,
                    subscribe: Box::new(move |_| Box::new(queue.clone())),
                    dead: Some(Box::new(move || Box::new(dead.clone()))),
                });
            }
            // A group is a queue of its own.
            let dead_queue = format!("{name}-dead");
            let exchange = RabbitMq::exchange(&name).at(self.server.url()).deadline(QUICK).create_if_missing().await?;
            let mut groups = BTreeMap::new();
            for group in GROUPS {
                let queue = queue(&self.server, &format!("{name}-{group}")).dead_letter_queue(&dead_queue);
                groups.insert(group.to_owned(), queue.bound_to(&name, "**").deadline(QUICK).await?);
            }
            let dead = queue(&self.server, &dead_queue).deadline(QUICK).await?;
            let subscribe = move |group: &str| -> Box<dyn Source> {
                Box::new(groups.get(group).expect("a group that was made").clone())
            };
            let dead: Box<dyn Fn() -> Box<dyn Source> + Send + Sync> = Box::new(move || Box::new(dead.clone()));
            Ok(Channel { publisher: Arc::new(exchange), subscribe: Box::new(subscribe), dead: Some(dead) })
        })
    }

    fn server(&self) -> Option<&dyn Server> {
        self.server.ours()
    }
}

/// One server for all tests that leave it alive; a guard ends it with this process.
pub(super) async fn server() -> &'static RabbitMqServer {
    static SERVER: OnceCell<RabbitMqServer> = OnceCell::const_new();
    SERVER.get_or_init(|| async { RabbitMqServer::start().await.unwrap() }).await
}

/// A name that nobody else uses.
pub(super) fn fresh(name: &str) -> String {
    format!("{name}-{}", convoke::Uuid::now_v7().simple())
}

pub(super) fn queue(server: &RabbitMqServer, name: &str) -> RabbitMqBuilder {
    RabbitMq::queue(name).at(server.url()).deadline(LONG).create_if_missing()
}

/// The client itself, as a stranger would use it.
pub(super) async fn stranger(server: &RabbitMqServer) -> lapin::Channel {
    let connection = Connection::connect(server.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

fn packets(count: usize) -> Vec<Packet> {
    (0..count).map(|n| Packet::new(format!("id-{n}"), format!("body {n}"))).collect()
}

pub(super) async fn publish(publisher: &dyn Publisher, packets: &[Packet]) {
    for taken in publisher.publish(packets).await {
        taken.unwrap();
    }
}

/// Waits until there is a delivery, over errors too.
pub(super) async fn next(source: &mut dyn Source) -> Delivery {
    let found = timeout(LONG, async {
        loop {
            match source.receive(1).await {
                Ok(mut found) => {
                    if let Some(delivery) = found.pop() {
                        return delivery;
                    }
                }
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    found.await.expect("nothing came")
}

/// Takes what comes and acknowledges it, until there have been so many different ones; returns their ids.
async fn drain(source: &mut dyn Source, count: usize) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let all = timeout(LONG * 2, async {
        while seen.len() < count {
            match source.receive(100).await {
                Ok(found) => {
                    for delivery in found {
                        let id = delivery.packet().id.clone();
                        if delivery.ack().await.is_ok() {
                            seen.insert(id);
                        }
                    }
                }
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    assert!(all.await.is_ok(), "only {} of {count} came", seen.len());
    seen
}

/// Nothing comes for two waits.
async fn nothing_comes(source: &mut dyn Source) {
    for _ in 0..2 {
        let found = source.receive(10).await.unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Waits until this is so.
#[track_caller]
fn until(mut holds: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + LONG;
        while !holds().await {
            assert!(Instant::now() < deadline, "{caller}: it never was so");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn what_is_published_comes_whole() {
    let server = server().await;
    let mut orders = queue(server, &fresh("whole")).await.unwrap();
    let mut packet = Packet::new("an id", vec![0, 1, 2, 255]);
    packet.topic = "orders/placed".to_owned();
    packet.key = Some("käy".to_owned());
    let attributes: Vec<(&str, Attribute)> = vec![
        ("text", "\u{1F980}".into()),
        ("empty", "".into()),
        ("number", (-7_i64).into()),
        ("large", u64::MAX.into()),
        ("list", ["a", ""].into()),
        ("x-death", "not of the server".into()),
    ];
    packet.attributes = attributes.into_iter().collect();
    let mut empty = Packet::default();
    empty.attributes.insert("only", "an attribute");
    let mut large = Packet::new("large", vec![7; 1_000_000]);
    large.attributes.insert("large", "x".repeat(100_000));
    let all = [packet, empty, large];
    publish(&orders, &all).await;
    orders.open(10).await.unwrap();
    for expected in all {
        let delivery = next(&mut orders).await;
        assert_eq!((delivery.packet() == &expected, delivery.attempt(), delivery.lease()), (true, 1, None));
        delivery.ack().await.unwrap();
    }
    nothing_comes(&mut orders).await;
    orders.close().await.unwrap();
    assert_eq!(orders.backlog().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_packet_that_no_queue_gets_fails_alone() {
    let server = server().await;
    let (name, bound) = (fresh("events"), fresh("bound"));
    let events = RabbitMq::exchange(&name).at(server.url()).deadline(LONG).create_if_missing().await.unwrap();
    queue(server, &bound).bound_to(&name, "orders/*").await.unwrap();
    let mut orders = RabbitMq::queue(&bound).at(server.url()).deadline(LONG).await.unwrap();
    let packets: Vec<_> = (0..700)
        .map(|n| {
            let mut packet = Packet::new(format!("id-{n}"), format!("body {}", n % 3));
            packet.topic = if n % 7 == 3 { "nobody/hears" } else { "orders/placed" }.to_owned();
            packet
        })
        .collect();
    let taken = events.publish(&packets).await;
    let failed: Vec<_> = (0..700).filter(|n| taken[*n].is_err()).collect();
    assert_eq!(failed, (0..700).filter(|n| n % 7 == 3).collect::<Vec<_>>());
    let error = taken[3].clone().unwrap_err();
    assert_eq!((error.kind(), error.at()), (ErrorKind::Unroutable, format!("rabbitmq:{name}").as_str()));
    assert!(error.to_string().contains("`nobody.hears`"), "{error}");
    assert_eq!(drain(&mut orders, 600).await.len(), 600);

    // A queue that is gone, and that we may not make.
    let channel = stranger(server).await;
    channel.queue_delete(bound.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let error = orders.publish(&packets[..1]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unroutable);
    until(async || {
        let mut orders = orders.clone();
        orders.open(1).await.is_err_and(|error| error.kind() == ErrorKind::Missing)
    })
    .await;
    assert_eq!(orders.backlog().await.unwrap_err().kind(), ErrorKind::Missing);
    let outcome = timeout(LONG, async {
        loop {
            if let Err(error) = orders.receive(1).await
                && error.kind() == ErrorKind::Missing
            {
                return error;
            }
        }
    });
    assert!(outcome.await.unwrap().to_string().contains("create_if_missing"));
}

#[tokio::test]
async fn a_queue_gets_what_its_patterns_choose() {
    let server = server().await;
    let name = fresh("topics");
    let events = RabbitMq::exchange(&name).at(server.url()).deadline(LONG).create_if_missing().await.unwrap();
    let topics = ["orders", "orders/placed", "orders/placed/late", "orders/v1.2", "orders/v1/2", "a#b/late", "late"];
    let cases: [(&[&str], &[&str]); 6] = [
        (&["orders/*"], &["orders/placed", "orders/v1.2"]),
        (&["orders/**"], &["orders", "orders/placed", "orders/placed/late", "orders/v1.2", "orders/v1/2"]),
        (&["**/late"], &["orders/placed/late", "a#b/late", "late"]),
        (&["orders/v1.2"], &["orders/v1.2"]),
        (&["**"], &topics),
        // An overlap delivers once.
        (&["orders/*", "*/placed", "late"], &["orders/placed", "orders/v1.2", "late"]),
    ];
    let mut queues = Vec::new();
    for (patterns, expected) in cases {
        let mut builder = queue(server, &fresh("bound"));
        for pattern in patterns {
            builder = builder.bound_to(&name, *pattern);
        }
        queues.push((builder.await.unwrap(), patterns, expected));
    }
    let packets: Vec<_> = topics
        .iter()
        .map(|topic| {
            let mut packet = Packet::new(*topic, "{}");
            packet.topic = (*topic).to_owned();
            packet
        })
        .collect();
    publish(&events, &packets).await;
    for (mut queue, patterns, expected) in queues {
        let seen = drain(&mut queue, expected.len()).await;
        assert_eq!(seen, expected.iter().map(|topic| (*topic).to_owned()).collect(), "{patterns:?}");
        assert_eq!(queue.backlog().await.unwrap(), Some(0), "{patterns:?}");
    }
}

#[tokio::test]
async fn a_retry_comes_after_its_delay_and_is_counted() {
    let server = server().await;
    for (kind, builder) in
        [("quorum", queue(server, &fresh("retry"))), ("classic", queue(server, &fresh("retry")).classic())]
    {
        let mut orders = builder.await.unwrap();
        publish(&orders, &packets(1)).await;
        let delays = [0, 90, 100, 400].map(Duration::from_millis);
        for (before, delay) in (1..).zip(delays) {
            let delivery = next(&mut orders).await;
            assert_eq!((delivery.attempt(), delivery.packet()), (before, &packets(1)[0]), "{kind}");
            // Another subscriber: what was counted is on the server.
            orders.close().await.unwrap();
            orders = orders.clone();
            let asked = Instant::now();
            delivery.retry_after(delay).await.unwrap();
            until(async || orders.backlog().await.unwrap() == Some(1)).await;
            assert!(asked.elapsed() >= delay, "{kind}: after {:?} and not {delay:?}", asked.elapsed());
        }
        let delivery = next(&mut orders).await;
        assert_eq!(delivery.attempt(), 5, "{kind}");
        delivery.ack().await.unwrap();
        nothing_comes(&mut orders).await;
    }
}

#[tokio::test]
async fn a_packet_is_held_back_and_an_unused_delay_queue_goes() {
    let server = server().await;
    let name = fresh("delayed");
    let builder = queue(server, &name).classic().delay_queues_expire_after(Duration::from_secs(1));
    let mut orders = builder.await.unwrap();
    let mut later = packets(2);
    later[0].delay = Duration::from_millis(900);
    let asked = Instant::now();
    publish(&orders, &later).await;
    let (delayed, kept) = (format!("{name}.retry.1000"), name.clone());
    let delivery = next(&mut orders).await;
    assert_eq!(delivery.packet().id, "id-1");
    delivery.ack().await.unwrap();
    let delivery = next(&mut orders).await;
    assert!(delivery.packet().id == "id-0" && asked.elapsed() >= Duration::from_millis(900));
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.unwrap();
    // To look for it would keep it: the list of all does not.
    if server.ours().is_some() {
        until(async || !server.control(&["list_queues", "name"]).await.contains(&delayed)).await;
        assert!(server.control(&["list_queues", "name"]).await.contains(&kept));
        // And it is made again.
        let mut later = packets(1);
        later[0].id = "again".to_owned();
        later[0].delay = Duration::from_secs(1);
        publish(&orders, &later).await;
        drain(&mut orders, 1).await;
    }
    let mut too_long = packets(1);
    too_long[0].delay = Duration::from_secs(8 * 24 * 60 * 60);
    assert_eq!(orders.publish(&too_long).await.remove(0).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_delay_queue_that_somebody_deletes_is_made_again() {
    let server = server().await;
    let name = fresh("deleted");
    let mut orders = queue(server, &name).await.unwrap();
    publish(&orders, &packets(1)).await;
    next(&mut orders).await.retry_after(Duration::from_millis(200)).await.unwrap();
    let delivery = next(&mut orders).await;
    let channel = stranger(server).await;
    channel.queue_delete(format!("{name}.retry.200").into(), QueueDeleteOptions::default()).await.unwrap();
    delivery.retry_after(Duration::from_millis(200)).await.unwrap();
    let delivery = next(&mut orders).await;
    assert_eq!(delivery.attempt(), 3);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn no_more_is_lent_than_the_prefetch() {
    let server = server().await;
    let mut orders = queue(server, &fresh("prefetch")).await.unwrap();
    publish(&orders, &packets(10)).await;
    orders.open(3).await.unwrap();
    let mut lent = Vec::new();
    while lent.len() < 3 {
        lent.append(&mut orders.receive(10).await.unwrap());
    }
    assert_eq!(lent.len(), 3);
    nothing_comes(&mut orders).await;
    lent.remove(1).ack().await.unwrap();
    lent.push(next(&mut orders).await);
    nothing_comes(&mut orders).await;
    // What is dropped comes again.
    let (first, fourth) = (lent.remove(0).packet().id.clone(), lent.len());
    assert_eq!((first.as_str(), fourth), ("id-0", 2));
    lent.clear();
    let all = drain(&mut orders, 9).await;
    assert!(!all.contains("id-1"));
}

#[tokio::test]
async fn what_a_closed_or_dropped_subscriber_had_goes_to_the_next() {
    let server = server().await;
    let orders = queue(server, &fresh("closed")).await.unwrap();
    publish(&orders, &packets(20)).await;
    let mut first = orders.clone();
    first.open(20).await.unwrap();
    let lent = next(&mut first).await;
    first.close().await.unwrap();
    let mut second = orders.clone();
    // What is still lent is settled after.
    lent.ack().await.unwrap();
    second.open(20).await.unwrap();
    let lent = next(&mut second).await;
    drop(second);
    lent.release().await.unwrap();
    let mut third = orders.clone();
    let all = drain(&mut third, 19).await;
    assert!(!all.contains("id-0"));
    nothing_comes(&mut third).await;
}

#[tokio::test]
async fn higher_priorities_come_first() {
    let server = server().await;
    let name = fresh("priorities");
    let mut orders = queue(server, &name).classic().priorities(9).await.unwrap();
    let mut some = packets(6);
    for (packet, priority) in some.iter_mut().zip([0, 9, 3, 9, 0, 5]) {
        packet.priority = priority;
    }
    publish(&orders, &some).await;
    orders.open(1).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        let delivery = next(&mut orders).await;
        seen.push((delivery.packet().priority, delivery.packet().id.clone()));
        delivery.ack().await.unwrap();
    }
    let expected = [(9, "id-1"), (9, "id-3"), (5, "id-5"), (3, "id-2"), (0, "id-0"), (0, "id-4")];
    assert_eq!(seen, expected.map(|(priority, id)| (priority, id.to_owned())));
    some[0].priority = 10;
    assert_eq!(orders.publish(&some[..1]).await.remove(0).unwrap_err().kind(), ErrorKind::Unsupported);
    let error = queue(server, &name).priorities(9).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_queue_that_is_there_without_priorities_is_not_said_to_have_them() {
    let server = server().await;
    for (name, made) in [(fresh("quorum"), None), (fresh("fewer"), Some(5))] {
        let there = queue(server, &name);
        let there = if let Some(highest) = made { there.classic().priorities(highest) } else { there };
        drop(there.await.unwrap());
        let error = queue(server, &name).classic().priorities(9).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("has not so many priorities"), "{error}");
    }
    // One whose other arguments are somebody else's may have them, and is not refused.
    let name = fresh("other");
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-priority".into(), AMQPValue::LongInt(9));
    let options = QueueDeclareOptions::durable();
    stranger(server).await.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
    assert_eq!(Publisher::abilities(&queue(server, &name).classic().priorities(9).await.unwrap()).priority, 9);
}

#[tokio::test]
async fn a_dead_letter_is_buried_with_its_record_and_redriven() {
    let server = server().await;
    let name = fresh("dying");
    let mut orders = queue(server, &name).await.unwrap();
    let mut packet = Packet::new("id", "{}");
    packet.attributes.insert("eventName", "OrderPlaced");
    packet.topic = "orders/placed".to_owned();
    packet.key = Some("7".to_owned());
    publish(&orders, &[packet.clone()]).await;
    next(&mut orders).await.retry_after(Duration::ZERO).await.unwrap();
    let errors = vec!["outer".to_owned(), "inner".to_owned()];
    next(&mut orders).await.dead_letter(DeadReason::Permanent, errors.clone()).await.unwrap();
    let mut dead = orders.dead_letters().unwrap().await.unwrap();
    assert_eq!(Source::name(&dead), format!("rabbitmq:{name}-dead"));
    let letter = next(&mut dead).await;
    let record = DeadLetterRecord::of(letter.packet()).unwrap();
    assert_eq!((record.reason, record.errors, record.attempts), (DeadReason::Permanent, errors, 2));
    assert_eq!(record.source, format!("rabbitmq:{name}"));
    assert_eq!(letter.packet().attributes.text("eventName"), Some("OrderPlaced"));
    letter.release().await.unwrap();
    dead.close().await.unwrap();
    assert_eq!(dead.receive(1).await.unwrap_err().kind(), ErrorKind::Closed);
    let redriven = redrive(&mut dead, &orders, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    let delivery = next(&mut orders).await;
    assert_eq!((delivery.packet(), delivery.attempt()), (&packet, 1));
    delivery.ack().await.unwrap();

    // With headers so large that its record does not fit, it goes without.
    let mut large = Packet::new("large", "{}");
    large.attributes.insert("large", "x".repeat(120 * 1024 - 100));
    publish(&orders, &[large]).await;
    let errors = vec!["why".repeat(300); 16];
    next(&mut orders).await.dead_letter(DeadReason::Rejected, errors).await.unwrap();
    dead.open(1).await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!((letter.packet().id.as_str(), DeadLetterRecord::of(letter.packet())), ("large", None));
    letter.ack().await.unwrap();
}

#[tokio::test]
async fn without_a_queue_of_dead_letters_it_says_so_and_keeps_the_delivery() {
    let server = server().await;
    let name = fresh("alone");
    let channel = stranger(server).await;
    channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let builder = || RabbitMq::queue(&name).at(server.url()).deadline(LONG);
    let mut orders = builder().await.unwrap();
    assert!(!Source::abilities(&orders).dead_letters && orders.dead_letters().is_none());
    publish(&orders, &packets(1)).await;
    let error = next(&mut orders).await.dead_letter(DeadReason::Rejected, Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    next(&mut orders).await.ack().await.unwrap();
    let error = builder().dead_letter_queue(format!("{name}-dead")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
}

#[tokio::test]
async fn deliveries_that_end_in_any_order_each_get_their_own_end() {
    let server = server().await;
    let mut orders = queue(server, &fresh("order")).await.unwrap();
    publish(&orders, &packets(600)).await;
    orders.open(100).await.unwrap();
    let mut acked = BTreeSet::new();
    let mut turn = 0_usize;
    let all = timeout(LONG * 2, async {
        let mut lent: Vec<Delivery> = Vec::new();
        while acked.len() < 600 {
            let mut found = orders.receive(37).await.unwrap();
            // Some stay for the next turn, unless nothing else comes.
            let stay = if found.is_empty() { 0 } else { turn % 5 };
            lent.append(&mut found);
            let mut settling = Vec::new();
            while lent.len() > stay {
                turn += 1;
                let delivery = lent.swap_remove(turn * 31 % lent.len());
                let (id, attempt) = (delivery.packet().id.clone(), delivery.attempt());
                // One in four is given back once, by one way or another.
                match (attempt, turn % 8) {
                    (1, 0) => settling.push((None, tokio::spawn(delivery.release()))),
                    (1, 1) => settling.push((None, tokio::spawn(delivery.retry_after(Duration::from_millis(50))))),
                    _ => settling.push((Some(id), tokio::spawn(delivery.ack()))),
                }
            }
            for (id, settled) in settling {
                settled.await.unwrap().unwrap();
                if let Some(id) = id {
                    assert!(acked.insert(id.clone()), "{id} came after it was acknowledged");
                }
            }
        }
    });
    all.await.expect("not all came");
    nothing_comes(&mut orders).await;
    orders.close().await.unwrap();
    assert_eq!(orders.backlog().await.unwrap(), Some(0));
}

#[tokio::test]
async fn many_publish_through_one_handle() {
    let server = server().await;
    let mut orders = queue(server, &fresh("many")).in_flight(50).await.unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let orders = orders.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    publish(&orders, &[Packet::new(format!("{task}-{n}"), "{}")]).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(drain(&mut orders, 1000).await.len(), 1000);
}

#[tokio::test]
async fn a_message_of_a_stranger_is_read_and_retried_whole() {
    let server = server().await;
    let name = fresh("foreign");
    let mut orders = queue(server, &name).await.unwrap();
    let mut headers = FieldTable::default();
    headers.insert("flag".into(), AMQPValue::Boolean(true));
    headers.insert("bytes".into(), AMQPValue::ByteArray(vec![0xff, b'a'].into()));
    headers.insert("inner".into(), AMQPValue::FieldTable(FieldTable::default()));
    headers.insert("nothing".into(), AMQPValue::Void);
    headers.insert("x-delivery-count".into(), AMQPValue::LongString("a lie".into()));
    headers.insert("convoke-attempt".into(), AMQPValue::LongLongInt(-5));
    headers.insert("convoke-attributes".into(), AMQPValue::LongString("[[[".into()));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_content_type("text/plain".into())
        .with_expiration("60000".into())
        .with_user_id("guest".into());
    let channel = stranger(server).await;
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish("".into(), name.as_str().into(), options, b"\xff\0", properties).await.unwrap();
    confirm.await.unwrap();
    let options = BasicPublishOptions::default();
    let bare = channel.basic_publish("".into(), name.as_str().into(), options, b"", BasicProperties::default());
    bare.await.unwrap().await.unwrap();
    for delay in [Duration::from_millis(50), Duration::ZERO] {
        let delivery = next(&mut orders).await;
        let seen: Vec<_> = delivery.packet().attributes.iter().map(|(name, value)| (name, value.text())).collect();
        if delivery.packet().body.is_empty() {
            assert!(seen.is_empty() && delivery.packet().id.is_empty());
            delivery.ack().await.unwrap();
            let delivery = next(&mut orders).await;
            assert_eq!((delivery.packet().body.as_slice(), delivery.attempt()), (&b"\xff\0"[..], 2));
            delivery.ack().await.unwrap();
            return;
        }
        let expected = [("bytes", "\u{fffd}a"), ("content-type", "text/plain"), ("flag", "true"), ("inner", "{}")];
        assert_eq!(seen, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!((delivery.packet().body.as_slice(), delivery.attempt()), (&b"\xff\0"[..], 1));
        delivery.retry_after(delay).await.unwrap();
    }
    panic!("the bare message did not come");
}

#[tokio::test]
async fn what_cannot_be_reached_says_why_and_never_the_password() {
    const CANARY: &str = "canary-pa55word";
    listen();
    let server = server().await;
    let address = server.url().rsplit('@').next().unwrap().split('/').next().unwrap().to_owned();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap();
    drop(nobody);
    let good = server.url().trim_end_matches("/%2f");
    let cases = [
        (format!("amqp://guest:{CANARY}@{address}"), ErrorKind::Refused),
        (format!("{good}/no-such-vhost?{CANARY}"), ErrorKind::Refused),
        (format!("amqp://guest:{CANARY}@{closed}"), ErrorKind::Unreachable),
        (format!("amqp://guest:{CANARY}@no.such.host.invalid"), ErrorKind::Unreachable),
        (format!("http://guest:{CANARY}@{address}"), ErrorKind::Refused),
        (format!("amqp://guest:{CANARY}@[::1]:5672"), ErrorKind::Refused),
        (format!("amqp:guest:{CANARY}"), ErrorKind::Refused),
        (CANARY.to_owned(), ErrorKind::Refused),
    ];
    for (url, kind) in cases {
        let builder = RabbitMq::queue("orders").at(&url);
        let shown = format!("{builder:?}");
        let error = builder.deadline(LONG).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let exchange = RabbitMq::exchange("events").at(&url);
        let shown = format!("{shown} {exchange:?} {error} {error:?}");
        let shown = format!("{shown} {}", exchange.await.unwrap_err());
        assert!(!shown.contains(CANARY), "{shown}");
    }
    let mut orders = queue(server, &fresh("secret")).await.unwrap();
    let mut secret = Packet::new("id", CANARY);
    secret.attributes.insert("secret", CANARY);
    publish(&orders, &[secret]).await;
    let delivery = next(&mut orders).await;
    let shown = format!("{orders:?} {delivery:?} {}", Source::name(&orders));
    assert!(!shown.contains(CANARY) && !shown.contains("guest"), "{shown}");
    delivery.ack().await.unwrap();
    let error = RabbitMq::queue(fresh("missing")).at(server.url()).deadline(LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains("create_if_missing"), "{error}");
    let error = RabbitMq::exchange(fresh("missing")).at(server.url()).deadline(LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    for name in [String::new(), "x".repeat(231)] {
        let error = RabbitMq::queue(name).at(server.url()).create_if_missing().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    let log = logged();
    assert!(!log.contains(CANARY), "{log}");
}

#[test]
fn a_handle_outlives_the_runtime_it_was_made_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (server, orders) = first.block_on(async {
        let server = RabbitMqServer::start().await.unwrap();
        let mut orders = queue(&server, &fresh("moved")).await.unwrap();
        publish(&orders, &packets(3)).await;
        next(&mut orders).await.ack().await.unwrap();
        (server, orders)
    });
    drop(first);
    runtime().block_on(async {
        let mut orders = orders;
        until(async || orders.publish(&packets(1)).await.remove(0).is_ok()).await;
        drain(&mut orders, 3).await;
        drop(server);
    });
}

/// A server of its own: what happens to it here would disturb the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let server = match RabbitMqServer::own().await {
        Ok(server) => server,
        Err(missing) if std::env::var_os(crate::servers::rabbitmq::URL).is_some() => {
            return println!("skipped: {missing}");
        }
        Err(missing) => panic!("{missing}"),
    };
    let orders = queue(&server, "orders").deadline(Duration::from_secs(10)).await.unwrap();
    let mut worker = orders.clone();
    publish(&orders, &packets(10)).await;
    worker.open(5).await.unwrap();
    let lent = next(&mut worker).await;

    // The server ends the connections.
    server.control(&["close_all_connections", "for a test"]).await;
    let id = lent.packet().id.clone();
    until(async || worker.receive(10).await.is_ok_and(|found| found.iter().any(|again| again.packet().id == id))).await;
    assert_eq!(lent.ack().await.unwrap_err().kind(), ErrorKind::Lost);
    until(async || orders.publish(&packets(1)).await.remove(0).is_ok()).await;
    drain(&mut worker, 10).await;

    // It has no memory left: publishing says so, and acknowledging goes on.
    publish(&orders, &packets(3)).await;
    let lent = next(&mut worker).await;
    server.control(&["set_vm_memory_high_watermark", "0"]).await;
    until(async || {
        let error = orders.publish(&packets(1)).await.remove(0).err();
        error.is_some_and(|error| error.kind() == ErrorKind::Unreachable && error.to_string().contains("memory"))
    })
    .await;
    lent.ack().await.unwrap();
    server.control(&["set_vm_memory_high_watermark", "absolute", "512MB"]).await;
    until(async || orders.publish(&packets(1)).await.remove(0).is_ok()).await;
    drop(worker);

    // It is killed under load, five times.
    let quick = queue(&server, "load").deadline(Duration::from_secs(5)).await.unwrap();
    let ours = server.ours().unwrap();
    let confirmed = Arc::new(Mutex::new(BTreeSet::new()));
    let publishing = tokio::spawn({
        let (load, confirmed) = (quick.clone(), confirmed.clone());
        async move {
            for n in 0_usize.. {
                let batch: Vec<_> = (0..20).map(|at| Packet::new(format!("{n}-{at}"), vec![7; 100])).collect();
                let taken = load.publish(&batch).await;
                for (packet, taken) in batch.into_iter().zip(taken) {
                    match taken {
                        Ok(()) => drop(confirmed.lock().unwrap().insert(packet.id)),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}"),
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let worked = Arc::new(Mutex::new(BTreeSet::new()));
    let working = tokio::spawn({
        let (mut load, worked) = (quick.clone(), worked.clone());
        async move {
            for turn in 0_usize.. {
                match load.receive(50).await {
                    Ok(found) => {
                        for (at, delivery) in found.into_iter().enumerate() {
                            let id = delivery.packet().id.clone();
                            // Some go by a delay queue: they must not be lost there.
                            let retry = delivery.attempt() == 1 && (turn + at) % 4 == 0;
                            let settled = match retry {
                                true => delivery.retry_after(Duration::from_millis(400)).await,
                                false => delivery.ack().await,
                            };
                            if settled.is_ok() && !retry {
                                worked.lock().unwrap().insert(id);
                            }
                        }
                    }
                    Err(error) => {
                        assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Missing), "{error}");
                        sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }
    });
    for round in 0..5 {
        let before = confirmed.lock().unwrap().len();
        until(async || confirmed.lock().unwrap().len() > before + 100).await;
        ours.kill().await;
        let failed = orders.publish(&packets(1)).await.remove(0).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Unreachable, "round {round}");
        ours.start().await;
    }
    let before = confirmed.lock().unwrap().len();
    until(async || confirmed.lock().unwrap().len() > before + 100).await;
    publishing.abort();
    let left = async || confirmed.lock().unwrap().difference(&worked.lock().unwrap()).count();
    let deadline = Instant::now() + LONG;
    while left().await > 0 && Instant::now() < deadline {
        assert!(!working.is_finished(), "the worker has failed");
        sleep(Duration::from_millis(100)).await;
    }
    let lost: Vec<_> = confirmed.lock().unwrap().difference(&worked.lock().unwrap()).cloned().collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), confirmed.lock().unwrap().len());
    working.abort();
    println!("figure: {} confirmed messages of RabbitMQ over 5 kills, none lost", confirmed.lock().unwrap().len());
}

#[test]
fn conforms() {
    super::conform("rabbitmq", RabbitMqFixture::start);
}

/// Whether there is to be a newer server. That it cannot be had is a failure then, as it is for those that are always there.
fn is_newer_asked_for() -> bool {
    std::env::var_os(TREE).is_some()
}

#[test]
fn conforms_on_4_3() {
    if !is_newer_asked_for() {
        return super::not_asked_for("rabbitmq-4.3", "only with `tests/run --full`");
    }
    super::conform("rabbitmq-4.3", RabbitMqFixture::newer);
}
