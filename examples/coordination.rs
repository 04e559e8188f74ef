//! Three emitters owe a round their signal within one second; THREE joins when the round is already open.
//! `cargo run --example coordination` resolves it; with `-- --late`, THREE is too late and the round is cancelled.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what happened")]

use actix::clock::{Instant, sleep, sleep_until};
use convoke::prelude::*;
use std::{error::Error, time::Duration};

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let three_emits_at = match std::env::args().skip(1).collect::<Vec<_>>().join(" ").as_str() {
        "" => 0.7,
        "--late" => 1.1,
        _ => {
            eprintln!("usage: coordination [--late]");
            std::process::exit(2);
        }
    };
    let start = Instant::now();
    let now = move || start.elapsed().as_secs_f64();
    println!("        0 s         0.5 s       1 s         1.5 s");

    let broker = Broker::new(Duration::from_secs(1)).close(Close::Deadline).start();
    let log = move |round: Outcome<_>| bar("log", now(), now(), &format!("{:?}", round.payloads()));
    let ship = async move |_: Resolved<_>| {
        let called_at = now();
        sleep(Duration::from_millis(500)).await;
        bar("ship", called_at, now(), "shipped");
    };
    let _log = Consumer::join(&broker, log).await?;
    let _ship = Consumer::join(&broker, ship).await?;

    let emitter = async |name, joins_at, emits_at, signal| -> Result<Outcome<_>, Box<dyn Error>> {
        sleep_until(start + Duration::from_secs_f64(joins_at)).await;
        let emitter = Emitter::join(&broker, name).await?;
        sleep_until(start + Duration::from_secs_f64(emits_at)).await;
        bar(name, joins_at, now(), signal);
        Ok(emitter.emit(signal).await?)
    };
    let three = emitter("THREE", 0.3, three_emits_at, "no fraud");
    let (one, _, three) = tokio::join!(emitter("ONE", 0.0, 0.0, "3 left"), emitter("TWO", 0.0, 0.2, "paid"), three);
    let outcome = one?;
    outcome.consumed().await; // nobody has waited for `ship` yet
    println!("\n{outcome}");
    if let Err(error) = three {
        println!("THREE is told: {error}");
    }
    Ok(())
}

/// Prints a row of the time line, 24 columns a second: who, and from when to when.
fn bar(who: &str, from: f64, to: f64, what: &str) {
    let mut row: Vec<char> = "┆           ┆           │           ┆".chars().collect();
    let [from, to] = [from, to].map(|at| ((at * 24.0) as usize).min(36));
    row[from..to].fill('━');
    row[to] = '●';
    println!("{who:>7} {} {what}", String::from_iter(row));
}
