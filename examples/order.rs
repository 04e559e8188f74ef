//! An order ships when stock, payment and fraud check have answered within two seconds. A thousand are open at once.
//! `cargo run --example order`
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use convoke::{EmitterStats, prelude::*};
use indicatif::{ProgressBar, ProgressStyle};
use std::{collections::BTreeMap, error::Error, time::Duration};

/// Is asked about every order; `decide` says, by its number, after how many milliseconds it answers and what it minds.
fn department(name: &str, decide: fn(u64) -> (u64, Option<&'static str>)) -> Emitter<&'static str> {
    Emitter::new(name).on_summons(move |pledge| {
        let Some(&RoundKey::Number(order)) = pledge.key() else { return };
        let (millis, objection) = decide(order);
        actix::spawn(async move {
            actix::clock::sleep(Duration::from_millis(millis)).await;
            match objection {
                None => pledge.keep("yes"),
                Some(reason) => pledge.veto(reason),
            }
        });
    })
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let broker = Broker::new(Duration::from_secs(2)).expects(["stock", "payment", "fraud check", "shop"]).start();
    let stock = |order| (order % 800, (order % 25 == 0).then_some("sold out"));
    let payment = |order| (if order % 40 == 7 { 2_500 } else { 200 + order * 7 % 1_100 }, None);
    let fraud = |order| (order * 3 % 1_000, (order % 60 == 1).then_some("stolen card"));
    for department in [department("stock", stock), department("payment", payment), department("fraud check", fraud)] {
        Emitter::join(&broker, department).await?.forever();
    }
    let progress = ProgressBar::new(1_000).with_style(ProgressStyle::with_template("{bar:40} {pos} of {len} closed")?);
    let bar = progress.clone();
    let _bar = Consumer::join(&broker, move |_: Outcome<_>| bar.inc(1)).await?;

    let shop = Emitter::join(&broker, "shop").await?;
    let orders: Vec<_> = (0..1_000).map(|order| shop.emit_for(order, "placed")).collect();
    let mut outcomes = BTreeMap::<_, Vec<_>>::new();
    for order in orders {
        let outcome = order.await?;
        let took = outcome.elapsed();
        let what = outcome.cause().map_or("shipped".to_owned(), |cause| cause.to_string());
        outcomes.entry(what).or_default().push(took);
    }
    progress.finish_and_clear();

    println!("outcome                              orders    slowest");
    for (what, took) in outcomes {
        let slowest = took.iter().max().copied().unwrap_or_default();
        println!("{what:<36} {:>6} {slowest:>10.2?} {}", took.len(), "━".repeat(1 + took.len() / 40));
    }
    println!("\nemitter            kept  missed   late   last of all");
    for EmitterStats { name, kept, missed, late, last, .. } in broker.inspect().await?.emitters {
        println!("{name:<18} {kept:>4} {missed:>7} {late:>6} {last:>6} {}", "━".repeat(last as usize / 25));
    }
    Ok(())
}
