//! Outboxes: one suite over each database, and what only one of them does. In real time, but waiting for no clock.
//!
//! `Base (a database) → suite! → publishing, relaying, order, letters, services → a Taker`
//!
//! In reading order: `base` is what a suite needs of a database, `taker` a publisher that does what a test tells it.

/// What a suite needs of a database.
mod base;
/// What gets into an outbox, and what does not.
mod publishing;
/// What leaves it, and how often.
mod relaying;
/// What goes before what.
mod order;
/// What a server has refused for good.
mod letters;
/// A relay that may not publish.
mod denied;
/// A relay among the services of an application.
mod services;
/// SQLite.
pub(crate) mod sqlite;
/// PostgreSQL.
pub(crate) mod postgres;
/// An application, and what happens to it.
mod shop;
/// A database in memory.
pub(crate) mod memory;
/// A publisher that does what a test tells it.
mod taker;

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::Publisher;
use convoke::{Outbox, Outgoing, RelayService};
use serde::{Deserialize, Serialize};

pub(crate) use base::{Base, Connection};
pub(crate) use taker::{Mode, Taker};

/// Whoever waits for longer has failed.
pub(crate) const LONG: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
#[event(topic = "orders/moved")]
pub(crate) struct Moved {
    pub(crate) order: u32,
    pub(crate) step: u32,
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) text: String,
}

#[derive(Clone, Debug, Event)]
#[event(local)]
pub(crate) struct Inside;

pub(crate) fn moved(order: u32, step: u32) -> Moved {
    Moved { order, step }
}

/// An outbox in which the steps of an order are in order.
pub(crate) async fn shop<B: Base>(base: &B) -> Outbox<B::Database> {
    base.outbox("Shop").ordered_by(|event| event.payload.get("order").map(ToString::to_string)).await.unwrap()
}

/// Publishes events in a transaction of their own.
pub(crate) async fn publish<B: Base>(base: &B, outbox: &Outbox<B::Database>, events: impl IntoIterator<Item = Moved>) {
    let mut transaction = base.begin().await;
    outbox.publish_all(&mut transaction, events.into_iter().map(Outgoing::new)).await.unwrap();
    B::commit(transaction).await;
}

/// Starts a relay of all events.
pub(crate) async fn relay<B: Base>(
    outbox: &Outbox<B::Database>,
    publisher: &(impl Publisher + Clone),
) -> ServiceHandle<RelayService> {
    let relay = outbox.relay(Route::new("Shop/**", publisher.clone()).retry(quick()));
    relay.supervised(&EventBus::default()).await.unwrap()
}

pub(crate) fn quick() -> Retry {
    Retry::fixed(Duration::from_millis(5))
}

/// Waits until this is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(LONG, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}

/// Waits until nothing waits in the outbox.
pub(crate) async fn empty<B: Base>(outbox: &Outbox<B::Database>) {
    until("nothing is ready", async || outbox.figures().await.unwrap().ready == 0).await;
}

/// Every test of the suite over this database.
macro_rules! suite {
    ($test:tt $base:ident: $($room:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        $(mod $room {
            $(
                #$test
                async fn $name() {
                    $crate::transports::outbox::$room::$name::<super::$base>().await;
                }
            )*
        })*
    };
}
pub(crate) use suite;

/// The suite over a database: all of its tests.
macro_rules! all_over {
    ($test:tt $base:ident) => {
        $crate::transports::outbox::suite! {
            $test $base:
            publishing::{
                what_is_committed_leaves_and_what_is_rolled_back_never_does,
                metadata_are_those_that_a_bus_makes,
                what_cannot_leave_is_an_error_by_name,
                what_is_too_large_is_an_error_before_anything_is_written,
                a_transaction_has_to_be_there_and_of_the_same_database,
                a_statement_does_the_same_in_any_client,
                an_outbox_has_one_rule_for_its_keys_whoever_opens_it,
                events_of_several_types_are_published_by_one_call,
            },
            relaying::{
                many_leave_once_and_nothing_is_left,
                a_server_that_is_away_holds_up_and_loses_nothing,
                a_publisher_that_panics_is_tried_again,
                a_relay_that_stops_finishes_what_is_at_the_server,
                what_a_relay_has_left_the_next_one_finds,
                every_route_that_matches_has_the_event,
                another_codec_and_attributes_are_as_in_a_route,
                two_relays_share_the_events,
            },
            order::{
                events_of_a_key_leave_in_the_order_of_their_commits,
                none_is_overtaken_by_one_behind_it_while_a_server_takes_only_some,
                two_relays_that_come_and_go_keep_the_order_of_each_key,
            },
            letters::{
                what_is_refused_is_dead_and_what_follows_is_parked_and_redriven_in_order,
                a_dead_letter_may_be_discarded,
                what_no_route_matches_is_a_dead_letter,
                what_a_server_cannot_take_is_dead_before_it_is_sent,
                a_relay_that_comes_later_parks_too,
                the_first_of_two_dead_ones_of_a_key_does_not_wait_for_the_second,
                the_second_of_two_dead_ones_of_a_key_waits_for_the_first,
                of_two_dead_ones_of_a_key_each_counts_once,
                all_dead_letters_are_redriven,
            },
            services::{
                a_relay_is_one_of_the_services_of_an_application,
                a_relay_runs_by_itself_too_as_a_worker_does,
                a_route_by_which_nothing_leaves_does_not_start,
                what_lags_behind_is_degraded_and_recovers,
            },
        }
    };
}
pub(crate) use all_over;
