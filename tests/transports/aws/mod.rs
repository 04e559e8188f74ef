//! SNS and SQS: the fixtures of the suite, and what only they have.

/// What is published and delivered: bytes, attributes, batches, names and filters.
mod packets;
/// Delays, attempts, groups and dead letters.
mod settling;
/// What is lost, away, not there or not allowed, and what is said of it.
mod failures;

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
use crate::transports::servers::aws::{AwsServer, config};
use crate::transports::servers::proxy::{Fault, Proxy};

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
                if std::env::var_os(crate::transports::servers::aws::LOCALSTACK).is_some() {
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
