//! What whoever looks at a queue sees of it, and what becomes of its dead letters then.
//!
//! `look → MemoryDatabase::queue_named → MemoryQueue → { figures, letters, redrive, discard, tap }`

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::database::Keeps;
use super::parking::counted;
use super::queue::MemoryQueue;
use super::store::Store;
use super::wake::Wake;
use crate::sql::memory::MemoryDatabase;
use crate::transport::{DeadLetterRecord, Packet, TransportError};

/// How many packets wait to be heard; beyond that the oldest are forgotten.
const MOST_HEARD: usize = 10_000;

/// How full a group is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemoryFigures {
    pub(crate) waiting: u64,
    pub(crate) delayed: u64,
    pub(crate) in_flight: u64,
    pub(crate) dead: u64,
    pub(crate) parked: u64,
}

/// What comes into a queue, for as long as somebody has this.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    heard: Mutex<VecDeque<Packet>>,
    bell: Notify,
}

/// Who listens to a queue; whoever is gone is forgotten.
#[derive(Debug, Default)]
pub(super) struct Taps(Vec<Weak<Tap>>);

impl Taps {
    pub(super) fn tell(&mut self, packet: &Packet) {
        self.0.retain(|tap| {
            let Some(tap) = tap.upgrade() else { return false };
            tap.tell(packet.clone());
            true
        });
    }
}

impl Tap {
    fn heard(&self) -> MutexGuard<'_, VecDeque<Packet>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, packet: Packet) {
        let mut heard = self.heard();
        if heard.len() >= MOST_HEARD {
            heard.pop_front();
        }
        heard.push_back(packet);
        drop(heard);
        self.bell.notify_one();
    }

    /// Waits until there is something, and takes up to `most` of it.
    pub(crate) async fn next(&self, most: usize) -> Vec<Packet> {
        loop {
            let rings = self.bell.notified();
            let heard: Vec<_> = {
                let mut heard = self.heard();
                let most = most.min(heard.len());
                heard.drain(..most).collect()
            };
            if !heard.is_empty() {
                return heard;
            }
            rings.await;
        }
    }
}

impl MemoryDatabase {
    /// All queues and groups that there are: those of a group with a name are called as `orders/billing`.
    pub(crate) fn queues(&self) -> Vec<(String, MemoryQueue)> {
        let mut queues = Vec::new();
        for (name, keeps) in self.all::<Keeps>() {
            let groups = keeps.0.lock().group_names();
            for (at, group) in groups.iter().enumerate() {
                let full = if group.is_empty() { name.to_string() } else { format!("{name}/{group}") };
                queues.push((full, MemoryQueue::of(keeps.0.clone(), at)));
            }
        }
        queues.sort_by(|(one, _), (other, _)| one.cmp(other));
        queues
    }

    /// The queue or group of this name, if there is one.
    pub(crate) fn queue_named(&self, name: &str) -> Option<MemoryQueue> {
        self.queues().into_iter().find_map(|(there, queue)| (there == name).then_some(queue))
    }
}

impl MemoryQueue {
    pub(crate) fn figures(&self) -> Result<MemoryFigures, TransportError> {
        let now = Instant::now();
        let state = self.reached()?;
        let line = state.line(self.group_number());
        let letters: Vec<u64> = line.letters(0).collect();
        let parked: usize = letters.iter().map(|letter| line.behind(*letter)).sum();
        let delayed = line.held(now);
        let mut figures = MemoryFigures {
            waiting: number(line.waiting().saturating_sub(delayed + parked)),
            delayed: number(delayed),
            in_flight: number(line.lent()),
            dead: number(letters.len()),
            parked: counted(parked),
        };
        let dead = state.dead_if_any(self.group_number());
        drop(state);
        if let Some(dead) = dead {
            figures.dead += number(dead.lock().line(0).len());
        }
        Ok(figures)
    }

    /// Up to `most` of the letters in the queue of dead letters, behind this number.
    pub(crate) fn letters(&self, after: u64, most: usize) -> Result<Vec<(u64, Packet)>, TransportError> {
        let Some(dead) = self.dead_store()? else { return Ok(Vec::new()) };
        let state = dead.lock();
        Ok(state.line(0).unlent(after).take(most).map(|(number, packet)| (number, packet.clone())).collect())
    }

    /// Puts a letter back into this group, in one step.
    pub(crate) fn redrive_letter(&self, letter: u64) -> Result<bool, TransportError> {
        let now = Instant::now();
        let mut wake = Wake::default();
        let Some(dead) = self.dead_store()? else { return Ok(false) };
        // Always in this order: a queue, then its dead letters.
        let mut state = self.reached()?;
        let mut dead = dead.lock();
        let first = dead.line(0).unlent(letter.saturating_sub(1)).next();
        let Some(packet) = first.filter(|(number, _)| *number == letter).map(|(_, packet)| packet.clone()) else {
            return Ok(false);
        };
        state.put_back(self.group_number(), &self.full_name(), DeadLetterRecord::revive(packet), now, &mut wake)?;
        let (_, woken) = dead.change(0, |line| ((), line.take(letter, now).unwrap_or_default()));
        drop(dead);
        drop(state);
        wake.now();
        woken.now();
        Ok(true)
    }

    pub(crate) fn discard_letter(&self, letter: u64) -> Result<bool, TransportError> {
        let now = Instant::now();
        let Some(dead) = self.dead_store()? else { return Ok(false) };
        let (taken, woken) = dead.lock().change(0, |line| {
            let calls = line.take(letter, now);
            (calls.is_some(), calls.unwrap_or_default())
        });
        woken.now();
        Ok(taken)
    }

    /// Listens to what comes.
    pub(crate) fn tap(&self) -> Result<Arc<Tap>, TransportError> {
        let tap = Arc::<Tap>::default();
        self.reached()?.taps.0.push(Arc::downgrade(&tap));
        Ok(tap)
    }

    /// Where the letters are, and what was lent of them for too long is back.
    fn dead_store(&self) -> Result<Option<Arc<Store>>, TransportError> {
        let dead = self.reached()?.dead_if_any(self.group_number());
        if let Some(dead) = &dead {
            let (_, woken) = dead.lock().change(0, |line| ((), line.advance(Instant::now())));
            woken.now();
        }
        Ok(dead)
    }
}

fn number(count: usize) -> u64 {
    count.try_into().unwrap_or(u64::MAX)
}
