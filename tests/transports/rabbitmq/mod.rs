//! RabbitMQ: the fixture of the suite, and what only RabbitMQ has.

/// What is published, routed, held back and delivered.
mod packets;
/// Prefetch, priorities, ends and dead letters.
mod settling;
/// What cannot be reached, and what comes back.
mod failures;

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
use crate::transports::servers::rabbitmq::{RabbitMqServer, TREE};

/// What counts as an attempt.
mod attempts;
/// A server that cannot be reached, says nothing, or has lost the queue.
mod away;
/// What is lent, and to whom.
mod lending;
/// What the server takes back.
mod taken_back;
/// CloudEvents in binary mode.
mod bindings;

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
