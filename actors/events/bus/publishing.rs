//! How a published event gets to the queues of its listeners.
//!
//! `publish → LocalRoute → seat's queue (here), Door (elsewhere)`

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::publish_error::PublishError;
use super::published::Taken;
use crate::base::{Noted, Shown};
use crate::events::event::{Event, Subject};
use crate::events::hub::{DeadLetter, Errand, Freight, Group, Hub, Post, Reserved, Waiter};
use crate::events::parcel::{AnyParcel, Given, Parcel, Taps, current};
use crate::events::seats::{Desk, LocalRoute, arrive, let_go, station_here};
use crate::events::verdict::{Overflow, Queued, Room, SHOWN_CHAIN, TooDeep};
use crate::runtime::{self, drop_quietly};

/// Why an event has nobody to go to.
pub(crate) struct NotPacked {
    pub(crate) error: PublishError,
    /// Its dead letter, for whoever is told in another way.
    pub(crate) noted: Noted,
}

impl From<PublishError> for NotPacked {
    fn from(error: PublishError) -> Self {
        Self { error, noted: Noted::default() }
    }
}

/// What causes an event that is emitted here, unless it is one too many: then it is a dead letter.
fn causing<S: Subject>(
    hub: &Arc<Hub>,
    given: &Arc<Given>,
    event: S,
) -> Result<(S, Option<Arc<dyn AnyParcel>>), NotPacked> {
    let cause = current();
    let limit = hub.limits().max_depth;
    match &cause {
        Some(cause) if cause.depth() + 1 >= limit => {
            let error = TooDeep { limit, chain: chain(cause, event.name().to_string()) };
            let parcel = Parcel::new(Arc::new(event), Some(cause.clone()), Some(given));
            let noted = hub.too_deep(Arc::new(parcel), &error, again::<S>);
            Err(NotPacked { error: PublishError::TooDeep(error), noted })
        }
        _ => Ok((event, cause)),
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

/// An event packed for its listeners, of whom there is at least one.
pub(crate) struct Packed<S> {
    pub(crate) route: Rc<LocalRoute<S>>,
    pub(crate) parcel: Arc<Parcel<S>>,
}

/// Packs an event for those who hear it, and has the listeners keep places for it as `reserved` says. `None` if there is
/// nobody.
pub(crate) fn pack<S: Subject>(
    hub: &Arc<Hub>,
    given: &Arc<Given>,
    event: S,
    reserved: Reserved,
) -> Result<Option<Packed<S>>, NotPacked> {
    let (event, cause) = causing(hub, given, event)?;
    if event.is_retained() {
        return Ok(address(hub, Arc::new(Parcel::new(Arc::new(event), cause, Some(given))), reserved)?);
    }
    let route = Desk::of(hub).route(hub, &event);
    if route.route.posts.is_empty() && route.route.taps.is_none() {
        hub.unheard();
        return Ok(None);
    }
    // What was said by hand is not lost, even if nobody sees it yet.
    let seen = route.route.sees || !Arc::ptr_eq(given, &hub.given);
    let parcel = match reserved {
        _ if cause.is_some() => Arc::new(Parcel::new(Arc::new(event), cause, seen.then_some(given))),
        Reserved::Nobody if !seen => route.pack(event),
        _ => route.pack_for_queues(event, seen.then_some(given)),
    };
    if let Some(taps) = &route.route.taps {
        return Ok(note(hub, &taps.clone(), Packed { route, parcel }, reserved)?);
    }
    match reserve(hub, &route, &parcel, reserved) {
        Ok(()) => Ok(Some(Packed { route, parcel })),
        Err(error) => Err(refused(route, parcel, error).into()),
    }
}

/// Lets go of what a listener has refused: this may be the last of the event, or of a listener that its own condition has
/// ended, and both are the user's code.
#[cold]
fn refused<S: Subject>(route: Rc<LocalRoute<S>>, parcel: Arc<Parcel<S>>, error: PublishError) -> PublishError {
    let_go(route);
    drop_quietly(parcel);
    error
}

/// Has those who listen in note an event, unless a listener refuses it.
#[cold]
fn note<S: Subject>(
    hub: &Hub,
    taps: &Taps,
    packed: Packed<S>,
    reserved: Reserved,
) -> Result<Option<Packed<S>>, PublishError> {
    if taps.stand_in::<S>() {
        taps.note_sent(&packed.parcel);
        return Ok(None);
    }
    if let Err(error) = reserve(hub, &packed.route, &packed.parcel, reserved) {
        return Err(refused(packed.route, packed.parcel, error));
    }
    taps.note_sent(&packed.parcel);
    if packed.route.route.posts.is_empty() {
        hub.unheard();
        return Ok(None);
    }
    Ok(Some(packed))
}

/// Those who stand in for all listeners, for a test.
fn standing_in<S: Subject>(route: &LocalRoute<S>) -> Option<&Taps> {
    route.route.taps.as_deref().filter(|taps| taps.stand_in::<S>())
}

/// Finds out who hears a parcel now, has them keep places for it, and keeps it if it is to be retained.
fn address<S: Subject>(
    hub: &Arc<Hub>,
    parcel: Arc<Parcel<S>>,
    reserved: Reserved,
) -> Result<Option<Packed<S>>, PublishError> {
    let desk = Desk::of(hub);
    let (route, before) = if parcel.event.is_retained() {
        let mut declining = Vec::new();
        let (route, before, forgotten) = loop {
            // Kept and looked up in one: who registers meanwhile hears it once, either way.
            let mut kept = hub.retained();
            let route = desk.route(hub, &*parcel.event);
            if let Some(taps) = standing_in(&route) {
                drop(kept);
                taps.note_sent(&parcel);
                return Ok(None);
            }
            let Some(full) = keep_places(hub, &route, reserved, &declining).cloned() else {
                let before = kept.keep(parcel.clone());
                let forgotten = kept.take_forgotten();
                break (route, before, forgotten);
            };
            // What is asked now is the user's code.
            drop(kept);
            if let Err(error) = decline(&route, &parcel, full, &mut declining) {
                return Err(refused(route, parcel, error));
            }
            let_go(route);
        };
        if let Some(topic) = forgotten {
            let limit = hub.limits().retained;
            let topic = Shown::name(&topic);
            log::warn!(target: "convoke::bus", "more than {limit} topics are retained: the last event of `{topic}` is forgotten");
        }
        (route, before)
    } else {
        let route = desk.route(hub, &*parcel.event);
        if let Some(taps) = standing_in(&route) {
            taps.note_sent(&parcel);
            return Ok(None);
        }
        if let Err(error) = reserve(hub, &route, &parcel, reserved) {
            return Err(refused(route, parcel, error));
        }
        (route, None)
    };
    drop_quietly(before);
    if let Some(taps) = &route.route.taps {
        taps.note_sent(&parcel);
    }
    if route.route.posts.is_empty() {
        hub.unheard();
        return Ok(None);
    }
    Ok(Some(Packed { route, parcel }))
}

/// Whether a listener keeps its place before anybody is told: if it has none, nobody is.
fn keeps_before(reserved: Reserved, post: &Post) -> bool {
    reserved == Reserved::Everybody || (reserved == Reserved::Refusing && post.is_all_or_none())
}

/// Whether somebody keeps a place before anybody is told.
#[inline]
fn reserves<S>(route: &LocalRoute<S>, reserved: Reserved) -> bool {
    match reserved {
        Reserved::Nobody | Reserved::Pushing => false,
        Reserved::Refusing => route.route.all_or_none,
        Reserved::Everybody => true,
    }
}

/// Has the listeners keep a place for an event, all or none of them.
#[inline]
fn reserve<S: Subject>(
    hub: &Hub,
    route: &LocalRoute<S>,
    parcel: &Arc<Parcel<S>>,
    reserved: Reserved,
) -> Result<(), PublishError> {
    if reserves(route, reserved) { reserve_each(hub, route, parcel, reserved) } else { Ok(()) }
}

#[inline(never)]
fn reserve_each<S: Subject>(
    hub: &Hub,
    route: &LocalRoute<S>,
    parcel: &Arc<Parcel<S>>,
    reserved: Reserved,
) -> Result<(), PublishError> {
    let mut declining = Vec::new();
    while let Some(full) = keep_places(hub, route, reserved, &declining) {
        decline(route, parcel, full.clone(), &mut declining)?;
    }
    Ok(())
}

/// One that has no room for an event says whether it wants it: if not, it is none of those whose room counts. On another
/// arbiter it cannot be asked.
#[cold]
fn decline<S: Subject>(
    route: &LocalRoute<S>,
    parcel: &Arc<Parcel<S>>,
    full: Arc<Post>,
    declining: &mut Vec<Arc<Post>>,
) -> Result<(), PublishError> {
    if !(full.is_selective() && declines(route, parcel, &full)) {
        return Err(full_error(&full));
    }
    declining.push(full);
    Ok(())
}

/// Whether a listener of this arbiter does not want an event.
fn declines<S: Subject>(route: &LocalRoute<S>, parcel: &Arc<Parcel<S>>, post: &Arc<Post>) -> bool {
    let is_of = |place: u32| route.route.posts.get(place as usize).is_some_and(|other| Arc::ptr_eq(other, post));
    let (_, near, _) = route.reach();
    near.iter().any(|near| is_of(near.place) && near.seat.declines(parcel))
}

/// Has the listeners keep places, unless one has no room, which is returned: then none does. Those who decline the event
/// take one until it has come to them, as the others do.
fn keep_places<'a, S: Subject>(
    hub: &Hub,
    route: &'a LocalRoute<S>,
    reserved: Reserved,
    declining: &[Arc<Post>],
) -> Option<&'a Arc<Post>> {
    if !reserves(route, reserved) {
        return None;
    }
    let places = || route.route.posts.iter().filter(|post| keeps_before(reserved, post));
    let declines = |post: &Arc<Post>| declining.iter().any(|other| Arc::ptr_eq(other, post));
    // Looked at first, so that one who is refused takes nothing from others meanwhile.
    if let Some(full) = places().find(|post| !post.has_room() && !declines(post)) {
        return Some(full);
    }
    for (taken, post) in places().enumerate() {
        if declines(post) {
            post.reserve_beyond();
        } else if !post.reserve() {
            places().take(taken).for_each(|post| post.unreserve());
            // Somebody may have looked in between.
            hub.made_room();
            return Some(post);
        }
    }
    None
}

