//! How an outcome, a cause and an error of a round are read.

use convoke::prelude::*;
use convoke::{ConfigError, ConsumerError};

use crate::common::{SECOND, after, at_once, join_all, on_a_system, settled};

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
