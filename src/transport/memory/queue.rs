//! A handle on a queue in this process, which publishes, subscribes, and lets a test look inside.
//!
//! `publish → Store`, `Store → receive → Delivery → Loan → Store`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::line::{Desk, Lent, after};
use super::store::{Loan, State, Store};
use crate::transport::{
    Abilities, BoxFuture, Delivery, Demand, ErrorKind, Packet, Publisher, Pulse, Receipt, Settlement, Source,
    TransportError,
};

/// A queue in this process, made by [`Memory::queue`](super::Memory::queue). Clones share it, and each one that is opened
/// is a subscriber of its own.
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
        let abilities = Abilities {
            delay: Some(Duration::MAX),
            retry_after: Some(Duration::MAX),
            order: true,
            fan_out: true,
            priority: u8::MAX,
            lease: Some(Duration::from_secs(30)),
            dead_letters: true,
            ..Abilities::default()
        };
        Self::of(Store::new(name, abilities), 0)
    }

    fn of(store: Arc<Store>, group: usize) -> Self {
        let name = store.lock().full_name(group);
        Self { store, group, name, desk: None, pulse: Pulse::new(SILENCE[1]) }
    }

    /// Returns a handle that subscribes as this group: each group gets everything that is published from then on. A group
    /// that is made later begins with what the default group still has, as first attempts.
    ///
    /// The default group is there from the start. While nobody reads it and there are others, it holds up nobody: when it
    /// is full it forgets its oldest.
    pub fn group(&self, name: &str) -> Self {
        let group = self.store.lock().group(name);
        Self::of(self.store.clone(), group)
    }

    /// Returns the queue of what this group has given up on, named as in `orders-dead`.
    pub fn dead_letters(&self) -> Self {
        let dead = self.store.lock().dead(self.group);
        Self::of(dead, 0)
    }

    /// Sets how long a delivery is lent. The default is 30 s; it is at least 1 ms.
    pub fn lease(self, lease: Duration) -> Self {
        self.set(|state| state.abilities.lease = Some(lease.max(Duration::from_millis(1))))
    }

    /// Sets how many packets each group may have, those that are lent among them; a publish beyond it is `Unreachable`.
    /// The default is 100,000.
    pub fn capacity(self, packets: usize) -> Self {
        self.set(|state| state.capacity = packets.max(1))
    }

    /// Sets how long a receive waits before it returns nothing; 20 s at most. The default is 1 s.
    pub fn wait(self, wait: Duration) -> Self {
        self.set(|state| state.wait = wait.min(Duration::from_secs(20)))
    }

    /// Has a packet whose id was published less than this ago be taken, and not delivered again; one that became a dead
    /// letter since then may come again. By default nothing is de-duplicated.
    pub fn deduplicate(self, window: Duration) -> Self {
        self.set(|state| {
            state.abilities.deduplicates = true;
            state.window = window;
        })
    }

    /// Lets it do no more than another server, whose abilities these are. What it is asked for beyond them is refused as
    /// there: by `open`, by `publish`, or by the delivery.
    ///
    /// Without `order`, keys mean nothing; without `lease`, a delivery is lent until its subscriber is closed or dropped;
    /// `durable` says whether it keeps what it has when it is [killed](Self::kill). De-duplication is by ids of the last
    /// 5 minutes, unless [told otherwise](Self::deduplicate).
    pub fn with_abilities(self, abilities: Abilities) -> Self {
        self.set(|state| state.abilities = abilities)
    }

    /// These hold for the queue, and so for all its handles; its queues of dead letters take them over when they are made.
    fn set(self, set: impl FnOnce(&mut State)) -> Self {
        set(&mut self.store.lock());
        self
    }

    /// Plays an outage: until it is reachable again, whatever is asked of it is `Unreachable`. It keeps what it has, and
    /// leases run on.
    pub fn set_reachable(&self, reachable: bool) {
        self.store.set_reachable(reachable, false);
    }

    /// Plays the end of the server: what is lent is lent no more, all that it has is gone unless its abilities say that it
    /// is durable, and it is unreachable until [`set_reachable`](Self::set_reachable).
    pub fn kill(&self) {
        self.store.set_reachable(false, true);
    }

    /// Has the next packets that are published, so many, be refused as `Unreachable`.
    pub fn fail_next(&self, packets: usize) {
        self.store.lock().failing = packets;
    }

    /// Returns how many packets this group has that are not lent, those that are held back among them.
    pub fn waiting(&self) -> usize {
        self.store.lock().line(self.group).waiting()
    }

    /// Returns how many deliveries are lent to subscribers of this group.
    pub fn lent(&self) -> usize {
        self.store.lock().line(self.group).lent()
    }

    /// Returns how many packets the queue has taken since it was made, but those that it recognized.
    pub fn published(&self) -> u64 {
        self.store.lock().published
    }

    /// Returns copies of what waits in this group, in the order in which it was published.
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
        let Lent { number, ticket, attempt, is_marked, packet } = lent;
        let loan = Loan { name: self.name.clone(), group: self.group, number, ticket, was_marked: is_marked };
        let receipt = MemoryReceipt { store: self.store.clone(), loan };
        let delivery = Delivery::new(self.name.clone(), Packet::clone(&packet), attempt, receipt).with_mark(is_marked);
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
        Box::pin(async { self.store.publish(&self.name, packets) })
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

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async {
            if let Some(desk) = self.desk.take() {
                self.store.take_back(self.group, &desk);
            }
            Ok(())
        })
    }
}

/// A handle of its own, which is no subscriber until it is opened.
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

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let extended = self.store.extend(&self.loan, by);
        Box::pin(async { extended })
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        let marked = self.store.mark(&self.loan);
        Box::pin(async { marked.map(|()| true) })
    }
}
