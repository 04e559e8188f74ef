//! The cases, a file for each subject: each is a function whose name is a sentence that is true if it passes.
//!
//! `Lab → a case → Verdict`

use super::Case;

mod delivery;
mod crowds;
mod retry;
mod leases;
mod dead_letters;
mod deleted;
mod groups;
mod order;
mod limits;
mod pauses;
mod workers;
mod verdicts;
mod servers;

/// All of them, in the order of their subjects.
pub(crate) const ALL: [&[Case]; 13] = [
    delivery::CASES,
    crowds::CASES,
    retry::CASES,
    leases::CASES,
    dead_letters::CASES,
    deleted::CASES,
    groups::CASES,
    order::CASES,
    limits::CASES,
    pauses::CASES,
    workers::CASES,
    verdicts::CASES,
    servers::CASES,
];
