//! A handle on a queue in this process, which publishes, subscribes, and lets a test look inside.
//!
//! `publish → Store`, `Store → receive → Delivery → Loan → Store`

use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::line::{Desk, Lent, after};
use super::parking::{MemoryParking, counted};
use super::store::{Loan, State, Store};
use crate::transport::{
    Abilities, BoxFuture, DeadLetterRecord, Delivery, Demand, ErrorKind, Packet, Parking, Publisher, Pulse, Receipt,
    Settlement, Source, TransportError,
};

/// A queue in this process, created by [`Memory::queue`](super::Memory::queue). Clones share the queue, and each clone
/// that is opened is another subscriber.
pub struct MemoryQueue {
    store: Arc<Store>,
    group: usize,
    /// As in `memory:orders/billing`.
    name: Arc<str>,
    desk: Option<Arc<Desk>>,
    pulse: Pulse,
}

/// How long it may be silent beyond its wait, and at least.
const SILENCE: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(15)];

impl MemoryQueue {
    pub(super) fn new(name: &str) -> Self {
        Self::of(Store::new(name, Self::all_abilities()), 0)
    }

    /// All that a server can do.
    pub(super) fn all_abilities() -> Abilities {
        Abilities {
            delay: Some(Duration::MAX),
            retry_after: Some(Duration::MAX),
            order: true,
            fan_out: true,
            priority: u8::MAX,
            lease: Some(Duration::from_secs(30)),
            dead_letters: true,
            park: true,
            ..Abilities::default()
        }
    }

    pub(super) fn group_number(&self) -> usize {
        self.group
    }

