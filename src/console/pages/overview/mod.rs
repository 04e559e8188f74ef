//! What is wrong now, and how each server stands.
//!
//! `sight: queues, tasks, rounds of each server → wrong.rs: what of that is wrong → the page, the worst first`

mod overview;
mod wrong;

pub(super) use overview::routes;
pub(crate) use overview::show;
