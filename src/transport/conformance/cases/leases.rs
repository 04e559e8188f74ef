//! What is lent is lent for a time: it can be made longer, and when it is over another one gets it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::{Case, Fault, Lab, Verdict, cases, ensure, ensure_kind, failed, need, packet};
use crate::transport::ErrorKind;

pub(super) const CASES: &[Case] = cases!(false;
    a_lease_that_runs_out_gives_the_delivery_to_another,
    a_lease_that_is_extended_outlasts_the_work,
    a_delivery_says_how_long_it_is_lent,
);

async fn a_lease_that_runs_out_gives_the_delivery_to_another(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.lease = Duration::from_secs(2)).await?;
    need(channel.lends().lease.is_some(), "lease")?;
    let (mut one, mut other) = (channel.subscriber().await?, channel.subscriber().await?);
    channel.send(&[packet("slow")]).await?;
    let mut stale = one.expect("slow").await?;
    let again = other.expect("slow").await?;
    ensure(again.attempt() == 2, || format!("it is attempt {}, and should have been 2", again.attempt()))?;
    // Who is late changes nothing for who has it now.
    ensure_kind(stale.extend(Duration::from_secs(2)).await, ErrorKind::Lost, "to extend a lease that has run out")?;
    ensure_kind(stale.ack().await, ErrorKind::Lost, "to acknowledge after the lease has run out")?;
    again.ack().await?;
    other.expect_nothing(Duration::from_secs(4)).await?;
    Ok(String::new())
}

async fn a_lease_that_is_extended_outlasts_the_work(lab: &Lab<'_>) -> Verdict {
    let lease = Duration::from_secs(4);
    let channel = lab.channel_with(|wants| wants.lease = lease).await?;
    need(channel.lends().lease.is_some(), "lease")?;
    // A machine that stands still for seconds lets a lease run out, which is no fault of the transport.
    'tries: for number in 0..5 {
        let (mut one, mut other) = (channel.subscriber().await?, channel.subscriber().await?);
        let name = format!("long-{number}");
        channel.send(&[packet(&name)]).await?;
        let asked = Instant::now();
        let mut delivery = one.expect(&name).await?;
        // While one works on, the other one asks.
        let work = async {
            let mut last = asked;
            for _ in 0..9 {
                sleep(Duration::from_secs(1)).await;
                let extended = delivery.extend(lease).await;
                let was_slow = last.elapsed() > lease * 3 / 4;
                last = Instant::now();
                if was_slow {
                    return Ok(None);
                }
                extended?;
            }
            let acknowledged = delivery.ack().await;
            Ok::<_, Fault>((last.elapsed() < lease * 3 / 4).then_some(acknowledged))
        };
        let watch = async {
            let seen = other.glance(sleep(Duration::from_secs(9))).await?;
            Ok::<_, Fault>(seen.is_some_and(|deliveries| !deliveries.is_empty()))
        };
        let (worked, seen) = futures_util::future::join(work, watch).await;
        let (worked, seen) = (worked?, seen?);
        one.close().await?;
        other.close().await?;
        let Some(acknowledged) = worked else { continue 'tries };
        ensure(!seen, || "another one got it, though its lease was extended".to_owned())?;
        acknowledged?;
        channel.subscriber().await?.expect_nothing(Duration::from_secs(2)).await?;
        return Ok(String::new());
    }
    failed("the machine stood still too often to tell")
}

async fn a_delivery_says_how_long_it_is_lent(lab: &Lab<'_>) -> Verdict {
    let channel = lab.channel_with(|wants| wants.lease = Duration::from_secs(20)).await?;
    let promised = channel.lends().lease;
    let mut subscriber = channel.subscriber().await?;
    channel.send(&[packet("lent")]).await?;
    let mut delivery = subscriber.expect("lent").await?;
    let lease = delivery.lease();
    ensure(lease.is_some() == promised.is_some(), || format!("the lease is {lease:?}, of a source with {promised:?}"))?;
    // Where there is no lease, this has nothing to do.
    delivery.extend(Duration::from_secs(20)).await?;
    delivery.ack().await?;
    Ok(String::new())
}
