//! SNS and SQS: the fixtures of the suite, and what only they have.

/// What is lent and given back.
mod lending;
/// Redrive policies, and queues of dead letters.
mod policies;
/// A service that uses the package for which the envelope was made.
mod peer;
/// Dead connections, and servers that are away.
mod silence;
/// Subscriptions that are there already.
mod subscriptions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use convoke::codec::{Codec, Wire};
use convoke::transport::conformance::{Channel, Fixture, GROUPS, Server, Wants};
use convoke::transport::{
    Attribute, BoxFuture, DeadLetterRecord, DeadReason, Delivery, Demand, ErrorKind, Packet, Publisher, Sns, Source,
    Sqs, SqsBuilder, TransportError, redrive,
};
use serde_json::{Number, Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::logged::{listen, logged_by_us};
use crate::servers::aws::{AwsServer, config};
use crate::servers::proxy::{Fault, Proxy};

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// How long a receive waits on the stand-in when nothing is there.
const WAIT: Duration = Duration::from_secs(1);

/// How long a stand-in may take on a busy machine: a repetition would be an acknowledgement too many for it.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a publisher tries a server that is killed: the suite waits for it to give up, many times.
const PATIENCE: Duration = Duration::from_secs(10);

const MAX_BYTES: usize = 256 * 1024;

/// Which of the transports of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqs,
    SqsFifo,
    Sns,
}

/// A transport of AWS, with a server that stands in for it.
pub(crate) struct AwsFixture {
    kind: Kind,
    faithful: bool,
    server: AwsServer,
}

impl AwsFixture {
    pub(crate) async fn start(kind: Kind) -> Result<Self, String> {
        Ok(Self { kind, faithful: false, server: AwsServer::start().await? })
    }

    pub(crate) async fn localstack(kind: Kind) -> Result<Self, String> {
        Ok(Self { kind, faithful: true, server: AwsServer::localstack().await? })
    }
}

impl Fixture for AwsFixture {
    fn name(&self) -> &str {
        match (self.kind, self.faithful) {
            (Kind::Sqs, false) => "sqs",
            (Kind::SqsFifo, false) => "sqs-fifo",
            (Kind::Sns, false) => "sns",
            (Kind::Sqs, true) => "sqs-localstack",
            (Kind::SqsFifo, true) => "sqs-fifo-localstack",
            (Kind::Sns, true) => "sns-localstack",
        }
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            for (wanted, demand) in [
                (wants.order && self.kind != Kind::SqsFifo, Demand::Order),
                (wants.fan_out && self.kind != Kind::Sns, Demand::FanOut),
                (wants.priority > 0, Demand::Priority(wants.priority)),
            ] {
                if wanted {
                    convoke::transport::Abilities::default().demand(self.name(), demand)?;
                }
            }
            let config = self.server.config();
            let queue = |name: String| {
                let queue = Sqs::queue(name).config(&config).lease(wants.lease).wait(WAIT).assume_durable(false);
                let queue = queue.deadline(DEADLINE).create_if_missing();
                if self.kind == Kind::SqsFifo { queue.fifo() } else { queue }
            };
            let name = &wants.name;
            let dead = queue(format!("{name}-dead")).await?;
            let dead: Box<dyn Fn() -> Box<dyn Source> + Send + Sync> = Box::new(move || Box::new(dead.clone()));
            if self.kind != Kind::Sns {
                let builder = queue(name.clone()).dead_letter_queue(format!("{name}-dead"));
                let publisher = Arc::new(builder.clone().deadline(PATIENCE).await?);
                let queue = builder.await?;
                let subscribe = move |_: &str| -> Box<dyn Source> { Box::new(queue.clone()) };
                return Ok(Channel { publisher, subscribe: Box::new(subscribe), dead: Some(dead) });
            }
            let topic = Sns::topic(name).config(&config).assume_durable(false);
            let topic = topic.deadline(PATIENCE).create_if_missing().await?;
            // Each group has a queue, which is there before anything is published.
            let groups = if wants.fan_out { &["", GROUPS[0], GROUPS[1]][..] } else { &[""][..] };
            let mut queues = std::collections::BTreeMap::new();
            for group in groups {
                let queue = queue(format!("{name}-for-{group}")).dead_letter_queue(format!("{name}-dead")).await?;
                topic.subscribe(&queue).await?;
                queues.insert((*group).to_owned(), queue);
            }
            let subscribe = move |group: &str| -> Box<dyn Source> {
                Box::new(queues.get(group).unwrap_or_else(|| &queues[""]).clone())
            };
            Ok(Channel { publisher: Arc::new(topic), subscribe: Box::new(subscribe), dead: Some(dead) })
        })
    }

    fn server(&self) -> Option<&dyn Server> {
        self.server.ours()
    }
}

