//! What waits for one group of a queue, and what is lent to whom: it knows no lock and no task, and is told what time it is.
//!
//! `push → ready → lend → settle`, and back by `held` (a delay, a retry, a lease): `advance` brings in what is due

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::wake::Few;
use crate::transport::{DeadLetterRecord, Packet};

/// Waits beyond this are waits for ever: a century, which no clock here overflows on.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// `start + wait`, but never past what an `Instant` can hold.
pub(super) fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(FOREVER)
}

/// A subscriber, as the line sees it: how much it may have at once, and how much it has.
#[derive(Debug)]
pub(super) struct Desk {
    prefetch: usize,
    lent: AtomicUsize,
    /// Something of its was settled, or its lease has run out.
    pub(super) freed: Notify,
}

impl Desk {
    pub(super) fn new(prefetch: usize) -> Arc<Self> {
        Arc::new(Self { prefetch: prefetch.max(1), lent: AtomicUsize::new(0), freed: Notify::new() })
    }

    /// How many more it may have. All desks of a line are counted under its lock.
    pub(super) fn room(&self) -> usize {
        self.prefetch.saturating_sub(self.lent.load(Ordering::Relaxed))
    }
}

/// Where one packet is.
#[derive(Debug)]
enum Place {
    /// In `ready`.
    Ready,
    /// Behind another of its key.
    Behind,
    /// In `later`, until then.
    Held(Instant),
    /// With a subscriber; in `later` too, if the lease ends.
    Lent { until: Option<Instant>, ticket: u64, desk: Arc<Desk> },
    /// In `dead`: a dead letter, which holds back its key.
    Dead(Box<DeadLetterRecord>),
}

#[derive(Debug)]
struct Item {
    packet: Arc<Packet>,
    key: Option<Arc<str>>,
    attempts: u32,
    /// How often it was given another chance as a dead letter.
    redriven: u64,
    /// It was about to be heard alone, and nobody has settled it since.
    is_marked: bool,
    not_before: Option<Instant>,
    /// Its place among those of its priority; a later one after a failure, so that it keeps nobody from working.
    turn: u64,
    place: Place,
}

/// Whom to wake after a step, once no lock is held.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Calls {
    /// How many of those who wait at the line.
    pub(super) waiting: usize,
    /// Who has room again.
    pub(super) desks: Few<Arc<Desk>>,
}

impl Calls {
    pub(super) fn merge(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.desks.extend(other.desks);
    }
}

/// One that was lent.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) number: u64,
    pub(super) ticket: u64,
    pub(super) attempt: u32,
    pub(super) redriven: u64,
    pub(super) is_marked: bool,
    pub(super) packet: Arc<Packet>,
}

/// How one comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// Never: it is done or dead.
    Done,
    /// As another attempt, not before then.
    Retry(Option<Instant>),
    /// As if it had not been lent.
    Untouched,
}

#[derive(Debug, Default)]
pub(super) struct Line {
    items: BTreeMap<u64, Item>,
    ready: BTreeSet<(Reverse<u8>, u64, u64)>,
    later: BTreeSet<(Instant, u64)>,
    /// Of each key that is kept in order what is not settled for good, the oldest first: only that may be lent.
    keys: HashMap<Arc<str>, VecDeque<u64>>,
    loans: BTreeSet<u64>,
    dead: BTreeSet<u64>,
    next: u64,
}

impl Line {
    /// How many are neither lent nor dead.
    pub(super) fn waiting(&self) -> usize {
        self.items.len() - self.loans.len() - self.dead.len()
    }

