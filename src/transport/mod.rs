//! Transports: how events reach other processes and come back. The module has the contract that every server is used
//! through, and the servers themselves.
//!
//! `bus → codec → Packet → Publisher → a server`, `a server → Source → Delivery → worker → bus`
//!
//! A [`Publisher`] hands packets to a server and reports for each packet whether the server has taken it. A [`Source`]
//! lends deliveries, and each delivery is settled exactly once. [`Abilities`] name what a server can do beyond that. If
//! you ask a server for more, you get an error when you set it up.
//!
//! | feature | type | a queue is |
//! |---|---|---|
//! | (always) | [`Memory`] | a list in this process, for tests |
//! | `sqlite` | `Sqlite` | rows in a file, for one machine without a server |
//! | `postgres` | `Postgres` | rows in a PostgreSQL, for an application that has one |
//! | `redis` | `Redis` | a stream, read by consumer groups |
//! | `rabbitmq` | `RabbitMq` | a queue of RabbitMQ, quorum or classic |
//! | `sqs` | `Sqs` | a queue of Amazon SQS, standard or FIFO |
//! | `sns` | `Sns` | a topic of Amazon SNS, to which queues of SQS subscribe |
//! | any | [`AnyQueue`] | whichever of these an [`Address`] names |
//!
//! Delivery is *at least once* with every server. If you must not handle an event twice, recognize it by its id, or
//! have the worker do so with an [`Inbox`](crate::Inbox).
//!
//! In reading order: `contract/` is what all transports keep, and `memory/` is the simplest one that does. Then comes
//! one folder for each server. `address/` is where a queue is, as one text, `any` opens what an address names, and `conformance/` is the
//! suite that each transport has to pass.
//!
//! What all transports share is in the contract. No transport knows another, with one exception: `sns` subscribes
//! queues of `sqs`, and what these two share is in `aws/`.
//!
//! A new server is a folder here with a file for each of its parts: how a queue is described, what users hold, what its
//! clones share, how it publishes, receives and settles, and what its errors mean. It has a feature, a row above, and a
//! scheme in `address/` and `any`. Its fixture and its tests are in `tests/transports/<name>/`, its server is started in
//! `tests/transports/servers/<name>.rs`, and its benchmark is in `benches/src/transports/`.

pub(crate) mod contract;

mod address;
mod memory;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "rabbitmq")]
pub(crate) mod rabbitmq;
#[cfg(any(feature = "sns", feature = "sqs"))]
mod aws;
#[cfg(feature = "sqs")]
pub(crate) mod sqs;
#[cfg(feature = "sns")]
mod sns;
mod any;

#[cfg(feature = "testing")]
pub mod conformance;

pub use crate::sql::memory::{MemoryConnection, MemoryDatabase, MemoryTransaction};
#[cfg(feature = "postgres")]
pub use crate::sql::postgres::{PostgresDatabase, PostgresDatabaseBuilder};
#[cfg(feature = "sqlite")]
pub use crate::sql::sqlite::{SqliteDatabase, SqliteDatabaseBuilder};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use crate::sql::{TableStep, Tables};
#[cfg(feature = "sqs")]
pub(crate) use address::Aws;
pub(crate) use address::is_secret;
pub use address::{Address, AddressError, ServerKind};
pub use any::AnyQueue;
pub(crate) use any::not_built;
#[cfg(any(
    feature = "postgres",
    feature = "rabbitmq",
    feature = "redis",
    feature = "sns",
    feature = "sqlite",
    feature = "sqs"
))]
pub(crate) use contract::in_vain;
#[cfg(any(feature = "postgres", feature = "rabbitmq", feature = "sns", feature = "sqs"))]
pub(crate) use contract::sockets;
pub use contract::{
    Abilities, Attribute, Attributes, Batcher, BoxFuture, DEAD_LETTER, DeadLetterRecord, DeadReason, Delivery, Demand,
    ErrorKind, LetterInPlace, Packet, Parking, ParkingFigures, Parks, Publisher, Pulse, Receipt, Redriven, Settlement,
    Source, TransportError, UNHEARD_ATTEMPTS, redrive,
};
pub(crate) use contract::{BINDING, MOST_COUNTED, Place, caught, check_name, check_name_if_any, no_transaction};
pub(crate) use memory::Tap;
pub use memory::{Memory, MemoryDatabaseInbox, MemoryQueue};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresBuilder, PostgresInbox, PostgresInboxBuilder};
#[cfg(feature = "rabbitmq")]
pub use rabbitmq::{RabbitMq, RabbitMqBuilder, RabbitMqExchange, RabbitMqExchangeBuilder, RabbitMqServer};
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisBuilder};
#[cfg(feature = "sns")]
pub use sns::{Sns, SnsBuilder};
#[cfg(all(feature = "sns", feature = "sqs"))]
pub use sns::{Subscribe, Subscription};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteBuilder, SqliteInbox, SqliteInboxBuilder};
#[cfg(feature = "sqs")]
pub use sqs::{Sqs, SqsBuilder};
