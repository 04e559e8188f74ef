//! Who lends no more leaves the rest to others, at once: what it has it can still settle, and what it has not is theirs.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    Case, Channel, Fault, Lab, Subscriber, Verdict, cases, ensure, failed, in_time, moment, name, names, numbered,
    packet,
};
use crate::transport::{Delivery, Packet};

pub(super) const CASES: &[Case] = cases!(false;
    who_stops_lending_leaves_the_rest_to_others,
    who_stops_lending_has_no_open_request_that_takes_more,
    who_stops_lending_gives_back_what_a_dropped_receive_had,
    who_has_stopped_lending_can_receive_again,
);

/// What is given back is with others within a second; on a machine that has other things to do, within some.
pub(super) const PROMPT: Duration = Duration::from_secs(5);

/// How many there are.
const COUNT: usize = 20;

impl Subscriber {
    async fn stop_lending(&mut self) -> Result<(), Fault> {
        Ok(in_time("a `stop_lending`", self.source.stop_lending()).await??)
    }
}

async fn who_stops_lending_leaves_the_rest_to_others(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut one = channel.subscriber().await?;
    let packets = numbered(COUNT);
    channel.send(&packets).await?;
    let held = one.some(3).await?;
    let mut left: BTreeSet<String> = names(&packets).into_iter().collect();
    for delivery in &held {
        left.remove(&name(delivery.packet()));
    }
    one.stop_lending().await?;
    let note = gets(&channel, left).await?;
    for settled in join_all(held.into_iter().map(Delivery::ack)).await {
        settled?;
    }
    one.close().await?;
    channel.subscriber().await?.expect_nothing(Duration::from_secs(1)).await?;
    Ok(note)
}

async fn who_stops_lending_has_no_open_request_that_takes_more(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut one = channel.subscriber().await?;
    ensure(one.glance(sleep(Duration::from_millis(300))).await?.is_none_or(|lent| lent.is_empty()), || {
        "something has come before anything was sent".to_owned()
    })?;
    one.stop_lending().await?;
    let packets = numbered(COUNT);
    channel.send(&packets).await?;
    let note = gets(&channel, names(&packets).into_iter().collect()).await?;
    // Twice is as good as once, and a closed one lends nothing anyway.
    one.stop_lending().await?;
    one.close().await?;
    one.stop_lending().await?;
    Ok(note)
}

async fn who_has_stopped_lending_can_receive_again(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut one = channel.subscriber().await?;
    one.stop_lending().await?;
    for round in 0..3 {
        let packets: Vec<Packet> = (0..3).map(|number| packet(&format!("m-{round}-{number}"))).collect();
        channel.send(&packets).await?;
        let mut left: BTreeSet<String> = names(&packets).into_iter().collect();
        while !left.is_empty() {
            let delivery = one.next().await?;
            left.remove(&name(delivery.packet()));
            delivery.ack().await?;
        }
        one.stop_lending().await?;
    }
    Ok(String::new())
}

/// A receive that is dropped has taken nothing along, once it is said that nothing more is to be lent.
async fn who_stops_lending_gives_back_what_a_dropped_receive_had(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let mut slowest = String::new();
    for round in 0..10 {
        let mut one = channel.subscriber().await?;
        let packets: Vec<Packet> = (0..5).map(|number| packet(&format!("m-{round}-{number}"))).collect();
        channel.send(&packets).await?;
        let mut left: BTreeSet<String> = names(&packets).into_iter().collect();
        let held = one.glance(moment()).await?.unwrap_or_default();
        for delivery in &held {
            left.remove(&name(delivery.packet()));
        }
        one.stop_lending().await?;
        slowest = gets(&channel, left).await?;
        for settled in join_all(held.into_iter().map(Delivery::ack)).await {
            settled?;
        }
        one.close().await?;
    }
    Ok(format!("the last {slowest}"))
}

/// Another subscriber gets all of these, soon.
pub(super) async fn gets(channel: &Channel, mut left: BTreeSet<String>) -> Verdict {
    let (began, count) = (Instant::now(), left.len());
    let mut other = channel.subscriber().await?;
    let mut got = Vec::new();
    let mut took = Duration::ZERO;
    while !left.is_empty() {
        let Ok(lent) = timeout(PROMPT.saturating_sub(began.elapsed()), other.source.receive(COUNT)).await else {
            return failed(format!("{} of {count} had not come after {PROMPT:?}", left.len()));
        };
        for delivery in lent? {
            took = began.elapsed();
            let came = name(delivery.packet());
            ensure(left.remove(&came), || format!("{came:.100} came, which was not to be given back"))?;
            got.push(delivery);
        }
    }
    let attempt = got.iter().map(Delivery::attempt).max().unwrap_or(1);
    // At once, so that they can go as one request.
    for settled in join_all(got.into_iter().map(Delivery::ack)).await {
        settled?;
    }
    other.close().await?;
    match attempt {
        1 => Ok(format!("within {} ms", took.as_millis())),
        2 => Ok(format!("within {} ms, as another attempt", took.as_millis())),
        more => failed(format!("they were given back once, and one came as attempt {more}")),
    }
}
