//! Packets of one key come one after the other; the urgent ones first; what is known not again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::super::{
    Case, Channel, Fault, Lab, Ledger, Subscriber, Verdict, cases, drain, ensure, ensure_eq_attempt, failed,
    join_error, keyed, name, names, need, numbered, packet,
};
use crate::transport::Demand;

pub(super) const CASES: &[Case] = cases!(false;
    those_of_a_key_come_in_order,
    nothing_of_a_key_comes_before_the_acknowledgement,
    what_is_tried_again_holds_up_its_key,
    what_is_dead_holds_up_nobody,
    the_urgent_come_first,
    what_is_known_is_not_delivered_again,
);

async fn ordered(lab: &Lab<'_>) -> Result<Channel, Fault> {
    let channel = lab.channel_with(|wants| wants.order = true).await?;
    need(channel.sends().order && channel.lends().order, "order")?;
    Ok(channel)
}

/// Ten keys over four subscribers, which fail on some at first; nothing comes before all that came before it is done.
async fn those_of_a_key_come_in_order(lab: &Lab<'_>) -> Verdict {
    const KEYS: usize = 10;
    let channel = ordered(lab).await?;
    let count = lab.count(1000) * KEYS;
    let packets: Vec<_> = (0..count).map(|at| keyed(&at.to_string(), &format!("key-{}", at % KEYS))).collect();
    let subscribers = channel.subscribers(4).await?;
    let book = Arc::new(Book { done: Mutex::default(), ledger: Ledger::new() });
    let mut tasks = JoinSet::new();
    for subscriber in subscribers {
        tasks.spawn(keep_order(subscriber, book.clone(), KEYS));
    }
    let wanted = names(&packets);
    let work = async {
        channel.send(&packets).await?;
        book.ledger.complete(&wanted).await
    };
    match futures_util::future::select(std::pin::pin!(work), std::pin::pin!(tasks.join_next())).await {
        futures_util::future::Either::Left((done, _)) => done?,
        futures_util::future::Either::Right((Some(Ok(Err(fault))), _)) => return Err(fault),
        futures_util::future::Either::Right((Some(Err(error)), _)) => return failed(join_error(error)),
        futures_util::future::Either::Right(_) => return failed("a subscriber ended by itself"),
    }
    Ok(book.ledger.remark())
}

struct Book {
    /// The last one of each key that was acknowledged, or is just about to be.
    done: Mutex<BTreeMap<usize, usize>>,
    ledger: Arc<Ledger>,
}

async fn keep_order(mut subscriber: Subscriber, book: Arc<Book>, keys: usize) -> Result<(), Fault> {
    loop {
        for delivery in subscriber.receive(10).await?? {
            let Ok(number) = name(delivery.packet()).parse::<usize>() else {
                return failed("something strange came");
            };
            let fails = book.ledger.note(&delivery) == 0 && number % 7 == 0;
            {
                let mut done = book.done.lock().unwrap_or_else(PoisonError::into_inner);
                let before = done.get(&(number % keys)).copied();
                // What comes once more may, for its acknowledgement may have been too late.
                let follows = before.map_or(number < keys, |before| number <= before + keys);
                ensure(follows, || format!("{number} came, and of its key only {before:?} was done"))?;
                if !fails {
                    done.insert(number % keys, before.map_or(number, |before| before.max(number)));
                }
            }
            if fails {
                delivery.retry_after(Duration::ZERO).await?;
                continue;
            }
            delivery.ack().await?;
        }
    }
}

async fn nothing_of_a_key_comes_before_the_acknowledgement(lab: &Lab<'_>) -> Verdict {
    let channel = ordered(lab).await?;
    let (mut one, mut other) = (channel.subscriber().await?, channel.subscriber().await?);
    channel.send(&[keyed("a1", "a"), keyed("a2", "a")]).await?;
    let first = one.expect("a1").await?;
    // Another key is not held up, for either of them.
    channel.send(&[keyed("b1", "b")]).await?;
    other.expect("b1").await?.ack().await?;
    other.expect_nothing(Duration::from_secs(1)).await?;
    one.expect_nothing(Duration::from_secs(1)).await?;
    first.ack().await?;
    // By either: some servers bind a key to a subscriber.
    let (by_one, by_other) = (std::pin::pin!(one.expect("a2")), std::pin::pin!(other.expect("a2")));
    futures_util::future::select(by_one, by_other).await.factor_first().0?.ack().await?;
    Ok(String::new())
}

async fn what_is_tried_again_holds_up_its_key(lab: &Lab<'_>) -> Verdict {
    let channel = ordered(lab).await?;
    let pause = if channel.lends().include(Demand::RetryAfter(Duration::from_secs(2))) { 2 } else { 0 };
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[keyed("a1", "a"), keyed("a2", "a"), keyed("a3", "a")]).await?;
    for attempt in 1..=3 {
        let delivery = subscriber.expect("a1").await?;
        ensure_eq_attempt(&delivery, attempt)?;
        delivery.retry_after(Duration::from_secs(pause)).await?;
    }
    for wanted in ["a1", "a2", "a3"] {
        subscriber.expect(wanted).await?.ack().await?;
    }
    Ok(String::new())
}

async fn what_is_dead_holds_up_nobody(lab: &Lab<'_>) -> Verdict {
    let channel = ordered(lab).await?;
    let mut undertaker = channel.undertaker().await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[keyed("a1", "a"), keyed("a2", "a")]).await?;
    let dead = subscriber.expect("a1").await?;
    dead.dead_letter(crate::transport::DeadReason::Permanent, Vec::new()).await?;
    subscriber.expect("a2").await?.ack().await?;
    undertaker.expect("a1").await?.ack().await?;
    Ok(String::new())
}

async fn the_urgent_come_first(lab: &Lab<'_>) -> Verdict {
    const URGENT: u8 = 5;
    let channel = lab.channel_with(|wants| wants.priority = URGENT).await?;
    need(channel.sends().include(Demand::Priority(URGENT)), "priorities up to 5")?;
    let mut packets = numbered(10);
    for number in 0..10 {
        let mut urgent = packet(&format!("urgent-{number}"));
        urgent.priority = URGENT;
        packets.push(urgent);
    }
    channel.send(&packets).await?;
    // One at a time: what is fetched ahead is not put in order again.
    let mut subscriber = Subscriber::open((channel.subscribe)(""), 1).await?;
    for at in 0..20 {
        let delivery = subscriber.next().await?;
        let came = name(delivery.packet());
        ensure(came.starts_with("urgent") == (at < 10), || format!("{came} came as number {at}"))?;
        delivery.ack().await?;
    }
    Ok(String::new())
}

async fn what_is_known_is_not_delivered_again(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    need(channel.sends().deduplicates, "de-duplication")?;
    let packets = numbered(50);
    // In one call, and in another one.
    let twice: Vec<_> = packets.iter().chain(&packets).cloned().collect();
    channel.send(&twice).await?;
    channel.send(&packets).await?;
    let ledger = Ledger::new();
    drain(vec![channel.subscriber().await?], &ledger, &names(&packets)).await?;
    channel.subscriber().await?.expect_nothing(Duration::from_secs(2)).await?;
    ensure(ledger.repeats() == 0, || format!("{} were delivered again", ledger.repeats()))?;
    Ok(String::new())
}
