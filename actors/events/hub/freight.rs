//! An event on its way to listeners of one arbiter, or lost on the way, which they are told.
//!
//! `emit, publish (another thread) → Freight → Door → the station behind it`

use std::sync::Arc;

use super::hub::Hub;
use super::post::Post;
use super::route::{Group, Place};
use crate::events::parcel::{AnyParcel, Board, Ticket};
use crate::events::verdict::{ListenerError, Reason, Room, Verdict};
use crate::runtime::{drop_quietly, quietly};

/// What an event is to do.
#[derive(Clone)]
pub(crate) enum Errand {
    /// Call the listeners, and write on the board.
    Call { board: Arc<Board>, timed: bool },
    /// Wait in their queues.
    Queue { reserved: Reserved },
}

/// Who has given an event a place in its queue before it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    Nobody,
    /// Nobody, and who has no room loses the oldest for it.
    Pushing,
    /// Those who would rather refuse than lose one, and know that they want it.
    Refusing,
    Everybody,
}

impl Reserved {
    pub(crate) fn by(self, post: &Post) -> bool {
        match self {
            Self::Nobody | Self::Pushing => false,
            Self::Refusing => post.decides_afar(),
            Self::Everybody => true,
        }
    }

    /// What is done at this listener's queue, once it is there.
    pub(crate) fn room(self, post: &Post) -> Room {
        match self {
            Self::Pushing => Room::Pushed,
            _ if self.by(post) => Room::Kept,
            _ => Room::ByPolicy,
        }
    }
}

/// An event with those who are to hear it. Dropped before it has come to them, they are told that it is lost.
pub(crate) struct Freight {
    hub: Arc<Hub>,
    parcel: Option<Arc<dyn AnyParcel>>,
    group: Arc<Group>,
    errand: Errand,
    /// There was no room for it on the way.
    refused: bool,
}

impl Freight {
    pub(crate) fn new(hub: &Arc<Hub>, parcel: Arc<dyn AnyParcel>, group: &Arc<Group>, errand: Errand) -> Self {
        if let Errand::Call { board, .. } = &errand {
            board.expect_far(group.places.iter().map(|place| place.place));
        }
        Self { hub: hub.clone(), parcel: Some(parcel), group: group.clone(), errand, refused: false }
    }

    /// Too many are on their way.
    pub(crate) fn refuse(mut self) {
        self.refused = true;
    }

    /// Has come to its listeners, who have to be told of the event now; `None` if they have been.
    pub(crate) fn unload(&mut self) -> Option<Arc<dyn AnyParcel>> {
        self.parcel.take()
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    pub(crate) fn errand(&self) -> &Errand {
        &self.errand
    }

    fn lose(&self, parcel: &Arc<dyn AnyParcel>, place: &Place) {
        let post = &place.post;
        // Who has unregistered meanwhile misses nothing; who was lost with his arbiter does.
        let ended = post.has_ended() && !post.is_lost();
        match &self.errand {
            Errand::Call { board, .. } => {
                let Some(ticket) = Ticket::on_arrival(board, place.place, false) else { return };
                let error = if self.refused { ListenerError::Busy } else { ListenerError::Gone };
                let verdict = if ended { Verdict::Skipped } else { self.hub.failed(post, parcel.clone(), error) };
                ticket.finish(Some(verdict), None);
            }
            Errand::Queue { reserved } => {
                if reserved.by(post) {
                    post.unreserve();
                    self.hub.made_room();
                }
                // Who has had his last event wants no other.
                if post.is_spent() {
                    return;
                }
                let reason = match (ended, self.refused) {
                    (true, _) => Reason::Ended,
                    (false, true) => Reason::Busy,
                    (false, false) => Reason::Gone,
                };
                self.hub.dropped(post, parcel.clone(), reason);
            }
        }
    }
}

impl Drop for Freight {
    fn drop(&mut self) {
        let Some(parcel) = self.parcel.take() else { return };
        // Others wait behind it, in the inbox of an arbiter that stops: what the event does when it is dropped is its own.
        self.group.places.iter().for_each(|place| quietly(|| self.lose(&parcel, place)));
        drop_quietly(parcel);
    }
}