    pub(super) fn full_name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// What its handles share, if it can be reached.
    pub(super) fn reached(&self) -> Result<MutexGuard<'_, State>, TransportError> {
        let state = self.store.lock();
        state.reach(&self.name)?;
        Ok(state)
    }

    /// The names of the queue and of the group.
    pub(super) fn names(&self) -> (Arc<str>, Arc<str>) {
        let state = self.store.lock();
        (state.name.clone(), state.group_name(self.group))
    }

    pub(super) fn of(store: Arc<Store>, group: usize) -> Self {
        let name = store.lock().full_name(group);
        Self { store, group, name, desk: None, pulse: Pulse::new(SILENCE[1]) }
    }

    /// Returns a handle that subscribes as this group. Each group gets everything that is published after it was
    /// created. A new group begins with the packets that the default group still has, as first attempts.
    ///
    /// The default group exists from the start. While it has no subscriber and other groups exist, it does not limit
    /// the queue: when it is full, it forgets its oldest packet.
    pub fn group(&self, name: &str) -> Self {
        let group = self.store.lock().group(name);
        Self::of(self.store.clone(), group)
    }

    /// Returns the queue with the dead letters of this group, named as in `orders-dead`.
    pub fn dead_letters(&self) -> Self {
        let dead = self.store.lock().dead(self.group);
        Self::of(dead, 0)
    }

    /// Returns the dead letters of this group that stay in their places, and what is parked behind them: to list, redrive
    /// and discard them.
    pub fn parking(&self) -> Parking {
        let (store, name) = (self.store.clone(), self.name.clone());
        Parking::new(MemoryParking { store, group: self.group, name })
    }

    /// Sets how long a delivery is lent. The default is 30 s, and the least is 1 ms.
    pub fn lease(self, lease: Duration) -> Self {
        self.set(|state| state.abilities.lease = Some(lease.max(Duration::from_millis(1))))
    }

    /// Sets how many packets each group may have, lent ones included. Publishing beyond that fails with `Unreachable`.
    /// The default is 100,000.
    pub fn capacity(self, packets: usize) -> Self {
        self.set(|state| state.capacity = packets.max(1))
    }

    /// Sets how long a receive waits before it returns nothing, 20 s at most. The default is 1 s.
    pub fn wait(self, wait: Duration) -> Self {
        self.set(|state| state.wait = wait.min(Duration::from_secs(20)))
    }

    /// Accepts a packet whose id was published within this time, but does not deliver it again. A packet that has
    /// become a dead letter since may be delivered again. By default the queue does not de-duplicate.
    pub fn deduplicate(self, window: Duration) -> Self {
        self.set(|state| {
            state.abilities.deduplicates = true;
            state.window = window;
        })
    }

    /// Restricts the queue to the abilities of another server. It then refuses what that server would refuse: in
    /// `open`, in `publish`, or when a delivery is settled.
    ///
    /// Without `order`, keys have no effect. Without `lease`, a delivery is lent until its subscriber is closed or
    /// dropped. `durable` says whether the queue keeps its packets when it is [killed](Self::kill). De-duplication
    /// remembers the ids of the last 5 minutes, unless you [set another time](Self::deduplicate).
    pub fn with_abilities(self, abilities: Abilities) -> Self {
        self.set(|state| state.abilities = abilities)
    }

    /// These hold for the queue, and so for all its handles; its queues of dead letters take them over when they are made.
    fn set(self, set: impl FnOnce(&mut State)) -> Self {
        set(&mut self.store.lock());
        self
    }

    /// Simulates an outage: while the queue is not reachable, every call fails with `Unreachable`. The queue keeps its
    /// packets, and leases run on.
    pub fn set_reachable(&self, reachable: bool) {
        self.store.set_reachable(reachable, false);
    }

    /// Simulates the end of the server: all leases end, and all packets are lost unless the abilities say that the
    /// queue is durable. The queue is unreachable until you call [`set_reachable`](Self::set_reachable).
    pub fn kill(&self) {
        self.store.set_reachable(false, true);
    }

    /// Makes the next `packets` packets that are published fail with `Unreachable`.
    pub fn fail_next(&self, packets: usize) {
        self.store.lock().failing = packets;
    }

    /// Returns how many packets of this group wait: those that are held back or parked too, but not dead letters in
    /// their [places](Self::parking).
    pub fn waiting(&self) -> usize {
        self.store.lock().line(self.group).waiting()
    }

    /// Returns how many deliveries are lent to subscribers of this group.
    pub fn lent(&self) -> usize {
        self.store.lock().line(self.group).lent()
    }

    /// Returns how many packets the queue has taken since it was created, without the duplicates that it recognized.
    pub fn published(&self) -> u64 {
        self.store.lock().published
    }

    /// Returns copies of the packets that wait in this group, in the order in which they were published.
    pub fn packets(&self) -> Vec<Packet> {
        self.store.lock().line(self.group).packets().cloned().collect()
    }

    /// What may be lent to this subscriber now, and when something is due by itself.
    fn look(&self, desk: &Arc<Desk>, most: usize, now: Instant) -> Result<Look, TransportError> {
        let mut state = self.store.lock();
        state.reach(&self.name)?;
        self.pulse.beat();
        let (lent, wake) = state.lend(self.group, most, desk, now);
        let lease = state.abilities.lease;
        let due = state.line(self.group).due();
        drop(state);
        wake.now();
        Ok(Look { deliveries: lent.into_iter().map(|lent| self.delivery(lent, lease)).collect(), due })
    }

    fn delivery(&self, lent: Lent, lease: Option<Duration>) -> Delivery {
        let Lent { number, ticket, attempt, redriven, is_marked, packet } = lent;
        let loan = Loan { name: self.name.clone(), group: self.group, number, ticket, was_marked: is_marked };
        let receipt = MemoryReceipt { store: self.store.clone(), loan };
        let delivery = Delivery::shared(self.name.clone(), packet, attempt, receipt);
        let delivery = delivery.with_mark(is_marked).with_place(number, redriven);
        match lease {
            Some(lease) => delivery.with_lease(lease),
            None => delivery,
        }
    }

    async fn next(&self, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let Some(desk) = &self.desk else {
            let text = "no subscriber is open: call `open` before `receive`, and again after `close`";
            return Err(TransportError::new(ErrorKind::Closed, self.name.clone(), text));
        };
        let (bell, wait) = {
            let state = self.store.lock();
            (state.bell(self.group), state.wait)
        };
        let end = after(Instant::now(), wait);
        let mut watch = None;
        loop {
            // Before we look, so that nothing that happens since is missed.
            let rings = bell.notified();
            let now = Instant::now();
            let look = self.look(desk, most.max(1), now)?;
            if !look.deliveries.is_empty() || now >= end {
                return Ok(look.deliveries);
            }
            let until = look.due.map_or(end, |due| due.min(end));
            // In both cases it is time to look again.
            if desk.room() == 0 {
                let _ = timeout_at(until, desk.freed.notified()).await;
            } else {
                watch.get_or_insert_with(|| Watch(self));
                let _ = timeout_at(until, rings).await;
            }
        }
    }

    /// A connection ends; without leases that is when what it had been lent comes again.
    fn hang_up(&self, desk: Option<Arc<Desk>>) {
        if let Some(desk) = desk.filter(|_| self.store.lock().abilities.lease.is_none()) {
            self.store.take_back(self.group, &desk);
        }
    }
}

