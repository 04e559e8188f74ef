//! The queues of every server: how full they are, how that changes, and what waits longest.
//!
//! `sight: Sampled → a row for each queue → the page, a table for each server`

mod queues;

pub(super) use queues::routes;
pub(crate) use queues::show;
