//! Redis: the fixture of the suite, and what only Redis has.

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
use crate::servers::redis::{DURABLE, RedisServer};
use crate::servers::{Unavailable, given};

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

#[tokio::test]
async fn what_is_published_comes_whole_and_is_deleted_when_it_is_done() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    let mut packet = Packet::new("id", vec![0, 1, 2, 255]);
    packet.topic = "orders/placed".to_owned();
    packet.key = Some("käy".to_owned());
    packet.attributes.insert("text", "");
    packet.attributes.insert("number", 7_u64);
    packet.attributes.insert("list", ["a", "b"]);
    publish(&redis, std::slice::from_ref(&packet)).await;
    assert_eq!(redis.backlog().await.unwrap(), Some(1));
    let delivery = next(&mut redis).await;
    assert_eq!((delivery.packet(), delivery.attempt(), delivery.source()), (&packet, 1, "redis:orders"));
    assert_eq!(redis.backlog().await.unwrap(), Some(0));
    delivery.ack().await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    assert!(Source::abilities(&redis).durable);
    redis.close().await.unwrap();
    assert_eq!(consumers(&server, "orders", "orders").await, BTreeSet::new());
    assert_eq!(redis.receive(1).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn what_the_dead_have_left_is_claimed_and_their_names_go() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(300)).await.unwrap();
    publish(&redis, &packets(20)).await;
    let mut dead = redis.clone();
    dead.open(20).await.unwrap();
    let mut lent = 0;
    while lent < 20 {
        let all = dead.receive(20).await.unwrap();
        lent += all.len();
        all.into_iter().for_each(std::mem::forget);
    }
    let names = consumers(&server, "orders", "orders").await;
    assert_eq!(names.len(), 1);
    drop(dead);
    let mut alive = redis.clone();
    alive.open(20).await.unwrap();
    for _ in 0..20 {
        let delivery = next(&mut alive).await;
        assert!(delivery.attempt() >= 2);
        delivery.ack().await.unwrap();
    }
    until(async || {
        let _ = timeout(Duration::from_millis(300), alive.receive(1)).await;
        consumers(&server, "orders", "orders").await.is_disjoint(&names)
    })
    .await;
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
}

#[tokio::test]
async fn nothing_is_deleted_that_a_slow_group_still_needs() {
    let server = server().await;
    let mut fast = orders(&server).group("fast").await.unwrap();
    let mut slow = orders(&server).group("slow").await.unwrap();
    fast.open(100).await.unwrap();
    slow.open(100).await.unwrap();
    publish(&fast, &packets(100)).await;
    for _ in 0..100 {
        next(&mut fast).await.ack().await.unwrap();
    }
    // Not delivered to the slow one yet.
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 100);
    let mut held = Vec::new();
    while held.len() < 60 {
        held.push(next(&mut slow).await);
    }
    // Pending, and not.
    for delivery in held.drain(..).enumerate().filter(|(n, _)| n % 2 == 0).map(|(_, delivery)| delivery) {
        delivery.ack().await.unwrap();
    }
    until(async || count(&server, &["XLEN", "orders"]).await == 70).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 70 {
        let delivery = next(&mut slow).await;
        seen.insert(delivery.packet().id.clone());
        delivery.ack().await.unwrap();
    }
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
}

#[tokio::test]
async fn what_a_group_that_is_gone_has_left_is_trimmed() {
    let server = server().await;
    let mut stays = orders(&server).group("stays").await.unwrap();
    let mut goes = orders(&server).group("goes").await.unwrap();
    stays.open(100).await.unwrap();
    goes.open(100).await.unwrap();
    publish(&stays, &packets(30)).await;
    for _ in 0..20 {
        next(&mut stays).await.ack().await.unwrap();
    }
    let held = next(&mut stays).await;
    goes.close().await.unwrap();
    ask(&server, &["XGROUP", "DESTROY", "orders", "goes"]).await;
    // The ten that nobody has seen or settled stay.
    until(async || {
        let _ = timeout(Duration::from_millis(200), stays.receive(1))
            .await
            .map(|all| all.map(|all| all.into_iter().for_each(std::mem::forget)));
        count(&server, &["XLEN", "orders"]).await == 10
    })
    .await;
    held.ack().await.unwrap();
}

