//! What the handles of one queue share: a line for each group, and what stands before all of them.
//!
//! `publish → Store → Line, Line, Line`, `Line → Store → Delivery → Receipt → Store → Line`

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::database::{Home, store_of_letters};
use super::line::{Back, Calls, Desk, Lent, Line, after};
use super::look::Taps;
use super::wake::Wake;
use crate::transport::{Abilities, DeadLetterRecord, Demand, ErrorKind, Packet, Settlement, TransportError};

/// How long a receive waits, at the most.
const WAIT: Duration = Duration::from_secs(1);

/// How many packets a group may have.
const CAPACITY: usize = 100_000;

/// For how long an id is known where nobody said.
const WINDOW: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
pub(super) struct Store {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) name: Arc<str>,
    /// In which database it is, if it is in one.
    home: Home,
    pub(super) abilities: Abilities,
    pub(super) capacity: usize,
    pub(super) wait: Duration,
    pub(super) window: Duration,
    pub(super) reachable: bool,
    /// How many publishes fail before one is taken again.
    pub(super) failing: usize,
    /// How many packets were taken.
    pub(super) published: u64,
    /// Who listens.
    pub(super) taps: Taps,
    groups: Vec<Group>,
    /// When which id is forgotten, and in which order.
    known: HashMap<String, Instant>,
    forgets: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Group {
    name: Arc<str>,
    line: Line,
    bell: Arc<Notify>,
    is_opened: bool,
    dead: Option<Arc<Store>>,
}

impl Group {
    fn new(name: &str, line: Line) -> Self {
        Self { name: name.into(), line, bell: Arc::new(Notify::new()), is_opened: false, dead: None }
    }
}

/// A packet that is published: one that whoever publishes it keeps, or one that is in hand.
pub(super) trait Offered {
    fn packet(&self) -> &Packet;

    /// Takes it, once nothing stands against that.
    fn take(self) -> Packet;
}

impl Offered for &Packet {
    fn packet(&self) -> &Packet {
        self
    }

    fn take(self) -> Packet {
        self.clone()
    }
}

impl Offered for &mut Packet {
    fn packet(&self) -> &Packet {
        self
    }

    fn take(self) -> Packet {
        std::mem::take(self)
    }
}

impl Store {
    pub(super) fn new(name: &str, abilities: Abilities) -> Arc<Self> {
        Self::new_in(Home::new(), name, abilities)
    }

