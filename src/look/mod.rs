//! Looking at what runs, and mending what failed: the queues of a server, how full they are, their dead letters, and what comes.
//!
//! `Address → Server::connect → { queues → QueueFigures, letters → Letter → redrive | discard, tail → Packet }`
//!
//! This is what the command `convoke` and the console are made of, and what you need to write a tool of your own. A [`Server`] only
//! looks: it creates nothing, migrates nothing, and takes nothing from those who work.
//!
//! ```
//! use convoke::look::{Address, Server};
//! use convoke::transport::{DeadReason, Memory, Packet, Publisher, Source};
//!
//! # #[actix::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = Memory::database_named("shop");
//! let orders = db.queue("orders").await?;
//! # for taken in orders.publish(&[Packet::new("7", "a book"), Packet::new("8", "a pen")]).await { taken?; }
//! # let mut worker = orders.clone();
//! # worker.open(1).await?;
//! # for delivery in worker.receive(1).await? {
//! #     delivery.dead_letter(DeadReason::Permanent, vec!["no such book".to_owned()]).await?;
//! # }
//!
//! let address: Address = "memory:shop#orders".parse()?; // or `sqlite:shop.db#orders`, `redis://…#orders`, …
//! let server = Server::connect(&address).await?;
//! let figures = server.queue("orders").await?;
//! assert_eq!((figures.waiting, figures.dead), (Some(1), Some(1)));
//!
//! let letters = server.letters("orders");
//! for letter in letters.page(None, 100).await? {
//!     if let Some(record) = &letter.record {
//!         println!("{}: {}, after {} attempts", letter.id, record.reason, record.attempts);
//!     }
//!     letters.redrive(&letter.id).await?; // back into its queue, behind what is there
//! }
//! assert_eq!(server.queue("orders").await?.waiting, Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! # What a server tells
//!
//! What a server does not tell is `None`, and never guessed.
//!
//! | | lists its queues | waiting | delayed | in flight | dead | parked | oldest |
//! |---|---|---|---|---|---|---|---|
//! | SQLite | yes | yes | yes | yes | yes | yes | |
//! | PostgreSQL | yes | yes | yes | yes | yes | yes | yes |
//! | Redis | yes | yes | yes | yes | yes | | yes |
//! | RabbitMQ | | yes | | | yes | | |
//! | SQS | yes | yes | yes | yes | yes | | |
//! | memory | yes | yes | yes | yes | yes | yes | |
//!
//! # Letters, and how they are read
//!
//! | | is read | comes back | a letter that is interrupted on its way |
//! |---|---|---|---|
//! | SQLite, PostgreSQL | as rows | by one transaction | is where it was, or where it shall be |
//! | Redis | as entries | by one script | is where it was, or where it shall be |
//! | memory | as it is | in one step | is where it was, or where it shall be |
//! | RabbitMQ, SQS | under a lease: the server counts that it was received | it is published, confirmed, and then deleted | may be in both |
//!
//! In reading order: `server` is what is looked at, `figures`, `workers` and `letter` what is seen of it, `letters` reads dead letters and sends
//! them back, and `tail` hears what comes. `works` is what a database keeps beside its queues: tasks, durable rounds, stores, tables. `looks` is what each server does for that, and `servers/` has them.
//!
//! Nothing here is created or migrated by looking, and nothing of a secret is in what is shown.

mod checkup;
mod server;
mod figures;
mod letter;
mod letters;
mod tail;
mod workers;
mod works;
mod looks;
mod servers;

pub use crate::transport::{Address, AddressError, ServerKind};
pub use checkup::{Checkup, Finding, Gravity};
pub use figures::QueueFigures;
pub use letter::{InvalidLetterId, Letter, LetterId, Reading};
pub use letters::Letters;
use looks::{Hears, Looks, Pile, unsupported};
pub use server::Server;
pub use tail::Tail;
pub use workers::WorkerFigures;
#[cfg(feature = "redis")]
use workers::process_of;
pub use works::Works;
