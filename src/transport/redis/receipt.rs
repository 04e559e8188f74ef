//! How what a subscriber was lent is settled: in batches, by scripts that look first whether it is still ours.
//!
//! `Delivery → Receipt → Lender (two Batchers) → lua/ack.lua, later.lua, extend.lua, bury.lua`

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Value, cmd};

use super::core::{Core, LONGEST_DELAY, MAX_PIPELINE, millis};
use super::entry;
use super::link::Answer;
use super::script::{ACK, BURY, EXTEND, LATER};
use crate::transport::{Batcher, BoxFuture, DeadLetterRecord, ErrorKind, Receipt, Settlement, TransportError};

type Settled = Result<(), TransportError>;

/// An entry as it was lent: the count says whether it was lent again since.
#[derive(Clone)]
pub(super) struct Lent {
    pub(super) id: String,
    pub(super) count: u32,
}

impl Lent {
    /// Adds it as scripts read it.
    pub(super) fn write(&self, command: &mut Cmd) {
        if self.count == 1 {
            command.arg(&self.id);
        } else {
            command.arg(format!("{}#{}", self.id, self.count));
        }
    }
}

/// A delivery that comes again.
struct Later {
    lent: Lent,
    wait: u64,
    /// How many deliveries count; the next one counts too.
    count: u32,
}

/// What the receipts of one subscriber share.
pub(super) struct Lender {
    core: Arc<Core>,
    consumer: Arc<str>,
    acks: Batcher<Lent, Settled>,
    laters: Batcher<Later, Settled>,
}

impl Lender {
    pub(super) fn new(core: Arc<Core>, consumer: Arc<str>) -> Self {
        let of = (core.clone(), consumer.clone());
        let acks = Batcher::new(MAX_PIPELINE, move |all: Vec<Lent>| {
            let (core, consumer) = of.clone();
            Box::pin(async move { ack(&core, &consumer, &all).await }) as BoxFuture<'static, _>
        });
        let of = (core.clone(), consumer.clone());
        let laters = Batcher::new(MAX_PIPELINE, move |all: Vec<Later>| {
            let (core, consumer) = of.clone();
            Box::pin(async move { later(&core, &consumer, &all).await }) as BoxFuture<'static, _>
        });
        Self { core, consumer, acks, laters }
    }

    /// Gives back, as if it had never been lent.
    pub(super) async fn release(&self, lent: Lent) -> Settled {
        let count = lent.count.saturating_sub(1);
        done(self.laters.push(Later { lent, wait: 0, count }).await, &self.core)
    }

    /// Has the leases of these last so long from now, and says of which that is so.
    pub(super) async fn extend(&self, all: &[Lent], by: Duration) -> Result<Vec<Settled>, TransportError> {
        let answer = self.core.script(&EXTEND, &self.consumer, None, |command| {
            command.arg(millis(self.core.lease));
            for lent in all {
                lent.write(command);
                command.arg(millis(by.min(LONGEST_DELAY)));
            }
        });
        let answer = answer.await.map_err(|fault| lost_or(&self.core, fault))?;
        Ok(codes(&self.core, answer, all.len(), |code| code == 1))
    }

    /// The entry is read once more, so that no copy of it is kept for the few that die.
    async fn bury(&self, lent: &Lent, record: DeadLetterRecord) -> Settled {
        let core = &self.core;
        let mut command = cmd("XRANGE");
        command.arg(&core.stream).arg(&lent.id).arg(&lent.id);
        let answer = core.link.command(&command).await.map_err(|fault| core.link.error(fault))?;
        let Some((_, fields)) = entries(answer.value).next() else { return Err(lost(core)) };
        let letter = record.bury(entry::read(&lent.id, fields), entry::MAX_ATTRIBUTES, core.max_bytes);
        let answer = core.script(&BURY, &self.consumer, Some(&core.dead), |command| {
            lent.write(command);
            entry::write(&letter, command);
        });
        let answer = answer.await.map_err(|fault| lost_or(core, fault))?;
        // If an attempt may have gone through, that it is settled is what we wanted.
        let again = answer.again;
        codes(core, answer, 1, |code| code == 1 || again && code == -1).pop().unwrap_or_else(|| Err(lost(core)))
    }
}

