//! What a worker orders by, beside what the server orders by: where they differ, nobody keeps the order.
//!
//! `ordered_by(event), Packet::key → Keys → one warning for each event name`

use std::cell::RefCell;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap, RandomState};
use std::hash::BuildHasher;

use crate::Envelope;
use crate::transport::Packet;

/// How many keys are remembered, and how many names of events.
const MOST_KEYS: usize = 1_000;
const MOST_NAMES: usize = 100;

/// How much of a name is shown.
const NAME: usize = 100;

/// Under which key of the server each of our keys has come.
#[derive(Default)]
pub(crate) struct Keys {
    hasher: RandomState,
    seen: RefCell<HashMap<u64, u64>>,
    warned: RefCell<HashSet<String>>,
}

impl Keys {
    /// Warns once by name of an event whose order the server does not keep: its packet has no key, or comes under another
    /// key than one before it with the same key of ours. What is finer than the server's key is in order all the same.
    pub(crate) fn check(&self, source: &str, key: &str, packet: &Packet, envelope: &Envelope) {
        let why = match &packet.key {
            None => "its packet has no key",
            Some(of_server) if self.is_split(key, of_server) => "its packets have several",
            Some(_) => return,
        };
        let name: String = envelope.metadata.event.chars().take(NAME).collect();
        let mut warned = self.warned.borrow_mut();
        if warned.len() < MOST_NAMES && warned.insert(name.clone()) {
            log::warn!(
                target: "convoke::worker",
                "{source}: `ordered_by` gives {name:?} a key, but {why}: the server does not keep its order, and so nobody \
                 does; publish it by that key, as with `Route::ordered_by`"
            );
        }
    }

    fn is_split(&self, key: &str, of_server: &str) -> bool {
        let of_server = self.hasher.hash_one(of_server);
        let mut seen = self.seen.borrow_mut();
        if seen.len() >= MOST_KEYS {
            seen.clear();
        }
        match seen.entry(self.hasher.hash_one(key)) {
            Entry::Occupied(before) => *before.get() != of_server,
            Entry::Vacant(new) => {
                new.insert(of_server);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Metadata;

    #[test]
    fn what_the_server_keeps_in_order_is_no_fault_and_the_rest_is_named_once() {
        let keys = Keys::default();
        let envelope = |name: &str| Envelope::new(Metadata::new(name.to_owned()), json!({}));
        let under = |key: Option<&str>| {
            let mut packet = Packet::new("1", "{}");
            packet.key = key.map(str::to_owned);
            packet
        };
        let warned = || keys.warned.borrow().len();
        // The same, a finer one, and all in one order.
        for (ours, servers) in [("a", "a"), ("a/1", "a"), ("a/2", "a"), ("b", "all"), ("c", "all")] {
            keys.check("memory:orders", ours, &under(Some(servers)), &envelope("Placed"));
        }
        assert_eq!(warned(), 0);
        keys.check("memory:orders", "d", &under(None), &envelope("Paid"));
        keys.check("memory:orders", "e", &under(None), &envelope("Paid"));
        assert_eq!(warned(), 1);
        keys.check("memory:orders", "a", &under(Some("z")), &envelope("Placed"));
        assert_eq!(warned(), 2);
        for name in 0..1_000 {
            keys.check("memory:orders", "f", &under(None), &envelope(&name.to_string()));
        }
        assert_eq!(warned(), MOST_NAMES, "what comes from outside fills no memory");
    }
}
