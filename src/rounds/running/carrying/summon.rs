//! How the parties of this process are asked: each name has an outbox, and a relay that hands on what is in it.
//!
//! ```text
//! a round opens → the outbox of a party, in the same transaction → Relay → ToParty: claimed → the broker → a pledge
//! a pledge → Promise → queue.rs; while it lives → renew → queue.rs; its round is over → Waiter::Pledge → Over
//! ```

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::WeakAddr;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::super::bench::{Ask, id};
use super::super::clerk::write;
use super::super::engine::Core;
use super::super::leases::{Claimed, Leasing};
use super::super::queue::{Reply, Waiter};
use super::here::Here;
use crate::__private::catch;
use crate::__private::rounds::{Answers, Beat, Over, Promised, Summoning};
use crate::codec;
use crate::durable::store::Place;
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use crate::{Broker, EmitError, EnvelopeLimits, Payload, Uuid};

/// How often a lease is renewed before it runs out.
const RENEWALS: u32 = 3;

/// Asks one party of this process, as if it were a server.
pub(in crate::durable) struct ToParty<P: Payload> {
    pub(in crate::durable) name: String,
    pub(in crate::durable) party: Arc<str>,
    pub(in crate::durable) core: Weak<Core<P>>,
    pub(in crate::durable) broker: WeakAddr<Broker<P>>,
    pub(in crate::durable) _here: Here,
}

/// What stands in the outbox.
#[derive(Deserialize)]
struct Asked {
    round: i64,
}

impl<P: Payload + Serialize + DeserializeOwned> ToParty<P> {
    /// Asks it, unless another process does, or nothing is owed any more. What is claimed is kept by its lease, so that nothing stays in
    /// the outbox for as long as a pledge lives.
    async fn summon(&self, packet: &Packet) -> Result<(), TransportError> {
        let round = read(packet).map_err(|why| self.error(ErrorKind::Refused, &why))?;
        let core = self.core.upgrade().ok_or_else(|| self.gone())?;
        let promise = Promise {
            core: self.core.clone(),
            round,
            party: self.party.clone(),
            by: Uuid::now_v7(),
            signal: Uuid::nil(),
        };
        let (answer, answered) = oneshot::channel();
        let ask = promise.lease(Leasing::Claim);
        if core.ask(Place::Round(round), ask, Reply::Claim(answer)).is_err() {
            return Err(self.error(ErrorKind::Unreachable, "too much waits to be written"));
        }
        let claimed = match answered.await {
            Ok(Ok(claimed)) => claimed,
            Ok(Err(EmitError::Database(why))) => return Err(self.error(ErrorKind::Unreachable, &why)),
            // Somebody else asks it, or it has answered, or the round is over.
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(self.gone()),
        };
        let promise = Promise { signal: claimed.signal, ..promise };
        let payloads = match read_all::<P>(&claimed) {
            Ok(payloads) => payloads,
            Err(why) => {
                log::error!(target: "convoke::rounds", "{}: round {round}: {why}: the party is lost in it", self.name);
                promise.tell(promise.lease(Leasing::Lose));
                return Ok(());
            }
        };
        let left = Duration::from_micros(claimed.left.max(0).unsigned_abs());
        let (name, key) = (self.party.clone(), crate::durable::key::read(&claimed.key));
        let summoning = Summoning { name, round: id(round), key, left, payloads, promised: Box::new(promise.clone()) };
        let asked = match self.broker.upgrade() {
            Some(broker) => broker.send(summoning).await.ok().flatten(),
            None => None,
        };
        let Some(over) = asked else {
            // Another process may have such a party.
            promise.tell(promise.lease(Leasing::Release));
            return Ok(());
        };
        if let Some(notices) = over.notices() {
            core.waiters.add(id(round), Waiter::Emitter(notices.clone(), claimed.signal));
        }
        core.waiters.add(id(round), Waiter::Pledge(over.clone()));
        core.nudge.notify_one();
        tokio::spawn(renew(promise, over, every(core.law.lease)));
        Ok(())
    }

    fn gone(&self) -> TransportError {
        self.error(ErrorKind::Unreachable, "the broker has left this process")
    }

    fn error(&self, kind: ErrorKind, text: &str) -> TransportError {
        TransportError::new(kind, self.name.clone(), text)
    }
}