#[cold]
fn full_error(post: &Post) -> PublishError {
    PublishError::Full { listener: post.name().clone(), capacity: post.capacity() }
}

/// Queues an event for its listeners, those of whom who [had to](keeps_before) have kept places for it; says who took it.
pub(crate) fn send<S: Subject>(hub: &Arc<Hub>, packed: Packed<S>, reserved: Reserved) -> Taken {
    let Packed { route, parcel } = packed;
    let mut taken = Taken::default();
    let (station, near, far) = route.reach();
    for group in far {
        let fewer = match ask(hub, group, &parcel, reserved, &mut taken) {
            [] => None,
            refused => Some(group.without(refused)),
        };
        let Some(group) = fewer.as_ref().map_or(Some(group), Option::as_ref) else { continue };
        if !group.door.push_freight(Freight::new(hub, parcel.clone(), group, Errand::Queue { reserved })) {
            taken.refused.extend(group.places.iter().map(|place| place.post.clone()));
        }
    }
    if let Some(station) = station
        && !near.is_empty()
    {
        let parcel = route.lay(parcel);
        let by_policy = if reserved == Reserved::Pushing { Room::Pushed } else { Room::ByPolicy };
        let any_kept = reserved == Reserved::Everybody || (reserved == Reserved::Refusing && route.route.all_or_none);
        for near in near {
            let kept = if any_kept { keeper(&route, near.place, reserved) } else { None };
            let room = if kept.is_some() { Room::Kept } else { by_policy };
            let queued = near.seat.queue(&parcel, station, room);
            if queued != Queued::Taken {
                taken.note(queued, route.route.posts.get(near.place as usize));
            }
            // It has come to where a place was kept for it, or was not wanted there.
            if let Some(post) = kept {
                post.unreserve();
                hub.made_room();
            }
        }
        route.keep(parcel);
    }
    let_go(route);
    taken
}

