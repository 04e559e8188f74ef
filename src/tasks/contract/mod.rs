//! What every database has to do for tasks: one function for each promise of rows.rs, run over all of them.
//!
//! `Place (a database) → Room: its jobs, an outbox → adding, lending, ending, turns, keeping`
//!
//! In reading order: `room` is what a promise is tried on. `adding` is what gets in, `unique` what does not, `lending` who gets a
//! job, and `places` that none is passed over; `turns` whose turn it is where keys have a limit, `ending` how attempts end, and
//! `keeping` what is known of a job and of schedules, and `listing` which jobs somebody is shown.
//!
//! PostgreSQL is tried where `CONVOKE_TEST_POSTGRES_URL` says where one is, as `tests/run` does; and once more with lending as it is
//! while somebody keeps vacuum back.

mod room;
mod adding;
mod unique;
mod lending;
mod places;
mod turns;
mod ending;
mod keeping;
mod listing;

/// Runs functions over each database.
macro_rules! promises {
    ($($module:ident::{$($name:ident),* $(,)?}),* $(,)?) => {
        mod memory { $($(
            #[actix_rt::test]
            async fn $name() { super::$module::$name(&super::room::Memory::room().await).await }
        )*)* }
        #[cfg(feature = "sqlite")]
        mod sqlite { $($(
            #[actix_rt::test]
            async fn $name() { super::$module::$name(&super::room::File::room().await).await }
        )*)* }
        #[cfg(feature = "postgres")]
        mod postgres { $($(
            #[actix_rt::test]
            async fn $name() {
                if let Some(room) = super::room::Server::room().await {
                    super::$module::$name(&room).await;
                }
            }
        )*)* }
        #[cfg(feature = "postgres")]
        mod postgres_with_floors { $($(
            #[actix_rt::test]
            async fn $name() {
                if let Some(room) = super::room::Server::room_with_floors().await {
                    super::$module::$name(&room).await;
                }
            }
        )*)* }
    };
}

promises! {
    adding::{
        many_are_added_in_their_order,
        whatever_a_payload_says_it_comes_as_it_is,
        what_was_rolled_back_is_not_there,
        a_number_that_was_rolled_back_is_not_given_again,
        nothing_is_lent_before_its_commit,
        without_a_transaction_nothing_is_added,
        in_a_transaction_of_another_database_nothing_is_added,
        who_adds_rings,
    },
    unique::{
        of_a_unique_key_there_is_one_that_is_not_over,
        of_one_batch_the_first_has_the_key,
        a_key_is_held_for_its_time,
        a_key_that_is_held_while_it_waits_is_free_once_it_is_lent,
        who_adds_at_the_same_time_waits_for_the_commit,
        batches_in_any_order_do_not_wait_for_each_other,
        a_job_is_tried_once_more_unless_another_has_its_key,
    },
    lending::{
        the_first_by_its_rank_goes_first,
        each_is_lent_once_however_many_ask,
        only_what_is_wanted_is_lent,
        what_is_not_due_waits,
        a_time_that_is_past_is_now,
        what_is_due_stands_behind_nothing_that_is_not,
        a_lease_that_ends_is_an_attempt,
        a_lease_is_renewed,
        what_waits_too_long_is_said_to_be_expired,
        of_many_tasks_each_has_its_place,
    },
    places::{
        what_commits_late_is_lent_before_what_has_a_higher_rank,
        whatever_becomes_ready_again_is_in_its_place,
        whatever_is_ready_is_lent,
    },
    turns::{
        of_a_key_no_more_run_than_its_limit_says,
        keys_take_turns,
        a_key_with_many_jobs_keeps_no_other_waiting,
        of_a_key_no_more_begin_than_its_rate_says,
        what_does_not_begin_takes_no_place_of_its_rate,
        with_limits_and_without_nobody_starves,
        a_limit_holds_in_all_queues,
        what_has_ended_makes_room,
        two_workers_keep_a_limit_together,
        a_key_that_is_not_limited_any_more_is_lent,
    },
    ending::{
        what_is_done_is_gone_and_its_event_is_there,
        what_is_kept_says_how_it_ended,
        an_attempt_that_has_lost_its_job_ends_nothing,
        what_has_failed_comes_again_with_its_reason,
        what_is_given_back_does_not_count,
        an_attempt_whose_function_was_not_called_does_not_count,
        some_end_and_others_do_not,
        a_transaction_ends_a_job_with_what_else_it_writes,
        many_end_at_once,
    },
    keeping::{
        one_that_waits_and_is_cancelled_is_due,
        one_that_runs_learns_that_it_is_cancelled,
        one_of_a_busy_key_is_cancelled_at_once,
        what_has_failed_is_tried_once_more_with_all_its_attempts,
        what_has_failed_is_listed,
        who_has_a_job_notes_how_far_it_is,
        steps_outlive_the_attempt_and_end_with_the_job,
        a_schedule_moves_on_once,
        ten_schedulers_enqueue_each_time_once,
        a_schedule_keeps_unique_keys,
        what_is_there_is_counted,
        what_nobody_does_is_named,
    },
    listing::{
        each_job_is_on_one_page_however_short_pages_are,
        each_state_has_its_jobs,
        who_looks_is_told_what_nobody_does,
        of_one_task_alone_others_are_passed_over,
        what_runs_is_listed_by_its_number_whatever_becomes_of_its_lease,
        what_is_kept_no_longer_is_not_listed,
        two_who_cancel_a_job_at_once_end_it_once,
    },
}
