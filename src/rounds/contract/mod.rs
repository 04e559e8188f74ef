//! What every database has to do for rounds: one function for each promise of store.rs, run over all of them.
//!
//! `Place (a database) → Room: its rounds → working, closing, looking, naming, failing`
//!
//! In reading order: `room` is what a promise is tried on, and `redis` is that over a Redis. `working` is how rounds come about and are judged, `closing` what becomes of
//! them, `looking` who is asked about what, `naming` what a broker has, `seeing` what a tool sees that has not its type, and `failing` what is left of what fails.
//!
//! PostgreSQL is tried where `CONVOKE_TEST_POSTGRES_URL` says where one is, as `tests/run` does; Redis where `CONVOKE_TEST_REDIS_URL` says so, or
//! where there is a `redis-server`.

mod room;
#[cfg(feature = "redis")]
mod redis;
mod working;
mod closing;
mod looking;
mod naming;
mod seeing;
mod failing;

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
        #[cfg(feature = "redis")]
        mod over_redis { $($(
            #[actix_rt::test]
            async fn $name() {
                if let Some(room) = super::redis::Redis::room().await {
                    super::$module::$name(&room).await;
                }
            }
        )*)* }
    };
}

promises! {
    working::{
        what_is_made_is_read_as_it_was_written,
        the_judge_is_asked_where_there_is_no_round,
        of_a_key_there_is_one_round_however_many_open_it,
        numbers_rise_and_are_not_given_again,
        each_ruling_adds_behind_what_there_is,
        an_awaited_round_opens_by_the_rules_of_then,
        many_places_are_judged_in_one_go,
        a_round_by_its_number_is_judged_if_it_is_not_over,
        a_place_that_is_there_twice_is_refused,
        works_in_any_order_do_not_wait_for_each_other,
        what_goes_with_a_name_may_become_something_else,
        who_writes_rings,
    },
    closing::{
        what_closes_is_kept_without_its_signals_and_is_in_the_outbox,
        a_round_may_close_as_it_opens,
        the_next_round_of_a_key_knows_the_last,
        a_consumer_hears_from_when_it_was_added_until_it_is_removed,
        who_is_added_while_rounds_close_misses_none_that_closes_later,
        what_nobody_opened_lapses,
        one_that_is_aside_holds_its_key_and_is_never_due,
        an_outcome_is_amended,
        many_who_close_a_round_close_it_once,
        the_next_round_opens_as_one_closes,
    },
    looking::{
        the_longest_due_comes_first,
        what_cannot_be_decided_hides_nothing,
        what_has_ended_is_told_of_those_that_were_asked_about,
        a_key_has_a_history,
        what_is_open_is_listed_page_by_page,
        what_is_there_is_counted,
        what_is_old_is_deleted_in_batches,
        brokers_of_one_database_know_nothing_of_each_other,
    },
    naming::{
        the_first_rules_are_taken_and_others_have_to_replace_them,
        of_two_who_enroll_at_once_one_is_first,
        consumers_are_known_to_all,
        what_a_party_says_is_known_to_all,
        a_party_is_asked_if_it_can_be,
    },
    seeing::{
        who_looks_makes_nothing,
        brokers_are_listed_page_by_page,
        what_is_open_is_seen_without_its_type,
        who_may_not_abort_is_told_who_may,
        a_round_of_a_predicate_is_seen_and_aborted,
        what_waits_for_the_next_round_opens_it_as_a_tool_aborts,
        of_two_who_abort_a_round_at_once_one_does,
    },
    failing::{
        a_judge_that_panics_leaves_nothing,
        a_work_that_is_dropped_leaves_nothing,
        a_statement_that_fails_leaves_nothing,
        what_somebody_works_on_is_passed_over_by_its_number,
        what_was_replaced_has_its_broker_again,
    },
}
