//! The server dies and comes back: what it had confirmed is there, and nobody hangs meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::{
    Case, Channel, Crew, Fault, Lab, Ledger, Nerves, PATIENCE, Verdict, cases, drain, ensure, failed, in_time,
    join_error, may_pass, name, names, need, numbered, packet, publish,
};
use crate::transport::{ErrorKind, Packet, Publisher};

pub(super) const CASES: &[Case] = cases!(true;
    a_server_killed_at_a_third_and_at_half_loses_nothing,
    a_server_killed_five_times_under_load_loses_nothing,
    attempts_survive_the_end_of_the_server,
    while_the_server_is_down_all_calls_fail_and_none_hangs,
    a_server_that_forgets_is_noticed_each_time,
);

/// A channel of a server that may be killed; with a short lease, so that what the dead had comes soon.
async fn mortal(lab: &Lab<'_>) -> Result<Channel, Fault> {
    lab.server()?;
    lab.channel_with(|wants| wants.lease = Duration::from_secs(5)).await
}

fn is_durable(channel: &Channel) -> bool {
    channel.sends().durable && channel.lends().durable
}

async fn a_server_killed_at_a_third_and_at_half_loses_nothing(lab: &Lab<'_>) -> Verdict {
    let count = lab.count(10_000);
    survive(lab, count, &[count / 3, count / 2]).await
}

async fn a_server_killed_five_times_under_load_loses_nothing(lab: &Lab<'_>) -> Verdict {
    let count = lab.count(10_000);
    survive(lab, count, &[1, 2, 3, 4, 5].map(|part| count * part / 6)).await
}

/// Publishes and receives at once, and kills the server each time that so many have come.
async fn survive(lab: &Lab<'_>, count: usize, kills: &[usize]) -> Verdict {
    let channel = mortal(lab).await?;
    need(is_durable(&channel), "durability")?;
    let packets = numbered(count);
    let wanted = names(&packets);
    let ledger = Ledger::new();
    let mut crew = Crew::new(channel.subscribers(4).await?, &ledger, Nerves::Thick);
    let mut publishing = JoinSet::new();
    publishing.spawn(insist(channel.publisher.clone(), packets, Some(ledger.clone())));
    let mut refusals = 0;
    let work = async {
        for at in kills {
            ledger.reach(*at).await?;
            lab.note(format!("the server was killed at {at}"));
            lab.kill().await?;
            lab.start().await?;
            lab.note(format!("the server was started again after it was killed at {at}"));
        }
        match publishing.join_next().await {
            Some(Ok(published)) => refusals = published?,
            Some(Err(error)) => return failed(join_error(error)),
            None => return failed("nobody has published"),
        }
        ledger.complete(&wanted).await
    };
    crew.until(work).await?;
    crew.stop().await?;
    Ok(format!("{refusals} packets were published again, {} deliveries came again", ledger.repeats()))
}

/// How many more may have been published than have come, and how long it waits at most for others to come: so the server
/// dies with some on either way, and is published to while it is down.
const AHEAD: usize = 100;
const PACE: Duration = Duration::from_millis(20);

/// Publishes all, and again what was not taken, not far ahead of what has come; returns how many were refused.
async fn insist(
    publisher: Arc<dyn Publisher>,
    packets: Vec<Packet>,
    pace: Option<Arc<Ledger>>,
) -> Result<usize, Fault> {
    let mut refused = 0;
    for (number, batch) in packets.chunks(20).enumerate() {
        if let Some(ledger) = &pace {
            let others = ledger.reach((number * 20).saturating_sub(AHEAD));
            let _ = timeout(PACE, others).await;
        }
        let mut left = batch.to_vec();
        let end = Instant::now() + PATIENCE * 2;
        while !left.is_empty() {
            let mut again = Vec::new();
            for (packet, taken) in left.iter().zip(publish(&*publisher, &left).await?) {
                match taken {
                    Ok(()) => {}
                    Err(error) if may_pass(&error) && Instant::now() < end => again.push(packet.clone()),
                    Err(error) => return failed(format!("{} was not taken: {error}", name(packet))),
                }
            }
            if !again.is_empty() {
                sleep(Duration::from_millis(100)).await;
            }
            refused += again.len();
            left = again;
        }
    }
    Ok(refused)
}

async fn attempts_survive_the_end_of_the_server(lab: &Lab<'_>) -> Verdict {
    let channel = mortal(lab).await?;
    need(is_durable(&channel), "durability")?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("failing")]).await?;
    for _ in 0..2 {
        subscriber.expect("failing").await?.retry_after(Duration::ZERO).await?;
    }
    subscriber.close().await?;
    lab.kill().await?;
    lab.start().await?;
    let delivery = first_after(&channel, "failing").await?;
    let attempt = delivery.attempt();
    ensure(attempt >= 3, || format!("two attempts had failed, and after the restart it is attempt {attempt}"))?;
    delivery.ack().await?;
    Ok(String::new())
}

