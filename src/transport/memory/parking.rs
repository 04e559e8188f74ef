//! The dead letters of one group that stay in their places: looked at, redriven and discarded.
//!
//! `MemoryQueue::parking → MemoryParking → Store → Line`

use std::sync::Arc;

use tokio::time::Instant;

use super::line::{Calls, Line};
use super::store::Store;
use crate::transport::{BoxFuture, LetterInPlace, MOST_COUNTED, ParkingFigures, Parks, TransportError};

/// How many letters are redriven under one lock.
const SOME: usize = 500;

pub(super) struct MemoryParking {
    pub(super) store: Arc<Store>,
    pub(super) group: usize,
    /// As in `memory:orders/billing`.
    pub(super) name: Arc<str>,
}

impl MemoryParking {
    /// Reads what a group has, or why that cannot be.
    fn look<T>(&self, look: impl FnOnce(&Line) -> T) -> Result<T, TransportError> {
        let state = self.store.lock();
        state.reach(&self.name)?;
        Ok(look(state.line(self.group)))
    }

    /// Changes it, and wakes whom that concerns.
    fn change<T>(&self, change: impl FnOnce(&mut Line, Instant) -> (T, Calls)) -> Result<T, TransportError> {
        let now = Instant::now();
        let mut state = self.store.lock();
        state.reach(&self.name)?;
        let (changed, wake) = state.change(self.group, |line| change(line, now));
        drop(state);
        wake.now();
        Ok(changed)
    }

    fn redrive_some(&self, after: u64) -> Result<(u64, Option<u64>), TransportError> {
        self.change(|line, now| {
            let letters: Vec<u64> = line.letters(after).take(SOME).collect();
            let mut calls = Calls::default();
            for letter in &letters {
                calls.merge(line.redrive(*letter, now).unwrap_or_default());
            }
            ((letters.len() as u64, letters.last().copied()), calls)
        })
    }
}

impl Parks for MemoryParking {
    fn name(&self) -> &str {
        &self.name
    }

    fn dead_letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<LetterInPlace>, TransportError>> {
        let letters = self.look(|line| {
            let letters = line.letters(after).take(most);
            let letter = |position| {
                let (packet, record) = line.letter(position)?;
                Some(LetterInPlace::new(position, packet.clone(), record.clone(), counted(line.behind(position))))
            };
            letters.filter_map(letter).collect()
        });
        Box::pin(async { letters })
    }

    fn figures(&self) -> BoxFuture<'_, Result<ParkingFigures, TransportError>> {
        let figures = self.look(|line| {
            let parked = line.letters(0).map(|position| line.behind(position)).sum();
            ParkingFigures::new(counted(line.letters(0).count()), counted(parked))
        });
        Box::pin(async { figures })
    }

    fn redrive(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        let redriven = self.change(|line, now| {
            let calls = line.redrive(position, now);
            (calls.is_some(), calls.unwrap_or_default())
        });
        Box::pin(async { redriven })
    }

    fn redrive_all(&self) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(async {
            let (mut all, mut after) = (0, 0);
            loop {
                let (some, last) = self.redrive_some(after)?;
                all += some;
                match last {
                    Some(last) => after = last,
                    None => return Ok(all),
                }
            }
        })
    }

    fn discard(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        let discarded = self.change(|line, now| {
            let calls = line.discard(position, now);
            (calls.is_some(), calls.unwrap_or_default())
        });
        Box::pin(async { discarded })
    }
}

/// As the other transports count it.
pub(super) fn counted(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).min(MOST_COUNTED)
}
