//! Redis Streams, read by consumer groups.
//!
//! `publish → XADD → stream → XREADGROUP → Delivery → XACK`
//!
//! | file | is |
//! |---|---|
//! | `builder.rs` | what a stream is used with, and the first connection |
//! | `core.rs` | what a handle and its clones share; publishing |
//! | `link.rs`, `limit.rs`, `fault.rs` | the connection for commands, how it comes back, how long that is tried, and what errors mean |
//! | `entry.rs`, `answer.rs` | a packet as the fields of an entry, and what else the server answers |
//! | `subscriber.rs`, `reader.rs`, `slot.rs` | the reading half, its connection that blocks, and what goes on when nobody waits |
//! | `hand.rs` | what a subscriber has in hand, to know what it was sent and never got |
//! | `receipt.rs` | settling |
//! | `script.rs`, `lua/` | what has to be one step on the server |
//! | `guide.md` | what users read of `Redis`: how it is used, and what our words are in Redis |
//!
//! # What is where, and why nothing is lost
//!
//! Everything that is not settled is in the stream and in the group's list of pending entries, from `XREADGROUP` until
//! `XACK`: that is the server's own state, with the delivery count and the time of the last delivery, and survives us.
//!
//! - *A subscriber that dies* leaves its entries pending. They become idle, and when they have been idle for a lease, any
//!   other subscriber claims them: `look.lua`, which does what `XAUTOCLAIM` does but passes over what is due later.
//! - *What comes again later* cannot simply be left idle: no entry can be made to be idle for less than nothing, so nothing
//!   could wait longer than a lease. It stays pending under a consumer that never reads, `convoke:later`, and the time at
//!   which it is due stands in the sorted set `<stream>:due:<group>`. Both are written in one script, so a kill leaves both
//!   or neither; when it is due, it is claimed and taken out of the set in one script too. If somebody deletes the set, the
//!   entries are still pending, and become due at once.
//! - *A packet that is delayed* is in the sorted set `<stream>:delayed`, whole, and is moved into the stream by one script.
//! - *A dead letter* is added to its stream and acknowledged in one script.
//! - *What is about to be heard alone*, after a crash, is marked in the set `<stream>:marks:<group>`, and taken out of it by
//!   whatever settles it.
//! - *What was sent over a connection that died* is pending under our name, and we know nothing of it: it is looked for
//!   when there is another one, and given back.
//! - *What somebody has deleted* while it was in hand cannot come again: it becomes a dead letter.
//! - *An entry is deleted* by the acknowledgement after which no group has still to see or to settle it.

mod answer;
mod builder;
mod core;
mod entry;
mod fault;
mod hand;
mod limit;
mod link;
mod reader;
mod receipt;
mod script;
mod slot;
mod subscriber;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::redis::Value;

pub use builder::RedisBuilder;
pub(crate) use builder::{WRONG_URL, client};
pub(crate) use entry::{bytes, fields, fields_beside, read as read_entry, text};
pub(crate) use fault::Fault;
pub(crate) use link::Link;
pub(crate) use script::Script;

use self::core::Core;
use self::script::BACKLOG;
use self::subscriber::Subscriber;
use super::{Abilities, BoxFuture, Delivery, ErrorKind, Packet, Publisher, Pulse, Source, TransportError};

/// A Redis stream, as a publisher and as a source.
#[doc = include_str!("guide.md")]
pub struct Redis {
    core: Arc<Core>,
    /// Never locked: only who has the handle for itself gets at it. But a handle is shared between threads to publish.
    subscriber: Mutex<Option<Box<Subscriber>>>,
}

impl Redis {
    fn subscriber(&mut self) -> &mut Option<Box<Subscriber>> {
        self.subscriber.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redis {
    /// Describes the stream of this name. Awaiting the builder connects; [`RedisBuilder`] shows what you can set.
    pub fn stream(stream: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(stream.into())
    }

    /// Returns the queue of the dead letters, over the same connection. All groups of the stream share it. It is
    /// created if it is missing.
    pub fn dead_letters(&self) -> Self {
        Self { core: Arc::new(self.core.of_dead()), subscriber: Mutex::default() }
    }
}

impl Publisher for Redis {
    fn name(&self) -> &str {
        &self.core.name
    }

    fn abilities(&self) -> Abilities {
        self.core.abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(self.core.publish(packets))
    }
}

impl Source for Redis {
    fn name(&self) -> &str {
        &self.core.name
    }

    fn abilities(&self) -> Abilities {
        self.core.abilities()
    }

    fn open(&mut self, _prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            self.core.ensure_group().await?;
            // One that is opened again keeps its consumer, whose deliveries may still be settled.
            let core = self.core.clone();
            self.subscriber().get_or_insert_with(|| Box::new(Subscriber::new(core)));
            Ok(())
        })
    }

    /// It reads as many as it is asked for.
    fn lend_up_to(&mut self, _deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async { Ok(true) })
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            match self.subscriber() {
                Some(subscriber) => subscriber.receive(most).await,
                None => Err(self.core.error(ErrorKind::Closed, "it is not open: open it before it receives")),
            }
        })
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            match self.subscriber() {
                Some(subscriber) => subscriber.stop_lending().await,
                None => Ok(()),
            }
        })
    }

    fn pulse(&self) -> Option<Pulse> {
        Some(self.core.link.pulse().clone())
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async move {
            let answer = self.core.script(&BACKLOG, "", Some(&self.core.delayed), |_| ()).await;
            let answer = answer.map_err(|fault| self.core.fault(fault))?;
            Ok(match answer.value {
                Value::Int(count) => u64::try_from(count).ok(),
                _ => None,
            })
        })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            match self.subscriber().take() {
                Some(subscriber) => subscriber.close().await,
                None => Ok(()),
            }
        })
    }
}

/// The clone is another handle to the same stream, over the same connection. When it is opened, it is another
/// subscriber.
impl Clone for Redis {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), subscriber: Mutex::default() }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("name", &self.core.name)
            .field("address", &self.core.address)
            .finish_non_exhaustive()
    }
}
