//! A test that fails for several reasons says each of them, and its own error first.

use convoke::prelude::*;
use convoke::testing;

use super::{ORDER, OrderPlaced, end_of, said};
use crate::common::SECOND;

/// Fails a listener and looks at nothing.
async fn mail_fails() {
    let bus = EventBus::default();
    let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no address")).named("mail")).unwrap();
    drop(bus.emit(ORDER).await);
}

const UNSEEN: &str = "this test did not look at what has failed: `mail` on OrderPlaced: failed: no address; look at";

#[test]
fn the_error_of_the_test_itself_comes_first() {
    let failing = async || {
        mail_fails().await;
        Err::<(), _>("out of stock")
    };
    let end = said(|| testing::run_test("this test", failing)).unwrap_err();
    assert!(end.starts_with(&format!("this test failed: \"out of stock\"\n{UNSEEN}")), "{end}");

    let end = said(|| testing::run_test_under_seeds("this test", 2, failing)).unwrap_err();
    let own = "this test failed under seed 0: \"out of stock\"; CONVOKE_SEED=0 replays it";
    assert!(end.starts_with(&format!("{own}\n{UNSEEN}")), "{end}");
}

#[test]
fn an_error_alone_is_left_to_the_harness() {
    let ending = said(|| testing::run_test("this test", async || Err::<(), _>("out of stock")));
    assert_eq!(ending, Ok(Err("out of stock")));
}

#[test]
fn who_is_left_behind_hides_no_failure() {
    let end = end_of(async |_| {
        std::mem::forget(Broker::<u32>::new(SECOND).named("orders").start());
        mail_fails().await;
    });
    let end = end.unwrap_err();
    assert!(end.starts_with(UNSEEN), "{end}");
    assert!(end.contains("\nthis test left behind: the broker `orders`; drop its guard"), "{end}");
}

/// What an application has, which hears every dead letter: it stands in another file than its tests.
pub(super) fn wire(bus: &EventBus) {
    bus.on(|letter: &DeadLetter| log::error!("{letter}")).unwrap().forever();
}

#[convoke::test]
async fn a_test_may_return_an_exit_code() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
