use convoke::prelude::*;
use std::time::Duration;

#[convoke::test]
async fn a_round_without_a_payment_is_cancelled_after_an_hour() {
    let broker = Broker::new(Duration::from_secs(3600)).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let _payment = Emitter::join(&broker, "payment").await.unwrap();

    let outcome = stock.emit("3 left").await.unwrap(); // at once, and after exactly an hour
    assert_eq!(outcome.elapsed(), Duration::from_secs(3600));
}
