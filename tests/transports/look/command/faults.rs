//! Servers that fall silent in the middle, and such as only read.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use convoke::look::{Address, Server};
use convoke::transport::AnyQueue;
use tokio::time::{Instant, sleep};

use super::binary::{command, done, refused};
use super::queues::{kill_all, number, over, packet, publish, take, unlike_any_other};
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::proxy::{Fault, Proxy};
use crate::transports::servers::redis::RedisServer;

const LETTERS: usize = 40;

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(120);

/// A queue whose letters died, and its URL.
async fn dead(server: &str, most: usize) -> (AnyQueue, String) {
    let url = format!("{server}#{}", unlike_any_other());
    let mut queue = AnyQueue::at(&url.parse().unwrap()).await.unwrap();
    let packets: Vec<_> = (0..most as u64).map(|n| packet("OrderPlaced", n)).collect();
    publish(&queue, &packets).await;
    kill_all(&mut queue, most).await;
    (queue, url)
}

/// Where a server listens, in its URL.
fn place(url: &str) -> &str {
    let behind = url.split_once("://").unwrap().1;
    let host = behind.rsplit_once('@').map_or(behind, |(_, host)| host);
    host.split(['/', '?']).next().unwrap()
}

/// The server falls silent while letters go back: the command ends with an error that says how far it came, nothing is lost or double, and
/// the same command goes on.
async fn falls_silent(server: &str) {
    let (mut queue, url) = dead(server, LETTERS).await;
    let proxy = Proxy::start(place(server)).await.unwrap();
    let there = proxy.endpoint();
    let through = url.replacen(place(server), place(&there), 1);
    let address: Address = url.parse().unwrap();
    let direct = Server::connect(&address).await.unwrap();
    let left = async || direct.queue(address.name().unwrap()).await.unwrap().dead.unwrap();

    let words = ["dead", "redrive", &through, "--all", "--rate", "20", "--patience", "2"];
    let process = command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + LONG;
    while left().await > LETTERS as u64 - 5 {
        assert!(Instant::now() < end, "it does not begin");
        sleep(Duration::from_millis(20)).await;
    }
    proxy.aim("", Fault::Silence, usize::MAX);
    let ended = tokio::task::spawn_blocking(move || process.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("letters redriven: ") && said.contains("has not answered within 2 s"), "{said}");
    assert!(said.contains("may be in either place"), "{said}");
    // Of one it does not know whether it is back.
    let told: u64 = said.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    let dead = left().await;
    let back = LETTERS as u64 - dead;
    assert!(back == told || back == told + 1, "{back} are back: {said}");

    let rest = done(&["dead", "redrive", &url, "--all"]).await;
    assert!(rest.starts_with(&format!("{dead} letters redriven")), "{rest}");
    let all = take(&mut queue, LETTERS).await;
    let numbers: BTreeSet<u64> = all.iter().map(number).collect();
    assert_eq!((all.len(), numbers.len()), (LETTERS, LETTERS), "each is there once");
    for key in 0..3 {
        let of_key: Vec<u64> = all.iter().map(number).filter(|number| number % 3 == key).collect();
        assert!(of_key.is_sorted(), "{of_key:?}");
    }
}

#[test]
fn redis_falls_silent_in_the_middle_of_a_redrive() {
    actix::System::new().block_on(async {
        let Some(server) = over(RedisServer::start().await) else { return };
        falls_silent(server.url()).await;
    });
}

#[test]
fn postgres_falls_silent_in_the_middle_of_a_redrive() {
    actix::System::new().block_on(async {
        let Some(server) = over(PostgresServer::start().await) else { return };
        falls_silent(server.url()).await;
    });
}

/// A standby says the same as a connection that is set so.
#[test]
fn a_server_that_only_reads_is_an_error_at_once_that_says_so() {
    actix::System::new().block_on(async {
        let Some(server) = over(PostgresServer::start().await) else { return };
        let (mut queue, url) = dead(server.url(), 3).await;
        let (place, name) = url.split_once('#').unwrap();
        let sign = if place.contains('?') { '&' } else { '?' };
        let reads = format!("{place}{sign}options=-c%20default_transaction_read_only%3Don#{name}");
        // It would otherwise be waited for as long as that, and then be told that it has not answered.
        let redrive = refused(&["dead", "redrive", &reads, "--all", "--patience", "30"]).await;
        let publish = refused(&["publish", &reads, "OrderPaid", "--json", "7", "--patience", "30"]).await;
        let purge = refused(&["dead", "purge", &reads, "--all", "--yes", "--patience", "30"]).await;
        for said in [&redrive, &publish, &purge] {
            assert!(said.contains("the server only reads"), "{said}");
            assert!(!said.contains("either place") && !said.contains("has not answered"), "{said}");
        }
        // To look needs no more than to read.
        assert_eq!(done(&["dead", "list", &reads]).await.lines().count(), 4);
        assert!(done(&["dead", "redrive", &url, "--all"]).await.starts_with("3 letters redriven"));
        assert_eq!(take(&mut queue, 3).await.len(), 3);
    });
}
