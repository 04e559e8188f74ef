//! Deliveries of one key, one after the other.
//!
//! `enter(key) → Turn (behind those before) → wait → done, or held back`

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;

/// How those before in a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// They are settled for good.
    Settled,
    /// One of them comes again: whoever is behind it has to wait for that, on the server.
    HeldBack,
}

/// By key those who are in its lane, the first of them first.
type All = Rc<RefCell<HashMap<String, VecDeque<Rc<Place>>>>>;

/// The lanes in which something is.
#[derive(Default)]
pub(crate) struct Lanes {
    all: All,
}

#[derive(Default)]
struct Place {
    is_first: Cell<bool>,
    is_held_back: Cell<bool>,
    news: Notify,
}

impl Lanes {
    /// Takes a place at the end of the lane of this key; without a key there is nobody before or behind.
    pub(crate) fn enter(&mut self, key: Option<String>) -> Turn {
        let Some(key) = key else { return Turn::default() };
        let place = Rc::new(Place::default());
        let mut all = self.all.borrow_mut();
        let lane = all.entry(key.clone()).or_default();
        place.is_first.set(lane.is_empty());
        lane.push_back(place.clone());
        Turn { seat: Some(Seat { key, place, all: self.all.clone() }) }
    }
}

struct Seat {
    key: String,
    place: Rc<Place>,
    all: All,
}

/// A place in a lane. Dropped, it counts as held back: nobody knows whether it was settled.
#[derive(Default)]
pub(crate) struct Turn {
    seat: Option<Seat>,
}

impl Turn {
    /// Waits until all before have left, or one of them has to come again: then nobody waits for the others.
    pub(crate) async fn wait(&mut self) -> Before {
        let Some(Seat { place, .. }) = &self.seat else { return Before::Settled };
        loop {
            if place.is_held_back.get() {
                return Before::HeldBack;
            }
            if place.is_first.get() {
                return Before::Settled;
            }
            place.news.notified().await;
        }
    }

    /// Waits until all before have left, however they ended.
    pub(crate) async fn first(&mut self) {
        let Some(Seat { place, .. }) = &self.seat else { return };
        while !place.is_first.get() {
            place.news.notified().await;
        }
    }

    /// Says how it ended, and lets the one behind begin.
    pub(crate) fn end(mut self, how: Before) {
        if let Some(seat) = self.seat.take() {
            seat.leave(how);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.leave(Before::HeldBack);
        }
    }
}

impl Seat {
    /// Leaves from wherever it is in its lane: those before are before those behind. The last one closes the lane.
    fn leave(self, how: Before) {
        let mut all = self.all.borrow_mut();
        let Some(lane) = all.get_mut(&self.key) else { return };
        let Some(at) = lane.iter().position(|place| Rc::ptr_eq(place, &self.place)) else { return };
        lane.remove(at);
        if how == Before::HeldBack {
            // Whoever is behind one that knows it, knows it too, but for those who have come since.
            for behind in lane.iter().skip(at).rev().take_while(|behind| !behind.is_held_back.get()) {
                behind.is_held_back.set(true);
                behind.news.notify_one();
            }
        }
        match lane.front() {
            None => drop(all.remove(&self.key)),
            Some(first) => {
                first.is_first.set(true);
                first.news.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[actix::test]
    async fn in_one_lane_each_waits_for_the_one_before() {
        let mut lanes = Lanes::default();
        let (mut first, mut second) = (lanes.enter(Some("a".into())), lanes.enter(Some("a".into())));
        let mut other = lanes.enter(Some("b".into()));
        assert_eq!((first.wait().await, other.wait().await), (Before::Settled, Before::Settled));
        assert!(second.wait().now_or_never().is_none());
        first.end(Before::Settled);
        assert_eq!(second.wait().await, Before::Settled);
        let mut third = lanes.enter(Some("a".into()));
        second.end(Before::HeldBack);
        assert_eq!(third.wait().await, Before::HeldBack);
    }

    #[actix::test]
    async fn who_is_dropped_holds_back_those_behind_and_an_empty_lane_is_forgotten() {
        let mut lanes = Lanes::default();
        let first = lanes.enter(Some("a".into()));
        let mut second = lanes.enter(Some("a".into()));
        drop(first);
        assert_eq!(second.wait().await, Before::HeldBack);
        drop(second);
        assert!(lanes.all.borrow().is_empty());
        assert_eq!(lanes.enter(Some("a".into())).wait().await, Before::Settled);
        assert_eq!(lanes.enter(None).wait().await, Before::Settled);
    }

    #[actix::test]
    async fn who_leaves_before_its_turn_leaves_those_before_where_they_are() {
        let mut lanes = Lanes::default();
        let mut enter = || lanes.enter(Some("a".into()));
        let (first, second, mut third) = (enter(), enter(), enter());
        drop(second);
        // The first is still at it: whoever is behind the one that left waits for nobody, and comes again after it.
        assert_eq!(third.wait().await, Before::HeldBack);
        assert!(third.first().now_or_never().is_none());
        drop(third);
        let mut again = enter();
        assert!(again.wait().now_or_never().is_none());
        first.end(Before::Settled);
        assert_eq!(again.wait().await, Before::Settled);
    }
}
