//! How what a subscriber was lent is settled: in batches, by scripts that look first whether it is still ours.
//!
//! `Delivery → Receipt → Lender (two Batchers) → lua/ack.lua, later.lua, extend.lua, mark.lua, bury.lua`

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Value, cmd};

use super::answer::entries;
use super::core::{Core, LONGEST_DELAY, MAX_PIPELINE, millis};
use super::entry;
use super::fault::Fault;
use super::hand::{Hand, Id, id};
use super::link::Answer;
use super::script::{ACK, BURY, EXTEND, LATER, MARK};
use crate::transport::{
    Batcher, BoxFuture, DeadLetterRecord, DeadReason, ErrorKind, Packet, Receipt, Settlement, TransportError,
};

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
pub(super) struct Later {
    lent: Lent,
    wait: u64,
    /// How many deliveries count; the next one counts too.
    count: u32,
}

impl Later {
    /// At once, as if it had never been lent.
    pub(super) fn released(lent: Lent) -> Self {
        Self { wait: 0, count: lent.count.saturating_sub(1), lent }
    }

    fn after(wait: Duration, lent: Lent) -> Self {
        Self { wait: millis(wait.min(LONGEST_DELAY)), count: lent.count, lent }
    }
}

/// What became of a delivery that was to come again.
enum Deferred {
    Settled(Settled),
    /// Somebody has deleted its entry, or all of the stream: it cannot come again.
    Gone,
}

