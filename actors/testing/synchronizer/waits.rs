//! The waits of a synchronizer, as they are said: for how long, under which condition, in which order.
//!
//! `synchronizer.rs → WaitForEvent, WaitFor, WaitForEvents, ExpectNone → wait.rs`

use std::marker::PhantomData;
use std::time::Duration;

use super::unmet::Unmet;
use super::wait::{Wait, Waiting};
use crate::events::event::Event;
use crate::testing::{Seen, SeenAs};

macro_rules! limits {
    ($($wait:ident<$($of:tt),*>),*) => {$(
        impl<$($of),*> $wait<$($of),*> {
            /// Sets how long to wait, counted from the time when you await it. The default is 5 s.
            pub fn timeout(mut self, limit: Duration) -> Self {
                self.0.limit = limit;
                self
            }

            /// Sets how long the wait lets everything settle, after it is met and before it returns. The default is
            /// zero.
            pub fn grace(mut self, grace: Duration) -> Self {
                self.0.grace = grace;
                self
            }
        }
    )*};
}

limits!(WaitForEvent<'a>, WaitFor<'a, E>, WaitForEvents<'a>);

/// A wait for an event by its topic. [`EventSynchronizer::wait_for_event`](super::EventSynchronizer::wait_for_event)
/// returns it.
#[derive(Debug)]
#[must_use = "nothing is waited for before it is awaited"]
pub struct WaitForEvent<'a>(pub(crate) Wait<'a>);

impl<'a> WaitForEvent<'a> {
    /// Waits for an event for which the condition is true. If you call it again, both conditions have to be true.
    pub fn when(mut self, condition: impl Fn(&Seen) -> bool + 'a) -> Self {
        self.0.when(condition);
        self
    }
}

impl<'a> IntoFuture for WaitForEvent<'a> {
    type Output = Result<Seen, Unmet>;
    type IntoFuture = Waiting<'a, Seen>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { one(self.0.met().await?) })
    }
}

/// A wait for an event by its type. [`EventSynchronizer::wait_for`](super::EventSynchronizer::wait_for) returns it.
#[derive(Debug)]
#[must_use = "nothing is waited for before it is awaited"]
pub struct WaitFor<'a, E>(Wait<'a>, PhantomData<fn() -> E>);

impl<'a, E: Event> WaitFor<'a, E> {
    pub(crate) fn new(wait: Wait<'a>) -> Self {
        Self(wait, PhantomData)
    }

    /// Waits for an event for which the condition is true. If you call it again, both conditions have to be true.
    pub fn when(mut self, condition: impl Fn(&E) -> bool + 'a) -> Self {
        self.0.when(move |seen| seen.event::<E>().is_some_and(|event| condition(&event)));
        self
    }
}

impl<'a, E: Event> IntoFuture for WaitFor<'a, E> {
    type Output = Result<SeenAs<E>, Unmet>;
    type IntoFuture = Waiting<'a, SeenAs<E>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { one(self.0.met().await?.iter().filter_map(SeenAs::new).collect()) })
    }
}

/// A wait for several events. [`EventSynchronizer::wait_for_events`](super::EventSynchronizer::wait_for_events) returns
/// it.
#[derive(Debug)]
#[must_use = "nothing is waited for before it is awaited"]
pub struct WaitForEvents<'a>(pub(crate) Wait<'a>);

impl WaitForEvents<'_> {
    /// Requires that the events come in the order of the patterns. Other events may come in between.
    pub fn in_order(mut self) -> Self {
        self.0.in_order = true;
        self
    }
}

impl<'a> IntoFuture for WaitForEvents<'a> {
    type Output = Result<Vec<Seen>, Unmet>;
    type IntoFuture = Waiting<'a, Vec<Seen>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.met())
    }
}

/// A check that an event stays away. [`EventSynchronizer::expect_none`](super::EventSynchronizer::expect_none) returns
/// it.
#[derive(Debug)]
#[must_use = "nothing is looked at before it is awaited"]
pub struct ExpectNone<'a>(pub(crate) Wait<'a>);

impl ExpectNone<'_> {
    /// Sets how long to watch for the event. The default is 5 s.
    pub fn within(mut self, time: Duration) -> Self {
        self.0.limit = time;
        self
    }
}

impl<'a> IntoFuture for ExpectNone<'a> {
    type Output = Result<(), Unmet>;
    type IntoFuture = Waiting<'a, ()>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.none())
    }
}

/// The event of a wait for one.
fn one<T>(met: Vec<T>) -> Result<T, Unmet> {
    met.into_iter().next().ok_or_else(|| Unmet::new("nothing was waited for".to_owned(), Vec::new()))
}