#[tokio::test]
async fn every_subscriber_is_a_consumer_of_its_own() {
    let server = server().await;
    let redis = orders(&server).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..20 {
        let mut one = redis.clone();
        one.open(1).await.unwrap();
        publish(&redis, &packets(1)).await;
        let held = next(&mut one).await;
        all.push((one, held));
    }
    assert_eq!(consumers(&server, "orders", "orders").await.len(), 20);
    for (mut one, held) in all {
        held.ack().await.unwrap();
        one.close().await.unwrap();
    }
    assert_eq!(consumers(&server, "orders", "orders").await, BTreeSet::new());
}

#[tokio::test]
async fn what_a_cancelled_receive_has_read_is_not_lost() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    assert!(timeout(Duration::from_millis(50), redis.receive(10)).await.is_err());
    publish(&redis, &packets(3)).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        for delivery in redis.receive(10).await.unwrap() {
            assert_eq!(delivery.attempt(), 1);
            seen.insert(delivery.packet().id.clone());
            delivery.ack().await.unwrap();
        }
    }
    // Read for one who is gone: closing gives it back, untouched.
    assert!(timeout(Duration::from_millis(50), redis.receive(10)).await.is_err());
    publish(&redis, &packets(1)).await;
    redis.close().await.unwrap();
    let mut other = redis.clone();
    other.open(1).await.unwrap();
    let delivery = next(&mut other).await;
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_stale_receipt_is_told_so_and_does_not_settle_what_others_have() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(200)).await.unwrap();
    publish(&redis, &packets(1)).await;
    let (mut one, mut two) = (redis.clone(), redis.clone());
    one.open(1).await.unwrap();
    two.open(1).await.unwrap();
    let mut stale = next(&mut one).await;
    let mut taken = next(&mut two).await;
    assert_eq!(taken.attempt(), 2);
    taken.extend(LONG).await.unwrap();
    assert_eq!(stale.extend(LONG).await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(stale.ack().await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 1);
    taken.ack().await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    assert_eq!(count(&server, &["EXISTS", "orders:due:orders"]).await, 0);
}

