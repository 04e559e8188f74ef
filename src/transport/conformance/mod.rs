//! A suite of cases that every transport has to pass: give it a [`Fixture`], and it reports for each case whether it
//! holds.
//!
//! `Fixture → Suite → cases, a few at once → Table: passed | failed, and why | not applicable, and for want of what`
//!
//! # For the author of a transport
//!
//! A fixture says how to create a channel that nobody else uses, and the suite does the rest. The cases depend on the
//! [`Abilities`](super::Abilities) that the publisher and the source state. A case that needs more is not applicable,
//! and the table names what is missing. No case is left out silently.
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
//! If the suite may kill the server of your transport, return it from [`Fixture::server`].
//!
//! # In this folder
//!
//! In reading order: `fixture` is what a transport provides. `suite` runs the `cases/` on a `scale` and puts the
//! results into the `table`. A `case` works in a `lab`, with a `crew` of subscribers, and ends with a `verdict`.
//!
//! No case waits without a deadline, none knows another, and none is left out silently.

mod fixture;
mod suite;
mod scale;
mod case;
mod lab;
mod crew;
mod verdict;
mod table;
pub(crate) mod cases;

pub(crate) use case::{Case, cases};
pub(crate) use crew::{Crew, Ledger, Nerves, drain, join_error, may_pass};
pub use fixture::{Channel, Fixture, GROUPS, Server, Subscribe, Wants};
pub(crate) use lab::{
    Lab, PATIENCE, Subscriber, ensure_eq, in_time, keyed, moment, name, names, numbered, or_drop, packet, publish, send,
};
pub use scale::Scale;
pub use suite::Suite;
pub use table::{Outcome, Row, Table};
pub(crate) use verdict::{Fault, Verdict, ensure, ensure_eq_attempt, ensure_kind, failed, need, text};
