//! Verdicts that could not be stored, for when their deliveries come again: nobody hears those a second time.
//!
//! `a verdict that the server did not take → Kept → the same packet once more → the same verdict`

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::Retry;
use crate::transport::{Attribute, DeadLetterRecord, Packet, Place};

/// How many verdicts are kept; of more, the oldest are forgotten, and their deliveries are heard again.
pub(crate) const MOST_KEPT: usize = 1_000;

/// How long a verdict is kept after it was of use last: longer than a server lends, or holds back, what it has.
const KEPT_FOR: Duration = Duration::from_secs(2 * 60 * 60);

/// The first wait before it is tried again to store one, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A verdict that stands, whatever becomes of its delivery.
#[derive(Clone, Debug)]
pub(crate) struct Final {
    pub(crate) what: What,
    /// How often it could not be stored, and when that is tried again.
    failures: u32,
    pub(crate) due: Option<Instant>,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Every listener is done, and the server is to be told.
    Done,
    /// It is to be a dead letter. Its record is made once, so that whoever gets the letter twice sees that it is one.
    Dead(Box<DeadLetterRecord>),
    /// It is to be a dead letter in its place, and what follows it is parked.
    Parked(Box<DeadLetterRecord>),
    /// It is a dead letter, and the server is to be told.
    Buried,
}

impl Final {
    pub(crate) fn new(what: What) -> Self {
        Self { what, failures: 0, due: None }
    }

    /// One that cannot be kept waits as those that were like it: otherwise, heard again at once and refused again at once, it
    /// would go in a loop.
    pub(crate) fn waits_as(&mut self, before: Refused) {
        (self.failures, self.due) = (before.failures, before.due);
    }

    pub(crate) fn refused(&self) -> Refused {
        Refused { failures: self.failures, due: self.due }
    }

    /// It could not be stored: returns whether that is the first time. It is tried again after a wait.
    pub(crate) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let retry = Retry::exponential(FIRST_WAIT).max_delay(LONGEST_WAIT);
        // Never less than half of it, so that a server that refuses at once is not asked in a loop.
        let wait = (retry.wait(self.failures, crate::__private::random()) + retry.limit(self.failures)) / 2;
        self.due = Instant::now().checked_add(wait);
        self.failures == 1
    }
}

/// What tells a delivery from all others: its place, where that is known, and everything that its server carries of its packet,
/// but for how it travels. Nobody outside can make two that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

/// What one worker keeps.
#[derive(Default)]
pub(crate) struct Kept {
    all: RefCell<HashMap<Fingerprint, Entry>>,
    hashes: RandomState,
    entered: Cell<u64>,
    /// Letters that were refused and whose verdicts cannot be kept.
    refused: RefCell<HashMap<Fingerprint, Refused>>,
}

/// How often a letter was refused, and when it, or one that is like it, is tried again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refused {
    failures: u32,
    due: Option<Instant>,
}

struct Entry {
    /// At which attempt it was judged.
    attempt: u32,
    verdict: Final,
    since: Instant,
    /// The lower, the older.
    place: u64,
}

impl Kept {
    pub(crate) fn fingerprint(&self, packet: &Packet, place: Option<Place>) -> Fingerprint {
        let mut hasher = self.hashes.build_hasher();
        place.hash(&mut hasher);
        let Packet { id, body, attributes, topic, key, delay: _, priority: _ } = packet;
        // Each is hashed with its length or its end, and so is how many there are.
        (id, topic, key, attributes.len()).hash(&mut hasher);
        for (name, value) in attributes.iter() {
            (name, value.kind()).hash(&mut hasher);
            match value {
                Attribute::Text(text) => text.hash(&mut hasher),
                Attribute::Number(_) | Attribute::List(_) => value.text().hash(&mut hasher),
            }
        }
        body.hash(&mut hasher);
        Fingerprint(hasher.finish())
    }

    pub(crate) fn refused(&self, like: Fingerprint) -> Refused {
        self.refused.borrow().get(&like).copied().unwrap_or_default()
    }

    /// Notes that a letter was refused, or that it is taken.
    pub(crate) fn set_refused(&self, like: Fingerprint, refused: Option<Refused>) {
        let mut all = self.refused.borrow_mut();
        match refused {
            None => drop(all.remove(&like)),
            Some(refused) => {
                if all.len() >= MOST_KEPT {
                    all.clear();
                }
                all.insert(like, refused);
            }
        }
    }

    /// Keeps a verdict. Returns whether an older one had to be forgotten for it.
    pub(crate) fn keep(&self, of: Fingerprint, attempt: u32, verdict: Final) -> bool {
        let mut all = self.all.borrow_mut();
        let now = Instant::now();
        let mut forgets = false;
        if all.len() >= MOST_KEPT && !all.contains_key(&of) {
            all.retain(|_, entry| now.duration_since(entry.since) < KEPT_FOR);
            if all.len() >= MOST_KEPT
                && let Some(oldest) = all.iter().min_by_key(|(_, entry)| entry.place).map(|(of, _)| *of)
            {
                all.remove(&oldest);
                forgets = true;
            }
        }
        let place = self.entered.replace(self.entered.get() + 1);
        all.insert(of, Entry { attempt, verdict, since: now, place });
        forgets
    }

