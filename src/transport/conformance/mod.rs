//! One suite that every transport has to pass: give it a [`Fixture`], and it says of each case whether that holds.
//!
//! `Fixture → Suite → cases, a few at once → Table: passed | failed, and why | not applicable, and for want of what`
//!
//! # For the author of a transport
//!
//! A fixture says how to make a channel that nobody else uses, and the suite does the rest. The cases go by the
//! [`Abilities`](super::Abilities) that publisher and source state: one that needs more is not applicable, and the table
//! names what is missing. None is left out in silence.
//!
//! ```
//! use convoke::transport::conformance::{Channel, Fixture, Suite, Wants};
//! use convoke::transport::{BoxFuture, Memory, TransportError};
//! use std::sync::Arc;
//!
//! struct InMemory;
//!
//! impl Fixture for InMemory {
//!     fn name(&self) -> &str {
//!         "memory"
//!     }
//!
//!     fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
//!         Box::pin(async move {
//!             let queue = Memory::queue(&wants.name).lease(wants.lease);
//!             let (dead, groups) = (queue.dead_letters(), queue.clone());
//!             Ok(Channel {
//!                 publisher: Arc::new(queue),
//!                 subscribe: Box::new(move |group| Box::new(groups.group(group))),
//!                 dead: Some(Box::new(move || Box::new(dead.clone()))),
//!             })
//!         })
//!     }
//! }
//!
//! #[convoke::test]
//! async fn memory_keeps_the_contract() {
//!     Suite::new().run(&InMemory).await.assert_passed();
//! }
//! # let run = async { Suite::new().only("hundred").run(&InMemory).await.assert_passed() };
//! # actix::System::new().block_on(run);
//! ```
//!
//! A transport whose server the suite may kill gives it out by [`Fixture::server`].

mod case;
mod crew;
mod fixture;
mod lab;
mod suite;
mod table;

// The cases, a file for each subject.
mod crowds;
mod dead_letters;
mod deleted;
mod delivery;
mod groups;
mod leases;
mod limits;
mod order;
mod pauses;
mod retry;
mod servers;
mod verdicts;
mod workers;

pub use fixture::{Channel, Fixture, GROUPS, Server, Subscribe, Wants};
pub use suite::{Scale, Suite};
pub use table::{Outcome, Row, Table};