fn read(packet: &Packet) -> Result<i64, String> {
    let envelope = codec::read(packet, EnvelopeLimits::default()).map_err(|error| error.to_string())?;
    Ok(Asked::deserialize(&envelope.payload).map_err(|error| error.to_string())?.round)
}

fn read_all<P: DeserializeOwned>(claimed: &Claimed) -> Result<Vec<P>, String> {
    let read = |text: &String| match catch(|| serde_json::from_str(text)) {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(error)) => Err(format!("what was emitted cannot be read: {error}")),
        Err(panic) => Err(format!("what was emitted cannot be read: it has panicked: {panic}")),
    };
    claimed.payloads.iter().map(read).collect()
}

/// Has the lease run on for as long as the pledge lives.
async fn renew<P: Payload + Serialize + DeserializeOwned>(promise: Promise<P>, over: Over<P>, every: Duration) {
    loop {
        sleep(every).await;
        if !over.is_awaited() {
            return;
        }
        let (answer, answered) = oneshot::channel();
        if !promise.ask(promise.lease(Leasing::Renew), Reply::Round(answer)) {
            continue;
        }
        match answered.await {
            // It is tried again in its time.
            Ok(Ok(_) | Err(EmitError::Database(_) | EmitError::Busy { .. } | EmitError::Aside { .. })) => {}
            // The round is over, which the pledge is told elsewhere, or another one asks the party.
            _ => return,
        }
    }
}

/// Writes down what becomes of a pledge.
struct Promise<P: Payload> {
    core: Weak<Core<P>>,
    round: i64,
    party: Arc<str>,
    by: Uuid,
    signal: Uuid,
}

impl<P: Payload> Clone for Promise<P> {
    fn clone(&self) -> Self {
        let Self { core, round, party, by, signal } = self;
        Self { core: core.clone(), round: *round, party: party.clone(), by: *by, signal: *signal }
    }
}

impl<P: Payload + Serialize + DeserializeOwned> Promise<P> {
    fn lease(&self, what: Leasing) -> Ask {
        Ask::Lease { name: self.party.clone(), by: self.by, what }
    }

    /// Says something to the round; false if nobody takes it.
    fn ask(&self, ask: Ask, reply: Reply<P>) -> bool {
        match self.core.upgrade() {
            Some(core) => match core.ask(Place::Round(self.round), ask, reply) {
                Ok(()) => true,
                Err(reply) => {
                    reply.refused(EmitError::Busy { limit: core.queue.bound });
                    false
                }
            },
            None => {
                reply.refused(EmitError::BrokerGone);
                false
            }
        }
    }

    /// The same where nobody waits for an answer.
    fn tell(&self, ask: Ask) {
        let (answer, _) = oneshot::channel();
        self.ask(ask, Reply::Round(answer));
    }
}

impl<P: Payload + Serialize + DeserializeOwned> Promised<P> for Promise<P> {
    fn kept(&mut self, payload: P, weight: u32, answers: Answers<P>) {
        match write(payload) {
            Ok(payload) => {
                let signal = Ask::Signal { name: self.party.clone(), payload, weight, token: self.signal };
                self.ask(signal, Reply::Member(answers));
            }
            Err(error) => {
                log::error!(target: "convoke::rounds", "round {}: `{}` is lost in it: {error}", self.round, self.party);
                answers.refused(error);
                self.tell(self.lease(Leasing::Lose));
            }
        }
    }

    fn vetoed(&mut self, reason: Arc<str>) {
        self.tell(Ask::Veto { name: self.party.clone(), reason, token: self.signal });
    }

    fn dropped(&mut self, with_emitter: bool) {
        self.tell(self.lease(if with_emitter { Leasing::Release } else { Leasing::Lose }));
    }

    fn heartbeat(&mut self, more: Duration, beat: Beat<P>) {
        let more = Leasing::More(more.as_micros().try_into().unwrap_or(u64::MAX));
        self.ask(self.lease(more), Reply::Beat(beat));
    }
}

impl<P: Payload + Serialize + DeserializeOwned> Publisher for ToParty<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = Abilities::default();
        (abilities.max_bytes, abilities.max_batch, abilities.durable) = (usize::MAX, 1, true);
        abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(futures_util::future::join_all(packets.iter().map(|packet| self.summon(packet))))
    }
}

/// How often a lease of this length is renewed.
fn every(lease: i64) -> Duration {
    Duration::from_micros(lease.max(1).unsigned_abs()) / RENEWALS
}
