//! Several groups each get everything; those of one group share it.

use std::time::Duration;

use super::super::{
    Case, Channel, Crew, Fault, GROUPS, Lab, Ledger, Nerves, Verdict, cases, ensure_eq_attempt, names, need, numbered,
    packet,
};

pub(super) const CASES: &[Case] = cases!(false;
    each_group_gets_everything,
    a_group_that_fails_is_nothing_to_another,
);

async fn fan_out(lab: &Lab<'_>) -> Result<Channel, Fault> {
    let channel = lab.channel_with(|wants| wants.fan_out = true).await?;
    need(channel.sends().fan_out || channel.lends().fan_out, "fan-out")?;
    Ok(channel)
}

async fn each_group_gets_everything(lab: &Lab<'_>) -> Verdict {
    let channel = fan_out(lab).await?;
    let packets = numbered(lab.count(1000));
    let wanted = names(&packets);
    let mut crews = Vec::new();
    for group in GROUPS {
        let ledger = Ledger::new();
        let pair = vec![channel.of_group(group).await?, channel.of_group(group).await?];
        crews.push((Crew::new(pair, &ledger, Nerves::Thin), ledger));
    }
    channel.send(&packets).await?;
    let mut remarks = Vec::new();
    for (mut crew, ledger) in crews {
        crew.until(ledger.complete(&wanted)).await?;
        crew.stop().await?;
        remarks.push(ledger.remark());
    }
    remarks.retain(|remark| !remark.is_empty());
    Ok(remarks.join("; "))
}

async fn a_group_that_fails_is_nothing_to_another(lab: &Lab<'_>) -> Verdict {
    let channel = fan_out(lab).await?;
    let mut failing = channel.of_group(GROUPS[0]).await?;
    let mut working = channel.of_group(GROUPS[1]).await?;
    channel.send(&[packet("first")]).await?;
    for attempt in 1..=3 {
        let delivery = failing.expect("first").await?;
        ensure_eq_attempt(&delivery, attempt)?;
        delivery.retry_after(Duration::ZERO).await?;
    }
    let held = failing.expect("first").await?;
    let delivery = working.expect("first").await?;
    ensure_eq_attempt(&delivery, 1)?;
    delivery.ack().await?;
    channel.send(&[packet("second")]).await?;
    working.expect("second").await?.ack().await?;
    held.ack().await?;
    failing.expect("second").await?.ack().await?;
    working.expect_nothing(Duration::from_secs(1)).await?;
    Ok(String::new())
}