/// The listener at this place, if it has kept one for the event.
fn keeper<S>(route: &LocalRoute<S>, place: u32, reserved: Reserved) -> Option<&Arc<Post>> {
    route.route.posts.get(place as usize).filter(|post| keeps_before(reserved, post))
}

/// Asks those of another arbiter whether they take an event: each who may refuse it keeps a place for it now. Returns who does
/// not take it.
fn ask<'a, S: Subject>(
    hub: &Arc<Hub>,
    group: &Group,
    parcel: &Arc<Parcel<S>>,
    reserved: Reserved,
    taken: &'a mut Taken,
) -> &'a [Arc<Post>] {
    let before = taken.refused.len();
    if reserved == Reserved::Everybody {
        return &[];
    }
    for place in &group.places {
        let post = &place.post;
        match post.refuses() {
            true if reserved != Reserved::Refusing || post.is_all_or_none() => {}
            // It says there whether it wants the event, and only then whether it has room.
            true if post.is_selective() => {}
            true if post.reserve() => {}
            true => {
                taken.refused.push(post.clone());
                hub.give_way(post, parcel.clone(), Overflow::Refuse);
            }
            false => taken.dropped += usize::from(!post.has_room()),
        }
    }
    taken.refused.get(before..).unwrap_or_default()
}

