//! Names that nobody should have, passwords that nobody should see, servers that are away.

use std::time::Duration;

use convoke::look::{LetterId, Server};
use convoke::transport::{AnyQueue, ErrorKind, Source};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::place::name;
use super::{Place, drain, look, open, packet, publish};
use crate::transports::servers::free_port;

const HOSTILE: [&str; 14] = [
    "",
    "/",
    "a'; DROP TABLE convoke_lane; --",
    "\"; DELETE FROM convoke_delivery; --",
    "x\\",
    "a\0b",
    "\u{1b}[31mred",
    "\u{202e}sredro",
    "../../etc/passwd",
    "a\nb",
    "%s%n",
    "{orders}*",
    "https://user:geheim@evil.example/1/orders",
    "ü 100 % #@?&",
];

pub(super) async fn hostile_names_are_errors_and_do_nothing(place: &Place) {
    let there = name("orders");
    let mut queue = open(place, &there).await;
    publish(&queue, &[packet(1)]).await;
    let server = look(place, &there).await;
    let long = "a".repeat(5_000);
    for hostile in HOSTILE.into_iter().chain([long.as_str()]) {
        let plain = |error: &convoke::transport::TransportError| {
            let text = format!("{error} {error:?}");
            assert!(!text.contains(['\u{1b}', '\n', '\0', '\u{202e}']) && text.len() < 20_000, "{hostile:?}: {text}");
            assert!(!text.contains("geheim"), "{text}");
        };
        let shown = format!("{} {:?}", place.address(hostile), server.letters(hostile));
        assert!(!shown.contains("geheim") && !shown.contains(['\u{1b}', '\n', '\0', '\u{202e}']), "{shown}");
        let error = server.queue(hostile).await.unwrap_err();
        plain(&error);
        assert!(!error.is_temporary(), "{hostile:?}: {error}");
        plain(&server.tail(hostile).await.unwrap_err());
        let letters = server.letters(hostile);
        let (page, id) = (letters.page(None, 10).await, "1".parse::<LetterId>().unwrap());
        assert!(page.as_ref().is_ok_and(Vec::is_empty) || page.as_ref().is_err(), "{hostile:?}");
        page.err().iter().for_each(plain);
        assert!(!letters.redrive(&id).await.unwrap_or(false) && !letters.discard(&id).await.unwrap_or(false));
        plain(&AnyQueue::existing(&place.address(hostile)).await.unwrap_err());
    }
    queue.open(1).await.unwrap();
    assert_eq!(drain(&mut queue).await.len(), 1, "what is there is still there");
}

pub(super) async fn an_address_that_is_shown_has_no_secret(place: &Place) {
    let name = name("orders");
    let _queue = open(place, &name).await;
    let server = look(place, &name).await;
    let letters = server.letters(&name);
    let shown = format!("{server:?} {letters:?} {} {:?}", server.address(), place.server());
    assert!(shown.contains(&name) && !shown.contains("geheim"), "{shown}");
    // It can be typed again, where it has no secret.
    if place.address(&name).to_string() == format!("{}#{name}", place.server().url()) {
        let typed = place.address(&name).to_string().parse().unwrap();
        Server::connect(&typed).await.unwrap().queue(&name).await.unwrap();
    }
}

pub(super) async fn a_queue_is_opened_by_its_address_and_not_made_by_looking(place: &Place) {
    let name = name("orders");
    let error = AnyQueue::existing(&place.address(&name)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    let error = AnyQueue::at(&place.server()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let made = open(place, &name).await;
    publish(&made, &[packet(1)]).await;
    let mut existing = AnyQueue::existing(&place.address(&name)).await.unwrap();
    existing.open(1).await.unwrap();
    assert_eq!(drain(&mut existing).await.len(), 1);
}

/// As by the command, which ends once it has published.
pub(super) async fn who_publishes_to_what_is_there_need_not_know_who_receives(place: &Place) {
    let name = name("orders");
    let address = place.address(&name);
    publish(&AnyQueue::at(&address).await.unwrap(), &[packet(1)]).await;
    publish(&AnyQueue::existing(&address).await.unwrap(), &[packet(2)]).await;
    let mut receives = AnyQueue::at(&address).await.unwrap();
    receives.open(10).await.unwrap();
    assert_eq!(drain(&mut receives).await.len(), 2);
}

/// Somebody answers the connection, and then nothing more.
#[actix_rt::test]
async fn a_server_that_is_silent_or_away_is_an_error_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    for port in [port, free_port()] {
        for url in [
            format!("postgres://shop:geheim@127.0.0.1:{port}/shop#orders"),
            format!("redis://:geheim@127.0.0.1:{port}#orders"),
            format!("amqp://shop:geheim@127.0.0.1:{port}#orders"),
            format!("sqs://key:geheim@eu-central-1?endpoint=http://127.0.0.1:{port}#orders"),
        ] {
            let address = url.parse().unwrap();
            // No server is waited for longer than a minute, however busy this machine is.
            let connected = timeout(Duration::from_secs(60), Server::connect(&address)).await.expect(&url);
            let error = connected.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
    held.abort();
}

#[actix_rt::test]
async fn a_topic_has_no_queue() {
    let address = "sns://key:geheim@eu-central-1#orders".parse().unwrap();
    for error in [Server::connect(&address).await.unwrap_err(), AnyQueue::at(&address).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}
