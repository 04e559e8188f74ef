//! Letters of a worker whose clock is ahead: they are letters like others, and their keys keep their order.

use std::time::{SystemTime, UNIX_EPOCH};

use convoke::transport::{DeadLetterRecord, DeadReason, Packet};
use tempfile::tempdir;

use crate::common::done;
use crate::filled::{dead, order, publish, waiting, with};

/// A letter that will have died in so many seconds.
fn ahead(packet: &Packet, seconds: u64) -> Packet {
    let mut record = DeadLetterRecord::new("sqlite:orders", packet, 15, DeadReason::Exhausted, Vec::new());
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    record.time = now.saturating_add(seconds.saturating_mul(1_000));
    record.bury(packet.clone(), usize::MAX, usize::MAX)
}

#[test]
fn a_letter_that_died_in_the_future_keeps_its_place_among_those_of_its_key() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let packets = [1, 2, 3, 4].map(|number| order(number, "ada"));
    let usual = |packet| dead(packet, 1, 15, DeadReason::Exhausted, &[]);
    let letters = [usual(&packets[0]), ahead(&packets[1], 600), ahead(&packets[2], u64::MAX), usual(&packets[3])];
    with(async || {
        publish(&file, "orders", &[order(9, "bob")]).await;
        publish(&file, "orders-dead", &letters).await;
    });
    assert_eq!(done(folder.path(), "dead redrive sqlite:shop.db#orders --all"), "4 letters redriven to orders\n");
    let came = waiting(&file, "orders").into_iter().filter(|packet| packet.key.as_deref() == Some("ada"));
    assert_eq!(came.map(|packet| packet.id).collect::<Vec<_>>(), packets.map(|packet| packet.id));
}