/// What the receipts of one subscriber share.
pub(super) struct Lender {
    core: Arc<Core>,
    consumer: Arc<str>,
    pub(super) hand: Hand,
    acks: Batcher<Lent, Settled>,
    laters: Batcher<Later, Deferred>,
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
        Self { core, consumer, hand: Hand::default(), acks, laters }
    }

    async fn ack(&self, lent: Lent) -> Settled {
        done(self.acks.push(lent).await, &self.core)
    }

    /// Gives back, as if it had never been lent.
    pub(super) async fn release(&self, lent: Lent, packet: Packet) -> Settled {
        self.defer(Later::released(lent.clone()), lent, packet).await
    }

    /// Has a delivery come again, or makes a dead letter of what is in hand if there is no more than that.
    async fn defer(&self, later: Later, lent: Lent, packet: Packet) -> Settled {
        let pushed = self.laters.push(later);
        match pushed.await {
            Some(Deferred::Settled(settled)) => settled,
            Some(Deferred::Gone) => {
                let text = "its entry was deleted from the stream while it was in hand";
                let (name, reason) = (&self.core.name, DeadReason::Rejected);
                let record = DeadLetterRecord::new(name, &packet, lent.count, reason, vec![text.to_owned()]);
                self.bury(&lent, record, packet).await?;
                let text = format!("{text}, and it is a dead letter now: let nobody trim the stream");
                Err(self.core.error(ErrorKind::Lost, &text))
            }
            None => done(None, &self.core),
        }
    }

    /// Gives back what was sent to this subscriber and never got here. What is in hand is known.
    pub(super) async fn give_back(&self, stranded: Vec<Lent>) -> Result<(), Fault> {
        let all: Vec<_> = stranded.into_iter().map(Later::released).collect();
        script_of_later(&self.core, &self.consumer, &all).await.map(drop)
    }

    async fn mark(&self, lent: &Lent) -> Result<bool, TransportError> {
        let answer = self.core.script(&MARK, &self.consumer, None, |command| lent.write(command)).await;
        let answer = answer.map_err(|fault| lost_or(&self.core, fault))?;
        codes(&self.core, answer, 1, |code| code == 1).pop().unwrap_or_else(|| Err(lost(&self.core))).map(|()| true)
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

    /// Puts what is in hand into the stream of dead letters.
    async fn bury(&self, lent: &Lent, record: DeadLetterRecord, packet: Packet) -> Settled {
        let core = &self.core;
        let shortened = entry::may_be_shortened(&packet);
        let letter = record.bury(packet, entry::MAX_ATTRIBUTES, core.max_bytes);
        // What is no text stays as it stands in the stream: it is read once more, for a packet does not have it.
        let raw = if shortened { self.entry(lent).await? } else { None };
        let fields = match &raw {
            Some((_, raw)) => entry::fields_beside(&letter, raw),
            None => entry::fields(&letter),
        };
        let answer = core.script(&BURY, &self.consumer, Some(&core.dead), |command| {
            lent.write(command);
            command.arg(&fields);
        });
        let answer = match answer.await {
            Ok(answer) => answer,
            // There is no group any more, so that nobody else can have it.
            Err(fault) if fault.no_group => {
                let mut add = cmd("XADD");
                add.arg(&core.dead).arg("*");
                add.arg(&fields);
                return core.link.command(&add).await.map(drop).map_err(|fault| core.fault(fault));
            }
            Err(fault) => return Err(core.fault(fault)),
        };
        // If an attempt may have gone through, that it is settled is what we wanted.
        let again = answer.again;
        codes(core, answer, 1, |code| code == 1 || again && code == -1).pop().unwrap_or_else(|| Err(lost(core)))
    }

    /// Reads what an entry holds, for who has let go of it.
    async fn packet(&self, lent: &Lent) -> Result<Packet, TransportError> {
        let Some((id, fields)) = self.entry(lent).await? else { return Err(lost(&self.core)) };
        Ok(entry::read(&id, fields))
    }

    /// An entry as it stands in the stream; `None` if it is gone.
    async fn entry(&self, lent: &Lent) -> Result<Option<(String, Vec<Value>)>, TransportError> {
        let core = &self.core;
        let mut command = cmd("XRANGE");
        command.arg(&core.stream).arg(&lent.id).arg(&lent.id);
        let answer = core.link.command(&command).await.map_err(|fault| core.fault(fault))?;
        Ok(entries(answer.value).next())
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

async fn later(core: &Core, consumer: &str, all: &[Later]) -> Vec<Deferred> {
    let settled = match script_of_later(core, consumer, all).await {
        Ok(Answer { value: Value::Array(codes), again }) if codes.len() == all.len() => {
            let one = |code| match code {
                Value::Int(1) => Deferred::Settled(Ok(())),
                Value::Int(-2) if again => Deferred::Settled(Ok(())),
                Value::Int(-3) => Deferred::Gone,
                _ => Deferred::Settled(Err(lost(core))),
            };
            codes.into_iter().map(one).collect()
        }
        Ok(_) => {
            let makes_no_sense = || Err(core.error(ErrorKind::Protocol, "the server's answer makes no sense"));
            all.iter().map(|_| Deferred::Settled(makes_no_sense())).collect()
        }
        Err(fault) if fault.no_group => all.iter().map(|_| Deferred::Gone).collect(),
        Err(fault) => all.iter().map(|_| Deferred::Settled(Err(core.fault(fault.clone())))).collect(),
    };
    core.woken.send_replace(());
    settled
}

async fn script_of_later(core: &Core, consumer: &str, all: &[Later]) -> Result<Answer, Fault> {
    let add = |command: &mut Cmd| {
        for Later { lent, wait, count } in all {
            lent.write(command);
            command.arg(*wait).arg(*count);
        }
    };
    core.script(&LATER, consumer, None, add).await
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
fn lost_or(core: &Core, fault: Fault) -> TransportError {
    if fault.no_group { lost(core) } else { core.fault(fault) }
}

/// The receipt of one delivery.
pub(super) struct EntryReceipt {
    pub(super) lender: Arc<Lender>,
    pub(super) lent: Lent,
}

impl EntryReceipt {
    async fn end(lender: &Lender, lent: Lent, how: Settlement, packet: Packet) -> Settled {
        match how {
            Settlement::Ack => {
                drop(packet);
                lender.ack(lent).await
            }
            Settlement::RetryAfter(wait) => lender.defer(Later::after(wait, lent.clone()), lent, packet).await,
            Settlement::Release => lender.release(lent, packet).await,
            Settlement::DeadLetter(record) => lender.bury(&lent, record, packet).await,
        }
    }
}

impl Receipt for EntryReceipt {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Settled> {
        Box::pin(async move {
            let packet = self.lender.packet(&self.lent).await?;
            self.settle_in_hand(how, packet).await
        })
    }

    fn settle_in_hand(self: Box<Self>, how: Settlement, packet: Packet) -> BoxFuture<'static, Settled> {
        let Self { lender, lent } = *self;
        let held = Held { lender, id: id(&lent.id) };
        if how == Settlement::Ack {
            // Most end so, and need little room while they wait.
            return Box::pin(async move {
                let settled = held.lender.ack(lent).await;
                held.end(settled)
            });
        }
        Box::pin(async move {
            let settled = Self::end(&held.lender, lent, how, packet).await;
            held.end(settled)
        })
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Settled> {
        Box::pin(async move {
            let all = std::slice::from_ref(&self.lent);
            self.lender.extend(all, by).await?.pop().unwrap_or_else(|| Err(lost(&self.lender.core)))
        })
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.lender.mark(&self.lent))
    }
}

/// An entry in hand until this is gone, also if nobody waits for the end of its settlement.
struct Held {
    lender: Arc<Lender>,
    id: Option<Id>,
}

impl Held {
    fn end(mut self, settled: Settled) -> Settled {
        if settled.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unreachable) {
            // Nobody knows whether it is settled: it comes again after its lease, and not sooner.
            self.id = None;
        }
        settled
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.lender.hand.drop(id);
        }
    }
}