/// Sends an event as soon as every listener has room.
pub(crate) fn send_when_room<E: Event>(
    hub: Arc<Hub>,
    given: &Arc<Given>,
    event: E,
) -> impl Future<Output = Result<(), PublishError>> + Send + use<E> {
    let caused = causing(&hub, given, event);
    let parcel = caused.map(|(event, cause)| Arc::new(Parcel::new(Arc::new(event), cause, Some(given))));
    async move {
        let parcel = parcel.map_err(|stopped: NotPacked| stopped.error)?;
        let limit = hub.limits().room_timeout;
        let (mut full, mut waiter) = (None, Waiter::new(&hub.waiters));
        let sent = poll_fn(|cx| {
            for waiting in [false, true] {
                // Looked up each time: who comes or goes meanwhile is minded.
                match address(&hub, parcel.clone(), Reserved::Everybody) {
                    Ok(Some(packed)) => {
                        return Poll::Ready(send(&hub, packed, Reserved::Everybody).into_result().map(drop));
                    }
                    Ok(None) => return Poll::Ready(Ok(())),
                    Err(error) => full = Some(error),
                }
                if !waiting {
                    waiter.wait(cx.waker());
                }
            }
            Poll::Pending
        });
        runtime::within(limit, sent).await.unwrap_or_else(|| {
            let listener = match full {
                Some(PublishError::Full { listener, .. }) => listener,
                _ => "".into(),
            };
            Err(PublishError::NoRoom { listener, after: limit })
        })
    }
}

/// Publishes a parcel of this subject again, to whoever hears it now; says whether they take it.
fn again<S: Subject>(hub: &Arc<Hub>, parcel: &Arc<dyn AnyParcel>) -> bool {
    let Ok(parcel) = parcel.clone().into_any().downcast::<Parcel<S>>() else { return false };
    let parcel = Arc::new(Parcel::with_metadata(parcel.event.clone(), parcel.metadata().clone()));
    let reserved = Reserved::Refusing;
    let packed = address(hub, parcel, reserved);
    if let Ok(Some(packed)) = packed {
        send(hub, packed, reserved);
        return true;
    }
    packed.is_ok()
}

/// Queues an event for one listener alone; `false` if that takes no more.
pub(crate) fn queue_for(hub: &Arc<Hub>, parcel: Arc<dyn AnyParcel>, post: &Arc<Post>) -> bool {
    if !post.reserve() {
        return false;
    }
    let group = Arc::new(Group::of_one(post.clone()));
    let freight = Freight::new(hub, parcel, &group, Errand::Queue { reserved: Reserved::Everybody });
    match station_here(hub, post.door()) {
        Some(station) => arrive(freight, &station),
        // Refused there, it is a dead letter anew.
        None => _ = post.door().push_freight(freight),
    }
    true
}

/// Tells those who listen to dead letters. One that was caused too deep is told to nobody.
pub(crate) fn publish_letter(hub: &Arc<Hub>, letter: DeadLetter) {
    let cause = letter.parcel.clone();
    let route = Desk::of(hub).route(hub, &letter);
    let unheard = route.route.posts.is_empty() && route.route.taps.is_none();
    if unheard || cause.depth() + 1 >= hub.limits().max_depth {
        return;
    }
    let parcel = Arc::new(Parcel::new(Arc::new(letter), Some(cause), Some(&hub.given)));
    if let Some(taps) = standing_in(&route) {
        return taps.note_sent(&parcel);
    }
    // Who refuses it has it in the ring.
    if reserve(hub, &route, &parcel, Reserved::Refusing).is_ok() {
        if let Some(taps) = &route.route.taps {
            taps.note_sent(&parcel);
        }
        send(hub, Packed { route, parcel }, Reserved::Refusing);
    }
}
