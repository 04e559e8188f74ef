//! How the consumers of this process hear of rounds: each has an outbox, and a relay that hands on what is in it.
//!
//! `a round closes → the outbox of each consumer, in the same transaction → Relay → ToConsumer → the broker → the consumer`

use std::sync::Arc;
use std::time::Duration;

use actix::WeakAddr;
use futures_util::future::join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::super::bench::id;
use super::super::meter::{Deliveries, Handed};
use super::here::Here;
use crate::__private::random;
use crate::__private::rounds::{Deliver, Delivered, Ending};
use crate::codec;
use crate::transport::{Abilities, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use crate::{Broker, EnvelopeLimits, Payload, Retry};

/// How many rounds a relay hands over at a time for each packet of a batch, by both of its ways: more than one consumer may be handed at once
/// wait for their turn.
const TAKEN: usize = 32;

/// Hands rounds to one consumer of this process, as if it were a server.
pub(in crate::durable) struct ToConsumer<P: Payload> {
    name: String,
    consumer: Arc<str>,
    broker: WeakAddr<Broker<P>>,
    retry: Retry,
    at_once: usize,
    turns: Semaphore,
    deliveries: Deliveries,
    _here: Here,
}

/// What stands in the outbox.
#[derive(Deserialize)]
struct Heard {
    round: i64,
    key: String,
    outcome: String,
}

impl<P: Payload> ToConsumer<P> {
    pub(in crate::durable::running) fn new(
        (of, name): (&str, String),
        consumer: Arc<str>,
        broker: WeakAddr<Broker<P>>,
        retry: Retry,
        at_once: usize,
        here: Here,
    ) -> Self {
        // More than that nobody can wait for.
        let turns = Semaphore::new(at_once.min(Semaphore::MAX_PERMITS));
        let deliveries = Deliveries::new(of, &consumer);
        Self { name, consumer, broker, retry, at_once, turns, deliveries, _here: here }
    }
}

impl<P: Payload + DeserializeOwned> ToConsumer<P> {
    async fn deliver(&self, packet: &Packet) -> Result<(), TransportError> {
        let delivered = self.try_to_deliver(packet).await;
        self.deliveries.handed(match &delivered {
            Ok(()) => Handed::Done,
            Err(error) if error.is_temporary() => Handed::Released,
            Err(_) => Handed::Dead,
        });
        delivered
    }

    async fn try_to_deliver(&self, packet: &Packet) -> Result<(), TransportError> {
        let (round, key, ending) = self.read(packet).map_err(|why| self.error(ErrorKind::Refused, &why))?;
        // It is never closed.
        let _turn = self.turns.acquire().await;
        let mut attempt = 1;
        loop {
            let failed = match self.hand_over(round, &key, &ending).await {
                Some(Delivered::Done) => return Ok(()),
                // Another process may have such a consumer.
                Some(Delivered::Nobody) | None => {
                    return Err(self.error(ErrorKind::Unreachable, "the consumer has left this process"));
                }
                Some(Delivered::Unreadable(why)) => return Err(self.error(ErrorKind::Refused, &why)),
                Some(Delivered::Failed(error)) => error,
            };
            if attempt >= self.retry.max_attempts() {
                let why = format!("the consumer {failed}, at attempt {attempt}, which was the last");
                return Err(self.error(ErrorKind::Refused, &why));
            }
            log::warn!(target: "convoke::rounds", "{}: round {round}: the consumer {failed}: it is tried again", self.name);
            self.deliveries.handed(Handed::Retried);
            sleep(self.retry.wait(attempt, random())).await;
            attempt += 1;
        }
    }

    async fn hand_over(&self, round: i64, key: &str, ending: &Ending) -> Option<Delivered> {
        let broker = self.broker.upgrade()?;
        let (consumer, key) = (self.consumer.clone(), crate::durable::key::read(key));
        broker.send(Deliver { consumer, round: id(round), key, ending: ending.clone() }).await.ok()
    }

    fn read(&self, packet: &Packet) -> Result<(i64, String, Ending), String> {
        // What is in the outbox was made by us.
        let limits = EnvelopeLimits::default().bytes(usize::MAX).depth(usize::MAX).keys(usize::MAX);
        let envelope = codec::read(packet, limits).map_err(|error| error.to_string())?;
        let heard = Heard::deserialize(&envelope.payload).map_err(|error| error.to_string())?;
        let ending = Ending::read(&heard.outcome).map_err(|error| error.to_string())?;
        Ok((heard.round, heard.key, ending))
    }

    fn error(&self, kind: ErrorKind, text: &str) -> TransportError {
        TransportError::new(kind, self.name.clone(), text)
    }
}

impl<P: Payload + DeserializeOwned> Publisher for ToConsumer<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = Abilities::default();
        (abilities.max_bytes, abilities.max_batch, abilities.durable) =
            (usize::MAX, self.at_once.div_ceil(TAKEN), true);
        abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(join_all(packets.iter().map(|packet| self.deliver(packet))))
    }
}

/// For how long the consumers of a batch may take, with all their attempts.
pub(in crate::durable) fn patience(limit: Duration, retry: &Retry) -> Duration {
    limit.saturating_mul(retry.max_attempts()).saturating_mul(u32::try_from(TAKEN).unwrap_or(u32::MAX))
}
