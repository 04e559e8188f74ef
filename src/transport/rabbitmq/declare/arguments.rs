//! What a queue is made with.

use lapin::types::{AMQPValue, FieldTable, ShortString};

/// How a queue keeps what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueKind {
    /// In a log that several servers share.
    Quorum,
    /// On one server, with priorities.
    Classic,
}

/// Names of ours are short enough.
pub(crate) fn short(name: &'static str) -> ShortString {
    ShortString::try_new(name).unwrap_or_default()
}

/// The arguments of a queue whose dead messages go to this queue. From one quorum queue to the next nothing is lost on the
/// way.
pub(crate) fn dead_letters_to(kind: QueueKind, to: &ShortString) -> FieldTable {
    let mut arguments = of_kind(kind);
    arguments.insert(short("x-dead-letter-exchange"), text(""));
    arguments.insert(short("x-dead-letter-routing-key"), text(to.as_str()));
    if kind == QueueKind::Quorum {
        arguments.insert(short("x-dead-letter-strategy"), text("at-least-once"));
        arguments.insert(short("x-overflow"), text("reject-publish"));
    }
    arguments
}

/// The arguments of a queue of this kind.
pub(crate) fn of_kind(kind: QueueKind) -> FieldTable {
    let mut arguments = FieldTable::default();
    let kind = match kind {
        QueueKind::Quorum => "quorum",
        QueueKind::Classic => "classic",
    };
    arguments.insert(short("x-queue-type"), text(kind));
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
