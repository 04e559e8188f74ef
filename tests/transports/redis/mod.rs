//! Redis: the fixture of the suite, and what only Redis has.

/// Streams, groups and consumers.
mod groups;
/// Leases, attempts and dead letters.
mod settling;
/// Outages, kills, what is missing or of another type, and secrets.
mod failures;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, GROUPS, Server, Wants};
use convoke::transport::{
    BoxFuture, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Packet, Publisher, Redis, RedisBuilder, Source,
    TransportError,
};
use redis::{Value, cmd};
use tokio::time::{Instant, sleep, timeout};

use super::{conform, not_asked_for};
use crate::transports::servers::redis::{DURABLE, RedisServer};
use crate::transports::servers::{Unavailable, given};

/// What is no text.
mod bytes;
/// A server that is full.
mod full;
/// What somebody deletes while it is in hand.
mod in_hand;
/// What is lent and not heard is given back; what is heard alone is marked.
mod lending;
/// A server that is silent, away, or no master any more.
mod outages;

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(60);

/// Redis Streams, with a real server.
struct RedisFixture<'a> {
    name: &'a str,
    server: RedisServer,
}

impl RedisFixture<'_> {
    async fn start() -> Result<Self, Unavailable> {
        Ok(Self { name: "redis", server: RedisServer::start().await? })
    }
}

impl Fixture for RedisFixture<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            // Unlike any other, also on a server that keeps what it had.
            let stream = format!("{}-{}", wants.name, convoke::Uuid::now_v7().simple());
            let builder = Redis::stream(&stream).at(self.server.url()).lease(wants.lease).create_if_missing();
            let redis = builder.clone().await?;
            let dead = Redis::stream(format!("{stream}-dead")).at(self.server.url()).create_if_missing().await?;
            let mut groups = BTreeMap::new();
            if wants.fan_out {
                for group in GROUPS {
                    groups.insert(group, builder.clone().group(group).await?);
                }
            }
            let publisher = Arc::new(redis.clone());
            let subscribe =
                move |group: &str| -> Box<dyn Source> { Box::new(groups.get(group).unwrap_or(&redis).clone()) };
            let dead: Box<dyn Fn() -> Box<dyn Source> + Send + Sync> = Box::new(move || Box::new(dead.clone()));
            Ok(Channel { publisher, subscribe: Box::new(subscribe), dead: Some(dead) })
        })
    }

    fn delete_all<'b>(&'b self, name: &'b str) -> Option<BoxFuture<'b, ()>> {
        Some(Box::pin(async move {
            let Value::Array(keys) = ask(&self.server, &["KEYS", &format!("{name}-*")]).await else {
                panic!("no keys")
            };
            for key in keys.into_iter().map(text).filter(|key| !key.ends_with("-dead")) {
                ask(&self.server, &["XTRIM", &key, "MAXLEN", "0"]).await;
            }
        }))
    }

    fn server(&self) -> Option<&dyn Server> {
        self.server.ours()
    }
}

#[test]
fn conforms() {
    conform("redis", RedisFixture::start);
}

#[test]
fn conforms_on_redis_8() {
    conforms_on("redis 8", "CONVOKE_REDIS_8");
}

#[test]
fn conforms_on_valkey_9() {
    conforms_on("valkey 9", "CONVOKE_VALKEY_9");
}

/// Runs the suite on the server program that a variable names, which `tests/run --full` gets.
fn conforms_on(name: &str, variable: &str) {
    match given(variable) {
        Some(program) => conform(name, async || {
            Ok::<_, Unavailable>(RedisFixture { name, server: RedisServer::of(&program, DURABLE).await? })
        }),
        None => not_asked_for(name, &format!("run with tests/run --full, or set {variable} to its program")),
    }
}

async fn server() -> RedisServer {
    started(DURABLE).await
}

/// What these tests need cannot be missing: `tests/run` gets it, or says that it cannot.
async fn started(settings: &[&str]) -> RedisServer {
    match RedisServer::own(settings).await {
        Ok(server) => server,
        Err(missing) => panic!("{missing}"),
    }
}

fn orders(server: &RedisServer) -> RedisBuilder {
    Redis::stream("orders").at(server.url()).create_if_missing()
}

/// Asks the server directly.
async fn ask(server: &RedisServer, words: &[&str]) -> Value {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query_async(&mut connection).await.unwrap()
}

fn text(value: Value) -> String {
    redis::from_redis_value(value).unwrap()
}

async fn count(server: &RedisServer, words: &[&str]) -> i64 {
    match ask(server, words).await {
        Value::Int(count) => count,
        other => panic!("{words:?}: {other:?}"),
    }
}

/// The names of the consumers of a group.
async fn consumers(server: &RedisServer, stream: &str, group: &str) -> BTreeSet<String> {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = cmd("XINFO");
    let all: Vec<BTreeMap<String, Value>> =
        command.arg("CONSUMERS").arg(stream).arg(group).query_async(&mut connection).await.unwrap();
    let name = |one: BTreeMap<String, Value>| text(one["name"].clone());
    all.into_iter().map(name).collect()
}

async fn publish(redis: &Redis, packets: &[Packet]) {
    for result in redis.publish(packets).await {
        result.unwrap();
    }
}

fn packets(count: usize) -> Vec<Packet> {
    (0..count).map(|n| Packet::new(format!("id-{n}"), format!("body {n}"))).collect()
}

/// Waits until there is a delivery, over errors too.
async fn next(source: &mut dyn Source) -> Delivery {
    let found = timeout(LONG, async {
        loop {
            if let Some(delivery) = source.receive(1).await.unwrap_or_default().pop() {
                return delivery;
            }
        }
    });
    found.await.expect("nothing came")
}

/// Waits until this is so.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "it never was so");
        sleep(Duration::from_millis(20)).await;
    }
}
