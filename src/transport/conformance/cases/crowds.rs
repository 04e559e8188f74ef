//! Many at once: subscribers, publishers, channels; and those who come and go.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::super::{
    Case, Crew, Fault, Lab, Ledger, Nerves, Subscriber, Verdict, cases, drain, ensure, failed, join_error, names,
    numbered, packet, send,
};
use crate::transport::Delivery;

pub(super) const CASES: &[Case] = cases!(false;
    fifty_subscribers_share_thousands,
    twenty_channels_get_a_hundred_each,
    twenty_publishers_hand_over_thousands,
    subscribers_that_are_opened_again_miss_nothing,
    subscribers_that_close_at_once_miss_nothing,
    subscribers_that_are_gone_in_mid_work_lose_nothing,
);

async fn fifty_subscribers_share_thousands(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(5000));
    let ledger = Ledger::new();
    let mut crew = Crew::new(channel.subscribers(50).await?, &ledger, Nerves::Thin);
    let wanted = names(&packets);
    let work = async {
        channel.send(&packets).await?;
        ledger.complete(&wanted).await
    };
    crew.until(work).await?;
    crew.stop().await?;
    Ok(ledger.remark())
}

async fn twenty_channels_get_a_hundred_each(lab: &Lab<'_>) -> Verdict {
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let channel = lab.channel().await?;
        tasks.spawn(async move {
            let packets: Vec<_> = (0..100).map(|each| packet(&format!("channel-{number}-{each}"))).collect();
            let subscribers = channel.subscribers(1).await?;
            channel.send(&packets).await?;
            drain(subscribers, &Ledger::new(), &names(&packets)).await
        });
    }
    finish(tasks).await?;
    Ok(String::new())
}

async fn finish(mut tasks: JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(result) => result?,
            Err(error) => return failed(join_error(error)),
        }
    }
    Ok(())
}

async fn twenty_publishers_hand_over_thousands(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(10_000));
    let wanted = names(&packets);
    let mut tasks = JoinSet::new();
    for share in packets.chunks(packets.len().div_ceil(20)) {
        let (publisher, share) = (channel.publisher.clone(), share.to_vec());
        tasks.spawn(async move {
            // Small calls, so that they come between each other.
            for few in share.chunks(10) {
                send(&*publisher, few).await?;
            }
            Ok(())
        });
    }
    let ledger = Ledger::new();
    let mut crew = Crew::new(channel.subscribers(4).await?, &ledger, Nerves::Thin);
    let work = async {
        finish(tasks).await?;
        ledger.complete(&wanted).await
    };
    crew.until(work).await?;
    crew.stop().await?;
    Ok(ledger.remark())
}

/// Each is open for one batch, acknowledges half of it, and is closed with the other half lent.
async fn subscribers_that_are_opened_again_miss_nothing(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(5000));
    channel.send(&packets).await?;
    let ledger = Ledger::new();
    let mut subscriber = channel.subscriber().await?;
    let mut opened = 1;
    while ledger.len() < packets.len() {
        let mut deliveries = subscriber.some(100).await?;
        let half = deliveries.split_off(deliveries.len().div_ceil(2));
        ledger.note_all(&deliveries);
        for settled in futures_util::future::join_all(deliveries.into_iter().map(Delivery::ack)).await {
            settled?;
        }
        drop(half);
        subscriber.close().await?;
        // The same value again, or another one.
        if opened % 2 == 0 {
            subscriber.reopen(100).await??;
        } else {
            subscriber = channel.subscriber().await?;
        }
        opened += 1;
    }
    subscriber.close().await?;
    ledger.complete(&names(&packets)).await?;
    Ok(format!("opened {opened} times; {} deliveries came again", ledger.repeats()))
}

async fn subscribers_that_close_at_once_miss_nothing(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel().await?;
    let packets = numbered(lab.count(1000));
    let (first, second) = packets.split_at(packets.len() / 2);
    let ledger = Ledger::new();
    let mut crew = Crew::new(channel.subscribers(20).await?, &ledger, Nerves::Thin);
    let early = async {
        channel.send(first).await?;
        ledger.reach(first.len() / 2).await
    };
    crew.until(early).await?;
    // All of them close while more is coming.
    let (stopped, sent) = futures_util::future::join(crew.stop(), channel.send(second)).await;
    stopped?;
    sent?;
    drain(channel.subscribers(2).await?, &ledger, &names(&packets)).await?;
    Ok(ledger.remark())
}

/// Fifty tasks, each dropped with what it was lent, the source first or the deliveries first.
async fn subscribers_that_are_gone_in_mid_work_lose_nothing(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.lease = Duration::from_secs(3)).await?;
    let packets = numbered(lab.count(5000));
    channel.send(&packets).await?;
    let ledger = Ledger::new();
    for _ in 0..5 {
        let mut tasks = JoinSet::new();
        let reached = Arc::new(tokio::sync::Semaphore::new(0));
        for (number, subscriber) in channel.subscribers(10).await?.into_iter().enumerate() {
            tasks.spawn(abandon(subscriber, number % 2 == 0, ledger.clone(), reached.clone()));
        }
        // In mid work: some have something, and others wait.
        let some = std::pin::pin!(async { reached.acquire_many(5).await.is_ok() });
        match futures_util::future::select(some, std::pin::pin!(tasks.join_next())).await {
            futures_util::future::Either::Left((there, _)) => ensure(there, || "nobody has worked".to_owned())?,
            futures_util::future::Either::Right((Some(Ok(Err(fault))), _)) => return Err(fault),
            futures_util::future::Either::Right(_) => {}
        }
        tasks.shutdown().await;
    }
    let before = ledger.len();
    drain(channel.subscribers(4).await?, &ledger, &names(&packets)).await?;
    Ok(format!("{before} were done before; {} deliveries came again", ledger.repeats()))
}

/// Acknowledges the first of each batch, and keeps the rest for ever.
async fn abandon(
    mut subscriber: Subscriber,
    drops_source_first: bool,
    ledger: Arc<Ledger>,
    reached: Arc<tokio::sync::Semaphore>,
) -> Result<(), Fault> {
    let mut kept: Vec<Delivery> = Vec::new();
    for _ in 0..3 {
        let mut deliveries = subscriber.receive(5).await??;
        if let Some(delivery) = deliveries.pop() {
            // First, for the acknowledgement may be dropped after the server has it.
            ledger.note(&delivery);
            delivery.ack().await?;
        }
        kept.extend(deliveries);
    }
    reached.add_permits(1);
    if drops_source_first {
        drop(subscriber);
    }
    // Here it is aborted: what it still has goes with it.
    std::future::pending::<()>().await;
    drop(kept);
    Ok(())
}
