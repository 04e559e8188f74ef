//! An order ships when stock, payment and fraud check have answered. A thousand orders are open at once.
//!
//! `cargo run --example order`
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use actix::clock::sleep;
use convoke::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};

const ORDERS: u64 = 1_000;

/// Answers for every order after a while: `decide` says after how many milliseconds, and what.
fn department(name: &str, decide: fn(u64) -> (u64, Result<&'static str, &'static str>)) -> Emitter<&'static str> {
    Emitter::new(name).on_summons(move |pledge| {
        let Some(&RoundKey::Number(order)) = pledge.key() else { return };
        let (millis, answer) = decide(order);
        actix::spawn(async move {
            sleep(Duration::from_millis(millis)).await;
            match answer {
                Ok(answer) => pledge.keep(answer),
                Err(reason) => pledge.veto(reason),
            }
        });
    })
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let broker = Broker::new(Duration::from_secs(2)).named("orders").start();
    let shop = Emitter::join(&broker, "shop").await?;
    let stock = department("stock", |order| (order % 800, if order % 25 == 0 { Err("sold out") } else { Ok("reserved") }));
    let payment = department("payment", |order| (if order % 40 == 7 { 3_000 } else { 300 + order * 7 % 900 }, Ok("paid")));
    let fraud = department("fraud check", |order| (100, if order % 60 == 1 { Err("stolen card") } else { Ok("clean") }));
    for d in [stock, payment, fraud] {
        Emitter::join(&broker, d).await?.forever();
    }
    let progress = ProgressBar::new(ORDERS).with_style(ProgressStyle::with_template("{bar:40} {pos} of {len} orders")?);
    let bar = progress.clone();
    Consumer::join(&broker, move |_: Outcome<_>| bar.inc(1)).await?.forever();

    let orders: Vec<_> = (0..ORDERS).map(|order| shop.emit_for(order, "placed")).collect();
    let mut causes = BTreeMap::<String, u64>::new();
    let mut slowest = None;
    for order in orders {
        let outcome = order.await?;
        let cause = match &outcome {
            Outcome::Resolved(_) => "shipped".to_owned(),
            Outcome::Cancelled(round) => format!("{}", round.cause()),
        };
        *causes.entry(cause).or_default() += 1;
        slowest = slowest.max(Some((outcome.elapsed(), outcome.key().cloned())));
    }
    progress.finish_and_clear();
    println!("{causes:?} {slowest:?}");
    let s = broker.inspect().await?;
    println!("{:?} {:#?}", s.most_often_last, s.emitters);
    Ok(())
}