struct Look {
    deliveries: Vec<Delivery>,
    due: Option<Instant>,
}

/// Who waits at a group knows when something is due there. Who goes wakes another one that does.
struct Watch<'a>(&'a MemoryQueue);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.store.hand_over(self.0.group);
    }
}

impl Publisher for MemoryQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        self.store.lock().abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move { self.store.publish(&self.name, packets) })
    }

    fn publish_in_hand<'a>(&'a self, packets: &'a mut [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move { self.store.publish(&self.name, packets) })
    }
}

impl Source for MemoryQueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        self.store.lock().abilities
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            let mut state = self.store.lock();
            state.reach(&self.name)?;
            if self.group > 0 {
                state.abilities.demand(&self.name, Demand::FanOut)?;
            }
            state.opened(self.group);
            self.pulse.set_silence((state.wait + SILENCE[0]).max(SILENCE[1]));
            self.pulse.beat();
            drop(state);
            // What was lent to it before stays so until its lease ends, or the connection would.
            let before = self.desk.replace(Desk::new(prefetch));
            self.hang_up(before);
            Ok(())
        })
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(self.next(most))
    }

    fn pulse(&self) -> Option<Pulse> {
        Some(self.pulse.clone())
    }

    fn backlog(&mut self) -> BoxFuture<'_, Result<Option<u64>, TransportError>> {
        Box::pin(async {
            let state = self.store.lock();
            state.reach(&self.name)?;
            Ok(u64::try_from(state.line(self.group).waiting()).ok())
        })
    }

    fn parking(&self) -> Option<Parking> {
        Some(self.parking())
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async {
            if let Some(desk) = self.desk.take() {
                self.store.take_back(self.group, &desk);
            }
            Ok(())
        })
    }
}

/// The clone is a handle to the same queue. It is no subscriber until it is opened.
impl Clone for MemoryQueue {
    fn clone(&self) -> Self {
        let (store, name, pulse) = (self.store.clone(), self.name.clone(), Pulse::new(SILENCE[1]));
        Self { store, group: self.group, name, desk: None, pulse }
    }
}

impl Drop for MemoryQueue {
    fn drop(&mut self) {
        let desk = self.desk.take();
        self.hang_up(desk);
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue")
            .field("name", &self.name)
            .field("waiting", &self.waiting())
            .field("lent", &self.lent())
            .finish_non_exhaustive()
    }
}

/// What a delivery is settled by: at once, so that one that is dropped waits for nobody.
struct MemoryReceipt {
    store: Arc<Store>,
    loan: Loan,
}

impl Receipt for MemoryReceipt {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        let settled = self.store.settle(&self.loan, how);
        Box::pin(async { settled })
    }

    fn park(self: Box<Self>, record: DeadLetterRecord, _: Packet) -> BoxFuture<'static, Result<u64, TransportError>> {
        let parked = self.store.park(&self.loan, record);
        Box::pin(async { parked.map(counted) })
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let extended = self.store.extend(&self.loan, by);
        Box::pin(async { extended })
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        let marked = self.store.mark(&self.loan);
        Box::pin(async { marked.map(|()| true) })
    }
}
