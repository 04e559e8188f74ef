//! Deliveries of one key, one after the other.
//!
//! `enter(key) → Turn (behind the one before) → wait → done, or held back`

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::oneshot;

/// How the one before in a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It is settled for good.
    Settled,
    /// It comes again: whoever is behind it has to wait for that, on the server.
    HeldBack,
}

type Tails = Rc<RefCell<HashMap<String, (u64, oneshot::Receiver<Before>)>>>;

/// The lanes in which something is.
#[derive(Default)]
pub(crate) struct Lanes {
    last: u64,
    tails: Tails,
}

impl Lanes {
    /// Takes a place at the end of the lane of this key; without a key there is nobody before or behind.
    pub(crate) fn enter(&mut self, key: Option<String>) -> Turn {
        let Some(key) = key else { return Turn::default() };
        self.last += 1;
        let (done, tail) = oneshot::channel();
        let before = self.tails.borrow_mut().insert(key.clone(), (self.last, tail));
        Turn { before: before.map(|(_, before)| before), place: Some((key, self.last, self.tails.clone(), done)) }
    }
}

type Place = (String, u64, Tails, oneshot::Sender<Before>);

/// A place in a lane. Dropped, it counts as held back: nobody knows whether it was settled.
#[derive(Default)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<Before>>,
    place: Option<Place>,
}

impl Turn {
    /// Waits for the one before.
    pub(crate) async fn wait(&mut self) -> Before {
        match self.before.take() {
            None => Before::Settled,
            Some(before) => before.await.unwrap_or(Before::HeldBack),
        }
    }

    /// Says how it ended, and lets the one behind begin.
    pub(crate) fn end(mut self, how: Before) {
        if let Some((key, place, tails, done)) = self.place.take() {
            leave(&key, place, &tails);
            // There may be nobody behind.
            let _ = done.send(how);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((key, place, tails, done)) = self.place.take() {
            leave(&key, place, &tails);
            let _ = done.send(Before::HeldBack);
        }
    }
}

/// Whoever is the last of a lane closes it.
fn leave(key: &str, place: u64, tails: &Tails) {
    let mut tails = tails.borrow_mut();
    if tails.get(key).is_some_and(|(last, _)| *last == place) {
        tails.remove(key);
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
        assert!(second.before.as_mut().unwrap().now_or_never().is_none());
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
        assert!(lanes.tails.borrow().is_empty());
        assert_eq!(lanes.enter(Some("a".into())).wait().await, Before::Settled);
        assert_eq!(lanes.enter(None).wait().await, Before::Settled);
    }
}