    pub(super) fn lent(&self) -> usize {
        self.loans.len()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn packet(&self, number: u64) -> Option<&Packet> {
        self.items.get(&number).map(|item| &*item.packet)
    }

    /// Forgets all; nothing may be lent. No ticket is ever given twice.
    pub(super) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    /// What is neither lent nor dead, in the order in which it came.
    pub(super) fn packets(&self) -> impl Iterator<Item = &Packet> {
        self.items
            .values()
            .filter(|item| !matches!(item.place, Place::Lent { .. } | Place::Dead(_)))
            .map(|item| &*item.packet)
    }

    /// How many are held back at this moment.
    pub(super) fn held(&self, now: Instant) -> usize {
        self.later.range((now, u64::MAX)..).filter(|(_, number)| !self.loans.contains(number)).count()
    }

    /// What is neither lent nor dead, behind this one.
    pub(super) fn unlent(&self, after: u64) -> impl Iterator<Item = (u64, &Packet)> {
        let items = self.items.range(after.saturating_add(1)..);
        let unlent = items.filter(|(_, item)| !matches!(item.place, Place::Lent { .. } | Place::Dead(_)));
        unlent.map(|(number, item)| (*number, &*item.packet))
    }

    /// Takes one away that is neither lent nor dead, wherever it stands in its key. `None` if there is no such one.
    pub(super) fn take(&mut self, number: u64, now: Instant) -> Option<Calls> {
        self.items.get(&number).filter(|item| !matches!(item.place, Place::Lent { .. } | Place::Dead(_)))?;
        let mut calls = self.take_back(number);
        let Some(key) = self.items.remove(&number).and_then(|item| item.key) else { return Some(calls) };
        let Some(line) = self.keys.get_mut(&key) else { return Some(calls) };
        let was_first = line.front() == Some(&number);
        if let Ok(at) = line.binary_search(&number) {
            line.remove(at);
        }
        match line.front().copied() {
            None => drop(self.keys.remove(&key)),
            Some(next) if was_first => calls.merge(self.admit(next, now)),
            Some(_) => {}
        }
        Some(calls)
    }

    /// When something changes by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Whether somebody should keep an eye on it.
    pub(super) fn is_alive(&self) -> bool {
        !self.ready.is_empty() || !self.later.is_empty()
    }

    /// Adds a packet at the end, held back as long as it says.
    pub(super) fn push(&mut self, packet: Arc<Packet>, ordered: bool, now: Instant) -> Calls {
        let not_before = (!packet.delay.is_zero()).then(|| after(now, packet.delay));
        let key = packet.key.as_deref().filter(|_| ordered).map(Arc::from);
        self.add(packet, key, not_before, now)
    }

    fn add(&mut self, packet: Arc<Packet>, key: Option<Arc<str>>, not_before: Option<Instant>, now: Instant) -> Calls {
        let number = self.number();
        let mut place = Place::Ready;
        if let Some(key) = &key {
            let line = self.keys.entry(key.clone()).or_default();
            if !line.is_empty() {
                place = Place::Behind;
            }
            line.push_back(number);
        }
        let is_behind = matches!(place, Place::Behind);
        let (attempts, redriven, is_marked, turn) = (0, 0, false, number);
        self.items.insert(number, Item { packet, key, attempts, redriven, is_marked, not_before, turn, place });
        if is_behind { Calls::default() } else { self.admit(number, now) }
    }

    /// Starts with what another line still has, none of it lent or tried.
    pub(super) fn copy_of(other: &Self, now: Instant) -> Self {
        let mut line = Self::default();
        for item in other.items.values() {
            // Its own delay counts, not that of a retry elsewhere. Nobody waits here yet.
            let not_before = item.not_before.filter(|_| item.attempts == 0);
            let _ = line.add(item.packet.clone(), item.key.clone(), not_before, now);
        }
        line
    }

    /// Forgets the oldest that is not lent.
    pub(super) fn forget_oldest(&mut self, now: Instant) {
        let oldest = self.items.iter().find(|(_, item)| !matches!(item.place, Place::Lent { .. }));
        if let Some(number) = oldest.map(|(number, _)| *number) {
            // Whoever waits finds another one.
            let _ = self.remove(number, now);
        }
    }

    /// Takes what is due from `later`.
    pub(super) fn advance(&mut self, now: Instant) -> Calls {
        let mut calls = Calls::default();
        while let Some((_, number)) = self.later.first().copied().filter(|(at, _)| *at <= now) {
            calls.merge(self.take_back(number));
            calls.merge(self.retry(number, None, now));
        }
        calls
    }

    /// Lends up to `most` to this subscriber, the highest priority first, then who has waited longest.
    pub(super) fn lend(&mut self, most: usize, desk: &Arc<Desk>, lease: Option<Duration>, now: Instant) -> Vec<Lent> {
        let most = most.min(desk.room());
        let mut lent = Vec::new();
        while lent.len() < most
            && let Some((_, _, number)) = self.ready.pop_first()
        {
            let ticket = self.number();
            let Some(item) = self.items.get_mut(&number) else { continue };
            let until = lease.map(|lease| after(now, lease));
            item.attempts = item.attempts.saturating_add(1);
            item.place = Place::Lent { until, ticket, desk: desk.clone() };
            self.later.extend(until.map(|until| (until, number)));
            self.loans.insert(number);
            desk.lent.fetch_add(1, Ordering::Relaxed);
            let (attempt, redriven, is_marked) = (item.attempts, item.redriven, item.is_marked);
            lent.push(Lent { number, ticket, attempt, redriven, is_marked, packet: item.packet.clone() });
        }
        lent
    }

    /// Whether this one is still lent by this ticket.
    pub(super) fn holds(&self, number: u64, ticket: u64) -> bool {
        let item = self.items.get(&number);
        item.is_some_and(|item| matches!(item.place, Place::Lent { ticket: lent, .. } if lent == ticket))
    }

    /// Has the lease end so long from now, if there is one that ends.
    pub(super) fn extend(&mut self, number: u64, by: Duration, now: Instant) -> Calls {
        if let Some(Item { place: Place::Lent { until: Some(until), .. }, .. }) = self.items.get_mut(&number) {
            self.later.remove(&(*until, number));
            *until = after(now, by);
            self.later.insert((*until, number));
        }
        // It may end sooner than anybody has looked for.
        Calls { waiting: 1, desks: Few::default() }
    }

    /// Notes of one that it is about to be heard alone, or that somebody has said how that ended.
    pub(super) fn set_marked(&mut self, number: u64, is_marked: bool) {
        if let Some(item) = self.items.get_mut(&number) {
            item.is_marked = is_marked;
        }
    }

    /// Ends the loan of one that is lent.
    pub(super) fn settle(&mut self, number: u64, back: Back, now: Instant) -> Calls {
        let mut calls = self.take_back(number);
        calls.merge(match back {
            Back::Done => self.remove(number, now),
            Back::Retry(not_before) => self.retry(number, not_before, now),
            Back::Untouched => {
                if let Some(item) = self.items.get_mut(&number) {
                    item.attempts = item.attempts.saturating_sub(1);
                }
                self.admit(number, now)
            }
        });
        calls
    }

    /// Ends every loan, or those of one subscriber.
    pub(super) fn settle_all(&mut self, of: Option<&Arc<Desk>>, back: Back, now: Instant) -> Calls {
        let is_of = |number: &&u64| match self.items.get(number).map(|item| &item.place) {
            Some(Place::Lent { desk, .. }) => of.is_none_or(|of| Arc::ptr_eq(of, desk)),
            _ => false,
        };
        let lent: Vec<u64> = self.loans.iter().filter(is_of).copied().collect();
        let mut calls = Calls::default();
        for number in lent {
            calls.merge(self.settle(number, back, now));
        }
        calls
    }

    /// Makes one that is lent a dead letter in its place. Returns how many are behind it; `None` if it has no key.
    pub(super) fn park(&mut self, number: u64, record: DeadLetterRecord) -> Option<(usize, Calls)> {
        self.items.get(&number)?.key.as_ref()?;
        let calls = self.take_back(number);
        if let Some(item) = self.items.get_mut(&number) {
            item.place = Place::Dead(Box::new(record));
            self.dead.insert(number);
        }
        Some((self.behind(number), calls))
    }

    /// The dead letters behind this one, in the order in which they came.
    pub(super) fn letters(&self, after: u64) -> impl Iterator<Item = u64> {
        self.dead.range(after.saturating_add(1)..).copied()
    }

    pub(super) fn letter(&self, number: u64) -> Option<(&Packet, &DeadLetterRecord)> {
        match self.items.get(&number)? {
            Item { packet, place: Place::Dead(record), .. } => Some((packet, record)),
            _ => None,
        }
    }

    /// How many of its key are behind the first one.
    pub(super) fn behind(&self, number: u64) -> usize {
        let key = self.items.get(&number).and_then(|item| item.key.as_ref());
        key.and_then(|key| self.keys.get(key)).map_or(0, |line| line.len().saturating_sub(1))
    }

    /// Gives a dead letter another chance, as one that was never lent, where it was. `None` if there is no such letter.
    pub(super) fn redrive(&mut self, number: u64, now: Instant) -> Option<Calls> {
        if !self.dead.remove(&number) {
            return None;
        }
        let item = self.items.get_mut(&number)?;
        (item.attempts, item.is_marked, item.not_before, item.turn) = (0, false, None, number);
        item.redriven += 1;
        Some(self.admit(number, now))
    }

    /// Forgets a dead letter, and lets the one behind it be lent. `None` if there is no such letter.
    pub(super) fn discard(&mut self, number: u64, now: Instant) -> Option<Calls> {
        self.dead.contains(&number).then(|| self.remove(number, now))
    }

    fn retry(&mut self, number: u64, not_before: Option<Instant>, now: Instant) -> Calls {
        let turn = self.number();
        if let Some(item) = self.items.get_mut(&number) {
            item.turn = turn;
            item.not_before = not_before;
        }
        self.admit(number, now)
    }

    /// Takes one out of `later`, and from whom it was lent to.
    fn take_back(&mut self, number: u64) -> Calls {
        let Some(item) = self.items.get_mut(&number) else { return Calls::default() };
        match std::mem::replace(&mut item.place, Place::Behind) {
            Place::Lent { until, desk, .. } => {
                if let Some(until) = until {
                    self.later.remove(&(until, number));
                }
                self.loans.remove(&number);
                desk.lent.fetch_sub(1, Ordering::Relaxed);
                Calls { waiting: 0, desks: Few::one(desk) }
            }
            Place::Held(until) => {
                self.later.remove(&(until, number));
                Calls::default()
            }
            Place::Ready => {
                self.ready.remove(&(Reverse(item.packet.priority), item.turn, number));
                Calls::default()
            }
            Place::Dead(_) => {
                self.dead.remove(&number);
                Calls::default()
            }
            Place::Behind => Calls::default(),
        }
    }

    /// Lets one that is first of its key be lent, at once or when its time comes.
    fn admit(&mut self, number: u64, now: Instant) -> Calls {
        let Some(item) = self.items.get_mut(&number) else { return Calls::default() };
        match item.not_before.filter(|at| *at > now) {
            Some(at) => {
                item.place = Place::Held(at);
                self.later.insert((at, number));
            }
            None => {
                item.place = Place::Ready;
                self.ready.insert((Reverse(item.packet.priority), item.turn, number));
            }
        }
        Calls { waiting: 1, desks: Few::default() }
    }

    fn remove(&mut self, number: u64, now: Instant) -> Calls {
        let mut calls = self.take_back(number);
        let Some(key) = self.items.remove(&number).and_then(|item| item.key) else { return calls };
        let Some(line) = self.keys.get_mut(&key) else { return calls };
        // Only the first of a key is ever lent, and the oldest of all is the first of its key.
        line.pop_front();
        match line.front().copied() {
            None => drop(self.keys.remove(&key)),
            Some(next) => calls.merge(self.admit(next, now)),
        }
        calls
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
