//! How an outcome, a cause and an error of a round are read.

use convoke::prelude::*;
use convoke::{ConfigError, ConsumerError};

use crate::common::{SECOND, after, at_once, join_all, on_a_system, settled, timed_out};

#[convoke::test]
async fn an_outcome_is_a_result_for_the_question_mark() {
    async fn ship(stock: &EmitterHandle<u32>) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let round: Resolved<u32> = stock.emit(1).await?.into_result()?;
        Ok(round.payloads().len())
    }
    let broker = Broker::new(SECOND).start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    let error = after(SECOND, ship(&stock)).await.unwrap_err();
    assert_eq!(error.to_string(), "round #1 cancelled after 1s: timed out; missing payment");
    payment.leave();
    assert_eq!(at_once(ship(&stock)).await.unwrap(), 1);
}

#[convoke::test]
async fn a_cause_says_who_is_missing() {
    let broker = Broker::new(SECOND).expects(["stock", "fraud check"]).release(Release::at_least(3)).start();
    let [stock, _payment] = join_all(&broker, ["stock", "payment"]).await;
    let outcome = after(SECOND, stock.emit(1)).await.unwrap();
    let cause = outcome.cause().unwrap();
    assert_eq!(cause, timed_out(["payment", "fraud check"]));
    assert_eq!(cause.to_string(), "timed out; missing payment, fraud check");
    let json = serde_json::to_value(&cause).unwrap();
    assert_eq!(json, serde_json::json!({ "timed_out": { "missing": ["payment", "fraud check"] } }));
    assert_eq!(
        outcome.to_string(),
        "round #1 cancelled after 1s: timed out with 1 of the 3 signals it needs; missing payment; no member named fraud check"
    );
}

#[test]
fn a_release_is_shown_as_it_is_written() {
    let shown = |release: Release<u32>| format!("{release:?}");
    assert_eq!(shown(Release::default()), "all()");
    assert_eq!(shown(Release::at_least(2)), "at_least(2)");
    assert_eq!(shown(Release::required(["stock", "payment", "stock"])), r#"required(["stock", "payment"])"#);
    assert_eq!(shown(Release::when(|_| true)), "when(…)");
}

#[test]
fn a_failure_is_an_error_for_the_question_mark() {
    fn open() -> Handled {
        Err("no key".into())
    }
    fn run() -> Result<(), Box<dyn std::error::Error>> {
        Ok(open()?)
    }
    assert_eq!(run().unwrap_err().to_string(), "no key");
}

#[convoke::test]
async fn a_payload_is_found_by_the_name_of_its_emitter() {
    let broker = Broker::new(SECOND).start();
    let [stock, payment] = join_all(&broker, ["stock", "payment"]).await;
    stock.do_emit(1).unwrap();
    settled().await;
    let outcome = at_once(payment.emit(2)).await.unwrap();
    assert_eq!(
        (outcome.payload("stock"), outcome.payload("payment"), outcome.payload("log")),
        (Some(&1), Some(&2), None)
    );
    let round = outcome.into_result().unwrap();
    assert_eq!(round.payload("payment"), Some(&2));
}

#[test]
fn debug_of_an_error_is_its_display() {
    macro_rules! same {
        ($($error:expr),* $(,)?) => {$( assert_eq!(format!("{:?}", $error), $error.to_string()); )*};
    }
    same!(
        ConfigError::ZeroTimeout,
        JoinError::NoArbiter,
        JoinError::Config(ConfigError::DoubledName),
        EmitError::NoRound,
        BrokerError::Gone,
        ConsumerError::TimedOut(SECOND),
    );
    on_a_system(async {
        let broker = Broker::new(SECOND).late_join(LateJoin::NextRound).expects(["stock", "payment"]).start();
        let [stock] = join_all(&broker, ["stock"]).await;
        let cancelled = stock.emit(1).await.unwrap().into_result().unwrap_err();
        same!(cancelled);
    });
}
