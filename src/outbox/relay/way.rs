//! One of the ways out of an outbox: a route, and what it makes of a row.
//!
//! `Taken → Ways::of (which match publisher/event?) → Way::packet → Packet, or why it cannot leave`

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::__private::{Shown, catch};
use crate::codec;
use crate::route::{Outward, Terms};
use crate::transport::Packet;
use crate::{Envelope, EnvelopeLimits};

/// So many names of events are remembered with their ways.
const REMEMBERED: usize = 1024;

/// An event of a name, and by which ways it leaves.
pub(super) struct Matched {
    /// As in `Shop/OrderPlaced`.
    pub(super) name: String,
    pub(super) ways: Vec<usize>,
}

/// A route, as a relay uses it.
pub(super) struct Way {
    pub(super) outward: Outward,
    pub(super) terms: Terms,
}

impl Way {
    pub(super) fn name(&self) -> &str {
        self.outward.publisher.name()
    }

    /// Makes of a row what its publisher takes. The key of the outbox goes along unless the route has one.
    ///
    /// # Errors
    ///
    /// Says why it can never leave.
    pub(super) fn packet(&self, row: Packet, read: &mut Option<Envelope>) -> Result<Packet, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let packet = if self.outward.passes_on() {
            self.outward.pass_on(row).map_err(|error| text(&error))?
        } else {
            let envelope = match read {
                Some(envelope) => envelope.clone(),
                None => read.insert(decode(&row)?).clone(),
            };
            // The functions of the route are the user's.
            let packed = catch(|| self.outward.pack(envelope));
            let packed = packed.map_err(|why| format!("{}: its route panicked: {}", self.name(), Shown::text(&why)))?;
            let mut packet = packed.map_err(|error| text(&error))?;
            if packet.key.is_none() {
                packet.key = row.key;
            }
            packet
        };
        let abilities = self.outward.publisher.abilities();
        abilities.check(self.name(), &packet).map_err(|error| text(&error))?;
        Ok(packet)
    }
}

fn decode(row: &Packet) -> Result<Envelope, String> {
    // What is in an outbox was within its limits when it came.
    let any = EnvelopeLimits::default().bytes(usize::MAX).depth(usize::MAX).keys(usize::MAX);
    codec::read(row, any).map_err(|error| format!("it is no event any more: {error}"))
}

/// All ways out of an outbox.
pub(super) struct Ways {
    pub(super) all: Vec<Way>,
    publisher: Arc<str>,
    /// Which match, by the name of the event.
    known: RefCell<HashMap<String, Rc<Matched>>>,
}

impl Ways {
    pub(super) fn new(all: Vec<Way>, publisher: Arc<str>) -> Self {
        Self { all, publisher, known: RefCell::default() }
    }

    /// Returns by which of them a packet leaves.
    pub(super) fn of(&self, packet: &Packet) -> Rc<Matched> {
        // As the default codec has written it.
        let event = packet.attributes.text("eventName").unwrap_or_default();
        let mut known = self.known.borrow_mut();
        if let Some(matched) = known.get(event) {
            return matched.clone();
        }
        let name = format!("{}/{event}", self.publisher);
        let matching = self.all.iter().enumerate().filter(|(_, way)| way.outward.matches(&name));
        let ways = matching.map(|(place, _)| place).collect();
        let matched = Rc::new(Matched { name, ways });
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(event.to_owned(), matched.clone());
        matched
    }

    /// How many rows are published at a time.
    pub(super) fn most(&self, most: usize) -> usize {
        let of = |way: &Way| way.outward.publisher.abilities().max_batch.saturating_mul(16);
        self.all.iter().map(of).min().unwrap_or(most).clamp(1, most)
    }
}
