//! What is sent comes, whole, to whoever asks; and what is not done with comes again.

use std::time::Duration;

use serde_json::{Number, Value, json};

use super::super::{
    Case, Crew, Fault, Lab, Ledger, Nerves, PATIENCE, Subscriber, Verdict, cases, drain, ensure, ensure_eq, failed,
    moment, name, names, need, numbered, or_drop, packet, publish,
};
use crate::transport::{Attribute, Delivery, Packet};

pub(super) const CASES: &[Case] = cases!(false;
    a_hundred_messages_come_whole,
    any_bytes_come_as_they_were,
    a_body_without_bytes_comes_or_is_refused,
    attributes_come_as_they_were,
    ten_attributes_come_as_they_were,
    attributes_without_text_come_or_are_refused,
    one_publish_takes_many_and_says_so_of_each,
    who_comes_later_gets_what_waits,
    channels_are_apart,
    an_empty_queue_answers_in_time,
    the_backlog_is_told,
    what_is_acknowledged_does_not_come_again,
    a_dropped_delivery_comes_again,
    a_released_delivery_comes_again,
    a_receive_that_is_dropped_loses_nothing,
    a_publish_that_is_dropped_loses_nothing,
);

/// Sends these, and looks that they come with the same body and attributes.
async fn carry(lab: &Lab<'_>, packets: &[Packet]) -> Verdict {
    let channel = lab.channel().await?;
    channel.send(packets).await?;
    carried(&mut channel.subscriber().await?, packets).await
}

async fn carried(subscriber: &mut Subscriber, packets: &[Packet]) -> Verdict {
    let mut left: Vec<&Packet> = packets.iter().collect();
    let mut repeats = 0;
    while !left.is_empty() {
        for delivery in subscriber.some(100).await? {
            let came = delivery.packet();
            // Bodies differ, so that they tell which one it is.
            match left.iter().position(|sent| sent.body == came.body) {
                Some(at) => ensure_same(left.swap_remove(at), came)?,
                None if packets.iter().any(|sent| sent.body == came.body) => repeats += 1,
                None => return failed(format!("a body of {} bytes came, and nobody sent it so", came.body.len())),
            }
            delivery.ack().await?;
        }
    }
    subscriber.close().await?;
    Ok(if repeats > 0 { format!("{repeats} deliveries came again") } else { String::new() })
}

fn ensure_same(sent: &Packet, came: &Packet) -> Result<(), Fault> {
    let list = |packet: &Packet| {
        let all = packet.attributes.iter().map(|(name, value)| (name.to_owned(), value.clone()));
        all.collect::<Vec<(String, Attribute)>>()
    };
    ensure_eq(&list(came), &list(sent), "the attributes came as")?;
    // Not every server has a place for these, but none may change them.
    let kept = |came: &str, sent: &str| came.is_empty() || came == sent;
    ensure(kept(&came.id, &sent.id), || format!("the id {:?} came as {:?}", sent.id, came.id))?;
    ensure(kept(&came.topic, &sent.topic), || format!("the topic {:?} came as {:?}", sent.topic, came.topic))?;
    let key = came.key.is_none() || came.key == sent.key;
    ensure(key, || format!("the key {:?} came as {:?}", sent.key, came.key))
}

async fn a_hundred_messages_come_whole(lab: &Lab<'_>) -> Verdict {
    let whole = |number: usize| {
        let text =
            json!({"metadata": {"entityName": "Größe 😀"}, "payload": {"number": number, "text": "\"ü\"\n\t<&>"}});
        let mut packet = Packet::new(format!("id-{number}"), text.to_string());
        packet.topic = format!("orders/{number}");
        packet.attributes.insert("entityName", "Order");
        packet.attributes.insert("number", u64::try_from(number).unwrap_or_default());
        packet
    };
    carry(lab, &(0..100).map(whole).collect::<Vec<_>>()).await
}

async fn any_bytes_come_as_they_were(lab: &Lab<'_>) -> Verdict {
    let every: Vec<u8> = (0..=255).collect();
    let bodies: [&[u8]; 6] = [&every, &[0], &[0xff, 0xfe], b" \r\n ", "\u{1}\u{fffe}\u{feff}".as_bytes(), b"aGVsbG8="];
    let packets = bodies.iter().enumerate().map(|(at, body)| Packet::new(format!("bytes-{at}"), *body));
    carry(lab, &packets.collect::<Vec<_>>()).await
}

