//! The cases, a file for each subject: each is a function whose name is a sentence that is true if it passes.
//!
//! `Lab → a case → Verdict`
//!
//! - `delivery`: what is sent comes, whole. `crowds`: many at once.
//! - `retry`: what fails comes again. `leases`: what is lent is lent for a time.
//! - `dead_letters`: what is given up on is kept. `deleted`: what somebody deletes at the server is gone.
//! - `groups`: each gets everything. `order`: of one key, in its order.
//! - `parking`: what is dead in its place, and what is parked behind it.
//! - `limits`: what a transport cannot do, it refuses. `pauses`: who lends no more leaves the rest to others.
//! - `workers`, `verdicts`: workers over the transport; the second, those whose verdicts cannot be stored at once.
//! - `servers`: the server dies and comes back.
//!
//! What must hold: no case needs another to have run, and each is in the list `CASES` of its file. A new subject is a file, and
//! its list a line of `ALL`.

use super::Case;

mod delivery;
mod crowds;
mod retry;
mod leases;
mod dead_letters;
mod deleted;
mod groups;
mod order;
mod parking;
mod limits;
mod pauses;
mod workers;
mod verdicts;
mod servers;

/// All of them, in the order of their subjects.
pub(crate) const ALL: [&[Case]; 14] = [
    delivery::CASES,
    crowds::CASES,
    retry::CASES,
    leases::CASES,
    dead_letters::CASES,
    deleted::CASES,
    groups::CASES,
    order::CASES,
    parking::CASES,
    limits::CASES,
    pauses::CASES,
    workers::CASES,
    verdicts::CASES,
    servers::CASES,
];
