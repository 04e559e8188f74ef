//! Which attempt a delivery is: what the message says, and what the server has counted since.
//!
//! `headers, redelivered → Attempt → a delivery, or a message that has to say it first`

use lapin::BasicProperties;

use super::super::declare::QueueKind;
use super::headers::ATTEMPT;
use super::values::count;

/// How often a quorum queue had a message come back, of which nobody had said how it ended; before RabbitMQ 4.3 also where
/// somebody had given it back.
pub(crate) const COUNT: &str = "x-delivery-count";
/// How often it has lent one before, from RabbitMQ 4.3 on, however that ended.
pub(crate) const ACQUIRED: &str = "x-acquired-count";

/// How often a quorum queue has had a message come back, as it counts towards its limit.
pub(crate) fn came_back(properties: &BasicProperties) -> u32 {
    properties.headers().as_ref().and_then(|headers| headers.inner().get(COUNT)).map_or(0, count)
}

/// Which attempt a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    /// The server does not count: another one would have the same number.
    pub(crate) is_uncounted: bool,
}

/// Reads which attempt it is: what the message says, and how often it came back since without a word, because whoever had it
/// died or lost the connection. A classic queue knows only that it came back.
pub(crate) fn which_attempt(properties: &BasicProperties, redelivered: bool, kind: QueueKind) -> Attempt {
    let header = |name: &str| properties.headers().as_ref().and_then(|headers| headers.inner().get(name));
    let said = header(ATTEMPT).map_or(1, count).max(1);
    if !redelivered {
        // What a stranger may have put there is no count of this server.
        return Attempt { number: said, is_uncounted: false };
    }
    let is_counted = kind == QueueKind::Quorum && (header(COUNT).is_some() || header(ACQUIRED).is_some());
    // From 4.3 on it counts apart what was taken back from a listener that took too long: that was heard too.
    let came_back = [COUNT, ACQUIRED].into_iter().filter_map(header).map(count).max();
    let came_back = if is_counted { came_back.unwrap_or_default() } else { 1 };
    Attempt { number: said.saturating_add(came_back), is_uncounted: !is_counted }
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
        let attempt = which_attempt(&BasicProperties::default().with_headers(table), redelivered, kind);
        (attempt.number, attempt.is_uncounted)
    }

    #[test]
    fn what_came_back_without_a_word_is_another_attempt() {
        use QueueKind::{Classic, Quorum};
        let number = AMQPValue::LongLongInt;
        assert_eq!(read_of(&[], false, Quorum), (1, false));
        assert_eq!(read_of(&[(ATTEMPT, number(3))], false, Classic), (3, false));
        assert_eq!(read_of(&[(ATTEMPT, number(3)), (COUNT, number(2))], true, Quorum), (5, false));
        // From 4.3 on: taken back from who took too long, and once more as somebody died.
        assert_eq!(read_of(&[(ACQUIRED, number(1))], true, Quorum), (2, false));
        assert_eq!(
            read_of(&[(ATTEMPT, number(3)), (ACQUIRED, number(2)), (COUNT, number(1))], true, Quorum),
            (5, false)
        );
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
