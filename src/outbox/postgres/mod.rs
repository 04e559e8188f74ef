//! An outbox in a table of a PostgreSQL.
//!
//! `publish → insert → convoke_outbox_1 → convoke_outbox → take → the relay → take (done)`
//!
//! In reading order: `outbox` is what is open, and what the relay and who repairs see of it; `insert` is what stands in the
//! transaction of the application, and `take` what has committed and is to leave; `starts` keeps looks short while somebody
//! keeps vacuum back. The functions that do it are `crate::sql`'s, in `steps/2.sql`.
//!
//! On the good way an event is one row that is inserted and deleted, many of them by one statement. A key is locked from before
//! its row has a position until the commit, so positions of a key are in the order of commits. A lane is lent, and a row never
//! changes for that. What is not in the transaction of the application is one simple query.

mod outbox;
mod insert;
mod take;
mod starts;

pub(crate) use insert::Insertion;