/// The suite over each of them.
macro_rules! conforms {
    ($($name:ident: $kind:expr, $title:literal;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn conforms() {
                super::super::conform($title, async || AwsFixture::start($kind).await);
            }

            /// Only where LocalStack is: it is slower, and more like AWS.
            #[test]
            fn conforms_on_localstack() {
                if std::env::var_os(crate::servers::aws::LOCALSTACK).is_some() {
                    super::super::conform($title, async || AwsFixture::localstack($kind).await);
                } else {
                    super::super::not_asked_for(concat!($title, "-localstack"), "only with `tests/run --full`");
                }
            }
        }
    )*};
}

conforms! {
    sqs: Kind::Sqs, "sqs";
    sqs_fifo: Kind::SqsFifo, "sqs-fifo";
    sns: Kind::Sns, "sns";
}

async fn server() -> AwsServer {
    AwsServer::start().await.unwrap()
}

fn orders(config: &SdkConfig) -> SqsBuilder {
    Sqs::queue("orders").config(config).wait(WAIT).create_if_missing()
}

async fn publish(publisher: &impl Publisher, packets: &[Packet]) {
    for result in publisher.publish(packets).await {
        result.unwrap();
    }
}

fn packets(count: usize) -> Vec<Packet> {
    (0..count).map(|n| Packet::new(format!("id-{n}"), format!("body {n}"))).collect()
}

fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.packet().body.clone()).unwrap()
}

/// Waits until there is a delivery, over errors too.
async fn next(source: &mut Sqs) -> Delivery {
    let found = timeout(LONG, async {
        loop {
            if let Some(delivery) = source.receive(1).await.unwrap_or_default().pop() {
                return delivery;
            }
        }
    });
    found.await.expect("nothing came")
}

/// Takes and acknowledges so many.
async fn drain(source: &mut Sqs, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    let deadline = Instant::now() + LONG;
    while bodies.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} came", bodies.len());
        for delivery in source.receive(100).await.unwrap() {
            bodies.push(body(&delivery));
            delivery.ack().await.unwrap();
        }
    }
    bodies
}

/// Asserts that nothing waits and nothing is lent.
async fn assert_empty(config: &SdkConfig, queue: &str) {
    use aws_sdk_sqs::types::QueueAttributeName::All;
    let client = aws_sdk_sqs::Client::new(config);
    let url = client.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap();
    let there = client.get_queue_attributes().queue_url(url).attribute_names(All).send().await.unwrap();
    for (name, value) in there.attributes.unwrap() {
        assert!(!name.as_str().starts_with("ApproximateNumber") || value == "0", "{queue}: {value} {name}");
    }
}

