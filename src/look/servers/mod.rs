//! How each server is looked at: a file for each, and what those have in common whose letters are in numbered places (`placed`, and
//! `lane` in a database), or are read under a lease (`leased`).
//!
//! `Address → connect → Arc<dyn Looks>`

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod lane;
mod placed;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "rabbitmq", feature = "sqs"))]
mod leased;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
#[cfg(feature = "sqs")]
mod sqs;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use self::lane::{LaneName, waiting};
use super::{Looks, unsupported};
use crate::transport::{Address, ServerKind, TransportError};

/// Connects to the server that the address names.
pub(super) async fn connect(address: &Address) -> Result<Arc<dyn Looks>, TransportError> {
    match address.server() {
        ServerKind::Memory => Ok(Arc::new(memory::MemoryLook::find(address)?)),
        #[cfg(feature = "sqlite")]
        ServerKind::Sqlite => Ok(Arc::new(sqlite::SqliteLook::open(address).await?)),
        #[cfg(feature = "postgres")]
        ServerKind::Postgres => Ok(Arc::new(postgres::PostgresLook::connect(address).await?)),
        #[cfg(feature = "redis")]
        ServerKind::Redis => Ok(Arc::new(redis::RedisLook::connect(address).await?)),
        #[cfg(feature = "rabbitmq")]
        ServerKind::RabbitMq => Ok(Arc::new(rabbitmq::RabbitMqLook::connect(address).await?)),
        #[cfg(feature = "sqs")]
        ServerKind::Sqs => Ok(Arc::new(sqs::SqsLook::connect(address).await?)),
        ServerKind::Sns => Err(unsupported(
            address,
            "a topic has no queue to look at: name the queue that subscribes to it, as in `sqs:#orders`",
        )),
        #[allow(unreachable_patterns, reason = "with all features there is none")]
        server => Err(unsupported(address, crate::transport::not_built(server))),
    }
}

/// What is not there.
fn missing(at: &str, name: &str) -> TransportError {
    let text = "there is no such queue or group: look at its name, and whether somebody has opened it before";
    TransportError::new(crate::transport::ErrorKind::Missing, format!("{at}:{name}"), text)
}

/// Takes out the queues of dead letters whose queue is there, and counts them. Those of `orders/billing` are `orders-dead/billing`.
fn without_letters(mut all: Vec<super::QueueFigures>) -> Vec<super::QueueFigures> {
    let names: std::collections::HashSet<String> = all.iter().map(|queue| queue.name.clone()).collect();
    all.retain(|queue| {
        let (name, group) =
            queue.name.split_once('/').map_or((&*queue.name, None), |(name, group)| (name, Some(group)));
        let (name, end) = name.strip_suffix(".fifo").map_or((name, ""), |name| (name, ".fifo"));
        // In memory the group stands before the end.
        let in_group = group.and_then(|group| group.strip_suffix("-dead")).map(|group| format!("{name}{end}/{group}"));
        let of = name.strip_suffix("-dead").map(|of| match group {
            Some(group) => format!("{of}{end}/{group}"),
            None => format!("{of}{end}"),
        });
        !in_group.is_some_and(|of| names.contains(&of)) && !of.is_some_and(|of| names.contains(&of))
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::QueueFigures;

    #[test]
    fn a_queue_of_dead_letters_is_left_out_where_its_queue_counts_it() {
        let all = [
            "mails-dead",
            "orders",
            "orders-dead",
            "orders-dead/billing",
            "orders.fifo",
            "orders-dead.fifo",
            "orders/billing",
            "a/b",
            "a/b-dead",
        ];
        let left = without_letters(all.map(QueueFigures::new).into());
        let left: Vec<_> = left.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(left, ["mails-dead", "orders", "orders.fifo", "orders/billing", "a/b"]);
    }
}