/// What may be refused, but not be changed.
async fn come_or_be_refused(lab: &Lab<'_>, packets: &[Packet]) -> Verdict {
    let channel = lab.channel().await?;
    let mut subscriber = channel.subscriber().await?;
    for packet in packets {
        for taken in publish(&*channel.publisher, std::slice::from_ref(packet)).await? {
            if let Err(error) = taken {
                ensure(!error.is_temporary(), || format!("it was not refused for good: {error}"))?;
                return Ok(format!("refused: {error}"));
            }
        }
        let delivery = subscriber.next().await?;
        ensure_eq(&delivery.packet().body, &packet.body, "the body came as")?;
        ensure_same(packet, delivery.packet())?;
        delivery.ack().await?;
    }
    Ok(String::new())
}

async fn a_body_without_bytes_comes_or_is_refused(lab: &Lab<'_>) -> Verdict {
    come_or_be_refused(lab, &[Packet::new("empty", "")]).await
}

async fn attributes_without_text_come_or_are_refused(lab: &Lab<'_>) -> Verdict {
    let mut text = packet("text");
    text.attributes.insert("empty", "");
    let mut list = packet("list");
    list.attributes.insert("empty", Attribute::List(Vec::new()));
    come_or_be_refused(lab, &[text, list]).await
}

async fn attributes_come_as_they_were(lab: &Lab<'_>) -> Verdict {
    need(lab.channel().await?.sends().max_attributes >= 5, "room for five attributes")?;
    let mut text = packet("text");
    for (name, value) in
        [("unicode", "Größe 日本語 😀 \u{301}"), ("spaces", "  a b  "), ("lines", "a\nb\tc"), ("json", "{\"a\":[1]}")]
    {
        text.attributes.insert(name, value);
    }
    let mut number = packet("number");
    let float = |number| Number::from_f64(number).map_or(Attribute::from(""), Attribute::Number);
    number.attributes.insert("zero", 0_u64);
    number.attributes.insert("negative", -42_i64);
    number.attributes.insert("large", i64::MAX);
    number.attributes.insert("float", float(0.1));
    number.attributes.insert("text", "12");
    let mut list = packet("list");
    list.attributes.insert("texts", ["a", "ü", "a,b", "[\"x\"]"]);
    list.attributes.insert("mixed", Attribute::List(vec![json!("a"), json!(1), json!(-0.5), json!(true), Value::Null]));
    list.attributes.insert("text", "[1,2]");
    let mut names = packet("names");
    names.attributes.insert("with.dot-dash_under", "a");
    names.attributes.insert("entityName", "User");
    names.attributes.insert("ENTITYNAME", "another");
    carry(lab, &[text, number, list, names]).await
}

async fn ten_attributes_come_as_they_were(lab: &Lab<'_>) -> Verdict {
    need(lab.channel().await?.sends().max_attributes >= 10, "room for ten attributes")?;
    let mut packet = packet("ten");
    packet.topic = "orders/placed".to_owned();
    packet.attributes = (0..10).map(|number| (format!("name{number}"), format!("value {number}"))).collect();
    carry(lab, &[packet]).await
}

async fn one_publish_takes_many_and_says_so_of_each(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(1000));
    ensure_eq(&publish(&*channel.publisher, &[]).await?.len(), &0, "results for no packets")?;
    for taken in publish(&*channel.publisher, &packets).await? {
        taken?;
    }
    let ledger = Ledger::new();
    drain(vec![channel.subscriber().await?], &ledger, &names(&packets)).await?;
    Ok(ledger.remark())
}

async fn who_comes_later_gets_what_waits(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(500));
    channel.send(&packets).await?;
    let ledger = Ledger::new();
    drain(channel.subscribers(2).await?, &ledger, &names(&packets)).await?;
    Ok(ledger.remark())
}

async fn channels_are_apart(lab: &Lab<'_>) -> Verdict {
    let (one, other) = (lab.channel().await?, lab.channel().await?);
    let (mut of_one, mut of_other) = (one.subscriber().await?, other.subscriber().await?);
    one.send(&[packet("for one")]).await?;
    of_one.expect("for one").await?.ack().await?;
    of_other.expect_nothing(Duration::from_secs(1)).await?;
    other.send(&[packet("for the other")]).await?;
    of_other.expect("for the other").await?.ack().await?;
    of_one.expect_nothing(Duration::from_secs(1)).await?;
    Ok(String::new())
}

