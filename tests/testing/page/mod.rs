//! The tests that the chapter on testing shows, each in a file of its own, word for word, and the text of the failure there.

mod a_database;
mod a_fake_bus;
mod by_hand;
mod events;
mod probes;
mod seeds;
mod virtual_time;

use std::panic::{AssertUnwindSafe, catch_unwind};

use convoke::prelude::*;
use convoke::testing::{self, EventSynchronizer, expect_failure};
use serde_json::json;

use crate::common::{SECOND, ms, sleep};

const PAGE: &str = include_str!("../../../src/guide/testing.md");

/// A doctest does not compile what is under `#[convoke::test]`, so what the page shows is compared with what runs.
#[test]
fn the_page_shows_these_tests_word_for_word() {
    let shown: Vec<_> = PAGE.split("```").filter_map(|block| block.strip_prefix("rust\n")).collect();
    let tested = [
        include_str!("virtual_time.rs"),
        include_str!("events.rs"),
        include_str!("probes.rs"),
        include_str!("a_fake_bus.rs"),
        include_str!("by_hand.rs"),
        include_str!("a_database.rs"),
        include_str!("seeds.rs"),
    ];
    assert_eq!(shown, tested);
}

#[convoke::test]
async fn the_page_shows_what_a_wait_says_that_is_not_met() {
    expect_failure("mail");
    let bus = EventBus::default();
    let mail = |_: &JsonEvent| Err::<(), _>("no connection");
    let _mail = bus.on_topic("orders/placed", mail.named("mail")).unwrap();
    let mut sync = EventSynchronizer::new(&bus);
    bus.publish_json("orders/placed", json!({ "id": 7 })).unwrap();
    testing::settle().await;
    sleep(ms(1500)).await;
    bus.publish_json("orders/refused", json!({ "id": 7, "why": "sold out" })).unwrap();
    let wait = sync.wait_for_events(["orders/placed", "orders/closed"]).timeout(5 * SECOND);
    let text = wait.await.unwrap_err().to_string();
    assert!(PAGE.contains(&format!("```text\n{text}\n```")), "{text}");
}

#[test]
fn the_page_shows_what_the_leak_check_says() {
    let run = catch_unwind(AssertUnwindSafe(|| {
        testing::run("a_placed_order_is_closed", async || {
            std::mem::forget(Broker::<u32>::new(SECOND).named("orders").start());
        })
    }));
    let text = *run.unwrap_err().downcast::<String>().unwrap();
    assert!(PAGE.contains(&format!("```text\n{text}\n```")), "{text}");
}
