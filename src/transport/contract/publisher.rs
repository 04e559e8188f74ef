//! Who hands packets to a server.
//!
//! `Packet, Packet, Packet → Publisher → a server: confirmed, or why not, for each`

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::abilities::Abilities;
use super::error::TransportError;
use super::packet::Packet;

/// A boxed future, which the methods of the contract return so that transports can be used as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hands packets to a server. A publisher stands for one queue, topic, stream or exchange.
#[diagnostic::on_unimplemented(
    message = "`{Self}` publishes to no server",
    label = "not a publisher",
    note = "a builder such as `Sns::topic(…)` or `Redis::stream(…)` is one when it is awaited: write `.await?` behind it"
)]
pub trait Publisher: Send + Sync + 'static {
    /// Returns the name of the publisher in logs, errors and metrics, as in `sqs:orders`. It never contains a password.
    fn name(&self) -> &str;

    /// Returns what the server can do.
    fn abilities(&self) -> Abilities;

    /// Hands packets to the server in this order, in as few requests as possible. Returns a result for each packet, in
    /// the same order. `Ok` means that the server has confirmed the packet, and keeps it as durably as it keeps
    /// anything.
    ///
    /// An implementation has to keep these rules:
    ///
    /// - A packet that fails does not fail the others, if the server can take them.
    /// - A packet that exceeds the [`Abilities`] fails by itself, before anything of it is sent: [`Abilities::check`]
    ///   checks that.
    /// - The call waits no longer than its own deadline.
    /// - For packets of the same key, see [`Abilities::takes_in_order`].
    ///
    /// If the future is dropped before it is ready, the server may have taken any of the packets, or none.
    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>>;

    /// Hands packets to the server as [`publish`](Self::publish) does, for a caller that needs none of them once the
    /// server has it: a packet whose result is `Ok` may be empty afterwards. A packet whose result is an error is
    /// unchanged, so that it can be tried again.
    ///
    /// A [`Route`](crate::Route) always publishes by this method. Implement it if your transport would otherwise copy
    /// what it takes. The default calls `publish`.
    fn publish_in_hand<'a>(&'a self, packets: &'a mut [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        self.publish(packets)
    }
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

    fn publish_in_hand<'a>(&'a self, packets: &'a mut [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        (**self).publish_in_hand(packets)
    }
}