async fn ack(core: &Core, consumer: &str, all: &[Lent]) -> Vec<Settled> {
    let answer = core.script(&ACK, consumer, None, |command| {
        for lent in all {
            lent.write(command);
        }
    });
    match answer.await {
        Ok(answer) => {
            let again = answer.again;
            codes(core, answer, all.len(), |code| code == 1 || again && code == -1)
        }
        Err(fault) => vec![Err(lost_or(core, fault)); all.len()],
    }
}

async fn later(core: &Core, consumer: &str, all: &[Later]) -> Vec<Settled> {
    let answer = core.script(&LATER, consumer, None, |command| {
        for Later { lent, wait, count } in all {
            lent.write(command);
            command.arg(*wait).arg(*count);
        }
    });
    let settled = match answer.await {
        Ok(answer) => {
            let again = answer.again;
            codes(core, answer, all.len(), |code| code == 1 || again && code == -2)
        }
        Err(fault) => vec![Err(lost_or(core, fault)); all.len()],
    };
    core.woken.send_replace(());
    settled
}

/// Reads what a script says of each receipt.
fn codes(core: &Core, answer: Answer, count: usize, good: impl Fn(i64) -> bool) -> Vec<Settled> {
    match answer.value {
        Value::Int(1) => vec![Ok(()); count],
        Value::Array(codes) if codes.len() == count => {
            let one = |code| match code {
                Value::Int(code) if good(code) => Ok(()),
                _ => Err(lost(core)),
            };
            codes.into_iter().map(one).collect()
        }
        _ => vec![Err(core.error(ErrorKind::Protocol, "the server's answer makes no sense")); count],
    }
}

fn done(settled: Option<Settled>, core: &Core) -> Settled {
    settled
        .unwrap_or_else(|| Err(core.error(ErrorKind::Closed, "the runtime has ended: it comes again after its lease")))
}

fn lost(core: &Core) -> TransportError {
    core.error(ErrorKind::Lost, "the delivery is no longer ours: extend its lease while it is worked on")
}

/// Where there is no group any more, nothing is ours.
fn lost_or(core: &Core, fault: super::fault::Fault) -> TransportError {
    if fault.no_group { lost(core) } else { core.link.error(fault) }
}

/// Reads entries, as `XRANGE` and `XREADGROUP` list them.
pub(super) fn entries(value: Value) -> impl Iterator<Item = (String, Vec<Value>)> {
    let all = match value {
        Value::Array(all) => all,
        _ => Vec::new(),
    };
    all.into_iter().filter_map(|entry| {
        let Value::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter();
        match (parts.next().and_then(entry::bytes), parts.next()) {
            (Some(id), Some(Value::Array(fields))) => Some((entry::text(id), fields)),
            _ => None,
        }
    })
}

/// The receipt of one delivery.
pub(super) struct EntryReceipt {
    pub(super) lender: Arc<Lender>,
    pub(super) lent: Lent,
}

impl Receipt for EntryReceipt {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Settled> {
        let Self { lender, lent } = *self;
        match how {
            Settlement::Ack => {
                let settled = lender.acks.push(lent);
                Box::pin(async move { done(settled.await, &lender.core) })
            }
            Settlement::RetryAfter(wait) => {
                let count = lent.count;
                let settled = lender.laters.push(Later { lent, wait: millis(wait.min(LONGEST_DELAY)), count });
                Box::pin(async move { done(settled.await, &lender.core) })
            }
            Settlement::Release => Box::pin(async move { lender.release(lent).await }),
            Settlement::DeadLetter(record) => Box::pin(async move { lender.bury(&lent, record).await }),
        }
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Settled> {
        Box::pin(async move {
            let all = std::slice::from_ref(&self.lent);
            self.lender.extend(all, by).await?.pop().unwrap_or_else(|| Err(lost(&self.lender.core)))
        })
    }
}
