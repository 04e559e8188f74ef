//! What is given up on is kept, with why, and gets another chance when it is told to.

use std::time::Duration;

use super::super::{Case, Fault, Lab, Subscriber, Verdict, cases, ensure, ensure_eq, failed, numbered, packet};
use crate::transport::{DEAD_LETTER, DeadLetterRecord, DeadReason, Packet, redrive};

pub(super) const CASES: &[Case] = cases!(false;
    a_dead_letter_says_why,
    a_letter_is_dead_after_exactly_its_attempts,
    a_dead_letter_keeps_as_many_attributes_as_fit,
    a_redriven_letter_starts_anew,
);

fn rich() -> Packet {
    let mut rich = packet("poison");
    rich.topic = "orders/placed".to_owned();
    rich.attributes.insert("entityName", "Größe");
    rich.attributes.insert("number", 7_u64);
    rich.attributes.insert("list", ["a", "b"]);
    rich
}

async fn a_dead_letter_says_why(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut undertaker = channel.undertaker().await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[rich()]).await?;
    let delivery = subscriber.expect("poison").await?;
    let source = delivery.source().to_owned();
    let errors = vec!["the order is unknown: \"ü\"".to_owned(), "404".to_owned()];
    delivery.dead_letter(DeadReason::Rejected, errors.clone()).await?;

    let letter = undertaker.expect("poison").await?;
    let Some(record) = DeadLetterRecord::of(letter.packet()) else {
        return failed("the dead letter has no record");
    };
    ensure_eq(&record.reason, &DeadReason::Rejected, "the reason of the record")?;
    ensure_eq(&record.errors, &errors, "the errors of the record")?;
    ensure_eq(&record.attempts, &1, "the attempts of the record")?;
    ensure_eq(&record.source, &source, "the source of the record")?;
    let revived = DeadLetterRecord::revive(letter.packet().clone());
    ensure(revived.attributes == rich().attributes, || "its attributes are not what they were".to_owned())?;
    // Not every server has a place for it.
    ensure(revived.topic.is_empty() || revived.topic == rich().topic, || {
        format!("its topic is {:?}, and was {:?}", revived.topic, rich().topic)
    })?;
    letter.ack().await?;
    subscriber.expect_nothing(Duration::from_secs(1)).await?;
    Ok(String::new())
}

/// Works as a worker does: so many attempts, and then it is over.
async fn a_letter_is_dead_after_exactly_its_attempts(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut undertaker = channel.undertaker().await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("poison")]).await?;
    for attempt in 1..=5 {
        let delivery = subscriber.expect("poison").await?;
        ensure_eq(&delivery.attempt(), &attempt, "the attempt")?;
        if attempt < 5 {
            delivery.retry_after(Duration::ZERO).await?;
        } else {
            delivery.dead_letter(DeadReason::Exhausted, vec!["no luck".to_owned()]).await?;
        }
    }
    let letter = undertaker.expect("poison").await?;
    let attempts = DeadLetterRecord::of(letter.packet()).map(|record| record.attempts);
    ensure_eq(&attempts, &Some(5), "the attempts of the record")?;
    letter.ack().await?;
    subscriber.expect_nothing(Duration::from_secs(1)).await?;
    undertaker.close().await?;
    Ok(String::new())
}

async fn a_dead_letter_keeps_as_many_attributes_as_fit(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut undertaker = channel.undertaker().await?;
    let mut subscriber = channel.subscriber().await?;
    let most = channel.sends().max_attributes.min(channel.lends().max_attributes).min(10);
    let mut full = packet("full");
    full.attributes = (0..most).map(|number| (format!("name{number}"), format!("value {number}"))).collect();
    channel.send(std::slice::from_ref(&full)).await?;
    subscriber.expect("full").await?.dead_letter(DeadReason::Permanent, vec!["e".repeat(2000)]).await?;
    let letter = undertaker.expect("full").await?;
    let revived = DeadLetterRecord::revive(letter.packet().clone());
    ensure(revived.attributes == full.attributes, || "its attributes are not what they were".to_owned())?;
    letter.ack().await?;
    Ok(format!("{most} attributes"))
}

async fn a_redriven_letter_starts_anew(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let Some(dead) = &channel.dead else {
        return Err(Fault::Missing("dead letters".to_owned()));
    };
    let mut undertaker: Subscriber = channel.undertaker().await?;
    undertaker.close().await?;
    let mut subscriber = channel.subscriber().await?;
    let count = 15;
    let mut letters = numbered(count);
    letters.iter_mut().for_each(|letter| letter.attributes = rich().attributes);
    channel.send(&letters).await?;
    for _ in 0..count {
        subscriber.next().await?.dead_letter(DeadReason::Unknown, Vec::new()).await?;
    }
    // One that is full may come later than the call that is told nothing.
    let mut moved = 0;
    for _ in 0..10 {
        moved += redrive(&mut *dead(), &*channel.publisher, usize::MAX).await?.moved;
        if moved >= count {
            break;
        }
    }
    ensure_eq(&moved, &count, "dead letters that were moved")?;
    for _ in 0..count {
        let delivery = subscriber.next().await?;
        ensure_eq(&delivery.attempt(), &1, "the attempt of a redriven letter")?;
        let attributes = &delivery.packet().attributes;
        ensure(*attributes == rich().attributes, || "its attributes are not what they were".to_owned())?;
        ensure(attributes.get(DEAD_LETTER).is_none(), || "it still has its record".to_owned())?;
        delivery.ack().await?;
    }
    Ok(String::new())
}