#[tokio::test]
async fn a_lease_lasts_longer_than_the_usual_one_if_it_is_told_to() {
    let server = server().await;
    let redis = orders(&server).lease(Duration::from_millis(200)).await.unwrap();
    publish(&redis, &packets(1)).await;
    let (mut one, mut two) = (redis.clone(), redis.clone());
    one.open(1).await.unwrap();
    two.open(1).await.unwrap();
    let mut held = next(&mut one).await;
    held.extend(LONG).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        assert!(timeout(Duration::from_millis(100), two.receive(1)).await.is_err(), "it was lent twice");
    }
    // Less than the usual one counts as well.
    held.extend(Duration::from_millis(1)).await.unwrap();
    assert_eq!(next(&mut two).await.attempt(), 2);
    assert_eq!(held.ack().await.unwrap_err().kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn attempts_and_what_waits_survive_a_kill_of_the_server() {
    let server = server().await;
    let ours = server.ours().unwrap();
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    let mut late = Packet::new("late", "late");
    late.delay = Duration::from_secs(2);
    publish(&redis, &[Packet::new("now", "now"), late]).await;
    let first = next(&mut redis).await;
    assert_eq!(first.packet().id, "now");
    first.release().await.unwrap();
    let first = next(&mut redis).await;
    assert_eq!(first.attempt(), 1, "what is given back was no attempt");
    let started = Instant::now();
    first.retry_after(Duration::from_secs(2)).await.unwrap();
    ours.kill().await;
    ours.start().await;
    let mut left = BTreeMap::new();
    while left.len() < 2 {
        let delivery = next(&mut redis).await;
        // By the server's clock, which may be behind ours by what it takes to ask.
        assert!(started.elapsed() > Duration::from_millis(1500), "it came early");
        left.insert(delivery.packet().id.clone(), delivery.attempt());
        delivery.ack().await.unwrap();
    }
    assert_eq!(left, BTreeMap::from([("late".to_owned(), 1), ("now".to_owned(), 2)]));
    for key in ["orders:delayed", "orders:due:orders"] {
        assert_eq!(count(&server, &["EXISTS", key]).await, 0);
    }
}

#[tokio::test]
async fn what_waits_for_another_attempt_comes_although_its_time_was_deleted() {
    let server = server().await;
    let mut redis = orders(&server).lease(Duration::from_millis(400)).await.unwrap();
    redis.open(1).await.unwrap();
    publish(&redis, &packets(1)).await;
    next(&mut redis).await.retry_after(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(count(&server, &["DEL", "orders:due:orders"]).await, 1);
    let delivery = next(&mut redis).await;
    assert_eq!(delivery.attempt(), 2);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_dead_letter_is_in_its_stream_and_nowhere_else() {
    let server = server().await;
    let mut redis = orders(&server).group("billing").await.unwrap();
    redis.open(1).await.unwrap();
    publish(&redis, &packets(1)).await;
    next(&mut redis).await.dead_letter(DeadReason::Permanent, vec!["boom".to_owned()]).await.unwrap();
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 0);
    let mut dead = Redis::stream("orders-dead").at(server.url()).create_if_missing().await.unwrap();
    dead.open(1).await.unwrap();
    let letter = next(&mut dead).await;
    let record = DeadLetterRecord::of(letter.packet()).unwrap();
    assert_eq!(
        (record.reason, record.source.as_str(), record.attempts),
        (DeadReason::Permanent, "redis:orders/billing", 1)
    );
    assert_eq!((letter.packet().id.as_str(), &letter.packet().body[..]), ("id-0", &b"body 0"[..]));
    letter.release().await.unwrap();
    dead.close().await.unwrap();
    let redriven = convoke::transport::redrive(&mut dead, &redis, 10).await.unwrap();
    assert_eq!((redriven.moved, redriven.kept), (1, 0));
    let again = next(&mut redis).await;
    assert_eq!((again.packet(), again.attempt()), (&packets(1)[0], 1));
    again.ack().await.unwrap();
}

#[tokio::test]
async fn a_read_that_blocks_lives_through_a_restart() {
    let server = server().await;
    let ours = server.ours().unwrap();
    let redis = orders(&server).await.unwrap();
    let mut source = redis.clone();
    source.open(10).await.unwrap();
    let waits = tokio::spawn(async move {
        let delivery = next(&mut source).await;
        let id = delivery.packet().id.clone();
        delivery.ack().await.unwrap();
        (id, source)
    });
    for _ in 0..3 {
        until(async || text(ask(&server, &["INFO", "clients"]).await).contains("blocked_clients:1")).await;
        ours.kill().await;
        ours.start().await;
    }
    publish(&redis, &packets(1)).await;
    assert_eq!(waits.await.unwrap().0, "id-0");
}

#[tokio::test]
async fn an_outage_is_an_error_after_the_deadline_and_over_when_the_server_is_back() {
    let server = server().await;
    let ours = server.ours().unwrap();
    let mut redis = orders(&server).deadline(Duration::from_millis(300)).await.unwrap();
    redis.open(10).await.unwrap();
    publish(&redis, &packets(1)).await;
    let held = next(&mut redis).await;
    let second = packets(2);
    ours.kill().await;
    let errors = redis.publish(&second[1..]).await;
    assert_eq!(errors[0].as_ref().unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(redis.receive(1).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(orders(&server).deadline(Duration::from_millis(300)).await.unwrap_err().kind(), ErrorKind::Unreachable);
    ours.start().await;
    publish(&redis, &second[1..]).await;
    // What was lent before is still ours.
    held.ack().await.unwrap();
    let delivery = next(&mut redis).await;
    assert_eq!(delivery.packet().id, "id-1");
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn nothing_is_lost_when_workers_are_killed_fifty_times() {
    const MESSAGES: usize = 2000;
    const ROUNDS: usize = 50;
    let server = started(&["--appendonly", "yes"]).await;
    let mut redis = orders(&server).lease(Duration::from_millis(500)).await.unwrap();
    redis.open(10).await.unwrap();
    let packets = packets(MESSAGES);
    let program = std::env::current_exe().unwrap();
    for (round, some) in packets.chunks(MESSAGES / ROUNDS).enumerate() {
        publish(&redis, some).await;
        let mut worker = Command::new(&program)
            .args(["--exact", &path("a_worker_that_is_killed"), "--nocapture"])
            .env("CONVOKE_TEST_KILLED_AT", server.url())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Before, in or after the handler: at another point of its work each time.
        let before = count(&server, &["LLEN", "handled"]).await;
        until(async || {
            assert!(worker.try_wait().unwrap().is_none(), "the worker has ended");
            count(&server, &["LLEN", "handled"]).await > before
        })
        .await;
        sleep(Duration::from_micros(moment(round as u64))).await;
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    let Value::Array(handled) = ask(&server, &["LRANGE", "handled", "0", "-1"]).await else { panic!("no list") };
    let mut seen: BTreeSet<String> = handled.into_iter().map(text).collect();
    while seen.len() < MESSAGES {
        let delivery = next(&mut redis).await;
        seen.insert(delivery.packet().id.clone());
        delivery.ack().await.unwrap();
    }
    // Those that were handled and not acknowledged come again, and then nothing is left.
    until(async || {
        for delivery in timeout(Duration::from_millis(100), redis.receive(100)).await.unwrap_or(Ok(Vec::new())).unwrap()
        {
            delivery.ack().await.unwrap();
        }
        count(&server, &["XLEN", "orders"]).await == 0
    })
    .await;
}

/// What a test of this file is called on the command line.
fn path(name: &str) -> String {
    let module = module_path!().split_once("::").unwrap().1;
    format!("{module}::{name}")
}

/// Up to 5 ms, another one each time.
fn moment(round: u64) -> u64 {
    (round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 5000
}

/// It has nothing to do but where a test of this file says at which server, and kills it.
#[tokio::test]
async fn a_worker_that_is_killed() {
    let Ok(url) = std::env::var("CONVOKE_TEST_KILLED_AT") else { return };
    let mut redis = Redis::stream("orders").at(&url).lease(Duration::from_millis(500)).await.unwrap();
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis.open(10).await.unwrap();
    loop {
        for delivery in redis.receive(10).await.unwrap() {
            let id = delivery.packet().id.clone();
            let _: Value = cmd("RPUSH").arg("handled").arg(id).query_async(&mut connection).await.unwrap();
            delivery.ack().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_flush_is_an_error_or_repaired_as_told() {
    let server = server().await;
    let mut creates = orders(&server).await.unwrap();
    creates.open(1).await.unwrap();
    let mut takes = Redis::stream("orders").at(server.url()).group("orders").await.unwrap();
    takes.open(1).await.unwrap();
    publish(&creates, &packets(1)).await;
    let held = next(&mut creates).await;
    ask(&server, &["FLUSHALL"]).await;
    ask(&server, &["SCRIPT", "FLUSH"]).await;
    assert_eq!(held.ack().await.unwrap_err().kind(), ErrorKind::Lost);
    let error = loop {
        match takes.receive(1).await {
            Ok(none) => assert!(none.is_empty()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_eq!(takes.publish(&packets(1)).await[0].as_ref().unwrap_err().kind(), ErrorKind::Missing);
    let mut late = Packet::new("late", "");
    late.delay = Duration::from_secs(1);
    assert_eq!(takes.publish(&[late]).await[0].as_ref().unwrap_err().kind(), ErrorKind::Missing);
    assert_eq!(takes.open(1).await.unwrap_err().kind(), ErrorKind::Missing);
    publish(&creates, &packets(1)).await;
    next(&mut creates).await.ack().await.unwrap();
    takes.open(1).await.unwrap();
}

#[tokio::test]
async fn a_missing_stream_or_group_is_said_unless_it_may_be_created() {
    let server = server().await;
    let error = Redis::stream("orders").at(server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert_eq!(error.to_string(), "redis:orders: there is no such stream: create it, or say create_if_missing");
    // What was published before a group was there, it gets.
    publish(&orders(&server).await.unwrap(), &packets(1)).await;
    let mut redis = Redis::stream("orders").group("new").at(server.url()).await.unwrap();
    assert_eq!(redis.open(1).await.unwrap_err().kind(), ErrorKind::Missing);
    let mut redis = orders(&server).group("new").await.unwrap();
    redis.open(1).await.unwrap();
    assert_eq!(next(&mut redis).await.packet().id, "id-0");
}

#[tokio::test]
async fn a_key_of_another_type_is_refused() {
    let server = server().await;
    ask(&server, &["SET", "orders", "text"]).await;
    assert_eq!(orders(&server).await.unwrap_err().kind(), ErrorKind::Refused);
    ask(&server, &["DEL", "orders"]).await;
    let mut redis = orders(&server).await.unwrap();
    redis.open(1).await.unwrap();
    publish(&redis, &packets(1)).await;
    let held = next(&mut redis).await;
    // A dead letter that cannot be kept is not acknowledged.
    ask(&server, &["SET", "orders-dead", "text"]).await;
    assert_eq!(held.dead_letter(DeadReason::Permanent, Vec::new()).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(count(&server, &["XLEN", "orders"]).await, 1);
    ask(&server, &["SET", "orders", "text"]).await;
    assert_eq!(redis.publish(&packets(1)).await[0].as_ref().unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn an_entry_of_others_is_delivered() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    redis.open(1).await.unwrap();
    ask(&server, &["XADD", "orders", "1-1", "payload", "{}", "kind", "x"]).await;
    let delivery = next(&mut redis).await;
    let packet = delivery.packet();
    assert_eq!((packet.id.as_str(), &packet.body[..], packet.attributes.text("kind")), ("1-1", &b"{}"[..], Some("x")));
    delivery.dead_letter(DeadReason::Broken, Vec::new()).await.unwrap();
    let deleted = ["XADD", "orders", "2-1", "body", "b"];
    ask(&server, &deleted).await;
    let delivery = next(&mut redis).await;
    ask(&server, &["XDEL", "orders", "2-1"]).await;
    assert_eq!(delivery.retry_after(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::Lost);
    ask(&server, &["XADD", "orders", "3-1", "body", "b"]).await;
    assert_eq!(next(&mut redis).await.packet().id, "3-1", "what others have deleted does not come again");
}

/// In a process of its own, where every log is written at every level.
#[test]
fn passwords_and_payloads_are_in_no_log() {
    let program = std::env::current_exe().unwrap();
    let child = Command::new(program)
        .args(["--exact", &path("passwords_and_payloads_are_in_no_error"), "--nocapture"])
        .env("CONVOKE_TEST_LOGS", "1")
        .env("RUST_LOG", "trace")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("convoke::transport") && said.contains("1 passed"), "{said}");
    assert!(!said.contains(CANARY), "{said}");
}

const CANARY: &str = "canary-7f3a";

#[tokio::test]
async fn passwords_and_payloads_are_in_no_error() {
    if std::env::var_os("CONVOKE_TEST_LOGS").is_some() {
        env_logger::init();
    }
    let server = started(&["--requirepass", CANARY, "--appendonly", "yes"]).await;
    let address = server.url().trim_start_matches("redis://").to_owned();
    let mut shown = String::new();
    let mut failed = async |url: String, kind: ErrorKind| {
        let builder = Redis::stream("orders").at(url).deadline(Duration::from_millis(300)).create_if_missing();
        shown.push_str(&format!("{builder:?}"));
        let error = builder.await.unwrap_err();
        shown.push_str(&format!("{error} {error:?}"));
        assert_eq!(error.kind(), kind, "{error}");
    };
    failed(server.url().to_owned(), ErrorKind::Refused).await;
    failed(format!("redis://:wrong-{CANARY}@{address}"), ErrorKind::Refused).await;
    failed(format!("redis://{CANARY}:{CANARY}@{address}"), ErrorKind::Refused).await;
    failed(format!("redis://:{CANARY}@no-such-host.invalid"), ErrorKind::Unreachable).await;
    failed(format!("redis://:{CANARY}@127.0.0.1:1"), ErrorKind::Unreachable).await;
    failed(format!("redis://:{CANARY}@127.0.0.1:notaport"), ErrorKind::Refused).await;
    failed(format!("{CANARY}://:{CANARY}@{address}"), ErrorKind::Refused).await;
    failed(format!("rediss://:{CANARY}@{address}"), ErrorKind::Unreachable).await;

    let url = format!("redis://:{CANARY}@{address}");
    let mut redis = Redis::stream("orders").at(&url).create_if_missing().await.unwrap();
    redis.open(1).await.unwrap();
    assert!(!Source::abilities(&redis).durable, "this server may lose what it has confirmed");
    shown.push_str(&format!("{redis:?} {} {:?}", Publisher::name(&redis), redis.clone()));

    let mut packet = Packet::new("id", CANARY);
    packet.attributes.insert("secret", CANARY);
    publish(&redis, std::slice::from_ref(&packet)).await;
    let delivery = next(&mut redis).await;
    shown.push_str(&format!("{delivery:?}"));
    // The server's own errors repeat what they were given.
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: Value = cmd("SET").arg("orders-dead").arg(CANARY).query_async(&mut connection).await.unwrap();
    let error = delivery.dead_letter(DeadReason::Permanent, vec![CANARY.to_owned()]).await.unwrap_err();
    shown.push_str(&format!("{error} {error:?}"));
    let _: Value = cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).query_async(&mut connection).await.unwrap();
    for error in redis.publish(std::slice::from_ref(&packet)).await {
        shown.push_str(&format!("{error:?}"));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unreachable);
    }
    let _: Value = cmd("ACL").arg("SETUSER").arg("default").arg("-xadd").query_async(&mut connection).await.unwrap();
    for error in redis.publish(std::slice::from_ref(&packet)).await {
        shown.push_str(&format!("{error:?}"));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Refused);
    }
    assert!(
        shown.contains("redis:orders") && !shown.contains(CANARY),
        "it is shown: {}",
        shown.replace(CANARY, "HERE")
    );
}
