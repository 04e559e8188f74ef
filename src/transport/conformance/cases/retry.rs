//! What fails comes again, as another attempt, when its time has come.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::super::{
    Case, Fault, Lab, PATIENCE, Subscriber, Verdict, cases, ensure, ensure_eq, failed, name, need, numbered, packet,
};
use crate::transport::{Delivery, Demand};

pub(super) const CASES: &[Case] = cases!(false;
    what_fails_comes_again,
    three_errors_of_each_of_a_hundred_stop_nobody,
    a_retry_waits_for_its_time,
    others_go_on_while_one_waits_for_its_retry,
    a_packet_that_is_held_back_waits_for_its_time,
    attempts_survive_their_subscriber,
);

/// How much sooner than told something may come: servers count in milliseconds, and by clocks of their own.
const SLACK: Duration = Duration::from_millis(100);

const PAUSE: Duration = Duration::from_secs(2);

async fn what_fails_comes_again(lab: &Lab<'_>) -> Verdict {
    fail_each(lab, lab.count(1000), 1).await
}

async fn three_errors_of_each_of_a_hundred_stop_nobody(lab: &Lab<'_>) -> Verdict {
    fail_each(lab, 100, 3).await
}

/// Has each fail so often, and looks that its attempts are counted one by one.
async fn fail_each(lab: &Lab<'_>, count: usize, errors: u32) -> Verdict {
    let channel = lab.channel().await?;
    channel.send(&numbered(count)).await?;
    let mut subscriber = channel.subscriber().await?;
    let mut attempts: BTreeMap<String, u32> = BTreeMap::new();
    let mut done = 0;
    let mut end = Instant::now() + PATIENCE;
    while done < count {
        ensure(Instant::now() < end, || format!("{done} of {count} are done, and nothing new in {PATIENCE:?}"))?;
        let mut settled: Vec<std::pin::Pin<Box<dyn Future<Output = _> + Send>>> = Vec::new();
        for delivery in subscriber.receive(100).await?? {
            let attempt = attempts.entry(name(delivery.packet())).or_default();
            *attempt += 1;
            let (counted, told) = (*attempt, delivery.attempt());
            ensure(told == counted, || {
                format!("{} came the {counted}. time as attempt {told}", name(delivery.packet()))
            })?;
            if counted > errors {
                done += 1;
                settled.push(Box::pin(delivery.ack()));
            } else {
                settled.push(Box::pin(delivery.retry_after(Duration::ZERO)));
            }
            end = Instant::now() + PATIENCE;
        }
        for settled in join_all(settled).await {
            settled?;
        }
    }
    subscriber.close().await?;
    Ok(String::new())
}

async fn a_retry_waits_for_its_time(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    need(channel.lends().include(Demand::RetryAfter(PAUSE)), "retry that waits")?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("late")]).await?;
    let delivery = subscriber.expect("late").await?;
    let start = Instant::now();
    delivery.retry_after(PAUSE).await?;
    let again = subscriber.expect("late").await?;
    ensure_waited(start, "a retry")?;
    ensure_eq(&again.attempt(), &2, "the attempt after a retry")?;
    again.ack().await?;
    Ok(String::new())
}

fn ensure_waited(start: Instant, what: &str) -> Result<(), Fault> {
    let waited = start.elapsed();
    ensure(waited + SLACK >= PAUSE, || format!("{what} was to come after {PAUSE:?}, and came after {waited:?}"))
}

async fn others_go_on_while_one_waits_for_its_retry(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    // Long enough that the others are done long before, and short enough to wait for.
    let pause = Duration::from_secs(15);
    need(channel.lends().include(Demand::RetryAfter(pause)), "retry that waits")?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("failing")]).await?;
    subscriber.expect("failing").await?.retry_after(pause).await?;
    channel.send(&numbered(20)).await?;
    let mut seen = Vec::new();
    while seen.len() < 20 {
        let delivery = subscriber.next().await?;
        seen.push(name(delivery.packet()));
        delivery.ack().await?;
    }
    ensure(!seen.contains(&"failing".to_owned()), || "the one that waits came before the others".to_owned())?;
    subscriber.expect("failing").await?.ack().await?;
    Ok(String::new())
}

async fn a_packet_that_is_held_back_waits_for_its_time(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    need(channel.sends().include(Demand::Delay(PAUSE)), "delay")?;
    let mut subscriber = channel.subscriber().await?;
    let mut late = packet("late");
    late.delay = PAUSE;
    let start = Instant::now();
    channel.send(&[late, packet("now")]).await?;
    subscriber.expect("now").await?.ack().await?;
    let delivery = subscriber.expect("late").await?;
    ensure_waited(start, "a packet")?;
    ensure_eq(&delivery.attempt(), &1, "the attempt after a delay")?;
    delivery.ack().await?;
    Ok(String::new())
}

/// A restart of the application, as the server sees it: closed, or gone without a word.
async fn attempts_survive_their_subscriber(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    channel.send(&[packet("failing")]).await?;
    for attempt in 1..=4 {
        let mut subscriber: Subscriber = channel.subscriber().await?;
        let delivery: Delivery = subscriber.expect("failing").await?;
        ensure_eq(&delivery.attempt(), &attempt, "the attempt with another subscriber")?;
        delivery.retry_after(Duration::ZERO).await?;
        if attempt % 2 == 0 {
            subscriber.close().await?;
        }
    }
    match channel.subscriber().await?.expect("failing").await?.ack().await {
        Ok(()) => Ok(String::new()),
        Err(error) => failed(format!("it could not be acknowledged: {error}")),
    }
}
