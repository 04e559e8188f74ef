//! Who lends deliveries from a server.
//!
//! `a server → Source → Delivery, Delivery, Delivery`

use super::abilities::Abilities;
use super::delivery::Delivery;
use super::error::TransportError;
use super::publisher::BoxFuture;
use super::pulse::Pulse;

/// How many lendings beyond its attempts a packet may have had that nobody ended, before it is a dead letter unheard: where a
/// server cannot [remember](crate::transport::Receipt::mark) that it was heard alone, and in the limits that servers keep by themselves.
pub const UNHEARD_ATTEMPTS: u32 = 10;

/// Lends deliveries from a server. Each value is one subscriber: who wants another one, clones what it is made of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lends no deliveries",
    label = "not a source",
    note = "a builder such as `Sqs::queue(…)` or `Redis::stream(…)` is one when it is awaited: write `.await?` behind it"
)]
pub trait Source: Send + 'static {
    /// Returns what it is called in logs, errors and metrics, as in `sqs:orders`: never with a password.
    fn name(&self) -> &str;

    /// Returns what it can do.
    fn abilities(&self) -> Abilities;

    /// Says how often a delivery is to be heard at most before it is a dead letter. A worker calls it before
    /// [`open`](Self::open).
    ///
    /// A server that counts by itself how often it has lent a packet, and takes out what it has lent too often, counts more
    /// than was heard: what a process that died had fetched ahead, for one. Its own limit has to be this and
    /// [`UNHEARD_ATTEMPTS`] or higher; a transport whose `open` makes the queue sets it so, and one that finds a lower limit
    /// says so in the log. The default does nothing.
    fn attempts(&mut self, most: u32) {
        let _ = most;
    }

    /// Connects, looks whether what it reads from is there, and says how many deliveries may be lent at once. It is
    /// called before the first [`receive`](Self::receive), and again after an error of which the connection has died.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such queue, `Unreachable`, `Refused`.
    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>>;

    /// Waits for deliveries and returns some: at least one, but for none after a wait that the transport chooses and that
    /// is never longer than 20 s; never more than `most`.
    ///
    /// Dropped while it waits it loses nothing: what it had received comes again, at once or after its lease.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others for which the caller waits a while and opens it again.
    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>>;

    /// Has the server lend nothing more to this subscriber until the next [`receive`](Self::receive), and gives back what it
    /// has lent and no `receive` has returned: once this is ready, others get it within a second. What `receive` has returned
    /// stays lent and can be settled. A worker calls this when it is paused, and when it begins to drain.
    ///
    /// Who fetches ahead of `receive`, or leaves a request open at the server when a `receive` is dropped, has to do something
    /// here; the default does nothing.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others: what was lent comes again after its lease.
    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns what tells when the server last said anything, on any thread and while a `receive` is open; always the same
    /// one. A worker asks for it once, when this is open, and is not healthy while the server is silent for too long.
    ///
    /// By default there is none, and the server counts as having said something whenever a `receive` has brought no error,
    /// which it has to within 30 s.
    fn pulse(&self) -> Option<Pulse> {
        None
    }

    /// Returns how many deliveries wait on the server, if it can tell.
    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async { Ok(None) })
    }

    /// Ends the subscriber: the server lends it nothing more, and a [`receive`](Self::receive) is `Closed` or brings nothing
    /// until it is opened again. What is still lent can be settled until this returns. One that does nothing here, as this
    /// default, lends on.
    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }

    fn attempts(&mut self, most: u32) {
        (**self).attempts(most);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        (**self).receive(most)
    }

    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).stop_lending()
    }

    fn pulse(&self) -> Option<Pulse> {
        (**self).pulse()
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        (**self).backlog()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).close()
    }
}
