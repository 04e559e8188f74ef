//! Outages, kills, what is missing or of another type, and secrets.

use super::*;

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
    failed(server.url().to_owned(), ErrorKind::Denied).await;
    failed(format!("redis://:wrong-{CANARY}@{address}"), ErrorKind::Denied).await;
    failed(format!("redis://{CANARY}:{CANARY}@{address}"), ErrorKind::Denied).await;
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
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
    }
    assert!(
        shown.contains("redis:orders") && !shown.contains(CANARY),
        "it is shown: {}",
        shown.replace(CANARY, "HERE")
    );
}
