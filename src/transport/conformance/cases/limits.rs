//! What a transport cannot do, it refuses: before anything is sent of it, and without harm to the rest.

use std::time::Duration;

use super::super::{
    Case, Channel, Fault, Lab, Ledger, Verdict, cases, drain, ensure, ensure_eq, ensure_kind, failed, name, names,
    need, packet, publish,
};
use crate::transport::{ErrorKind, Packet};

pub(super) const CASES: &[Case] = cases!(false;
    what_is_too_large_is_refused_and_the_rest_goes,
    too_many_attributes_are_refused_and_the_rest_goes,
    what_is_just_small_enough_goes,
    what_it_cannot_do_it_refuses,
    who_is_closed_can_be_opened_again,
);

/// Limits beyond this are none that a test can reach.
const REACHABLE: usize = 64 * 1024 * 1024;

/// Publishes one that is refused among four others, which go.
async fn refuse(channel: &Channel, bad: Packet, kind: ErrorKind, what: &str) -> Result<(), Fault> {
    // Different each time: a server that knows their ids would drop them.
    let good = ["one", "two", "three", "four"].map(|name| packet(&format!("{name} beside {what}")));
    let mut batch = good.to_vec();
    batch.insert(2, bad);
    for (at, taken) in publish(&*channel.publisher, &batch).await?.into_iter().enumerate() {
        if at == 2 {
            ensure_kind(taken, kind, what)?;
        } else if let Err(error) = taken {
            return failed(format!("{} was not taken beside it: {error}", name(&batch[at])));
        }
    }
    drain(vec![channel.subscriber().await?], &Ledger::new(), &names(&good)).await
}

async fn what_is_too_large_is_refused_and_the_rest_goes(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let most = channel.sends().max_bytes;
    need(most <= REACHABLE, "limit of bytes that a test can reach")?;
    let large = Packet::new("large", vec![b'x'; most + 1]);
    refuse(&channel, large, ErrorKind::TooLarge, "a packet of one byte too many").await?;
    // Attributes count.
    let mut large = Packet::new("large", vec![b'x'; most - 10]);
    large.attributes.insert("name", "value");
    refuse(&channel, large, ErrorKind::TooLarge, "a packet whose attributes are too many bytes").await?;
    Ok(format!("{most} bytes"))
}

async fn too_many_attributes_are_refused_and_the_rest_goes(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let most = channel.sends().max_attributes;
    need(most <= 10_000, "limit of attributes that a test can reach")?;
    let mut large = packet("large");
    large.attributes = (0..=most).map(|number| (format!("name{number}"), "value")).collect();
    refuse(&channel, large, ErrorKind::TooLarge, "a packet of one attribute too many").await?;
    Ok(format!("{most} attributes"))
}

async fn what_is_just_small_enough_goes(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let most = channel.sends().max_bytes.min(1024 * 1024);
    let mut large = Packet::new("large", Vec::new());
    large.topic = "orders/placed".to_owned();
    large.attributes.insert("entityName", "Order");
    // As JSON would be: quotes that some forms have to escape.
    large.body = b"\"x\\\n".iter().copied().cycle().take(most - large.bytes()).collect();
    channel.send(std::slice::from_ref(&large)).await?;
    // And ten of them at once are more than a request takes.
    let several: Vec<_> = (b'0'..b'5').map(|digit| Packet::new(char::from(digit), vec![digit; most])).collect();
    channel.send(&several).await?;
    let mut subscriber = channel.subscriber().await?;
    let mut left: Vec<&Packet> = several.iter().chain([&large]).collect();
    while !left.is_empty() {
        let delivery = subscriber.next().await?;
        left.retain(|sent| sent.body != delivery.packet().body);
        delivery.ack().await?;
    }
    Ok(format!("{most} bytes"))
}

async fn what_it_cannot_do_it_refuses(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let sends = channel.sends();
    let mut refused = Vec::new();
    if sends.delay.is_none_or(|longest| longest < Duration::from_secs(400 * 24 * 60 * 60)) {
        let mut late = packet("late");
        late.delay = sends.delay.unwrap_or_default() + Duration::from_secs(1);
        refuse(&channel, late, ErrorKind::Unsupported, "a packet with too long a delay").await?;
        refused.push("delay");
    }
    if sends.priority < u8::MAX {
        let mut urgent = packet("urgent");
        urgent.priority = sends.priority + 1;
        refuse(&channel, urgent, ErrorKind::Unsupported, "a packet with too high a priority").await?;
        refused.push("priority");
    }
    need(!refused.is_empty(), "bounds of delay or priority")?;
    Ok(refused.join(", "))
}

async fn who_is_closed_can_be_opened_again(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut subscriber = channel.subscriber().await?;
    subscriber.close().await?;
    channel.send(&[packet("after")]).await?;
    match subscriber.receive(1).await? {
        Ok(deliveries) => ensure_eq(&deliveries.len(), &0, "deliveries of a closed subscriber")?,
        Err(error) => ensure(error.kind() == ErrorKind::Closed, || format!("closed, and the error is: {error}"))?,
    }
    subscriber.reopen(10).await??;
    subscriber.expect("after").await?.ack().await?;
    subscriber.close().await?;
    subscriber.close().await?;
    Ok(String::new())
}
