//! A probe as the test holds it: its address, and what is expected of it.
//!
//! `Probe::start → ProbeHandle → expect_msg, expect_in_order, expect_no_msg → Received`

use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix::{Addr, Message, Recipient};

use super::expected::Expected;
use super::probe::{Probe, short_name};
use super::received::Received;
use crate::events::seats::Subscription;
use crate::testing::in_time;

/// A handle to a running [`Probe`], with which a test expects messages. It stays on the thread of its probe.
///
/// An expectation that is not met panics, with a text that names the line of the test and lists the messages that came.
/// Every expectation waits for 5 s, unless [`Probe::timeout`] sets another time.
#[must_use = "the probe ends with its last address, and its subscription with this handle: give it a name"]
pub struct ProbeHandle<M: Message<Result: Send> + Send + 'static> {
    addr: Addr<Probe<M>>,
    received: Rc<Received<M>>,
    limit: Duration,
    _subscription: Option<Subscription>,
}

impl<M: Message<Result: Send> + Send + 'static> ProbeHandle<M> {
    pub(crate) fn new(
        addr: Addr<Probe<M>>,
        received: Rc<Received<M>>,
        limit: Duration,
        subscription: Option<Subscription>,
    ) -> Self {
        Self { addr, received, limit, _subscription: subscription }
    }

    /// Returns the address of the probe.
    pub fn addr(&self) -> Addr<Probe<M>> {
        self.addr.clone()
    }

    /// Returns the recipient of the probe, to pass to the code that sends messages to it.
    pub fn recipient(&self) -> Recipient<M> {
        self.addr.clone().recipient()
    }

    /// Takes the next message: the oldest one that was not taken yet, or else the next one to come.
    ///
    /// # Panics
    ///
    /// Panics if none comes in time, or if the probe's answer has panicked.
    #[track_caller]
    pub fn expect_msg(&self) -> impl Future<Output = M> {
        let what = "no message came";
        self.expect(Location::caller(), what, || self.received.next())
    }

    /// Takes the first message for which the condition is true. You can still take the messages before it.
    ///
    /// # Panics
    ///
    /// Panics as [`expect_msg`](Self::expect_msg) does.
    #[track_caller]
    pub fn expect_msg_where(&self, mut condition: impl FnMut(&M) -> bool) -> impl Future<Output = M> {
        let what = "no message came of which the condition is true";
        self.expect(Location::caller(), what, move || self.received.take_where(&mut condition))
    }

    /// Takes the next messages, which have to be these, in this order and with no others in between. Each is given as a
    /// value that the message has to equal, or as a condition. All of them together have the time of one expectation.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use actix::prelude::*;
    /// use convoke::testing::Probe;
    ///
    /// #[derive(Debug, PartialEq, Message)]
    /// #[rtype(result = "()")]
    /// struct Ship(u64);
    ///
    /// # System::new().block_on(async {
    /// let probe = Probe::<Ship>::new().start();
    /// for order in 1..=4 {
    ///     probe.recipient().send(Ship(order)).await?;
    /// }
    /// probe.expect_in_order([Ship(1), Ship(2)]).await;
    /// probe.expect_in_order([|ship: &Ship| ship.0 == 3, |ship: &Ship| ship.0 > 3]).await;
    /// # Ok::<(), MailboxError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics as soon as another message comes, and as [`expect_msg`](Self::expect_msg) does.
    #[track_caller]
    pub fn expect_in_order<X: Expected<M, Kind>, Kind>(
        &self,
        expected: impl IntoIterator<Item = X>,
    ) -> impl Future<Output = Vec<M>> {
        let caller = Location::caller();
        let expected: Vec<X> = expected.into_iter().collect();
        async move {
            let mut taken = Vec::new();
            let came = poll_fn(|cx| {
                while let Some(next) = expected.get(taken.len()) {
                    self.mind_failure(caller);
                    let Some((number, message)) = self.received.next() else {
                        self.received.wake_with(cx.waker());
                        return Poll::Pending;
                    };
                    if !next.is_met(&message) {
                        self.received.put_back(number, message);
                        let what = format!("{} is not {}", place(taken.len(), expected.len()), next.describe());
                        self.fail(caller, &what, Some((number, "this one")));
                    }
                    self.received.taken(number);
                    taken.push(message);
                }
                Poll::Ready(())
            });
            if !in_time(self.limit, came).await {
                let next = expected.get(taken.len()).map(X::describe).unwrap_or_default();
                let what =
                    format!("{} did not come within {:?}: {next}", place(taken.len(), expected.len()), self.limit);
                self.fail(caller, &what, None);
            }
            taken
        }
    }

    /// Asserts that no message is left and that none comes within this time.
    ///
    /// # Panics
    ///
    /// Panics as soon as one comes.
    #[track_caller]
    pub fn expect_no_msg(&self, time: Duration) -> impl Future<Output = ()> {
        let caller = Location::caller();
        async move {
            let came = poll_fn(|cx| match self.received.first_left() {
                Some(_) => Poll::Ready(()),
                None => {
                    self.mind_failure(caller);
                    self.received.wake_with(cx.waker());
                    Poll::Pending
                }
            });
            if in_time(time, came).await {
                let marked = self.received.first_left().map(|number| (number, "this was not to come"));
                self.fail(caller, &format!("a message came, and none was to come for {time:?}"), marked);
            }
        }
    }

    /// Takes all messages that have come and were not taken yet, in their order.
    pub fn received(&self) -> Vec<M> {
        self.received.take_all()
    }

    /// Returns how many messages have come in all.
    pub fn count(&self) -> u64 {
        self.received.count()
    }

    async fn expect(
        &self,
        caller: &'static Location<'static>,
        what: &str,
        mut take: impl FnMut() -> Option<(u64, M)>,
    ) -> M {
        let mut found = None;
        let came = poll_fn(|cx| {
            self.mind_failure(caller);
            found = take();
            if found.is_none() {
                self.received.wake_with(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        in_time(self.limit, came).await;
        match found {
            Some((number, message)) => {
                self.received.taken(number);
                message
            }
            None => self.fail(caller, &format!("{what} within {:?}", self.limit), None),
        }
    }

    /// An assertion in the answer fails the test, and not the probe alone.
    fn mind_failure(&self, caller: &Location<'_>) {
        if let Some(text) = self.received.failure() {
            self.fail(caller, &format!("the probe's answer panicked: {text}"), None);
        }
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn fail(&self, caller: &Location<'_>, what: &str, marked: Option<(u64, &str)>) -> ! {
        let of = short_name::<M>();
        match self.received.list(marked) {
            list if list.is_empty() => panic!("{caller}: {what}\nnothing has come to the probe of `{of}`"),
            list => panic!("{caller}: {what}\nwhat has come to the probe of `{of}`:{list}"),
        }
    }
}

/// Which of several messages.
fn place(place: usize, of: usize) -> String {
    format!("message {} of {of}", place + 1)
}

impl<M: Message<Result: Send> + Send + 'static> fmt::Debug for ProbeHandle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeHandle").field("of", &short_name::<M>()).field("count", &self.received.count()).finish()
    }
}
