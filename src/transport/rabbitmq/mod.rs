//! RabbitMQ, over AMQP 0-9-1: queues that keep what they have, and exchanges that give each queue what it is bound for.
//!
//! `builder.rs → recipe.rs → queue.rs, exchange.rs`, `publish → desk.rs → link/ → the server`,
//! `the server → link/ → lending/ → Delivery → lending/, desk.rs → the server`
//!
//! In reading order: `builder` says what a queue is to be like, `recipe` how it is made, `declare/` asks the server;
//! `queue` and `exchange` are what users hold, `desk` is what their handles share, `buckets` and `routing_key` are the rules
//! of delays and topics, `message/` is a packet on the wire, `lending/` what is lent, `link/` the road to the server.
//!
//! What was confirmed is kept by the server; what is lent is settled once, by the channel that it came by.

mod builder;
mod recipe;
pub(crate) mod declare;
mod queue;
mod exchange;
mod desk;
mod buckets;
mod routing_key;
pub(crate) mod message;
pub(crate) mod lending;
pub(crate) mod link;

pub use builder::RabbitMqBuilder;
pub(crate) use builder::checked;
use desk::Desk;
pub use exchange::{RabbitMqExchange, RabbitMqExchangeBuilder};
pub use link::RabbitMqServer;
pub use queue::RabbitMq;
