//! A suite of cases that every store of durable rounds has to pass: give it a [`Fixture`], and it reports for each case whether it holds.
//!
//! `Fixture → Suite → cases, each on a database of its own → Table: passed | failed, and why`
//!
//! # For the author of a store
//!
//! A store is a [`RoundDatabase`](crate::RoundDatabase), which opens the rounds of a broker as a
//! [`RoundStore`](crate::rounds::round_store::RoundStore). A fixture says how to make a database in which nothing is, and the suite does the
//! rest. The suite tries by itself what happens if a work is dropped between two of its statements, or a judge panics; where a fixture says how
//! to [break a write](Fixture::break_write), to [hold one up](Fixture::hold) or to [replace](Fixture::replace) the database, it tries that too.
//!
//! ```
//! use convoke::rounds::conformance::{Fixture, Suite};
//! use convoke::transport::{BoxFuture, Memory, MemoryDatabase, TransportError};
//!
//! struct InMemory;
//!
//! impl Fixture for InMemory {
//!     type Database = MemoryDatabase;
//!
//!     fn name(&self) -> &str {
//!         "memory"
//!     }
//!
//!     fn database(&self) -> BoxFuture<'_, Result<MemoryDatabase, TransportError>> {
//!         Box::pin(async { Ok(Memory::database()) })
//!     }
//! }
//!
//! #[actix::main]
//! async fn main() {
//!     Suite::new().run(&InMemory).await.assert_passed();
//! }
//! ```
//!
//! # In this folder
//!
//! In reading order: `fixture` is what a store provides, and `suite` runs the cases. `room` is what a case is tried on. `working` is how rounds come
//! about and are judged, `closing` what becomes of them, `looking` who is asked about what, `naming` what a broker has, and `failing` what is
//! left of what fails. `ours/` has every case as a test of each of our stores.
//!
//! No case knows another, and none has a database that another one has had.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a case says by a panic what does not hold")]

mod fixture;
mod suite;
mod room;
mod working;
mod closing;
mod looking;
mod naming;
mod failing;
#[cfg(test)]
pub(in crate::durable) mod ours;

/// All cases, by their subjects, for this macro.
macro_rules! each_case {
    ($with:ident) => {
        $with! {
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
                many_who_open_many_open_each_once,
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
                rules_that_nobody_needs_are_forgotten,
                consumers_are_known_to_all,
                what_a_party_says_is_known_to_all,
                a_party_is_asked_if_it_can_be,
            },
            failing::{
                a_judge_that_panics_leaves_nothing,
                a_work_that_is_dropped_leaves_nothing,
                a_statement_that_fails_leaves_nothing,
                what_somebody_works_on_is_passed_over_by_its_number,
                what_was_replaced_has_its_broker_again,
            },
        }
    };
}
use each_case;

pub use crate::transport::conformance::{Outcome, Row, Table};
pub use fixture::{Fixture, Held, Mend};
pub use suite::Suite;
