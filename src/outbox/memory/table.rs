//! What an outbox in memory has: rows that are ready, dead or parked, and which relay has which lane. It knows no lock.
//!
//! `insert → ready → take → done | bury → dead → redrive, discard`, `park: ready → parked, while its key has a dead row`

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::Uuid;
use crate::outbox::{Dead, FirstDead, LANES, Lanes, OutboxFigures, Taken, lane_of};
use crate::transport::Packet;

#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<i64, Row>,
    /// Each lane in the order of positions.
    ready: BTreeSet<(u16, i64)>,
    dead: BTreeSet<i64>,
    parked: u64,
    /// Of each key that has dead rows.
    keys: HashMap<String, Fate>,
    last: i64,
    /// Until when a relay is alive.
    relays: HashMap<Uuid, Instant>,
    lanes: BTreeMap<u16, Uuid>,
}

#[derive(Debug)]
struct Row {
    lane: u16,
    packet: Packet,
    published: Instant,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Ready,
    Dead(String),
    Parked,
}

#[derive(Debug, Default)]
struct Fate {
    dead: BTreeSet<i64>,
    parked: BTreeSet<i64>,
}

impl Table {
    /// Adds a row behind all others.
    pub(super) fn insert(&mut self, packet: Packet) {
        self.last += 1;
        let lane = lane_of(packet.key.as_deref());
        self.rows.insert(self.last, Row { lane, packet, published: Instant::now(), state: State::Ready });
        self.ready.insert((lane, self.last));
    }

    /// Deletes those that are ready.
    pub(super) fn delete(&mut self, done: &[i64]) {
        for position in done {
            if let Some(Row { lane, state: State::Ready, .. }) = self.rows.get(position) {
                self.ready.remove(&(*lane, *position));
                self.rows.remove(position);
            }
        }
    }

    /// The first that are ready in these lanes, in the order of their positions.
    pub(super) fn take(&self, lanes: &[u16], most: usize, bytes: usize) -> Vec<Taken> {
        let ready = lanes.iter().flat_map(|lane| self.of_lane(*lane));
        let mut total = 0_usize;
        let fits = |(at, row): &(usize, (i64, &Row))| {
            total = total.saturating_add(row.1.packet.body.len());
            *at == 0 || total <= bytes
        };
        let first = ready.take(most).enumerate().take_while(fits);
        let take = |(_, (position, row)): (usize, (i64, &Row))| Taken {
            position,
            lane: row.lane,
            packet: row.packet.clone(),
            age: row.published.elapsed(),
        };
        let mut taken: Vec<_> = first.map(take).collect();
        taken.sort_unstable_by_key(|row| row.position);
        taken
    }

    fn of_lane(&self, lane: u16) -> impl Iterator<Item = (i64, &Row)> {
        let ready = self.ready.range((lane, i64::MIN)..=(lane, i64::MAX));
        ready.filter_map(|(_, position)| Some((*position, self.rows.get(position)?)))
    }

    /// The keys of dead rows in these lanes, with the first of each.
    pub(super) fn dead_keys(&self, lanes: &[u16], most: usize) -> FirstDead {
        let keys = self.keys.iter().filter(|(key, _)| lanes.contains(&lane_of(Some(key))));
        keys.filter_map(|(key, fate)| Some((key.clone(), *fate.dead.first()?))).take(most).collect()
    }

    /// The first dead row of the key of each of these.
    pub(super) fn first_dead(&self, positions: &[i64]) -> FirstDead {
        let keys = positions.iter().filter_map(|position| self.rows.get(position)?.packet.key.as_ref());
        keys.filter_map(|key| Some((key.clone(), *self.keys.get(key)?.dead.first()?))).collect()
    }

    /// Has rows be dead that are ready in lanes of this relay. Returns of each the name of its event, and why it is dead.
    pub(super) fn bury(&mut self, relay: Uuid, dead: &[(i64, String)]) -> Vec<(String, String)> {
        let mut buried = Vec::with_capacity(dead.len());
        for (position, reason) in dead {
            let Some(row) = self.rows.get_mut(position).filter(|row| row.state == State::Ready) else { continue };
            if self.lanes.get(&row.lane) != Some(&relay) {
                continue;
            }
            row.state = State::Dead(reason.clone());
            // As the default codec has written it.
            let event = row.packet.attributes.text("eventName").unwrap_or_default();
            buried.push((event.to_owned(), reason.clone()));
            self.ready.remove(&(row.lane, *position));
            self.dead.insert(*position);
            if let Some(key) = &row.packet.key {
                self.keys.entry(key.clone()).or_default().dead.insert(*position);
            }
        }
        buried
    }

    /// Parks rows that are ready in lanes of this relay, and returns those that are behind no dead row of their key.
    pub(super) fn park(&mut self, relay: Uuid, positions: &[i64]) -> Vec<i64> {
        let mut free = Vec::new();
        for position in positions {
            let Some(row) = self.rows.get_mut(position).filter(|row| row.state == State::Ready) else { continue };
            let fate = row.packet.key.as_ref().and_then(|key| self.keys.get_mut(key));
            let Some(fate) = fate.filter(|fate| fate.dead.first().is_some_and(|first| first < position)) else {
                free.push(*position);
                continue;
            };
            if self.lanes.get(&row.lane) == Some(&relay) {
                row.state = State::Parked;
                self.ready.remove(&(row.lane, *position));
                fate.parked.insert(*position);
                self.parked += 1;
            }
        }
        free
    }

