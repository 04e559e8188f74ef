//! Which lanes a relay has, until when, and which of them somebody is at work on.
//!
//! `renewing.rs → Holding::renewed → Holding::claim → Claim (track.rs) → dropped: free again`

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::dead::DeadKeys;

/// What a relay has of an outbox, on its one thread.
pub(super) struct Holding {
    lanes: RefCell<BTreeMap<u16, Lane>>,
    /// Nothing is sent from here on, unless the lease is renewed before.
    until: Cell<Instant>,
    /// Which lane comes first next time, so that none starves.
    next: Cell<u16>,
    /// Of lanes that were taken.
    serial: Cell<u64>,
    dead: RefCell<DeadKeys>,
    /// How many tracks wait for a lane.
    hungry: Cell<usize>,
    /// Changes when a lane has come or is free.
    news: watch::Sender<()>,
    /// Changes when a lane can be given back.
    back: watch::Sender<()>,
}

struct Lane {
    /// One that was lost and has come again is another.
    serial: u64,
    claimed: bool,
    /// It is another relay's share.
    leaving: bool,
}

impl Holding {
    pub(super) fn new() -> Self {
        Self {
            lanes: RefCell::default(),
            until: Cell::new(Instant::now()),
            next: Cell::new(0),
            serial: Cell::new(0),
            dead: RefCell::default(),
            hungry: Cell::new(0),
            news: watch::Sender::new(()),
            back: watch::Sender::new(()),
        }
    }

    /// Those that are not given back by the next renewal.
    pub(super) fn kept(&self) -> Vec<u16> {
        let lanes = self.lanes.borrow();
        lanes.iter().filter(|(_, lane)| lane.claimed || !lane.leaving).map(|(lane, _)| *lane).collect()
    }

    /// Whether this one is here.
    pub(super) fn has(&self, lane: u16) -> bool {
        self.lanes.borrow().contains_key(&lane)
    }

    /// How many are here.
    pub(super) fn len(&self) -> usize {
        if self.is_over() { 0 } else { self.lanes.borrow().len() }
    }

    /// Notes which are here, until when, and how many may be.
    pub(super) fn renewed(&self, held: &[u16], share: usize, until: Instant) {
        self.until.set(until);
        let mut lanes = self.lanes.borrow_mut();
        lanes.retain(|lane, _| held.contains(lane));
        for lane in held {
            lanes.entry(*lane).or_insert_with(|| {
                self.serial.set(self.serial.get() + 1);
                Lane { serial: self.serial.get(), claimed: false, leaving: false }
            });
        }
        // Those that nobody is at work on go first.
        let beyond = lanes.len().saturating_sub(share);
        lanes.values_mut().for_each(|lane| lane.leaving = false);
        let mut all: Vec<_> = lanes.values_mut().collect();
        all.sort_by_key(|lane| lane.claimed);
        all.into_iter().take(beyond).for_each(|lane| lane.leaving = true);
        drop(lanes);
        self.news.send_replace(());
        self.tell_of_leaving();
    }

    fn tell_of_leaving(&self) {
        if self.lanes.borrow().values().any(|lane| lane.leaving && !lane.claimed) {
            self.back.send_replace(());
        }
    }

    /// Loses all: the lease is over, or the database is another one.
    pub(super) fn lose(&self) {
        self.until.set(Instant::now());
        self.lanes.borrow_mut().clear();
        self.news.send_replace(());
    }

    /// Whether the lease is over.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until.get()
    }

    /// Ready when the lease is over.
    pub(super) async fn over(&self) {
        while !self.is_over() {
            sleep_until(self.until.get()).await;
        }
    }

    /// What changes when a lane has come or is free.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Waits for a lane; whoever has several leaves some meanwhile.
    pub(super) async fn hunger(&self, news: &mut watch::Receiver<()>) {
        let _hungry = Hungry::new(&self.hungry);
        // Whoever would tell is as old as this.
        let _ = news.changed().await;
    }

    /// What changes when a lane can be given back.
    pub(super) fn back(&self) -> watch::Receiver<()> {
        self.back.subscribe()
    }

    /// A claim on nothing yet.
    pub(super) fn nothing(&self) -> Claim<'_> {
        Claim { holding: self, lanes: Vec::new() }
    }

    /// Which keys have a dead row.
    pub(super) fn dead(&self) -> RefMut<'_, DeadKeys> {
        self.dead.borrow_mut()
    }

    /// All that are here.
    pub(super) fn all(&self) -> Vec<u16> {
        self.lanes.borrow().keys().copied().collect()
    }
}

/// Lanes that one is at work on: nobody else here is, and they are not given back.
pub(super) struct Claim<'a> {
    holding: &'a Holding,
    lanes: Vec<(u16, u64)>,
}

impl Claim<'_> {
    /// Claims all that nobody is at work on, too.
    pub(super) fn more(&mut self) {
        if self.holding.is_over() {
            return;
        }
        let mut lanes = self.holding.lanes.borrow_mut();
        for (number, lane) in lanes.iter_mut().filter(|(_, lane)| !lane.claimed && !lane.leaving) {
            lane.claimed = true;
            self.lanes.push((*number, lane.serial));
        }
        self.lanes.sort_unstable();
        let next = self.holding.next.get();
        let first = self.lanes.iter().position(|(lane, _)| *lane >= next).unwrap_or(0);
        self.lanes.rotate_left(first);
    }

    /// Those from which more may be taken: not those that other relays are to have, nor more than half while somebody here has
    /// none.
    pub(super) fn to_take_from(&self) -> Vec<u16> {
        let lanes = self.holding.lanes.borrow();
        let is_open =
            |(lane, serial): &&(u16, u64)| lanes.get(lane).is_some_and(|lane| lane.serial == *serial && !lane.leaving);
        let mut open: Vec<u16> = self.lanes.iter().filter(is_open).map(|(lane, _)| *lane).collect();
        if self.holding.hungry.get() > 0 {
            open.truncate(open.len().div_ceil(2));
        }
        open
    }

    /// Whether all of them are still this relay's.
    pub(super) fn holds(&self) -> bool {
        let lanes = self.holding.lanes.borrow();
        let holds = |(lane, serial): &(u16, u64)| lanes.get(lane).is_some_and(|lane| lane.serial == *serial);
        !self.holding.is_over() && self.lanes.iter().all(holds)
    }

    /// Gives back all but these, and has others come first next time.
    pub(super) fn keep(&mut self, these: &[u16]) {
        let (kept, freed) = self.lanes.iter().partition(|(lane, _)| these.contains(lane));
        self.lanes = kept;
        if let Some((last, _)) = self.lanes.last() {
            self.holding.next.set(last + 1);
        }
        self.free(&freed);
    }

    fn free(&self, these: &[(u16, u64)]) {
        if these.is_empty() {
            return;
        }
        let mut lanes = self.holding.lanes.borrow_mut();
        for (lane, serial) in these {
            if let Some(lane) = lanes.get_mut(lane).filter(|lane| lane.serial == *serial) {
                lane.claimed = false;
            }
        }
        drop(lanes);
        self.holding.news.send_replace(());
        self.holding.tell_of_leaving();
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        self.free(&lanes);
    }
}

/// One more who waits for a lane.
struct Hungry<'a>(&'a Cell<usize>);

impl<'a> Hungry<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Hungry<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
