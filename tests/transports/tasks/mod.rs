//! Tasks: one suite over each database, one over each queue without one, and what only one of them does.
//!
//! `Base (a database) → Shop: a bus, what was heard → suite! → enqueuing, doing, failing, instances, limits, many`, `processes, under_load: more
//! of them than one, and many jobs`

/// Tasks, a bus, and what was heard.
mod shop;
/// What is enqueued, and when it is due.
mod enqueuing;
/// What is done, and what is told of it.
mod doing;
/// Attempts that fail, and jobs that are to end.
mod failing;
/// What a task is about.
mod instances;
/// Users, and where they are.
mod users;
/// Keys of which only some run, and more than one worker.
mod limits;
/// Many jobs at once, and many as one.
mod many;
/// Workers in processes of their own, which end as they like.
mod processes;
/// What only shows with many jobs, or after a while.
mod under_load;
/// Queues without a database.
mod over;
/// A database in memory.
mod memory;
/// SQLite.
mod sqlite;
/// PostgreSQL.
mod postgres;
/// PostgreSQL, while somebody keeps vacuum back.
mod kept_back;

pub(crate) use crate::transports::outbox::Base;

/// The suite over a database: all of its tests.
macro_rules! all_over {
    ($test:tt $base:path) => {
        $crate::transports::tasks::suite! {
            $test $base:
            enqueuing::{
                a_job_stands_in_the_transaction_or_not_at_all,
                what_commits_later_is_seen_without_a_poll,
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
                whatever_a_key_says_it_holds_nobody_up,
            },
            instances::{
                an_instance_is_found_before_each_attempt,
                what_is_not_there_has_failed_by_name,
                an_instance_is_found_anew_in_the_transaction_that_ends_the_job,
                it_is_deleted_when_the_job_is_done_and_only_then,
                what_cannot_be_deleted_keeps_a_job_from_being_done,
                it_is_deleted_when_the_job_has_failed_for_good_and_only_then,
                what_was_cancelled_is_deleted_too,
                what_cannot_be_deleted_keeps_a_job_from_having_failed,
                what_is_elsewhere_is_deleted_behind_the_event_and_until_it_is_gone,
            },
            limits::{
                of_a_key_no_more_run_at_once_than_is_said,
                a_key_with_many_jobs_keeps_no_other_waiting,
                a_rate_is_kept,
                a_limit_holds_over_two_workers,
            },
            many::{
                a_thousand_that_are_cancelled_all_end_and_are_told,
                a_thousand_that_take_too_long_all_end_and_are_told,
                a_batch_closes_and_one_job_follows_though_workers_are_many,
                a_batch_in_a_transaction_is_there_or_not_at_all,
                a_batch_is_made_in_the_transaction_of_a_job,
                a_job_that_was_there_already_is_waited_for,
                at_its_deadline_a_batch_names_who_is_missing,
                a_batch_that_is_cancelled_ends_its_jobs,
                a_batch_of_a_thousand_is_done,
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
