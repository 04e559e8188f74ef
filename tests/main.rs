use convoke::prelude::*;
use std::time::Duration;

#[convoke::test]
async fn first() {
    let broker = Broker::new(Duration::from_secs(1)).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let payment = Emitter::join(&broker, "payment").await.unwrap();
    let _shipping = Consumer::join(&broker, |round: Resolved<&str>| println!("ship it: {:?}", round.payloads())).await.unwrap();
    let _a = Consumer::join(&broker, async |round: Resolved<&str>| { println!("async ship it: {:?}", round.payloads()); Err::<(), _>("no") }).await.unwrap();
    let (stock, payment) = tokio::join!(stock.emit("3 left"), payment.emit("paid"));
    let stock = stock.unwrap();
    println!("{stock:?} {}", payment.unwrap());
    assert!(stock.is_resolved());
    println!("{:?}", stock.consumed().await);
    println!("{}", serde_json::to_string_pretty(&broker.inspect().await.unwrap()).unwrap());
}

#[convoke::test]
async fn times_out() {
    let broker = Broker::new(Duration::from_secs(1)).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let payment = Emitter::join(&broker, Emitter::new("payment").on_summons(|p| p.veto("no money"))).await.unwrap();
    let out = stock.emit(3).await.unwrap();
    println!("{out}");
    payment.leave();
    let payment = Emitter::join(&broker, "payment").await.unwrap();
    let t = tokio::time::Instant::now();
    let out = stock.emit(3).await.unwrap();
    println!("{out} {out:?} {:?}", t.elapsed());
    println!("{:?}", payment.emit(4).await);
}
#[convoke::test]
async fn leaks() {
    let broker = Broker::<u32>::new(Duration::from_secs(1)).start();
    std::mem::forget(broker);
}
