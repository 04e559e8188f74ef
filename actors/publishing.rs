//! How a published event gets to the queues of its listeners.
//!
//! `publish → LocalRoute → seat's queue (here), Door (elsewhere)`

use std::fmt;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::desk::{self, Desk, LocalRoute};
use crate::hub::Hub;
use crate::letters::{DeadLetter, Reason};
use crate::parcel::{AnyParcel, Given, Parcel, Subject, current};
use crate::report::{SHOWN_CHAIN, TooDeep};
use crate::route::{Group, Place};
use crate::runtime::{self, Refused};
use crate::station::{Arrival, Errand, Reserved, ToStation};
use crate::subscription::Post;
use crate::topic::TopicError;

/// An event was not published: no listener hears it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// As many events wait for a listener as may, and it refuses more.
    Full {
        /// The listener.
        listener: Arc<str>,
        /// How many may wait for it.
        capacity: usize,
    },
    /// There was no room for it in time.
    NoRoom {
        /// The listener that had none.
        listener: Arc<str>,
        /// How long it was waited for.
        after: Duration,
    },
    /// Events have caused each other without end.
    TooDeep(TooDeep),
    /// It is not a topic.
    Topic(TopicError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { listener, capacity } => write!(
                f,
                "{capacity} events wait for `{listener}`, which refuses more: publish later, `publish_wait`, or raise \
                 its `capacity`"
            ),
            Self::NoRoom { listener, after } => {
                write!(f, "`{listener}` had no room for {after:?}: raise its `capacity` or its `concurrency`")
            }
            Self::TooDeep(error) => error.fmt(f),
            Self::Topic(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooDeep(error) => Some(error),
            Self::Topic(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TopicError> for PublishError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

/// Whether one more event may be caused here.
pub(crate) fn check_depth(hub: &Hub, cause: Option<&Arc<dyn AnyParcel>>, event: &impl Subject) -> Result<(), TooDeep> {
    let limit = hub.limits().max_depth;
    match cause {
        Some(cause) if cause.depth() + 1 >= limit => {
            Err(TooDeep { limit, chain: chain(cause, event.name().to_string()) })
        }
        _ => Ok(()),
    }
}

#[cold]
fn chain(cause: &Arc<dyn AnyParcel>, name: String) -> Vec<String> {
    let mut chain = vec![name];
    let mut next = Some(cause);
    while let Some(parcel) = next
        && chain.len() < SHOWN_CHAIN
    {
        chain.push(parcel.name().to_string());
        next = parcel.cause();
    }
    chain.reverse();
    chain
}

/// The route of an event, and the parcel if anybody hears it or it is kept.
pub(crate) struct Packed<S> {
    pub(crate) route: Rc<LocalRoute<S>>,
    pub(crate) parcel: Arc<Parcel<S>>,
}

/// Packs an event for those who hear it. `None` if there is nobody; an error if it was caused too deep.
pub(crate) fn pack<S: Subject>(hub: &Arc<Hub>, given: &Arc<Given>, event: S) -> Result<Option<Packed<S>>, TooDeep> {
    let cause = current();
    if let Err(error) = check_depth(hub, cause.as_ref(), &event) {
        hub.too_deep(Arc::new(Parcel::new(Arc::new(event), None, Some(given))), &error);
        return Err(error);
    }
    let desk = Desk::of(hub);
    let packed = if event.is_retained() {
        let parcel = Arc::new(Parcel::new(Arc::new(event), cause, Some(given)));
        // Kept and looked up in one: who registers meanwhile hears it once, either way.
        let mut kept = hub.retained();
        let before = kept.keep(parcel.clone());
        let route = parcel.event.route(&desk, hub);
        drop(kept);
        drop(before);
        Packed { route, parcel }
    } else {
        let route = event.route(&desk, hub);
        if route.route.posts.is_empty() {
            hub.unheard();
            return Ok(None);
        }
        let given = route.route.sees.then_some(given);
        Packed { parcel: Arc::new(Parcel::new(Arc::new(event), cause, given)), route }
    };
    if packed.route.route.posts.is_empty() {
        hub.unheard();
        return Ok(None);
    }
    Ok(Some(packed))
}

/// Sends an event to the queues. With `all`, every listener must have room; else those that refuse.
pub(crate) fn send<S: Subject>(hub: &Arc<Hub>, packed: &Packed<S>, all: bool) -> Result<(), PublishError> {
    let Packed { route, parcel } = packed;
    let reserved = if all { Reserved::Everybody } else { Reserved::Refusing };
    let (station, near, far) = route.reach();
    if all || route.route.refuses {
        let wanted = |post: &Arc<Post>| reserved.by(post);
        let nearby = near.iter().filter_map(|near| route.route.posts.get(near.place as usize));
        if let Some(full) = nearby.filter(|post| wanted(post)).find(|post| !post.has_room()) {
            return Err(full_error(full));
        }
        reserve(far, wanted).map_err(|full| full_error(&full))?;
    }
    if let Some(station) = station
        && !near.is_empty()
    {
        let parcel = Rc::new(parcel.clone());
        for near in near {
            near.seat.queue(&parcel, station);
        }
    }
    for group in far {
        let errand = Errand::Queue { reserved };
        let arrive = ToStation::Arrive { parcel: parcel.clone(), group: group.clone(), errand };
        let reason = match group.door.push(arrive) {
            Ok(()) => continue,
            Err(Refused::Full(_)) => Reason::Busy,
            Err(Refused::Closed(_)) => Reason::Gone,
        };
        for place in &group.places {
            if reserved.by(&place.post) {
                place.post.unreserve();
            }
            hub.dropped(&place.post, parcel.clone(), reason.clone());
        }
    }
    Ok(())
}

#[cold]
fn full_error(post: &Post) -> PublishError {
    PublishError::Full { listener: post.name().clone(), capacity: post.capacity() }
}

/// Takes a place at each of these listeners, or at none and says who had none.
fn reserve(far: &[Arc<Group>], wanted: impl Fn(&Arc<Post>) -> bool) -> Result<(), Arc<Post>> {
    let places = || far.iter().flat_map(|group| &group.places).map(|place| &place.post).filter(|post| wanted(post));
    for (taken, post) in places().enumerate() {
        if !post.reserve() {
            places().take(taken).for_each(|post| post.unreserve());
            return Err(post.clone());
        }
    }
    Ok(())
}

/// Sends an event as soon as every listener has room.
pub(crate) fn send_when_room<S: Subject>(
    hub: Arc<Hub>,
    parcel: Arc<Parcel<S>>,
) -> impl Future<Output = Result<(), PublishError>> + Send {
    let limit = hub.limits().room_timeout;
    async move {
        let mut full = None;
        let sent = poll_fn(|cx| {
            for waiting in [false, true] {
                // Looked up each time: who comes or goes meanwhile is minded.
                let route = parcel.event.route(&Desk::of(&hub), &hub);
                match send(&hub, &Packed { route, parcel: parcel.clone() }, true) {
                    Ok(()) => return Poll::Ready(()),
                    Err(error) => full = Some(error),
                }
                if !waiting {
                    hub.waiters.join(cx.waker());
                }
            }
            Poll::Pending
        });
        let sent = runtime::within(limit, sent).await;
        sent.ok_or(match full {
            Some(PublishError::Full { listener, .. }) => PublishError::NoRoom { listener, after: limit },
            _ => PublishError::NoRoom { listener: "".into(), after: limit },
        })
    }
}

/// Publishes a parcel again, to whoever hears it now.
pub(crate) fn publish_again<S: Subject>(hub: &Arc<Hub>, parcel: &Parcel<S>) -> Result<(), PublishError> {
    let parcel = Arc::new(Parcel::with_metadata(parcel.event.clone(), parcel.metadata().clone()));
    let route = parcel.event.route(&Desk::of(hub), hub);
    send(hub, &Packed { route, parcel }, false)
}

/// Queues an event for one listener alone; `false` if that takes no more.
pub(crate) fn queue_for(hub: &Arc<Hub>, parcel: Arc<dyn AnyParcel>, post: &Arc<Post>) -> bool {
    if !post.reserve() {
        return false;
    }
    let places = vec![Place { place: 0, post: post.clone() }];
    let group = Arc::new(Group { door: post.door().clone(), places });
    let errand = Errand::Queue { reserved: Reserved::Everybody };
    match desk::station_here(hub, post.door()) {
        Some(station) => {
            parcel.arrive(&Arrival { station: &station, group: &group, errand: &errand });
            true
        }
        None => {
            let sent = post.door().push(ToStation::Arrive { parcel, group, errand }).is_ok();
            if !sent {
                post.unreserve();
            }
            sent
        }
    }
}

/// Tells those who listen to dead letters.
pub(crate) fn publish_letter(hub: &Arc<Hub>, letter: Arc<DeadLetter>) {
    let route = letter.route(&Desk::of(hub), hub);
    if !route.route.posts.is_empty() {
        let parcel = Arc::new(Parcel::new(letter, None, None));
        // Who refuses it has it in the ring.
        let _ = send(hub, &Packed { route, parcel }, false);
    }
}
