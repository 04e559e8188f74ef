//! What somebody deletes from the stream while it is in hand is never said to come again, and never gone without a word.

use std::time::Duration;

use convoke::transport::{DeadLetterRecord, DeadReason, Delivery, ErrorKind, Redis, Source};

use super::{ask, count, next, orders, packets, publish, server};
use crate::transports::servers::redis::RedisServer;

/// One delivery, whose entry is deleted as this says.
async fn deleted_in_hand(server: &RedisServer, redis: &mut Redis, how: &[&str]) -> Delivery {
    redis.open(1).await.unwrap();
    publish(redis, &packets(1)).await;
    let held = next(redis).await;
    ask(server, how).await;
    held
}

const TRIM: &[&str] = &["XTRIM", "orders", "MAXLEN", "0"];

/// What is in the queue of dead letters, and nothing else.
async fn letter(redis: &Redis) -> (String, Vec<u8>, DeadLetterRecord) {
    let mut dead = redis.dead_letters();
    dead.open(1).await.unwrap();
    let letter = next(&mut dead).await;
    let packet = letter.packet();
    let (id, body) = (packet.id.clone(), packet.body.clone());
    let record = DeadLetterRecord::of(packet).unwrap();
    letter.ack().await.unwrap();
    (id, body, record)
}

#[tokio::test]
async fn what_is_trimmed_in_hand_and_fails_is_a_dead_letter_and_not_gone() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    let held = deleted_in_hand(&server, &mut redis, TRIM).await;
    let error = held.retry_after(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
    assert!(error.to_string().contains("it is a dead letter now"), "{error}");
    let (id, body, record) = letter(&redis).await;
    assert_eq!((id.as_str(), &body[..], record.attempts), ("id-0", &b"body 0"[..], 1));
    assert_eq!(record.errors, ["its entry was deleted from the stream while it was in hand"]);
    // Nothing of it is left.
    let pending = ask(&server, &["XPENDING", "orders", "orders", "-", "+", "10"]).await;
    assert_eq!(pending, redis::Value::Array(Vec::new()));
    assert_eq!(count(&server, &["EXISTS", "orders:due:orders"]).await, 0);
}

#[tokio::test]
async fn what_is_trimmed_in_hand_and_given_back_is_a_dead_letter() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    let held = deleted_in_hand(&server, &mut redis, TRIM).await;
    assert_eq!(held.release().await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(letter(&redis).await.0, "id-0");
}

#[tokio::test]
async fn what_is_trimmed_in_hand_can_be_done_or_dead_as_ever() {
    let server = server().await;
    let mut redis = orders(&server).lease(Duration::from_secs(2)).await.unwrap();
    let mut held = deleted_in_hand(&server, &mut redis, TRIM).await;
    held.extend(Duration::from_secs(2)).await.unwrap();
    held.extend(Duration::from_secs(60)).await.unwrap();
    held.ack().await.unwrap();
    assert_eq!(count(&server, &["EXISTS", "orders:due:orders"]).await, 0);

    let held = deleted_in_hand(&server, &mut redis, TRIM).await;
    held.dead_letter(DeadReason::Permanent, vec!["boom".to_owned()]).await.unwrap();
    let (id, _, record) = letter(&redis).await;
    assert_eq!(
        (id.as_str(), record.reason, &record.errors[..]),
        ("id-0", DeadReason::Permanent, &["boom".to_owned()][..])
    );
}

#[tokio::test]
async fn what_is_in_hand_when_the_stream_is_deleted_is_a_dead_letter() {
    let server = server().await;
    let mut redis = orders(&server).await.unwrap();
    let held = deleted_in_hand(&server, &mut redis, &["DEL", "orders"]).await;
    assert_eq!(held.retry_after(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::Lost);
    assert_eq!(letter(&redis).await.0, "id-0");
    let held = deleted_in_hand(&server, &mut redis, &["DEL", "orders"]).await;
    held.dead_letter(DeadReason::Permanent, vec!["boom".to_owned()]).await.unwrap();
    assert_eq!(letter(&redis).await.2.errors, ["boom"]);
}
