//! Which attempt a delivery is: what the message says, and what the server has counted since.
//!
//! `headers, redelivered → Attempt → a delivery, or a message that has to say it first`

use lapin::BasicProperties;

use super::declare::QueueKind;
use super::headers::{ATTEMPT, count};

/// How often a quorum queue had a message come back, of which nobody had said how it ended; before RabbitMQ 4.3 also where
/// somebody had given it back.
pub(super) const COUNT: &str = "x-delivery-count";
/// How often it has lent one, from RabbitMQ 4.3 on.
pub(super) const ACQUIRED: &str = "x-acquired-count";

/// Which attempt a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) number: u32,
    /// The server does not count: another one would have the same number.
    pub(super) is_uncounted: bool,
}

/// Reads which attempt it is: what the message says, and how often it came back since without a word, because whoever had it
/// died or lost the connection. A classic queue knows only that it came back.
pub(super) fn read(properties: &BasicProperties, redelivered: bool, kind: QueueKind) -> Attempt {
    let header = |name: &str| properties.headers().as_ref().and_then(|headers| headers.inner().get(name));
    let said = header(ATTEMPT).map_or(1, count).max(1);
    if !redelivered {
        // What a stranger may have put there is no count of this server.
        return Attempt { number: said, is_uncounted: false };
    }
    let is_counted = kind == QueueKind::Quorum && (header(COUNT).is_some() || header(ACQUIRED).is_some());
    let came_back = if is_counted { header(COUNT).map_or(0, count) } else { 1 };
    Attempt { number: said.saturating_add(came_back), is_uncounted: !is_counted }
}

/// Whether the server tells apart how often it has lent a message and how often that came to nothing, so that what is given
/// back does not count.
pub(super) fn counts_apart(properties: &BasicProperties) -> bool {
    properties.headers().as_ref().is_some_and(|headers| headers.contains_key(ACQUIRED))
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;

    fn read_of(headers: &[(&str, AMQPValue)], redelivered: bool, kind: QueueKind) -> (u32, bool) {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        let attempt = read(&BasicProperties::default().with_headers(table), redelivered, kind);
        (attempt.number, attempt.is_uncounted)
    }

    #[test]
    fn what_came_back_without_a_word_is_another_attempt() {
        use QueueKind::{Classic, Quorum};
        let number = AMQPValue::LongLongInt;
        assert_eq!(read_of(&[], false, Quorum), (1, false));
        assert_eq!(read_of(&[(ATTEMPT, number(3))], false, Classic), (3, false));
        assert_eq!(read_of(&[(ATTEMPT, number(3)), (COUNT, number(2))], true, Quorum), (5, false));
        // Given back, where the server tells that apart.
        assert_eq!(read_of(&[(ATTEMPT, number(3)), (ACQUIRED, number(7))], true, Quorum), (3, false));
        // One bit is all that a classic queue has, and a stranger may have written anything.
        assert_eq!(read_of(&[], true, Classic), (2, true));
        assert_eq!(read_of(&[(ATTEMPT, number(3)), (COUNT, number(90))], true, Classic), (4, true));
        assert_eq!(read_of(&[(COUNT, number(90))], false, Quorum), (1, false));
        assert_eq!(read_of(&[(ATTEMPT, number(-9)), (COUNT, number(-9))], true, Quorum), (1, false));
        assert_eq!(read_of(&[(ATTEMPT, number(u32::MAX.into())), (COUNT, number(5))], true, Quorum).0, u32::MAX);
        // One that was taken for a quorum queue.
        assert_eq!(read_of(&[], true, Quorum), (2, true));
    }
}
