//! What became of one emission: every listener by name, with its result.
//!
//! `listener ends → Board (board.rs, from any arbiter) → Report`

use std::fmt;
use std::iter::Peekable;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::base::{Noted, Shown};
use crate::events::event::Name;
use crate::events::hub::Post;
use crate::events::parcel::Board;
use crate::events::verdict::{ListenerError, TooDeep, Verdict};
use crate::runtime::step;

/// The result of one emission: every listener that was called, by name, with its result.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// # use convoke::Event;
/// # use serde::{Deserialize, Serialize};
/// # use std::sync::Arc;
///
/// #[derive(Event, Serialize, Deserialize)]
/// struct OrderPlaced {
///     id: u64,
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let _log = bus.on((|order: &OrderPlaced| println!("order {}", order.id)).named("log"))?;
/// let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail"))?;
///
/// let report = bus.emit(OrderPlaced { id: 7 }).await;
/// assert_eq!(report.to_string(), "OrderPlaced: 2 listeners, 1 failed: `mail` failed: no address");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Report {
    event: Name,
    posts: Arc<Vec<Arc<Post>>>,
    /// What there is to say beyond that all are done.
    rest: Option<Box<Rest>>,
}

/// What is rarely in a report: kept apart, so that one of which nothing is to be said is small.
#[derive(Clone, Default)]
struct Rest {
    /// All who are not named here are done. In the order of their places, as the times are.
    others: Vec<(u32, Verdict)>,
    times: Vec<(u32, Duration)>,
    too_deep: Option<(TooDeep, Noted)>,
}

/// The result of one listener in a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerResult {
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The error of the listener; `None` if it succeeded.
    pub error: Option<ListenerError>,
    /// Whether the result is known. It is not if the listener is [`Unheeded`](crate::Unheeded): then there is no error once
    /// the event is in the actor's mailbox.
    pub heeded: bool,
    /// How long the call took, if the emission was [timed](crate::Emitting::timed).
    pub took: Option<Duration>,
}

impl fmt::Display for ListenerResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "`{}` {error}", self.listener),
            None if self.heeded => write!(f, "`{}` is done", self.listener),
            None => write!(f, "`{}` was sent it", self.listener),
        }
    }
}

impl Report {
    pub(crate) fn new(event: Name, posts: Arc<Vec<Arc<Post>>>) -> Self {
        Self { event, posts, rest: None }
    }