    pub(super) fn figures(&self, most: u64) -> OutboxFigures {
        let counted = |count: usize| u64::try_from(count).unwrap_or(u64::MAX).min(most);
        let first = (0..LANES).filter_map(|lane| self.of_lane(lane).next()).min_by_key(|(position, _)| *position);
        OutboxFigures {
            ready: counted(self.ready.len()),
            dead: counted(self.dead.len()),
            parked: self.parked.min(most),
            oldest: first.map(|(_, row)| row.published.elapsed()),
        }
    }

    /// Dead rows behind this position.
    pub(super) fn dead(&self, after: i64, most: usize) -> Vec<Dead> {
        let behind = self.dead.range(after.saturating_add(1)..).take(most);
        let dead = behind.filter_map(|position| Some((*position, self.rows.get(position)?)));
        let read = |(position, row): (i64, &Row)| {
            let fate = row.packet.key.as_ref().and_then(|key| self.keys.get(key));
            Dead {
                position,
                packet: row.packet.clone(),
                reason: if let State::Dead(reason) = &row.state { reason.clone() } else { String::new() },
                age: row.published.elapsed(),
                parked: fate.map_or(0, |fate| fate.parked.range(position..).count() as u64),
            }
        };
        dead.map(read).collect()
    }

    /// Ends that rows between these are dead, at most so many, and returns which these were.
    pub(super) fn redrive(&mut self, from: i64, to: i64, most: usize) -> Vec<i64> {
        let first = (from <= to).then(|| self.dead.range(from..=to).take(most));
        let redriven: Vec<i64> = first.into_iter().flatten().copied().collect();
        let mut keys = BTreeSet::new();
        for position in &redriven {
            self.dead.remove(position);
            let Some(row) = self.rows.get_mut(position) else { continue };
            match row.packet.key.clone() {
                // It may be behind another dead row, until that is looked at.
                Some(key) => {
                    row.state = State::Parked;
                    self.parked += 1;
                    let fate = self.keys.entry(key.clone()).or_default();
                    fate.dead.remove(position);
                    fate.parked.insert(*position);
                    keys.insert(key);
                }
                None => {
                    row.state = State::Ready;
                    self.ready.insert((row.lane, *position));
                }
            }
        }
        keys.into_iter().for_each(|key| self.unpark(key));
        redriven
    }

    /// Deletes a dead row, and says whether there was one.
    pub(super) fn discard(&mut self, position: i64) -> bool {
        if !self.dead.remove(&position) {
            return false;
        }
        if let Some(key) = self.rows.remove(&position).and_then(|row| row.packet.key) {
            if let Some(fate) = self.keys.get_mut(&key) {
                fate.dead.remove(&position);
            }
            self.unpark(key);
        }
        true
    }

    /// Has those be ready that are behind no dead row of this key.
    fn unpark(&mut self, key: String) {
        let Some(fate) = self.keys.get_mut(&key) else { return };
        let behind = fate.dead.first().map(|first| fate.parked.split_off(first)).unwrap_or_default();
        let freed = std::mem::replace(&mut fate.parked, behind);
        if fate.dead.is_empty() {
            self.keys.remove(&key);
        }
        self.parked -= freed.len() as u64;
        for position in freed {
            if let Some(row) = self.rows.get_mut(&position) {
                row.state = State::Ready;
                self.ready.insert((row.lane, position));
            }
        }
    }

    /// Renews what a relay has, and shares the lanes with the others that are alive.
    pub(super) fn share(&mut self, relay: Uuid, lease: Duration, busy: &[u16]) -> Lanes {
        let now = Instant::now();
        self.relays.retain(|other, until| *other == relay || *until > now);
        self.relays.insert(relay, now + lease);
        let relays = &self.relays;
        self.lanes.retain(|_, of| relays.contains_key(of));
        let share = usize::from(LANES).div_ceil(self.relays.len());
        let held = |lanes: &BTreeMap<u16, Uuid>| -> Vec<u16> {
            lanes.iter().filter(|(_, of)| **of == relay).map(|(lane, _)| *lane).collect()
        };
        let has = held(&self.lanes);
        if let Some(beyond) = has.len().checked_sub(share) {
            let back = has.iter().filter(|lane| !busy.contains(lane)).take(beyond);
            for lane in back {
                self.lanes.remove(lane);
            }
        } else {
            let free: Vec<u16> = (0..LANES).filter(|lane| !self.lanes.contains_key(lane)).collect();
            self.lanes.extend(free.into_iter().take(share - has.len()).map(|lane| (lane, relay)));
        }
        Lanes { held: held(&self.lanes), share }
    }

    pub(super) fn leave(&mut self, relay: Uuid) {
        self.relays.remove(&relay);
        self.lanes.retain(|_, of| *of != relay);
    }
}
