//! A server that is silent, started again, or no master any more.

use std::process::Command;
use std::time::Duration;

use convoke::transport::{ErrorKind, Publisher, Redis, Source};
use tokio::time::{Instant, sleep};

use super::{ask, next, orders, packets, publish, server};
use crate::transports::servers::proxy::{Fault, Proxy};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_publish_outlives_a_restart_of_the_server() {
    let server = server().await;
    let ours = server.ours().unwrap();
    let mut redis = orders(&server).await.unwrap();
    redis.open(10).await.unwrap();
    ours.kill().await;
    let publishing = {
        let redis = redis.clone();
        tokio::spawn(async move { redis.publish(&packets(1)).await })
    };
    // Longer than anything but a publish is tried: that is what a restart may take.
    sleep(6 * SECOND).await;
    assert!(!publishing.is_finished(), "it has given up");
    ours.start().await;
    publishing.await.unwrap().remove(0).unwrap();
    next(&mut redis).await.ack().await.unwrap();
}

#[tokio::test]
async fn a_time_out_of_our_own_is_no_word_from_the_server_and_a_nat_that_has_forgotten_is_left_soon() {
    let server = server().await;
    let direct = orders(&server).await.unwrap();
    let proxy = Proxy::start(server.url().trim_start_matches("redis://")).await.unwrap();
    let url = proxy.endpoint().replace("http", "redis");
    direct.clone().open(1).await.unwrap();
    let mut redis = Redis::stream("orders").at(url).await.unwrap();
    redis.open(10).await.unwrap();
    let pulse = redis.pulse().unwrap();
    assert!(pulse.silence() <= 15 * SECOND);
    // That nothing waits is a word.
    assert_eq!(redis.receive(10).await.unwrap().len(), 0);
    assert!(pulse.since() < 2 * SECOND, "{:?}", pulse.since());

    proxy.aim("", Fault::Silence, usize::MAX);
    let silent = Instant::now();
    while silent.elapsed() < 8 * SECOND {
        if redis.receive(10).await.is_err() {
            redis.open(10).await.unwrap_err();
        }
    }
    assert!(pulse.since() > 6 * SECOND, "it has heard something {:?} ago", pulse.since());

    // From now on new connections are good, and the old ones stay silent. What comes is lent to those, for all the server knows.
    publish(&direct, &packets(20)).await;
    proxy.aim("", Fault::Silence, 0);
    let forgotten = Instant::now();
    let mut heard = 0;
    while heard < 20 {
        for delivery in redis.receive(20).await.unwrap_or_default() {
            assert_eq!(delivery.attempt(), 1, "nobody has heard it");
            delivery.ack().await.unwrap();
            heard += 1;
        }
        assert!(forgotten.elapsed() < 15 * SECOND, "{heard} of 20 were heard within 15 s");
    }
    assert!(pulse.since() < 2 * SECOND, "{:?}", pulse.since());
}

/// In a process of its own, to see what is logged.
#[test]
fn a_failover_to_a_replica_is_one_warning() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &path("a_server_that_is_a_replica_for_a_while"), "--nocapture"])
        .env("CONVOKE_TEST_LOGS", "1")
        .env("RUST_LOG", "convoke=warn")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 2, "{said}");
    assert!(warnings[0].contains("no master (READONLY)") && warnings[1].contains("the server is back"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_a_replica_for_a_while() {
    if std::env::var_os("CONVOKE_TEST_LOGS").is_some() {
        env_logger::init();
    }
    let server = server().await;
    // Long enough for a busy machine to answer, for a time-out is another fault.
    let mut redis = orders(&server).deadline(2 * SECOND).await.unwrap();
    redis.open(10).await.unwrap();
    publish(&redis, &packets(1)).await;
    let held = next(&mut redis).await;
    ask(&server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    for _ in 0..2 {
        assert_eq!(redis.publish(&packets(1)).await.remove(0).unwrap_err().kind(), ErrorKind::Unreachable);
        assert_eq!(redis.receive(1).await.unwrap_err().kind(), ErrorKind::Unreachable);
        assert_eq!(redis.open(10).await.unwrap_err().kind(), ErrorKind::Unreachable);
    }
    ask(&server, &["REPLICAOF", "NO", "ONE"]).await;
    publish(&redis, &packets(1)).await;
    held.ack().await.unwrap();
    next(&mut redis).await.ack().await.unwrap();
}

/// What a test of this file is called on the command line.
fn path(name: &str) -> String {
    let module = module_path!().split_once("::").unwrap().1;
    format!("{module}::{name}")
}
