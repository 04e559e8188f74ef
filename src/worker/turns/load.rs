//! How many bytes are here: packets that wait, and what is made of those that are heard.
//!
//! `fetch.rs: asks for as many as fit → Load → Weight (freed when it is settled)`, `reading.rs → Parsed`

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use crate::transport::Packet;

/// How large a packet is taken for before any has come: the most that SQS and SNS took for long.
const GUESS: usize = 256 * 1024;

/// What JSON takes in memory, beside its text: an object with its first leaf, an array with room for four, and each further
/// value with its key. Measured; too much rather than too little.
const OBJECT: usize = 700;
const ARRAY: usize = 160;
const VALUE: usize = 100;

/// How many bytes of packets are here, and how many there may be.
pub(crate) struct Load {
    most: usize,
    here: Cell<usize>,
    /// What the next packet is taken for: as large as the largest of late.
    typical: Cell<usize>,
    freed: Notify,
    /// For what is parsed, in KiB.
    parsed: Semaphore,
    parsed_in_all: u32,
}

impl Load {
    pub(crate) fn new(most: usize) -> Self {
        let parsed_in_all = kib(most).max(1);
        Self {
            most,
            here: Cell::new(0),
            typical: Cell::new(GUESS),
            freed: Notify::new(),
            parsed: Semaphore::new(parsed_in_all.try_into().unwrap_or(Semaphore::MAX_PERMITS)),
            parsed_in_all,
        }
    }

    /// Waits until there is room for a packet, and returns for how many: one always, if nothing is here.
    pub(crate) async fn room(&self) -> usize {
        loop {
            let freed = self.freed.notified();
            let here = self.here.get();
            if here == 0 || here < self.most {
                return (self.most.saturating_sub(here) / self.typical.get().max(1)).max(1);
            }
            freed.await;
        }
    }

    /// Notes that this is here.
    pub(crate) fn add(self: &Rc<Self>, packet: &Packet) -> Weight {
        let bytes = packet.bytes();
        let typical = self.typical.get();
        self.typical.set(bytes.max(typical - typical / 8));
        self.here.set(self.here.get().saturating_add(bytes));
        Weight { load: self.clone(), bytes }
    }

    /// Waits until there is room for what is made of a packet, which takes so much. One that is larger than all that there may be is alone.
    pub(crate) async fn parse(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let wants = kib(bytes).clamp(1, self.parsed_in_all);
        // The semaphore is never closed.
        self.parsed.acquire_many(wants).await.ok()
    }
}

/// The bytes of a packet, while it is here.
pub(crate) struct Weight {
    load: Rc<Load>,
    bytes: usize,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.load.here.set(self.load.here.get().saturating_sub(self.bytes));
        self.load.freed.notify_one();
    }
}

fn kib(bytes: usize) -> u32 {
    bytes.div_ceil(1024).try_into().unwrap_or(u32::MAX)
}

/// How many bytes a packet takes once it is parsed, at the most, by what its body looks like: marks within texts count too.
pub(crate) fn parsed(packet: &Packet) -> usize {
    let mut bytes = packet.body.len();
    // As many as a byte can count: so they are looked at many at a time.
    for part in packet.body.chunks(u8::MAX.into()) {
        let count = |mark| usize::from(part.iter().map(|byte| u8::from(*byte == mark)).sum::<u8>());
        let values = count(b'{') * OBJECT + count(b'[') * ARRAY + count(b',') * VALUE;
        bytes = bytes.saturating_add(values);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn there_is_room_for_one_always_and_for_more_as_far_as_they_fit() {
        let load = Rc::new(Load::new(1_000_000));
        assert_eq!(load.room().now_or_never(), Some(3), "before any is known");
        let heavy = load.add(&Packet::new("1", vec![b' '; 2_000_000]));
        assert_eq!(load.room().now_or_never(), None);
        drop(heavy);
        assert_eq!(load.room().now_or_never(), Some(1));
        for _ in 0..100 {
            drop(load.add(&Packet::new("1", vec![b' '; 1_000])));
        }
        let _one = load.add(&Packet::new("1", vec![b' '; 1_000]));
        assert!(load.room().now_or_never().is_some_and(|many| (900..1_000).contains(&many)));
    }

    #[test]
    fn what_is_parsed_takes_no_less_than_it_does() {
        let small = Packet::new("1", format!("[{}]", vec![r#"{"":0}"#; 1_000].join(",")));
        // A leaf of a tree for each object, of which eleven entries fit into 632 bytes.
        assert!(parsed(&small) > 1_000 * 632 + small.body.len());
        let text = Packet::new("1", vec![b'x'; 1_000_000]);
        assert_eq!(parsed(&text), 1_000_000);
    }
}
