//! Who lends deliveries from a server.
//!
//! `a server → Source → Delivery, Delivery, Delivery`

use super::abilities::Abilities;
use super::delivery::Delivery;
use super::error::TransportError;
use super::parking::Parking;
use super::publisher::BoxFuture;
use super::pulse::Pulse;

/// The number of lendings that a packet may have beyond its attempts without being settled. After them the packet is a
/// dead letter, and its listeners are not called again.
///
/// The number applies where a server cannot [remember](crate::transport::Receipt::mark) that a delivery was handled
/// alone, and in the limits that servers keep by themselves.
pub const UNHEARD_ATTEMPTS: u32 = 10;

/// Lends deliveries from a server. Each value is one subscriber. To get another subscriber, clone what the source is
/// made of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lends no deliveries",
    label = "not a source",
    note = "a builder such as `Sqs::queue(…)` or `Redis::stream(…)` is one when it is awaited: write `.await?` behind it"
)]
pub trait Source: Send + 'static {
    /// Returns the name of the source in logs, errors and metrics, as in `sqs:orders`. It never contains a password.
    fn name(&self) -> &str;

    /// Returns what the server can do.
    fn abilities(&self) -> Abilities;

    /// Sets how many attempts a delivery has before it is a dead letter. A worker calls this before
    /// [`open`](Self::open). The default does nothing.
    ///
    /// Some servers count by themselves how often they have lent a packet, and remove a packet that they have lent too
    /// often. Such a count is higher than the number of attempts: it includes what a process had fetched ahead when it
    /// died. The limit of such a server has to be `most` plus [`UNHEARD_ATTEMPTS`] or higher. A transport whose `open`
    /// creates the queue sets it so, and a transport that finds a lower limit logs it.
    fn attempts(&mut self, most: u32) {
        let _ = most;
    }

    /// Sets how many attempts those deliveries have that have the fewest, where that is not the same for all. A worker calls
    /// this before [`open`](Self::open), and may [mark](super::Delivery::mark) a delivery that was lent more often. Without this
    /// call it is as many as [`attempts`](Self::attempts) says. The default does nothing: implement it if you look for marks of
    /// those deliveries alone that may have one.
    fn fewest_attempts(&mut self, least: u32) {
        let _ = least;
    }

    /// Connects, and checks that the queue is there. `prefetch` is how many deliveries may be lent at once.
    ///
    /// It is called before the first [`receive`](Self::receive), and again after an error that has ended the
    /// connection.
    ///
    /// # Errors
    ///
    /// `Missing` if there is no such queue; `Unreachable`, `Denied` or `Refused`.
    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>>;

    /// Changes how many deliveries may be lent at once, from the prefetch that it was opened with. Returns whether it
    /// does. Deliveries that are lent already stay so, also if they are more.
    ///
    /// A worker whose [prefetch](crate::Worker::prefetch) you have not set asks for more while deliveries are handled
    /// quickly, and for fewer again after it has given back what waited. Return `true` only if giving back costs a
    /// delivery no attempt. The default changes nothing and returns `false`.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others, after which the caller waits a while and opens the source again.
    fn lend_up_to(&mut self, deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        let _ = deliveries;
        Box::pin(async { Ok(false) })
    }

    /// Waits for deliveries and returns at least one and at most `most`. Returns none if nothing has come after a wait
    /// that the transport chooses, which is never longer than 20 s.
    ///
    /// Dropping the future while it waits loses nothing: what it had received comes again, at once or after its lease.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others, after which the caller waits a while and opens the source again.
    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>>;

    /// Stops the server from lending to this subscriber until the next [`receive`](Self::receive), and gives back what
    /// was lent but not yet returned by a `receive`. When the future is ready, other subscribers get those packets
    /// within a second. Deliveries that `receive` has returned stay lent, and can be settled. A worker calls this when
    /// it is paused, and when it begins to drain.
    ///
    /// Implement it if your source fetches ahead of `receive`, or leaves a request open at the server when a `receive`
    /// is dropped. The default does nothing.
    ///
    /// # Errors
    ///
    /// `Unreachable` and others; what was lent then comes again after its lease.
    fn stop_lending(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns the [`Pulse`] of this source, always the same one. It records when the server last sent anything, and
    /// can be read on any thread, also while a `receive` is open. A worker asks for it once, after `open`, and is
    /// unhealthy while the server is silent for too long.
    ///
    /// The default is `None`. The server then counts as responsive whenever a `receive` returns without an error, which
    /// has to happen within 30 s.
    fn pulse(&self) -> Option<Pulse> {
        None
    }

    /// Returns how many deliveries wait on the server, or `None` if the server cannot tell. A database counts them up to
    /// 10,000.
    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async { Ok(None) })
    }

    /// Returns the dead letters that stay in their places in this queue and group. Return them if the
    /// [`Abilities`] have `park`. The default is `None`.
    fn parking(&self) -> Option<Parking> {
        None
    }

    /// Ends the subscriber: the server lends it nothing more. Until it is opened again, a [`receive`](Self::receive)
    /// fails as `Closed` or returns nothing. Deliveries that are still lent can be settled until this returns.
    ///
    /// The default does nothing: such a source goes on lending.
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

    fn fewest_attempts(&mut self, least: u32) {
        (**self).fewest_attempts(least);
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).open(prefetch)
    }

    fn lend_up_to(&mut self, deliveries: usize) -> BoxFuture<'_, Result<bool, TransportError>> {
        (**self).lend_up_to(deliveries)
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

    fn parking(&self) -> Option<Parking> {
        (**self).parking()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).close()
    }
}