    /// One that is in this database.
    pub(super) fn new_in(home: Home, name: &str, abilities: Abilities) -> Arc<Self> {
        let state = State {
            name: name.into(),
            home,
            abilities,
            capacity: CAPACITY,
            wait: WAIT,
            window: WINDOW,
            reachable: true,
            failing: 0,
            published: 0,
            taps: Taps::default(),
            groups: vec![Group::new("", Line::default())],
            known: HashMap::new(),
            forgets: VecDeque::new(),
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes packets, or says of each why not.
    pub(super) fn publish<P: Offered>(
        &self,
        name: &Arc<str>,
        packets: impl IntoIterator<Item = P>,
    ) -> Vec<Result<(), TransportError>> {
        let now = Instant::now();
        let mut wake = Wake::default();
        let mut state = self.lock();
        let (in_order, mut failed) = (state.abilities.takes_in_order, HashSet::new());
        let take = |offered: P| {
            let key = offered.packet().key.as_deref().filter(|_| in_order);
            if key.is_some_and(|key| failed.contains(key)) {
                let text = "an earlier packet of its key was not taken, and it must not overtake it";
                return Err(TransportError::new(ErrorKind::Unreachable, name.clone(), text));
            }
            let checked = state.check_packet(name, offered.packet(), now);
            match &checked {
                Ok(true) => state.push(Arc::new(offered.take()), now, &mut wake),
                Err(error) if error.is_temporary() => failed.extend(key.map(str::to_owned)),
                // It is there already, or will never be.
                Ok(false) | Err(_) => {}
            }
            checked.map(drop)
        };
        let results = packets.into_iter().map(take).collect();
        drop(state);
        wake.now();
        results
    }

    /// Ends a loan.
    pub(super) fn settle(&self, at: &Loan, how: Settlement) -> Result<(), TransportError> {
        let mut wake = Wake::default();
        let settled = self.lock().settle(at, how, Instant::now(), &mut wake);
        wake.now();
        settled
    }

    /// Has a lease end so long from now.
    pub(super) fn extend(&self, at: &Loan, by: Duration) -> Result<(), TransportError> {
        self.with(at, |line, now| line.extend(at.number, by, now))
    }

    /// Notes that one is about to be heard alone.
    pub(super) fn mark(&self, at: &Loan) -> Result<(), TransportError> {
        self.with(at, |line, _| {
            line.set_marked(at.number, true);
            Calls::default()
        })
    }

    /// Ends a loan by a dead letter that stays in its place, and returns how many are behind it.
    pub(super) fn park(&self, at: &Loan, record: DeadLetterRecord) -> Result<usize, TransportError> {
        let now = Instant::now();
        let mut wake = Wake::default();
        let mut state = self.lock();
        let parked = state.check(at, now, &mut wake).and_then(|()| state.park(at, record, &mut wake));
        drop(state);
        wake.now();
        parked
    }

    /// Does this with what is still lent.
    fn with(&self, at: &Loan, what: impl FnOnce(&mut Line, Instant) -> Calls) -> Result<(), TransportError> {
        let now = Instant::now();
        let mut wake = Wake::default();
        let mut state = self.lock();
        let checked = state.check(at, now, &mut wake);
        if checked.is_ok() {
            let group = &mut state.groups[at.group];
            wake.add(&group.bell, what(&mut group.line, now));
        }
        drop(state);
        wake.now();
        checked
    }

    /// Ends every loan to a subscriber.
    pub(super) fn take_back(&self, group: usize, desk: &Arc<Desk>) {
        let mut state = self.lock();
        let group = &mut state.groups[group];
        let calls = group.line.settle_all(Some(desk), Back::Retry(None), Instant::now());
        let wake = Wake::of(&group.bell, calls);
        drop(state);
        wake.now();
    }

    /// Lets publishers and subscribers reach it, or not, and so for its dead letters.
    pub(super) fn set_reachable(&self, reachable: bool, killed: bool) {
        let now = Instant::now();
        let mut wake = Wake::default();
        let mut dead = Vec::new();
        let mut state = self.lock();
        state.reachable = reachable;
        let keeps = state.abilities.durable;
        // Without leases, what is lent is so for as long as the connection lives.
        let ends_loans = killed || (!reachable && state.abilities.lease.is_none());
        for group in &mut state.groups {
            if ends_loans {
                wake.add(&group.bell, group.line.settle_all(None, Back::Retry(None), now));
            }
            if killed && !keeps {
                group.line.clear();
            }
            dead.extend(group.dead.clone());
        }
        if killed && !keeps {
            state.known.clear();
            state.forgets.clear();
        }
        let bells: Vec<_> = state.groups.iter().map(|group| group.bell.clone()).collect();
        drop(state);
        wake.now();
        // Who waits hears of it at once.
        bells.iter().for_each(|bell| bell.notify_waiters());
        dead.iter().for_each(|dead| dead.set_reachable(reachable, killed));
    }

    /// Somebody who waited at a group goes: another one has to look when something is due.
    pub(super) fn hand_over(&self, group: usize) {
        let state = self.lock();
        let group = &state.groups[group];
        let bell = group.line.is_alive().then(|| group.bell.clone());
        drop(state);
        if let Some(bell) = bell {
            bell.notify_one();
        }
    }
}

/// What a receipt knows.
#[derive(Clone, Debug)]
pub(super) struct Loan {
    pub(super) name: Arc<str>,
    pub(super) group: usize,
    pub(super) number: u64,
    pub(super) ticket: u64,
    pub(super) was_marked: bool,
}

impl State {
    /// The group of this name, which is made if there is none: with what the default one still has.
    pub(super) fn group(&mut self, name: &str) -> usize {
        if let Some(at) = self.groups.iter().position(|group| *group.name == *name) {
            return at;
        }
        let line = Line::copy_of(&self.groups[0].line, Instant::now());
        self.groups.push(Group::new(name, line));
        self.groups.len() - 1
    }

    /// As in `memory:orders/billing`.
    pub(super) fn full_name(&self, group: usize) -> Arc<str> {
        format!("memory:{}", name_of(&self.name, &self.groups[group].name)).into()
    }

    pub(super) fn group_names(&self) -> Vec<Arc<str>> {
        self.groups.iter().map(|group| group.name.clone()).collect()
    }

    /// Where the dead letters of a group are, if one has died.
    pub(super) fn dead_if_any(&self, group: usize) -> Option<Arc<Store>> {
        self.groups[group].dead.clone()
    }

    /// Puts a packet at the end of one group.
    pub(super) fn put_back(
        &mut self,
        group: usize,
        name: &Arc<str>,
        packet: Packet,
        now: Instant,
        wake: &mut Wake,
    ) -> Result<(), TransportError> {
        self.make_room(name, now)?;
        self.taps.tell(&packet);
        let (ordered, group) = (self.abilities.order, &mut self.groups[group]);
        wake.add(&group.bell, group.line.push(Arc::new(packet), ordered, now));
        Ok(())
    }

    pub(super) fn group_name(&self, group: usize) -> Arc<str> {
        self.groups[group].name.clone()
    }

    pub(super) fn line(&self, group: usize) -> &Line {
        &self.groups[group].line
    }

    pub(super) fn change<T>(&mut self, group: usize, change: impl FnOnce(&mut Line) -> (T, Calls)) -> (T, Wake) {
        let group = &mut self.groups[group];
        let (changed, calls) = change(&mut group.line);
        (changed, Wake::of(&group.bell, calls))
    }

    pub(super) fn bell(&self, group: usize) -> Arc<Notify> {
        self.groups[group].bell.clone()
    }

    pub(super) fn opened(&mut self, group: usize) {
        self.groups[group].is_opened = true;
    }

    /// Where the dead letters of a group are.
    pub(super) fn dead(&mut self, group: usize) -> Arc<Store> {
        let (capacity, wait, reachable) = (self.capacity, self.wait, self.reachable);
        let group = &mut self.groups[group];
        let make = || {
            let name = dead_name(&name_of(&self.name, &group.name));
            let store = store_of_letters(&self.home, &name, self.abilities);
            let mut state = store.lock();
            (state.capacity, state.wait, state.reachable) = (capacity, wait, reachable);
            drop(state);
            store
        };
        group.dead.get_or_insert_with(make).clone()
    }

    /// Brings in what is due, and lends of it.
    pub(super) fn lend(&mut self, group: usize, most: usize, desk: &Arc<Desk>, now: Instant) -> (Vec<Lent>, Wake) {
        let group = &mut self.groups[group];
        let calls = group.line.advance(now);
        let lent = group.line.lend(most, desk, self.abilities.lease, now);
        (lent, Wake::of(&group.bell, calls))
    }

    pub(super) fn reach(&self, name: &Arc<str>) -> Result<(), TransportError> {
        if self.reachable {
            return Ok(());
        }
        Err(TransportError::new(
            ErrorKind::Unreachable,
            name.clone(),
            "an outage is being played: end it, or try again later",
        ))
    }

    /// Looks whether a packet may come in, and makes room for it; `false` if it is there already.
    fn check_packet(&mut self, name: &Arc<str>, packet: &Packet, now: Instant) -> Result<bool, TransportError> {
        self.reach(name)?;
        if self.failing > 0 {
            self.failing -= 1;
            let text = "a failed publish is being played: try again";
            return Err(TransportError::new(ErrorKind::Unreachable, name.clone(), text));
        }
        self.abilities.check(name, packet)?;
        if self.is_known(packet, now) {
            return Ok(false);
        }
        self.make_room(name, now)?;
        if self.abilities.deduplicates && !packet.id.is_empty() {
            let forget = after(now, self.window);
            self.known.insert(packet.id.clone(), forget);
            self.forgets.push_back((forget, packet.id.clone()));
        }
        self.published += 1;
        Ok(true)
    }

    fn push(&mut self, packet: Arc<Packet>, now: Instant, wake: &mut Wake) {
        let ordered = self.abilities.order;
        self.taps.tell(&packet);
        for group in &mut self.groups {
            wake.add(&group.bell, group.line.push(packet.clone(), ordered, now));
        }
    }

    /// Whether this was there within the window.
    fn is_known(&mut self, packet: &Packet, now: Instant) -> bool {
        while self.forgets.len() > self.capacity || self.forgets.front().is_some_and(|(forget, _)| *forget <= now) {
            let Some((forget, id)) = self.forgets.pop_front() else { break };
            // It may have been forgotten and come again since.
            if self.known.get(&id) == Some(&forget) {
                self.known.remove(&id);
            }
        }
        self.known.contains_key(&packet.id)
    }

    /// Looks whether each group takes one more. The default group, if nobody reads it and there are others, gives way.
    fn make_room(&mut self, name: &Arc<str>, now: Instant) -> Result<(), TransportError> {
        let has_others = self.groups.len() > 1;
        for (at, group) in self.groups.iter().enumerate() {
            if group.line.len() >= self.capacity && !(at == 0 && has_others && !group.is_opened) {
                let (there, of) = (group.line.len(), name_of(&self.name, &group.name));
                let text = format!("{there} packets are in {of} and no more fit: receive some, or set `.capacity(…)`");
                return Err(TransportError::new(ErrorKind::Unreachable, name.clone(), text));
            }
        }
        if let Some(unread) = self.groups.first_mut().filter(|group| group.line.len() >= self.capacity) {
            unread.line.forget_oldest(now);
        }
        Ok(())
    }

    /// Looks whether a loan is still one.
    fn check(&mut self, at: &Loan, now: Instant, wake: &mut Wake) -> Result<(), TransportError> {
        self.reach(&at.name)?;
        let group = &mut self.groups[at.group];
        wake.add(&group.bell, group.line.advance(now));
        if group.line.holds(at.number, at.ticket) {
            return Ok(());
        }
        let text =
            "the delivery is no longer ours: its lease has run out, or its subscriber was closed; it comes again";
        Err(TransportError::new(ErrorKind::Lost, at.name.clone(), text))
    }

    fn settle(&mut self, at: &Loan, how: Settlement, now: Instant, wake: &mut Wake) -> Result<(), TransportError> {
        self.check(at, now, wake)?;
        let mut result = Ok(());
        let back = match how {
            Settlement::Ack => Back::Done,
            Settlement::Release => Back::Untouched,
            Settlement::RetryAfter(delay) => {
                let delay = self.abilities.retry_after.map_or(Duration::ZERO, |longest| delay.min(longest));
                Back::Retry((!delay.is_zero()).then(|| after(now, delay)))
            }
            Settlement::DeadLetter(record) => {
                result = self.bury(at, record, now, wake);
                if result.is_ok() { Back::Done } else { Back::Retry(None) }
            }
        };
        let group = &mut self.groups[at.group];
        // Somebody has said how it ended; who has not heard it says nothing of the one before.
        group.line.set_marked(at.number, back == Back::Untouched && at.was_marked);
        wake.add(&group.bell, group.line.settle(at.number, back, now));
        result
    }

    fn park(&mut self, at: &Loan, record: DeadLetterRecord, wake: &mut Wake) -> Result<usize, TransportError> {
        self.abilities.demand(&at.name, Demand::Park)?;
        let group = &mut self.groups[at.group];
        let Some((behind, calls)) = group.line.park(at.number, record) else {
            let text = "it has no key, so nothing can be parked behind it: it was published before its order was kept";
            return Err(TransportError::new(ErrorKind::Unsupported, at.name.clone(), text));
        };
        group.line.set_marked(at.number, false);
        wake.add(&group.bell, calls);
        Ok(behind)
    }

    fn bury(
        &mut self,
        at: &Loan,
        record: DeadLetterRecord,
        now: Instant,
        wake: &mut Wake,
    ) -> Result<(), TransportError> {
        self.abilities.demand(&at.name, Demand::DeadLetters)?;
        let Abilities { max_attributes, max_bytes, .. } = self.abilities;
        let Some(packet) = self.groups[at.group].line.packet(at.number).cloned() else { return Ok(()) };
        // Who redrives it publishes the same id again.
        self.known.remove(&packet.id);
        let dead = self.dead(at.group);
        let letter = record.bury(packet, max_attributes, max_bytes);
        // Always in this order: a queue, then its dead letters.
        let mut dead = dead.lock();
        dead.make_room(&at.name, now)?;
        dead.push(Arc::new(letter), now, wake);
        Ok(())
    }
}

/// The name of a group of a queue.
fn name_of(queue: &str, group: &str) -> String {
    if group.is_empty() { queue.to_owned() } else { format!("{queue}/{group}") }
}

fn dead_name(name: &str) -> String {
    format!("{name}-dead")
}