/// The first delivery after a restart, of a subscriber that is made until it works.
async fn first_after(channel: &Channel, wanted: &str) -> Result<crate::transport::Delivery, Fault> {
    let end = Instant::now() + PATIENCE;
    let mut source = (channel.subscribe)("");
    loop {
        let received = match in_time("an `open`", source.open(10)).await? {
            Ok(()) => in_time("a `receive`", source.receive(1)).await?,
            Err(error) => Err(error),
        };
        match received {
            Ok(mut deliveries) => {
                if let Some(delivery) = deliveries.pop() {
                    let came = name(delivery.packet());
                    ensure(came == wanted, || format!("{came} came, and {wanted} was to"))?;
                    return Ok(delivery);
                }
            }
            Err(error) if may_pass(&error) => sleep(Duration::from_millis(100)).await,
            Err(error) => return Err(error.into()),
        }
        ensure(Instant::now() < end, || format!("{wanted} has not come in {PATIENCE:?} after the restart"))?;
    }
}

async fn while_the_server_is_down_all_calls_fail_and_none_hangs(lab: &Lab<'_>) -> Verdict {
    let channel = mortal(lab).await?;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("before")]).await?;
    let lent = subscriber.expect("before").await?;
    lab.kill().await?;

    lab.note("it published while the server was down");
    for taken in publish(&*channel.publisher, &[packet("during"), packet("during too")]).await? {
        let kind = taken.err().map(|error| error.kind());
        ensure(kind == Some(ErrorKind::Unreachable), || {
            format!("a publish with the server down ended as {kind:?}, and should have been Unreachable")
        })?;
    }
    lab.note("it received while the server was down");
    let mut error = None;
    for _ in 0..3 {
        if let Err(now) = subscriber.receive(1).await? {
            error = Some(now);
            break;
        }
    }
    let Some(error) = error else { return failed("three receives with the server down gave no error") };
    ensure(may_pass(&error), || format!("a receive with the server down gave an error that does not pass: {error}"))?;
    lab.note("it acknowledged while the server was down");
    let acknowledged = in_time("an `ack`", lent.ack()).await?;
    ensure(acknowledged.is_err(), || "an acknowledgement went well with the server down".to_owned())?;
    let opened = in_time("an `open`", (channel.subscribe)("").open(1)).await?;
    ensure(opened.is_err(), || "a subscriber was opened with the server down".to_owned())?;

    lab.start().await?;
    if is_durable(&channel) {
        // The same handles, and nobody has built them anew.
        insist(channel.publisher.clone(), vec![packet("after")], None).await?;
        let ledger = Ledger::new();
        let mut crew = Crew::new(vec![subscriber], &ledger, Nerves::Thick);
        let wanted = ["before", "after"].map(str::to_owned);
        crew.until(ledger.includes(&wanted)).await?;
        crew.stop().await?;
        return Ok(String::new());
    }
    works(lab).await?;
    Ok("it had forgotten".to_owned())
}

/// A channel made now works, sooner or later.
async fn works(lab: &Lab<'_>) -> Result<(), Fault> {
    let end = Instant::now() + PATIENCE;
    let channel = loop {
        match lab.channel().await {
            Ok(channel) => break channel,
            Err(fault) if Instant::now() > end => return Err(fault),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    };
    let packets = numbered(20);
    insist(channel.publisher.clone(), packets.clone(), None).await?;
    drain(vec![channel.subscriber().await?], &Ledger::new(), &names(&packets)).await
}

/// A server that keeps nothing has to be noticed by whoever publishes, each time.
async fn a_server_that_forgets_is_noticed_each_time(lab: &Lab<'_>) -> Verdict {
    let channel = mortal(lab).await?;
    need(!is_durable(&channel), "way to forget")?;
    drop(channel);
    for round in 1..=5 {
        let channel = mortal(lab).await?;
        let ledger = Ledger::new();
        let mut crew = Crew::new(channel.subscribers(2).await?, &ledger, Nerves::Thick);
        let mut publishing = JoinSet::new();
        publishing.spawn(until_refused(channel.publisher.clone()));
        crew.until(ledger.reach(50)).await?;
        lab.note(format!("the server was killed the {round}. time"));
        lab.kill().await?;
        match publishing.join_next().await {
            Some(Ok(refused)) => refused?,
            Some(Err(error)) => return failed(join_error(error)),
            None => return failed("nobody has published"),
        }
        lab.start().await?;
        drop(crew);
        works(lab).await?;
    }
    Ok(String::new())
}

/// Publishes on and on, and is ready when that fails.
async fn until_refused(publisher: Arc<dyn Publisher>) -> Result<(), Fault> {
    let mut number = 0;
    loop {
        let batch: Vec<_> = (number..number + 5).map(|number| packet(&format!("m-{number}"))).collect();
        number += 5;
        for taken in publish(&*publisher, &batch).await? {
            match taken {
                Ok(()) => {}
                Err(error) if may_pass(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}