    /// It is stored.
    pub(crate) fn forget(&self, of: Fingerprint) {
        self.all.borrow_mut().remove(&of);
    }

    /// Takes out the verdict on this packet. One that was redriven has none: it stands in another place. Where nobody knows the
    /// places, a copy that counts its attempts for itself has none, as one that was redriven does; and where dead letters stay
    /// where they are each loan is another attempt: one that has as many as when it was judged was redriven, for somebody else
    /// has parked it.
    pub(crate) fn take(&self, packet: &Packet, place: Option<Place>, attempt: u32) -> Option<Final> {
        if self.all.borrow().is_empty() {
            return None;
        }
        let entry = self.all.borrow_mut().remove(&self.fingerprint(packet, place))?;
        let first = entry.attempt.saturating_add(u32::from(matches!(entry.verdict.what, What::Parked(_))));
        ((place.is_some() || attempt >= first) && entry.since.elapsed() < KEPT_FOR).then_some(entry.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{BoxFuture, DeadReason, Delivery, Receipt, Settlement, TransportError};

    #[actix::test]
    async fn the_oldest_is_forgotten_and_only_when_there_are_too_many() {
        let kept = Kept::default();
        let packet = |number: usize| Packet::new(number.to_string(), "body");
        for number in 0..MOST_KEPT {
            assert!(!kept.keep(kept.fingerprint(&packet(number), None), 1, Final::new(What::Done)));
        }
        assert!(
            !kept.keep(kept.fingerprint(&packet(0), None), 1, Final::new(What::Done)),
            "one that is there takes no other's place"
        );
        assert!(kept.keep(kept.fingerprint(&packet(MOST_KEPT), None), 1, Final::new(What::Done)));
        assert!(kept.take(&packet(1), None, 1).is_none(), "the oldest is gone");
        assert!(kept.take(&packet(0), None, 1).is_some() && kept.take(&packet(2), None, 1).is_some());
        assert!(kept.take(&packet(2), None, 1).is_none(), "once");
    }

    #[actix::test]
    async fn what_was_parked_and_is_lent_as_the_same_attempt_was_redriven() {
        let (kept, packet) = (Kept::default(), Packet::new("1", "body"));
        let record = DeadLetterRecord::new("orders", &packet, 1, DeadReason::Permanent, Vec::new());
        for (judged, lent, has) in [(1, 1, false), (1, 2, true), (3, 1, false), (3, 3, false), (3, 4, true)] {
            kept.keep(kept.fingerprint(&packet, None), judged, Final::new(What::Parked(Box::new(record.clone()))));
            assert_eq!(kept.take(&packet, None, lent).is_some(), has, "{judged}, {lent}");
        }
    }

    #[actix::test]
    async fn what_stands_elsewhere_or_was_redriven_has_no_verdict_however_often_it_was_lent() {
        let (kept, packet) = (Kept::default(), Packet::new("1", "body"));
        let place = |position, redriven| {
            Delivery::new("orders", packet.clone(), 1, Deaf).with_place(position, redriven).place()
        };
        let record = DeadLetterRecord::new("orders", &packet, 1, DeadReason::Permanent, Vec::new());
        for what in [What::Parked(Box::new(record.clone())), What::Dead(Box::new(record)), What::Buried, What::Done] {
            let judged = place(7, 0);
            kept.keep(kept.fingerprint(&packet, judged), 2, Final::new(what));
            for other in [None, place(7, 1), place(8, 0), place(0, 7)] {
                for attempt in 1..5 {
                    assert!(kept.take(&packet, other, attempt).is_none(), "{other:?}, {attempt}");
                }
            }
            // As often as it was given back, its attempts are as many as before.
            assert!(kept.take(&packet, judged, 2).is_some(), "the same one");
            assert!(kept.take(&packet, judged, 2).is_none(), "once");
        }
    }

    struct Deaf;

    impl Receipt for Deaf {
        fn settle(self: Box<Self>, _: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
            Box::pin(async { Ok(()) })
        }
    }

    #[actix::test]
    async fn a_copy_that_begins_anew_and_another_packet_have_no_verdict() {
        let kept = Kept::default();
        let body = |middle: &str| format!("{0}{middle}{0}", "x".repeat(2_000));
        let packet = Packet::new("1", body("7"));
        let with = |change: fn(&mut Packet)| {
            let mut other = packet.clone();
            change(&mut other);
            (other, 3, false)
        };
        for (other, attempt, has) in [
            (packet.clone(), 3, true),
            (packet.clone(), 4, true),
            (packet.clone(), 2, false),
            (Packet::new("1", body("8")), 3, false),
            (Packet::new("2", body("7")), 3, false),
            with(|other| other.topic.push('t')),
            with(|other| other.key = Some(String::new())),
            with(|other| drop(other.attributes.insert("ce-id", "1"))),
            with(|other| drop(other.attributes.insert("ce-id", 1_u64))),
        ] {
            kept.keep(kept.fingerprint(&packet, None), 3, Final::new(What::Buried));
            assert_eq!(kept.take(&other, None, attempt).is_some(), has, "{other:?}, {attempt}");
        }
    }
}
