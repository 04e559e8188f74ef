//! Many jobs at once, and many as one.

/// A thousand jobs that are to end: none is dropped.
mod ends;
/// Batches.
mod together;

pub(super) use ends::{
    a_thousand_that_are_cancelled_all_end_and_are_told, a_thousand_that_take_too_long_all_end_and_are_told,
};
pub(super) use together::{
    a_batch_closes_and_one_job_follows_though_workers_are_many, a_batch_in_a_transaction_is_there_or_not_at_all,
    a_batch_is_made_in_the_transaction_of_a_job, a_batch_of_a_thousand_is_done,
    a_batch_that_is_cancelled_ends_its_jobs, a_job_that_was_there_already_is_waited_for,
    at_its_deadline_a_batch_names_who_is_missing, what_nobody_tells_a_batch_is_seen_all_the_same,
};