async fn an_empty_queue_answers_in_time(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut subscriber = channel.subscriber().await?;
    ensure_eq(&subscriber.receive(10).await??.len(), &0, "deliveries of an empty queue")?;
    subscriber.close().await?;
    Ok(String::new())
}

async fn the_backlog_is_told(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut subscriber = channel.subscriber().await?;
    need(subscriber.backlog().await?.is_some(), "backlog that it can tell")?;
    subscriber.close().await?;
    channel.send(&numbered(30)).await?;
    subscriber.reopen(1).await??;
    // Most servers count a little later; what a subscriber has fetched may be counted or not.
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let told = subscriber.backlog().await?;
        if told.is_some_and(|told| (20..=30).contains(&told)) {
            break;
        }
        ensure(tokio::time::Instant::now() < end, || format!("30 wait, and the backlog is {told:?}"))?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(String::new())
}

async fn what_is_acknowledged_does_not_come_again(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.lease = Duration::from_secs(2)).await?;
    let mut subscriber = channel.subscriber().await?;
    let packets = numbered(20);
    channel.send(&packets).await?;
    let mut left = names(&packets);
    while !left.is_empty() {
        for delivery in subscriber.some(20).await? {
            let came = name(delivery.packet());
            match left.iter().position(|name| *name == came) {
                Some(at) => drop(left.swap_remove(at)),
                None => return failed(format!("{came} came again, and it was acknowledged")),
            }
            delivery.ack().await?;
        }
    }
    // Longer than its lease was.
    subscriber.expect_nothing(Duration::from_secs(4)).await?;
    Ok(String::new())
}

async fn a_dropped_delivery_comes_again(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("dropped")]).await?;
    drop(subscriber.expect("dropped").await?);
    again(&mut subscriber, "dropped").await
}

async fn a_released_delivery_comes_again(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("released")]).await?;
    subscriber.expect("released").await?.release().await?;
    again(&mut subscriber, "released").await
}

async fn again(subscriber: &mut Subscriber, wanted: &str) -> Verdict {
    let delivery = subscriber.expect(wanted).await?;
    let attempt = delivery.attempt();
    delivery.ack().await?;
    match attempt {
        1 => Ok(String::new()),
        2 => Ok("it counts as an attempt".to_owned()),
        more => failed(format!("it was given back once, and this is attempt {more}")),
    }
}

async fn a_receive_that_is_dropped_loses_nothing(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(1000));
    let wanted = names(&packets);
    let mut subscriber = channel.subscriber().await?;
    let ledger = Ledger::new();
    let (mut dropped, mut at) = (0, 0);
    let end = tokio::time::Instant::now() + PATIENCE;
    // Each wait is another one, so that some are dropped with something on its way.
    while ledger.len() < wanted.len() && tokio::time::Instant::now() < end {
        let more = &packets[at..packets.len().min(at + 7)];
        at += more.len();
        let glance = subscriber.glance(moment());
        let (seen, sent) = futures_util::future::join(glance, channel.send(more)).await;
        sent?;
        match seen? {
            None => dropped += 1,
            Some(deliveries) => {
                ledger.note_all(&deliveries);
                for settled in futures_util::future::join_all(deliveries.into_iter().map(Delivery::ack)).await {
                    settled?;
                }
            }
        }
    }
    // A server that is slow has not got all of them yet.
    channel.send(&packets[at..]).await?;
    // What was received for a call that was dropped comes at the latest after its lease.
    drain(vec![subscriber], &ledger, &wanted).await?;
    Ok(format!("{dropped} receives were dropped, and {} deliveries came again", ledger.repeats()))
}

async fn a_publish_that_is_dropped_loses_nothing(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(500));
    let (mut dropped, mut confirmed) = (0, Vec::new());
    for batch in packets.chunks(10) {
        match or_drop(channel.publisher.publish(batch), moment()).await {
            None => dropped += 1,
            Some(results) => {
                for (packet, taken) in batch.iter().zip(results) {
                    taken?;
                    confirmed.push(name(packet));
                }
            }
        }
    }
    // The publisher still works, and of what was dropped any may have been taken.
    let last = packet("last");
    channel.send(std::slice::from_ref(&last)).await?;
    confirmed.push(name(&last));
    let ledger = Ledger::new();
    let mut crew = Crew::new(vec![channel.subscriber().await?], &ledger, Nerves::Thin);
    let all_confirmed = ledger.includes(&confirmed);
    crew.until(all_confirmed).await?;
    crew.stop().await?;
    Ok(format!("{dropped} of {} publishes were dropped", packets.len().div_ceil(10)))
}
