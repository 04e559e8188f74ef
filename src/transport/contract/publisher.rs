//! Who hands packets to a server.
//!
//! `Packet, Packet, Packet → Publisher → a server: confirmed, or why not, for each`

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::abilities::Abilities;
use super::error::TransportError;
use super::packet::Packet;

/// A future on the heap, as the contract's methods return it, so that transports can be kept as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hands packets to a server: to a queue, a topic, a stream or an exchange, which this stands for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` publishes to no server",
    label = "not a publisher",
    note = "a builder such as `Sns::topic(…)` or `Redis::stream(…)` is one when it is awaited: write `.await?` behind it"
)]
pub trait Publisher: Send + Sync + 'static {
    /// Returns what it is called in logs, errors and metrics, as in `sqs:orders`: never with a password.
    fn name(&self) -> &str;

    /// Returns what it can do.
    fn abilities(&self) -> Abilities;

    /// Hands these to the server, in this order, in as few requests as that takes, and returns for each whether the
    /// server has it, in the same order. `Ok` means that the server has confirmed it, as durably as it keeps anything.
    ///
    /// One that fails fails alone if the server can take the others. A packet beyond the [`Abilities`] is an error of
    /// its own, before anything is sent of it: [`Abilities::check`] looks for that. It waits for no longer than its own
    /// deadline. Of packets of one key, see [`Abilities::takes_in_order`].
    ///
    /// Dropped before it is ready, any of them may have been taken or not.
    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>>;
}

impl<P: Publisher + ?Sized> Publisher for Arc<P> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        (**self).publish(packets)
    }
}
