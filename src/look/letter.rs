//! A dead letter, and what it is known by.

use std::fmt;
use std::str::FromStr;

use crate::__private::debug_is_display;
use crate::transport::{DeadLetterRecord, LetterInPlace, Packet};

/// How long an id may be.
const LONGEST: usize = 64;

/// A dead letter, as it was read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Letter {
    /// What it is redriven and discarded by.
    pub id: LetterId,
    /// The packet as it was before it died, without the attribute of its record.
    pub packet: Packet,
    /// Why it died, when and where. `None` if nobody has written that down: the server itself has put it there, as by a redrive policy of SQS,
    /// or another program.
    pub record: Option<DeadLetterRecord>,
    /// Whether it stays in its place in the queue, and holds back what follows with its key.
    pub in_place: bool,
    /// How many packets are parked behind it; 10,000 stands for that many or more.
    pub parked: u64,
}

/// How dead letters are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// Reading changes nothing.
    Plain,
    /// Letters are received and given back: the server counts that, and others do not see a letter while it is read. What is read is given
    /// back when there are no more, or when the [`Letters`](super::Letters) are [closed](super::Letters::close) or dropped; on SQS at the latest after 30 s.
    UnderALease,
}

impl Letter {
    /// Makes the letter that a packet in a queue of dead letters is.
    pub(super) fn of(id: LetterId, packet: Packet) -> Self {
        let (packet, record) = DeadLetterRecord::apart(packet);
        Self { id, packet, record, in_place: false, parked: 0 }
    }

    /// Makes the letter that one in its place is.
    pub(super) fn in_place(id: LetterId, letter: LetterInPlace) -> Self {
        let LetterInPlace { packet, record, parked, .. } = letter;
        Self { id, packet, record: Some(record), in_place: true, parked }
    }
}

/// The id of a dead letter, short enough to be typed: on SQLite, PostgreSQL and in memory a number, with a `p` before it if the letter stays in
/// its place; on Redis the id of the entry; on RabbitMQ and SQS a part of a hash. It is never given to another letter of the queue.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LetterId(String);

impl LetterId {
    /// One that is known to be valid.
    pub(super) fn new(id: impl fmt::Display) -> Self {
        Self(id.to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An error returned for a text that is no [`LetterId`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidLetterId;

impl fmt::Display for InvalidLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a letter has 1 to 64 letters, digits and `-`, as a page of letters shows it")
    }
}

impl std::error::Error for InvalidLetterId {}

debug_is_display!(InvalidLetterId);

impl FromStr for LetterId {
    type Err = InvalidLetterId;

    /// # Errors
    ///
    /// Says what an id looks like. Whether there is such a letter is another question.
    fn from_str(text: &str) -> Result<Self, InvalidLetterId> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        match !text.is_empty() && text.len() <= LONGEST && text.bytes().all(plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidLetterId),
        }
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

debug_is_display!(LetterId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        for good in ["1", "p17", "1700000000000-0", "0f3a9c1b22", &"a".repeat(64)] {
            assert_eq!(good.parse::<LetterId>().unwrap().to_string(), good);
        }
        for bad in ["", "a b", "1;--", "ü", "\u{1b}[31m", "../x", &"a".repeat(65)] {
            assert_eq!(bad.parse::<LetterId>(), Err(InvalidLetterId));
        }
    }
}
