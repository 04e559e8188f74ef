//! Emptied tables and queues of closed rounds, for the next ones.

use std::collections::VecDeque;

use super::link::ToSession;
use crate::base::Payload;
use crate::rounds::round::Standing;

/// How many of each are kept.
const SPARE: usize = 32;

/// One that has grown beyond this is not kept.
const CAPACITY: usize = 4096;

pub(crate) struct Spare<P: Payload> {
    standings: Vec<Vec<Standing>>,
    queues: Vec<VecDeque<ToSession<P>>>,
}

impl<P: Payload> Spare<P> {
    pub(crate) fn new() -> Self {
        Self { standings: Vec::new(), queues: Vec::new() }
    }

    pub(crate) fn standing(&mut self) -> Vec<Standing> {
        self.standings.pop().unwrap_or_default()
    }

    pub(crate) fn queue(&mut self) -> VecDeque<ToSession<P>> {
        self.queues.pop().unwrap_or_default()
    }

    pub(crate) fn keep_standing(&mut self, mut standing: Vec<Standing>) {
        if self.standings.len() < SPARE && standing.capacity() <= CAPACITY {
            standing.clear();
            self.standings.push(standing);
        }
    }

    /// Keeps a queue, which is empty.
    pub(crate) fn keep_queue(&mut self, queue: VecDeque<ToSession<P>>) {
        if self.queues.len() < 2 * SPARE && (1..=CAPACITY).contains(&queue.capacity()) {
            self.queues.push(queue);
        }
    }
}
