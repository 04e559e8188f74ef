//! What there has to be on the server: asked for, and made where the application says so.
//!
//! `builder.rs, desk.rs → is it there? → if it may: queue.declare, exchange.declare, queue.bind`

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{ExchangeKind, Queue};

use super::super::link::{Lane, Line, within};
use crate::transport::{ErrorKind, TransportError};

/// Makes a durable queue; one that is there has to be the same.
pub(crate) async fn queue(
    at: &Arc<str>,
    lane: &Lane,
    name: &ShortString,
    arguments: FieldTable,
    deadline: Duration,
) -> Result<Queue, TransportError> {
    let tried = format!("make the queue `{name}`");
    let declare = lane.channel().queue_declare(name.clone(), QueueDeclareOptions::durable(), arguments);
    within(at, &tried, deadline, declare).await
}

/// Looks for a queue and how much is in it; `None` if there is none. Whoever asks for one that is missing loses the channel,
/// so it takes one of its own.
pub(crate) async fn find(
    at: &Arc<str>,
    line: &Line,
    name: &ShortString,
    deadline: Duration,
) -> Result<Option<Queue>, TransportError> {
    let lane = line.lane(at, deadline).await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
    let tried = format!("look for the queue `{name}`");
    let asked = lane.channel().queue_declare(name.clone(), options, FieldTable::default());
    missing_is_none(within(at, &tried, deadline, asked).await)
}

/// Makes sure of an exchange: one of any kind that is there will do, and a topic exchange is made if it may be.
pub(crate) async fn exchange(
    at: &Arc<str>,
    line: &Line,
    name: &ShortString,
    create: bool,
    deadline: Duration,
) -> Result<(), TransportError> {
    let tried = format!("look for the exchange `{name}`");
    let lane = line.lane(at, deadline).await?;
    let passive = ExchangeDeclareOptions { passive: true, durable: true, ..ExchangeDeclareOptions::default() };
    let asked = lane.channel().exchange_declare(name.clone(), ExchangeKind::Topic, passive, FieldTable::default());
    let asked = within(at, &tried, deadline, asked).await;
    if !create || !matches!(&asked, Err(error) if error.kind() == ErrorKind::Missing) {
        return asked;
    }
    let tried = format!("make the exchange `{name}`");
    let lane = line.lane(at, deadline).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declare = lane.channel().exchange_declare(name.clone(), ExchangeKind::Topic, durable, FieldTable::default());
    within(at, &tried, deadline, declare).await
}

/// Binds a queue to an exchange; a second time it changes nothing.
pub(crate) async fn bind(
    at: &Arc<str>,
    lane: &Lane,
    queue: &ShortString,
    exchange: &ShortString,
    key: &ShortString,
    deadline: Duration,
) -> Result<(), TransportError> {
    let tried = format!("bind the queue to the exchange `{exchange}`");
    let options = QueueBindOptions::default();
    let bind = lane.channel().queue_bind(queue.clone(), exchange.clone(), key.clone(), options, FieldTable::default());
    within(at, &tried, deadline, bind).await
}

fn missing_is_none<T>(asked: Result<T, TransportError>) -> Result<Option<T>, TransportError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// There is no such queue.
pub(crate) fn missing(at: &Arc<str>, queue: &ShortString) -> TransportError {
    let text = format!("there is no queue `{queue}`: create it, or say `create_if_missing`");
    TransportError::new(ErrorKind::Missing, at.clone(), text)
}