    pub(crate) fn stopped(event: Name, nobody: Arc<Vec<Arc<Post>>>, too_deep: TooDeep, noted: Noted) -> Self {
        Self {
            rest: Some(Box::new(Rest { too_deep: Some((too_deep, noted)), ..Rest::default() })),
            ..Self::new(event, nobody)
        }
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn others(&self) -> &[(u32, Verdict)] {
        self.rest.as_ref().map_or(&[], |rest| &rest.others)
    }

    fn times(&self) -> &[(u32, Duration)] {
        self.rest.as_ref().map_or(&[], |rest| &rest.times)
    }

    #[cold]
    pub(crate) fn add(&mut self, place: u32, verdict: Verdict) {
        self.rest().others.push((place, verdict));
    }

    pub(crate) fn add_time(&mut self, place: u32, took: Duration) {
        self.rest().times.push((place, took));
    }

    pub(crate) fn merge(&mut self, board: &Board) {
        let (others, times) = board.take();
        if others.is_empty() && times.is_empty() {
            return;
        }
        self.merge_others(others);
        let rest = self.rest();
        rest.times.extend(times);
        rest.times.sort_by_key(|(place, _)| *place);
    }

    /// Adds what is said of some, whatever their places.
    pub(crate) fn merge_others(&mut self, others: Vec<(u32, Verdict)>) {
        if !others.is_empty() {
            let rest = self.rest();
            rest.others.extend(others);
            rest.others.sort_by_key(|(place, _)| *place);
        }
    }

    /// The listener at this place.
    pub(crate) fn post(&self, place: u32) -> Option<&Arc<Post>> {
        self.posts.get(place as usize)
    }

    /// Returns the event's name.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Returns whether no listener failed. This is also `true` if no listener was called, unless the event was stopped
    /// as [too deep](Self::too_deep).
    pub fn is_ok(&self) -> bool {
        // Goes through all of them: each is looked at then.
        self.rest.is_none() || self.too_deep().is_none() && self.failed().count() == 0
    }

    /// Returns how many listeners were called.
    pub fn len(&self) -> usize {
        let skipped = self.others().iter().filter(|(_, verdict)| *verdict == Verdict::Skipped).count();
        self.posts.len() - skipped
    }

    /// Returns whether no listener was called.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many of the listeners that were called are [`Unheeded`](crate::Unheeded): it is not known whether they
    /// failed.
    pub fn unheeded(&self) -> usize {
        let heedless = self.posts.iter().filter(|post| !post.is_heeded()).count();
        let skipped = |(place, verdict): &&(u32, Verdict)| {
            *verdict == Verdict::Skipped && self.post(*place).is_some_and(|post| !post.is_heeded())
        };
        heedless - self.others().iter().filter(skipped).count()
    }

    /// Returns the listeners that were called, in the order of the calls, each with its result.
    pub fn iter(&self) -> impl Iterator<Item = ListenerResult> {
        let (mut others, mut times) = (self.others().iter().peekable(), self.times().iter().peekable());
        (0..).zip(self.posts.iter()).filter_map(move |(place, post)| {
            let took = said_of(place, &mut times).copied();
            let error = match said_of(place, &mut others) {
                Some(Verdict::Skipped) => return None,
                Some(Verdict::Failed(error, noted)) => {
                    noted.seen();
                    Some(error.clone())
                }
                None => None,
            };
            Some(ListenerResult { listener: post.name().clone(), error, heeded: post.is_heeded(), took })
        })
    }

    /// Returns the listeners that failed, each with its error.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &ListenerError)> {
        self.others().iter().filter_map(|(place, verdict)| match verdict {
            Verdict::Failed(error, noted) => self.posts.get(*place as usize).map(|post| {
                noted.seen();
                (&**post.name(), error)
            }),
            Verdict::Skipped => None,
        })
    }

    /// Returns the error if no listener was called because events caused each other more deeply than the bus allows.
    pub fn too_deep(&self) -> Option<&TooDeep> {
        let (too_deep, noted) = self.rest.as_ref()?.too_deep.as_ref()?;
        noted.seen();
        Some(too_deep)
    }

    /// Converts the report into a `Result`, for use with `?`.
    ///
    /// # Errors
    ///
    /// Returns the report itself, unless it [is ok](Self::is_ok).
    pub fn ok(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }
}

/// What is said first of the listener at this place; the places are asked for in their order.
fn said_of<'a, T>(place: u32, said: &mut Peekable<slice::Iter<'a, (u32, T)>>) -> Option<&'a T> {
    while said.next_if(|(other, _)| *other < place).is_some() {
        step();
    }
    step();
    said.next_if(|(other, _)| *other == place).map(|(_, said)| said)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(too_deep) = self.too_deep() {
            return write!(f, "{}: {too_deep}", Shown::name(&self.event));
        }
        let listeners = self.len();
        let s = if listeners == 1 { "" } else { "s" };
        write!(f, "{}: {listeners} listener{s}", Shown::name(&self.event))?;
        let unheeded = self.unheeded();
        if unheeded > 0 {
            write!(f, " ({unheeded} unheeded)")?;
        }
        write!(f, ", {} failed", self.failed().count())?;
        for (place, (listener, error)) in self.failed().enumerate() {
            write!(f, "{}`{listener}` {error}", if place == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Report").field(&self.to_string()).finish()
    }
}

impl std::error::Error for Report {}
