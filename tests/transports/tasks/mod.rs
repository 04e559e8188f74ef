//! Tasks: one suite over each database, one over each queue without one, and what only one of them does.
//!
//! `Base (a database) → Shop: a bus, what was heard → suite! → enqueuing, doing, failing, limits`, `killed: SQLite and PostgreSQL`

/// Tasks, a bus, and what was heard.
mod shop;
/// What is enqueued, and when it is due.
mod enqueuing;
/// What is done, and what is told of it.
mod doing;
/// Attempts that fail, and jobs that are to end.
mod failing;
/// Keys of which only some run, and more than one worker.
mod limits;
/// Workers in processes that are killed.
mod killed;
/// Queues without a database.
mod over;
/// A database in memory.
mod memory;
/// SQLite.
mod sqlite;
/// PostgreSQL.
mod postgres;

pub(crate) use crate::transports::outbox::Base;

/// The suite over a database: all of its tests.
macro_rules! all_over {
    ($test:tt $base:path) => {
        $crate::transports::tasks::suite! {
            $test $base:
            enqueuing::{
                a_job_stands_in_the_transaction_or_not_at_all,
                a_job_of_a_unique_key_is_there_once,
                a_thousand_are_enqueued_at_once,
                what_is_due_later_is_done_later,
                what_is_more_urgent_goes_first,
                a_job_waits_for_who_does_its_task,
            },
            doing::{
                what_a_function_returns_is_told_once_and_is_its_result,
                what_a_function_writes_commits_with_the_end_or_not_at_all,
                what_it_enqueues_in_its_transaction_is_there_with_its_end,
                how_far_it_is_can_be_seen,
                a_step_is_done_once_however_often_it_is_tried,
                what_is_not_kept_is_gone,
                an_outbox_of_the_application_gets_the_events,
                two_workers_do_each_job_once,
            },
            failing::{
                what_fails_is_tried_again_and_told_once,
                what_is_permanent_is_not_tried_again,
                a_job_that_has_failed_is_tried_once_more,
                a_job_that_waits_is_cancelled,
                a_job_that_runs_is_told_to_end,
                what_takes_too_long_has_failed,
                what_is_stopped_is_given_back,
                what_has_waited_too_long_has_failed,
                a_task_that_changed_its_type_fails_by_name,
            },
            limits::{
                of_a_key_no_more_run_at_once_than_is_said,
                a_key_with_many_jobs_keeps_no_other_waiting,
                a_rate_is_kept,
                a_limit_holds_over_two_workers,
            },
        }
    };
}
use all_over;

/// Every test of the suite over this database.
macro_rules! suite {
    ($test:tt $base:path: $($room:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        $(mod $room {
            $(
                #$test
                async fn $name() {
                    $crate::transports::tasks::$room::$name::<$base>().await;
                }
            )*
        })*
    };
}
use suite;