#[tokio::test]
async fn what_is_published_comes_whole_and_is_deleted_when_it_is_done() {
    let (server, topics) = (server().await, [false, true]);
    for fifo in topics {
        let config = server.config();
        let queue = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = queue.await.unwrap();
        queue.open(10).await.unwrap();
        for packet in strange() {
            publish(&queue, std::slice::from_ref(&packet)).await;
            let delivery = next(&mut queue).await;
            let there = delivery.packet();
            assert_eq!(there.body, packet.body);
            assert_eq!(there.attributes, packet.attributes);
            if fifo {
                assert_eq!((&there.id, &there.key), (&packet.id, &packet.key));
            }
            assert_eq!(delivery.attempt(), 1);
            delivery.ack().await.unwrap();
        }
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

/// Packets that no server takes as they are, and one that any takes.
fn strange() -> Vec<Packet> {
    let mut all = Vec::new();
    for (at, body) in
        [&b"{\"a\":1}"[..], b"", b"\xff\x00\xfe", "a\u{0}b\u{fffe}".as_bytes(), "käse 🧀 \t\r\n\u{7f}".as_bytes()]
            .into_iter()
            .enumerate()
    {
        let mut packet = Packet::new(format!("id {at} ä%"), body);
        packet.key = [Some("käy%"), Some(""), None][at % 3].map(str::to_owned);
        packet.attributes.insert("text", "käse 🧀");
        packet.attributes.insert("empty", "");
        packet.attributes.insert("control", "a\u{1}b\u{0}\u{ffff}\"\\");
        packet.attributes.insert("number", u64::MAX);
        packet.attributes.insert("float", Attribute::Number(Number::from_f64(-0.1e-7).unwrap()));
        packet.attributes.insert("huge", Attribute::Number(Number::from_f64(1e300).unwrap()));
        packet
            .attributes
            .insert("list", Attribute::List(vec![json!("ä\u{fffe}\n"), json!(1.5), json!(true), Value::Null]));
        packet.attributes.insert("none", Attribute::List(Vec::new()));
        packet.attributes.insert("deep", Attribute::List(vec![json!([1, { "a": "" }])]));
        all.push(packet);
    }
    all
}

#[tokio::test]
async fn what_sns_delivers_is_read_raw_and_wrapped() {
    let server = server().await;
    for (raw, fifo) in [(true, false), (false, false), (true, true), (false, true)] {
        let config = server.config();
        let (topic, queue) = (Sns::topic("events").config(&config).create_if_missing(), orders(&config));
        let (topic, queue) = if fifo { (topic.fifo(), queue.fifo()) } else { (topic, queue) };
        let (topic, mut queue) = (topic.await.unwrap(), queue.await.unwrap());
        topic.subscribe(&queue).raw(raw).await.unwrap();
        queue.open(10).await.unwrap();
        for packet in strange() {
            publish(&topic, std::slice::from_ref(&packet)).await;
            let delivery = next(&mut queue).await;
            assert_eq!(delivery.packet().body, packet.body, "raw {raw}");
            assert_eq!(delivery.packet().attributes, packet.attributes, "raw {raw}");
            if fifo {
                assert_eq!(delivery.packet().key, packet.key, "raw {raw}");
            }
            delivery.ack().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_only_looks_like_a_notification_stays_as_it_is() {
    let server = server().await;
    let mut queue = orders(&server.config()).await.unwrap();
    queue.open(10).await.unwrap();
    for text in [
        r#"{"Type":"SubscriptionConfirmation","TopicArn":"arn","MessageId":"m","SubscribeURL":"http://127.0.0.1:9/","Message":"\"Notification\""}"#,
        r#"{"Type":"Notification","TopicArn":"arn","MessageId":"m"}"#,
        r#"{"Type":"Notification","TopicArn":"arn","#,
        r#"["Notification",{"TopicArn":1}]"#,
    ] {
        publish(&queue, &[Packet::new("id", text)]).await;
        let delivery = next(&mut queue).await;
        assert_eq!(body(&delivery), text);
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn batches_are_filled_and_what_is_too_large_fails_alone() {
    let server = server().await;
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let mut queue = orders(&config).endpoint(proxy.endpoint()).await.unwrap();
    // Counts the requests: a fault that happens to none would count none.
    let requests = async |packets: &[Packet]| {
        let before = proxy.seen("AmazonSQS.SendMessageBatch");
        let results = queue.publish(packets).await;
        (proxy.seen("AmazonSQS.SendMessageBatch") - before, results)
    };
    let of = |bytes: usize| Packet::new("id", vec![b'x'; bytes]);
    let (count, results) = requests(&[of(MAX_BYTES)]).await;
    assert!(count == 1 && results[0].is_ok());
    let (count, results) = requests(&[of(MAX_BYTES - 1), of(1)]).await;
    assert!(count == 1 && results.iter().all(Result::is_ok));
    let (count, results) = requests(&[of(MAX_BYTES - 1), of(2)]).await;
    assert!(count == 2 && results.iter().all(Result::is_ok));
    let (count, results) = requests(&[of(1), of(MAX_BYTES + 1), of(1)]).await;
    assert!(count == 1 && results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
    // As base64 it is too large.
    let (count, results) = requests(&[Packet::new("id", vec![0; MAX_BYTES])]).await;
    assert!(count == 0 && results[0].as_ref().unwrap_err().kind() == ErrorKind::TooLarge);
    let (count, results) = requests(&packets(11)).await;
    assert!(count == 2 && results.iter().all(Result::is_ok));
    let (count, results) = requests(&[]).await;
    assert!(count == 0 && results.is_empty());
    queue.open(10).await.unwrap();
    assert_eq!(drain(&mut queue, 7 + 11).await.len(), 18);
    assert_empty(&config, "orders").await;
}

#[tokio::test]
async fn ten_attributes_pass_and_eleven_are_refused_before_they_are_sent() {
    let server = server().await;
    let config = server.config();
    let queue = orders(&config).await.unwrap();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let with = |count: usize, body: &[u8]| {
        let mut packet = Packet::new("id", body);
        packet.attributes = (0..count).map(|n| (format!("a{n}"), "x")).collect();
        packet
    };
    let publishers: [&dyn Publisher; 2] = [&queue, &topic];
    for publisher in publishers {
        let results = publisher.publish(&[with(10, b"x"), with(11, b"x"), with(9, b"\xff"), with(10, b"\xff")]).await;
        assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
        for at in [1, 3] {
            assert_eq!(results[at].as_ref().unwrap_err().kind(), ErrorKind::TooLarge);
        }
    }
}

#[tokio::test]
async fn names_that_are_not_taken_are_refused_before_they_are_sent() {
    let server = server().await;
    let queue = orders(&server.config()).await.unwrap();
    for name in ["", "ä", "a b", ".a", "a.", "a..b", "AWS.a", "amazon.a", &"a".repeat(257)] {
        let mut packet = Packet::new("id", "x");
        packet.attributes.insert(name, "x");
        let error = queue.publish(&[packet]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}");
    }
    let mut packet = Packet::new("id", "x");
    packet.attributes.insert("a".repeat(256), "x");
    publish(&queue, &[packet]).await;
}

#[tokio::test]
async fn filter_policies_choose_by_attributes_and_can_be_changed() {
    let server = server().await;
    let config = server.config();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let mut placed = Sqs::queue("placed").config(&config).wait(WAIT).create_if_missing().await.unwrap();
    let mut users = Sqs::queue("users").config(&config).wait(WAIT).create_if_missing().await.unwrap();
    let first = topic.subscribe(&placed).filter("eventName", ["OrderPlaced"]).filter("entityName", ["Order"]).await;
    let again = topic.subscribe(&placed).filter("eventName", ["OrderPlaced"]).filter("entityName", ["Order"]).await;
    assert_eq!(first.unwrap(), again.unwrap());
    topic.subscribe(&users).filter_policy(r#"{"age":[{"numeric":[">=",18]}],"tags":["b"]}"#).unwrap().await.unwrap();
    let error = topic.subscribe(&users).filter_policy("[]").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);

    let mut order = Packet::new("1", "order");
    order.attributes = [("eventName", "OrderPlaced"), ("entityName", "Order")].into_iter().collect();
    let mut other = Packet::new("2", "other");
    other.attributes = [("eventName", "OrderPlaced"), ("entityName", "Invoice")].into_iter().collect();
    let mut user = Packet::new("3", "user");
    user.attributes.insert("age", 18_u64);
    user.attributes.insert("tags", ["a", "b"]);
    let mut child = Packet::new("4", "child");
    child.attributes.insert("age", 17_u64);
    child.attributes.insert("tags", ["a", "b"]);
    let all = [other, child, order, user];
    publish(&topic, &all).await;
    placed.open(10).await.unwrap();
    users.open(10).await.unwrap();
    assert_eq!(drain(&mut placed, 1).await, ["order"]);
    assert_eq!(drain(&mut users, 1).await, ["user"]);

    // Without a filter it gets everything from now on.
    topic.subscribe(&placed).await.unwrap();
    publish(&topic, &all).await;
    let seen: BTreeSet<_> = drain(&mut placed, 4).await.into_iter().collect();
    assert_eq!(seen.len(), 4);
    assert_empty(&config, "placed").await;
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_creating_it_is_said() {
    let server = server().await;
    let config = server.config();
    for name in ["orders", "orders.fifo"] {
        let error = Sqs::queue(name).config(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
        let error = Sns::topic(name).config(&config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    }
    let topic = Sns::topic("orders").config(&config).create_if_missing().await.unwrap();
    for name in ["orders", topic.arn()] {
        assert_eq!(Sns::topic(name).config(&config).await.unwrap().arn(), topic.arn());
    }
    let unknown = format!("{}-not", topic.arn());
    assert_eq!(Sns::topic(unknown).config(&config).await.unwrap_err().kind(), ErrorKind::Missing);
    // What is there stays as it is, and is found by another lease.
    orders(&config).dead_letter_queue("orders-dead").redrive_policy(5).await.unwrap();
    let found = orders(&config).lease(Duration::from_secs(3)).await.unwrap();
    assert!(Source::abilities(&found).dead_letters, "the queue's own policy names one");
    assert!(Sqs::queue("orders").config(&config).await.is_ok());

    // Somebody deletes it.
    let client = aws_sdk_sqs::Client::new(&config);
    let url = client.get_queue_url().queue_name("orders").send().await.unwrap().queue_url.unwrap();
    client.delete_queue().queue_url(url).send().await.unwrap();
    let error = found.publish(&packets(1)).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    let mut plain = found.clone();
    plain.open(1).await.unwrap();
    publish(&found, &packets(1)).await;
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_errors_before_anything_is_sent() {
    let config = config("http://127.0.0.1:9");
    let wrong = [
        orders(&config).lease(Duration::ZERO),
        orders(&config).lease(Duration::from_millis(1500)),
        orders(&config).lease(Duration::from_secs(12 * 60 * 60 + 1)),
        orders(&config).wait(Duration::from_secs(21)),
        orders(&config).group_id("all"),
        orders(&config).redrive_policy(3),
        orders(&config).dead_letter_queue("dead").redrive_policy(0),
    ];
    for builder in wrong {
        assert_eq!(builder.await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let error = Sns::topic("events").config(&config).group_id("all").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_delay_is_kept_and_one_that_is_too_long_is_refused() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).await.unwrap();
    let fifo = orders(&config).fifo().await.unwrap();
    let after = |seconds: u64| {
        let mut packet = Packet::new(seconds.to_string(), seconds.to_string());
        packet.delay = Duration::from_secs(seconds);
        packet
    };
    let results = queue.publish(&[after(1), after(900), after(901)]).await;
    assert!(results[0].is_ok() && results[1].is_ok());
    assert_eq!(results[2].as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fifo.publish(&[after(1)]).await[0].as_ref().unwrap_err().kind(), ErrorKind::Unsupported);
    queue.open(10).await.unwrap();
    let start = Instant::now();
    assert_eq!(body(&next(&mut queue).await), "1");
    assert!(start.elapsed() > Duration::from_millis(500), "it came too early");
    assert_eq!(queue.backlog().await.unwrap(), Some(1));
}

#[tokio::test]
async fn attempts_are_counted_by_the_server_and_a_release_is_none() {
    let server = server().await;
    let config = server.config();
    for fifo in [false, true] {
        let queue = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = queue.lease(Duration::from_secs(2)).await.unwrap();
        queue.open(10).await.unwrap();
        publish(&queue, &packets(1)).await;
        next(&mut queue).await.release().await.unwrap();
        let delivery = next(&mut queue).await;
        assert_eq!(delivery.attempt(), 1);
        drop(delivery);
        let delivery = next(&mut queue).await;
        assert_eq!(delivery.attempt(), 1);
        delivery.retry_after(Duration::from_millis(1)).await.unwrap();
        // Another handle counts with the server, as another process would.
        let mut other = if fifo { orders(&config).fifo() } else { orders(&config) }.await.unwrap();
        other.open(10).await.unwrap();
        let delivery = next(&mut other).await;
        assert_eq!(delivery.attempt(), 4);
        delivery.retry_after(Duration::ZERO).await.unwrap();
        // This one is lent for 2 s, and its lease runs out.
        let lost = next(&mut queue).await;
        assert_eq!(lost.attempt(), 3);
        let mut again = next(&mut queue).await;
        assert_eq!(again.attempt(), 4);
        assert_eq!(lost.ack().await.unwrap_err().kind(), ErrorKind::Lost);
        for _ in 0..3 {
            again.extend(Duration::from_secs(2)).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        again.ack().await.unwrap();
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn a_fifo_queue_hands_out_one_of_each_group_and_a_retry_holds_up_its_group() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).fifo().await.unwrap();
    queue.open(100).await.unwrap();
    let keyed = |key: &str, n: usize| {
        let mut packet = Packet::new(format!("{key}{n}"), format!("{key}{n}"));
        packet.key = Some(key.to_owned());
        packet
    };
    let all: Vec<_> = (0..8).flat_map(|n| [keyed("a", n), keyed("b", n)]).collect();
    publish(&queue, &all).await;
    publish(&queue, &all).await; // known by their ids

    let (mut seen, mut failed) = (Vec::new(), false);
    let deadline = Instant::now() + LONG;
    while seen.len() < 16 {
        assert!(Instant::now() < deadline, "only {seen:?} came");
        let lent = queue.receive(100).await.unwrap();
        let keys: BTreeSet<_> = lent.iter().map(|delivery| delivery.packet().key.clone()).collect();
        assert_eq!(keys.len(), lent.len(), "two of a key at once");
        for delivery in lent {
            if body(&delivery) == "a3" && !failed {
                failed = true;
                delivery.retry_after(Duration::from_secs(1)).await.unwrap();
                continue;
            }
            assert_eq!(delivery.attempt(), if body(&delivery) == "a3" { 2 } else { 1 }, "{}", body(&delivery));
            seen.push(body(&delivery));
            delivery.ack().await.unwrap();
        }
    }
    for key in ["a", "b"] {
        let of: Vec<_> = seen.iter().filter(|body| body.starts_with(key)).cloned().collect();
        assert_eq!(of, (0..8).map(|n| format!("{key}{n}")).collect::<Vec<_>>());
    }
    assert_empty(&config, "orders.fifo").await;
}

#[tokio::test]
async fn who_waits_for_its_group_stays_lent_while_the_first_is_extended() {
    let server = server().await;
    let mut queue = orders(&server.config()).fifo().group_id("all").lease(Duration::from_secs(2)).await.unwrap();
    queue.open(10).await.unwrap();
    publish(&queue, &packets(3)).await;
    let mut first = next(&mut queue).await;
    for _ in 0..4 {
        sleep(Duration::from_secs(1)).await;
        first.extend(Duration::from_secs(2)).await.unwrap();
    }
    first.ack().await.unwrap();
    for n in [1, 2] {
        let delivery = next(&mut queue).await;
        assert_eq!((body(&delivery), delivery.attempt()), (format!("body {n}"), 1));
        assert!(delivery.lease().unwrap() > Duration::from_millis(500));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn dead_letters_keep_all_and_a_fifo_queue_takes_them_twice_within_its_window() {
    let server = server().await;
    let config = server.config();
    for fifo in [false, true] {
        let builder = || if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = builder().dead_letter_queue("orders-dead").await.unwrap();
        let dead = Sqs::queue("orders-dead").config(&config).wait(WAIT);
        let mut dead = if fifo { dead.fifo() } else { dead }.await.unwrap();
        queue.open(10).await.unwrap();
        let mut letters = strange();
        for n in 0..2 {
            letters[0].attributes.insert(format!("more{n}"), "x");
        }
        letters[0].attributes.remove("none");
        for letter in letters {
            publish(&queue, std::slice::from_ref(&letter)).await;
            for _ in 0..2 {
                let delivery = next(&mut queue).await;
                assert_eq!(delivery.attempt(), 1);
                delivery.dead_letter(DeadReason::Rejected, vec!["no".to_owned()]).await.unwrap();
                let moved = redrive(&mut dead, &queue, 10).await.unwrap();
                assert_eq!((moved.moved, moved.kept), (1, 0));
            }
            let delivery = next(&mut queue).await;
            assert_eq!(delivery.packet().body, letter.body);
            assert_eq!(delivery.packet().attributes, letter.attributes);
            if fifo {
                assert_eq!(delivery.packet().key, letter.key);
            }
            delivery.dead_letter(DeadReason::Exhausted, vec!["why".to_owned()]).await.unwrap();
            dead.open(1).await.unwrap();
            let there = next(&mut dead).await;
            let record = DeadLetterRecord::of(there.packet()).unwrap();
            assert_eq!(
                (record.reason, record.errors, record.attempts),
                (DeadReason::Exhausted, vec!["why".to_owned()], 1)
            );
            there.ack().await.unwrap();
        }
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn a_dead_letter_without_a_queue_is_an_error_and_not_lost() {
    let server = server().await;
    // A queue of dead letters has none of its own.
    let queue = Sqs::queue("orders-dead").config(&server.config()).wait(WAIT).create_if_missing();
    let mut queue = queue.lease(Duration::from_secs(1)).await.unwrap();
    assert!(Source::abilities(&queue).demand("sqs", Demand::DeadLetters).is_err());
    queue.open(1).await.unwrap();
    publish(&queue, &packets(1)).await;
    let error = next(&mut queue).await.dead_letter(DeadReason::Broken, Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    next(&mut queue).await.ack().await.unwrap();
}

#[tokio::test]
async fn what_sqs_itself_has_moved_is_redriven_too() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).fifo().dead_letter_queue("orders-dead").redrive_policy(2).await.unwrap();
    let mut dead = Sqs::queue("orders-dead.fifo").config(&config).wait(WAIT).await.unwrap();
    queue.open(1).await.unwrap();
    dead.open(1).await.unwrap();
    publish(&queue, &packets(1)).await;
    for _ in 0..2 {
        next(&mut queue).await.retry_after(Duration::ZERO).await.unwrap();
    }
    assert!(queue.receive(1).await.unwrap().is_empty());
    let deadline = Instant::now() + LONG;
    while redrive(&mut dead, &queue, 1).await.unwrap().moved == 0 {
        assert!(Instant::now() < deadline, "it was never moved");
    }
    let delivery = next(&mut queue).await;
    assert_eq!((body(&delivery).as_str(), delivery.attempt()), ("body 0", 1));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_receive_that_is_dropped_and_a_close_lose_nothing() {
    let server = server().await;
    let config = server.config();
    for fifo in [false, true] {
        let builder = || if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = builder().lease(Duration::from_secs(600)).wait(Duration::from_secs(5)).await.unwrap();
        queue.open(10).await.unwrap();
        let mut other = queue.clone();
        // Its poll goes on without it.
        assert!(timeout(Duration::from_millis(200), queue.receive(10)).await.is_err());
        publish(&queue, &packets(5)).await;
        assert_eq!(drain(&mut queue, 5).await.len(), 5);

        assert!(timeout(Duration::from_millis(200), queue.receive(10)).await.is_err());
        queue.close().await.unwrap();
        assert_eq!(queue.receive(1).await.unwrap_err().kind(), ErrorKind::Closed);
        publish(&queue, &packets(10)[5..]).await;
        // What its last poll still gets goes back, though the lease is ten minutes.
        other.open(10).await.unwrap();
        assert_eq!(drain(&mut other, 5).await.len(), 5);
        drop(queue);

        publish(&other, &packets(20)[10..]).await;
        let lent = other.receive(3).await.unwrap();
        assert!(!lent.is_empty() && lent.len() <= 3);
        drop(lent);
        drop(other);
        let mut last = builder().await.unwrap();
        last.open(10).await.unwrap();
        assert_eq!(drain(&mut last, 10).await.len(), 10);
        assert_empty(&config, if fifo { "orders.fifo" } else { "orders" }).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_a_repetition_or_an_error() {
    let server = server().await;
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    for fifo in [false, true] {
        let builder = if fifo { orders(&config).fifo() } else { orders(&config) };
        let mut queue = builder.endpoint(proxy.endpoint()).deadline(Duration::from_secs(6)).await.unwrap();
        queue.open(10).await.unwrap();
        // Once: the client tries again, and the packet is there; in a standard queue twice.
        proxy.aim("AmazonSQS.SendMessageBatch", Fault::LoseAnswer, 1);
        publish(&queue, &packets(1)).await;
        assert_eq!(drain(&mut queue, if fifo { 1 } else { 2 }).await[0], "body 0");
        // Always: an error, though it is there.
        proxy.aim("AmazonSQS.SendMessageBatch", Fault::LoseAnswer, usize::MAX);
        let error = queue.publish(&packets(2)[1..]).await.remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        proxy.aim("", Fault::LoseAnswer, 0);
        assert!(drain(&mut queue, 1).await.iter().all(|body| body == "body 1"));
        while !queue.receive(10).await.unwrap().is_empty() {}
    }
}

#[tokio::test]
async fn an_acknowledgement_that_is_lost_is_an_error_and_it_comes_again() {
    let server = server().await;
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let queue = orders(&config).endpoint(proxy.endpoint()).lease(Duration::from_secs(2));
    let mut queue = queue.deadline(Duration::from_secs(2)).await.unwrap();
    queue.open(10).await.unwrap();
    publish(&queue, &packets(1)).await;
    for fault in [Fault::LoseRequest, Fault::Silence] {
        let delivery = next(&mut queue).await;
        proxy.aim("AmazonSQS.DeleteMessageBatch", fault, usize::MAX);
        let error = timeout(LONG, delivery.ack()).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Lost), "{error}");
        proxy.aim("", fault, 0);
        if fault == Fault::LoseRequest {
            assert_eq!(next(&mut queue).await.attempt(), 2);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_gone_or_silent_is_an_error_in_time_and_works_again() {
    let server = server().await;
    let Some(ours) = server.ours() else { return };
    let config = server.config();
    let proxy = Proxy::start(server.endpoint()).await.unwrap();
    let short = |builder: SqsBuilder| builder.endpoint(proxy.endpoint()).deadline(Duration::from_secs(2));
    let mut queue = short(orders(&config)).await.unwrap();
    queue.open(10).await.unwrap();
    let in_time = async |queue: &mut Sqs| {
        let results = timeout(LONG, queue.publish(&packets(100))).await.unwrap();
        assert!(
            results.iter().all(|result| result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable))
        );
        let error = timeout(LONG, queue.receive(10)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        let error = timeout(LONG, queue.open(10)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    };
    proxy.aim("AmazonSQS", Fault::Silence, usize::MAX);
    in_time(&mut queue).await;
    proxy.aim("", Fault::Silence, 0);
    ours.kill().await;
    in_time(&mut queue).await;
    assert_eq!(timeout(LONG, short(orders(&config))).await.unwrap().unwrap_err().kind(), ErrorKind::Unreachable);

    ours.start().await;
    // It has forgotten the queue, and says so.
    assert_eq!(queue.publish(&packets(1)).await[0].as_ref().unwrap_err().kind(), ErrorKind::Missing);
    queue.open(10).await.unwrap();
    publish(&queue, &packets(1)).await;
    assert_eq!(drain(&mut queue, 1).await, ["body 0"]);
}

#[tokio::test]
async fn no_credentials_and_no_region_are_said_so() {
    let none = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest());
    let none = none.build();
    let error = Sqs::queue("orders").config(&none).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
    let none = none.to_builder().region(aws_config::Region::new("eu-central-1")).endpoint_url("http://127.0.0.1:9");
    let none = none.http_client(aws_smithy_http_client::Builder::new().build_http()).build();
    for error in
        [Sqs::queue("orders").config(&none).await.unwrap_err(), Sns::topic("events").config(&none).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
}

/// Over TLS with what does not speak it, and over the client that could.
#[tokio::test]
async fn a_client_with_tls_is_made_where_none_is_given() {
    let server = server().await;
    let mut bare = server.config().to_builder();
    bare.set_http_client(None);
    let bare = bare.build();
    let mut queue = orders(&bare).await.unwrap();
    publish(&queue, &packets(1)).await;
    queue.open(1).await.unwrap();
    assert_eq!(drain(&mut queue, 1).await, ["body 0"]);
    let secure = server.endpoint().replace("http:", "https:");
    let error =
        timeout(LONG, orders(&bare).endpoint(secure).deadline(Duration::from_secs(3))).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    const CANARY: &str = "canary-of-aws";
    listen();
    let server = server().await;
    let account = server.config();
    let secret = aws_sdk_sqs::config::Credentials::new("000000000007", CANARY, Some(CANARY.to_owned()), None, CANARY);
    let secret = aws_sdk_sqs::config::SharedCredentialsProvider::new(secret);
    let config = account.to_builder().credentials_provider(secret).build();
    let builder = orders(&config);
    let mut shown = vec![format!("{builder:?}")];
    let mut queue = builder.await.unwrap();
    queue.open(1).await.unwrap();
    let mut packet = Packet::new("id", CANARY);
    packet.attributes.insert("authorization", CANARY);
    publish(&queue, &[packet]).await;
    let delivery = next(&mut queue).await;
    shown.push(format!("{queue:?} {delivery:?}"));
    shown.push(format!("{:?}", delivery.dead_letter(DeadReason::Broken, Vec::new()).await));

    let password = format!("http://user:{CANARY}@127.0.0.1:9");
    let there = format!("{password}/1/orders");
    let builder = Sqs::queue(&there).config(&account).deadline(Duration::from_secs(2));
    shown.push(format!("{builder:?} {:?}", builder.clone().await));
    let builder = Sqs::queue("orders").config(&account).endpoint(&password).deadline(Duration::from_secs(2));
    shown.push(format!("{builder:?} {:?}", builder.clone().await));
    let builder = Sns::topic("orders").config(&account).endpoint(&password).deadline(Duration::from_secs(2));
    shown.push(format!("{builder:?} {:?}", builder.clone().await));
    let mut bad = Packet::new("id", CANARY);
    bad.attributes.insert(format!("{CANARY} ä"), CANARY);
    shown.push(format!("{:?}", queue.publish(&[bad]).await));
    shown.push(logged_by_us());
    for shown in shown {
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test]
async fn an_event_of_ours_travels_over_a_topic() {
    let server = server().await;
    let config = server.config();
    let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
    let mut queue = orders(&config).await.unwrap();
    topic.subscribe(&queue).raw(false).filter("eventName", ["OrderPlaced"]).await.unwrap();
    let wire =
        br#"{"metadata":{"entityName":"Order","publisherName":"Shop","eventName":"OrderPlaced"},"payload":{"id":7}}"#;
    let envelope = convoke::Envelope::from_slice(wire).unwrap();
    publish(&topic, &[Wire.write(&envelope)]).await;
    queue.open(1).await.unwrap();
    let delivery = next(&mut queue).await;
    let read = convoke::codec::read(delivery.packet(), convoke::EnvelopeLimits::default()).unwrap();
    assert_eq!(read.metadata.id, envelope.metadata.id);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_thousand_come_over_several_polls_at_once() {
    let server = server().await;
    let config = server.config();
    let mut queue = orders(&config).await.unwrap();
    publish(&queue, &packets(1000)).await;
    queue.open(100).await.unwrap();
    let seen: BTreeSet<_> = drain(&mut queue, 1000).await.into_iter().collect();
    assert_eq!(seen.len(), 1000);
    assert_empty(&config, "orders").await;
}

/// Real AWS: with credentials in the environment, and `CONVOKE_TEST_AWS=1` to say that it may cost something.
#[tokio::test]
async fn the_real_sns_and_sqs_do_what_is_said_of_them() {
    if std::env::var("CONVOKE_TEST_AWS").as_deref() != Ok("1") {
        let how = "only with CONVOKE_TEST_AWS=1, credentials and a region: it may cost something";
        return super::not_asked_for("aws itself", how);
    }
    let name = format!("convoke-{}", convoke::Uuid::now_v7().simple());
    let queue = Sqs::queue(&name).fifo().dead_letter_queue(format!("{name}-dead")).create_if_missing();
    let mut queue = queue.await.unwrap();
    let topic = Sns::topic(&name).fifo().create_if_missing().await.unwrap();
    let subscription = topic.subscribe(&queue).await.unwrap();
    assert_eq!(topic.subscribe(&queue).await.unwrap(), subscription);
    queue.open(10).await.unwrap();
    for packet in strange() {
        let publishers: [&dyn Publisher; 2] = [&topic, &queue.clone()];
        for (at, publisher) in publishers.into_iter().enumerate() {
            let mut packet = packet.clone();
            packet.id.push_str(&at.to_string());
            publisher.publish(std::slice::from_ref(&packet)).await.remove(0).unwrap();
            let delivery = next(&mut queue).await;
            assert_eq!(delivery.packet().body, packet.body);
            assert_eq!(delivery.packet().attributes, packet.attributes);
            assert_eq!(delivery.packet().key, packet.key);
            delivery.ack().await.unwrap();
        }
    }
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    aws_sdk_sns::Client::new(&config).delete_topic().topic_arn(topic.arn()).send().await.unwrap();
    let client = aws_sdk_sqs::Client::new(&config);
    for name in [format!("{name}.fifo"), format!("{name}-dead.fifo")] {
        let url = client.get_queue_url().queue_name(name).send().await.unwrap().queue_url.unwrap();
        client.delete_queue().queue_url(url).send().await.unwrap();
    }
}
