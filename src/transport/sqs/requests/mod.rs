//! How SQS is asked: by which clients, and single things ten at a time.
//!
//! `ack, extend, release → Lanes → Clients → a request`
//!
//! In reading order: `clients` are those of the SDK, and `lanes` puts what is asked together.

mod clients;
mod lanes;

pub(super) use clients::Clients;
pub(super) use lanes::{Lanes, changes, deletes};
