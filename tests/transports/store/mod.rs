//! Stores: one suite over each database, and what only one of them does.
//!
//! `Base (a database) → suite! → appending, reading, conditions, within, replaying, projecting, rebuilding, versions`, `damage, crowds, killed, lean:
//! SQLite and PostgreSQL`

/// What gets into a store, and what does not.
mod appending;
/// What is read, in which order, from where.
mod reading;
/// What must not have happened.
mod conditions;
/// In a transaction of the application.
mod within;
/// Old versions of events.
mod versions;
/// What is told once more.
mod replaying;
/// Rows that follow from it.
mod projecting;
/// Rows that are made anew: beside others, by several, of what is no longer there.
mod rebuilding;
/// Projections in processes that are killed.
mod killed;
/// How much memory a replay takes.
mod lean;
/// What somebody has changed or deleted.
mod damage;
/// Many who append, and many who read.
mod crowds;
/// A database in memory.
mod memory;
/// SQLite.
mod sqlite;
/// PostgreSQL.
mod postgres;

use std::time::Duration;

use convoke::prelude::*;
use convoke::{Position, Recorded, Store, StoreError};
use serde::{Deserialize, Serialize};

pub(crate) use crate::transports::outbox::Base;

/// Whoever waits for longer has failed.
const LONG: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "orders/moved", entity = "Order", entity_id = order)]
struct Moved {
    order: u32,
    step: u32,
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(topic = "notes/taken")]
struct Noted {
    text: String,
}

#[derive(Clone, Debug, Event)]
#[event(local)]
struct Inside;

fn moved(order: u32, step: u32) -> Moved {
    Moved { order, step }
}

fn noted(text: &str) -> Noted {
    Noted { text: text.into() }
}

async fn orders<B: Base>(base: &B) -> Store<B::Database> {
    base.store("orders").await.unwrap()
}

/// A store in which the steps 0 to `steps` of these orders are, one after the other in turn.
async fn filled<B: Base>(base: &B, orders_: u32, steps: u32) -> Store<B::Database> {
    let store = orders(base).await;
    for step in 0..steps {
        store.append_all((0..orders_).map(|order| moved(order, step))).await.unwrap();
    }
    store
}

fn numbers(records: &[Recorded]) -> Vec<u64> {
    records.iter().map(|record| record.position().number()).collect()
}

/// Reads everything, and returns the positions that were read before an error, and the error.
async fn until_error<B: Base>(store: &Store<B::Database>) -> (Vec<u64>, Option<StoreError>) {
    read_until_error(store.read("**").start()).await
}

async fn read_until_error(mut reading: convoke::Reading) -> (Vec<u64>, Option<StoreError>) {
    let mut read = Vec::new();
    loop {
        match reading.next().await {
            Ok(Some(record)) => read.push(record.position().number()),
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error)),
        }
    }
}

/// Of another store.
async fn elsewhere<B: Base>(base: &B) -> Position {
    base.store("another").await.unwrap().append(noted("here")).await.unwrap()
}

/// The suite over a database: all of its tests.
macro_rules! all_over {
    ($test:tt $base:path) => {
        $crate::transports::store::suite! {
            $test $base:
            appending::{
                positions_have_no_gap_and_know_their_store,
                what_is_appended_is_read_as_it_was,
                several_are_all_appended_or_none,
                what_cannot_be_stored_is_an_error_by_name,
                an_authorization_is_not_stored,
                what_came_from_elsewhere_is_stored_as_it_came,
                stores_of_a_database_know_nothing_of_each_other,
                a_name_that_is_wrong_is_an_error,
                who_looks_at_a_store_makes_none,
            },
            reading::{
                everything_is_read_in_order_forward_and_backward,
                a_page_is_no_limit,
                only_topics_that_match_are_read,
                an_entity_is_read_alone,
                a_time_says_from_where_to_where,
                a_position_of_another_store_or_of_the_future_is_an_error,
                who_follows_sees_what_comes,
                what_is_appended_later_is_not_read,
                a_limit_ends_it,
            },
            conditions::{
                nothing_may_have_happened_since,
                only_what_matches_topic_and_entity_is_in_the_way,
                of_two_that_have_decided_by_the_same_only_one_appends,
                a_condition_on_a_position_that_is_none_is_an_error,
                a_condition_about_what_no_event_is_about_is_an_error,
                a_condition_of_topics_that_no_event_has_is_an_error,
                several_are_appended_under_a_condition_or_none,
            },
            within::{
                what_is_committed_is_there_and_what_is_rolled_back_leaves_no_gap,
                a_reader_waits_for_no_open_transaction,
                a_transaction_has_to_be_there_and_of_the_same_database,
                a_transaction_sees_its_own_events,
            },
            replaying::{
                a_bus_hears_what_was_appended_in_order_and_knows_that_it_is_a_replay,
                what_a_listener_fails_on_ends_it_and_it_is_taken_up_behind_the_last_that_was_done,
                one_listener_hears_it_alone_with_what_the_bus_provides,
                a_server_is_handed_it_in_order,
                a_rate_is_kept_and_what_was_interrupted_is_taken_up,
                an_old_version_without_an_upcaster_is_an_error_of_the_listener,
                a_route_ends_in_a_store,
                what_is_read_is_told_as_far_as_it_is_read,
            },
            rebuilding::{
                one_whose_store_was_made_again_is_rebuilt_from_what_is_there,
                one_of_another_version_has_to_be_rebuilt_and_begins_anew,
                what_was_begun_by_another_version_leaves_its_rows_to_nobody,
                several_who_rebuild_at_once_come_to_an_end,
            },
            projecting::{
                it_catches_up_and_each_record_counts_once,
                what_it_fails_on_is_named_and_what_was_before_stays,
                it_is_rebuilt_beside_the_present_one_and_switched,
                a_service_follows_degrades_and_recovers,
                one_of_another_store_is_an_error,
                one_that_reads_something_else_has_to_be_rebuilt,
                one_begins_and_ends_nowhere,
            },
            versions::{
                an_old_version_is_lifted_when_it_is_read,
                a_version_that_nobody_knows_is_an_error,
                an_upcaster_that_panics_makes_the_record_unreadable,
                an_upcaster_is_found_by_the_topic_too,
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
                    $crate::transports::store::$room::$name::<$base>().await;
                }
            )*
        })*
    };
}
use suite;
