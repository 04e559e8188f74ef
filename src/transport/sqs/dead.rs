//! Where the dead letters of a queue go: a queue that was named, the one of its redrive policy, or `<queue>-dead`.
//!
//! `builder.rs → Dead → publish.rs (a letter), Sqs::dead_letters`

use aws_sdk_sqs::types::QueueAttributeName::{FifoQueue, MessageRetentionPeriod};

use super::finder::{Attributes, is_url};

/// For how long AWS keeps what is in a dead-letter queue that we make: as long as it can, 14 days.
const RETENTION: &str = "1209600";

/// What stands behind the name of a queue of dead letters.
const DEAD: &str = "-dead";

/// How long the name of a queue may be.
const MAX_NAME: usize = 80;

/// The queue of the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) label: String,
    pub(super) url: String,
    pub(super) fifo: bool,
    /// With what it is created, and created again.
    pub(super) create: Option<Attributes>,
}

/// Returns what the queue of the dead letters of this one is called, if it has one.
pub(crate) fn dead_of(queue: &str) -> Option<String> {
    Dead::name_for(queue)
}

impl Dead {
    pub(super) fn new(label: &str, url: String, create: Option<Attributes>) -> Self {
        Self { label: label.to_owned(), url, fifo: label.ends_with(".fifo"), create }
    }

    /// Makes the one that would stand beside a queue that has none.
    pub(super) fn beside(queue: &str, url: &str, create: bool) -> Self {
        let (name, end) = split(queue);
        let label = format!("{name}{DEAD}{end}");
        let url = url.rsplit_once('/').map_or_else(|| label.clone(), |(before, _)| format!("{before}/{label}"));
        let create = create.then(|| Self::attributes(&label));
        Self::new(&label, url, create)
    }

    /// With what one of this name is created.
    pub(super) fn attributes(queue: &str) -> Attributes {
        let mut attributes = Attributes::from([(MessageRetentionPeriod, RETENTION.to_owned())]);
        if queue.ends_with(".fifo") {
            attributes.insert(FifoQueue, "true".to_owned());
        }
        attributes
    }

    /// Returns what it is called, if nobody says: `None` for what is one itself, for a URL, and for a name that is too long.
    pub(super) fn name_for(queue: &str) -> Option<String> {
        let (name, end) = split(queue);
        if is_url(queue) || name.ends_with(DEAD) {
            return None;
        }
        let dead = format!("{name}{DEAD}{end}");
        (dead.len() <= MAX_NAME).then_some(dead)
    }
}

/// Takes off the end that says what kind of queue it is.
fn split(queue: &str) -> (&str, &str) {
    queue.strip_suffix(".fifo").map_or((queue, ""), |name| (name, ".fifo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_called_like_its_queue_and_a_queue_of_dead_letters_has_none() {
        assert_eq!(Dead::name_for("orders").as_deref(), Some("orders-dead"));
        assert_eq!(Dead::name_for("orders.fifo").as_deref(), Some("orders-dead.fifo"));
        for none in ["orders-dead", "orders-dead.fifo", "https://sqs.eu-central-1.amazonaws.com/1/orders"] {
            assert_eq!(Dead::name_for(none), None);
        }
        assert_eq!(Dead::name_for(&"a".repeat(75)).map(|name| name.len()), Some(MAX_NAME));
        assert_eq!(Dead::name_for(&"a".repeat(76)), None);
        assert_eq!(Dead::name_for(&format!("{}.fifo", "a".repeat(71))), None);
    }

    #[test]
    fn where_there_is_none_it_would_stand_beside_its_queue() {
        let dead = Dead::beside("orders-dead.fifo", "http://localhost:4566/7/orders-dead.fifo", false);
        let url = "http://localhost:4566/7/orders-dead-dead.fifo".to_owned();
        assert_eq!(dead, Dead { label: "orders-dead-dead.fifo".to_owned(), url, fifo: true, create: None });
    }
}
