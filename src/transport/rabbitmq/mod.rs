//! RabbitMQ, over AMQP 0-9-1: queues that keep what they have, and exchanges that give each queue what it is bound for.
//!
//! `builder.rs → recipe.rs → queue.rs, exchange.rs`, `publish → desk.rs → press.rs → line.rs → the server`,
//! `the server → line.rs → feed.rs → subscriber.rs → receipt.rs → acks.rs, desk.rs → the server`

mod acks;
mod attempt;
mod buckets;
mod builder;
mod declare;
mod desk;
mod exchange;
mod fault;
mod feed;
mod greeting;
mod headers;
mod in_order;
mod line;
mod marks;
mod patience;
mod press;
mod queue;
mod receipt;
mod recipe;
mod routing_key;
mod server;
mod subscriber;
mod tags;

pub use builder::RabbitMqBuilder;
pub use exchange::{RabbitMqExchange, RabbitMqExchangeBuilder};
pub use queue::RabbitMq;
pub use server::RabbitMqServer;
