//! How does an event get to another process, and what becomes of one that nobody can handle?
//!
//! `cargo run --features sqlite --example worker`, or over a server: `--features redis --example worker redis://localhost`

#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::error::Error;
use std::process::{self, Command};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{AnyQueue, DeadLetterRecord, Source, redrive};
use convoke::{Retry, Route, Worker};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

async fn publish(url: &str) -> Result<(), Box<dyn Error>> {
    let bus = EventBus::builder().publisher("Shop").build();
    let _out = Route::new("Shop/*", AnyQueue::open(url, "orders").await?).open(&bus)?;
    for id in 1..=4 {
        bus.emit(OrderPlaced { id }).await.ok()?; // the server has it
    }
    println!("process {}: four orders have left", process::id());
    Ok(())
}

async fn work(url: &str, orders: u64, prices: u64) -> Result<(), Box<dyn Error>> {
    let bus = EventBus::default();
    let bill = move |order: &OrderPlaced| if order.id <= prices { Ok(()) } else { Err("it has no price") };
    let _bill = bus.on(bill.named("bill"))?;
    let retry = Retry::exponential(Duration::from_millis(100)).attempts(3);
    let worker = Worker::new(AnyQueue::open(url, "orders").await?, &bus).retry(retry).start().await?;
    while worker.report().done + worker.report().dead < orders {
        actix::clock::sleep(Duration::from_millis(10)).await; // an application runs until `shutdown_signal()`
    }
    println!("process {}: {}", process::id(), worker.drain().await?);
    Ok(())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = format!("sqlite:{}/convoke-worker-{}.db", std::env::temp_dir().display(), process::id());
    let mut args = std::env::args().skip(1);
    match (args.next(), args.next()) {
        (Some(url), Some(_)) => return publish(&url).await,
        (url, _) => {
            let url = url.unwrap_or(file);
            let publisher = Command::new(std::env::current_exe()?).args([&*url, "publish"]).status()?;
            if !publisher.success() {
                return Err("the process that publishes has failed: it says why above".into());
            }
            work(&url, 4, 3).await?; // the fourth order is poison

            let mut dead = AnyQueue::open(&url, "orders-dead").await?;
            dead.open(1).await?;
            for letter in dead.receive(1).await? {
                println!("dead: {:?}", DeadLetterRecord::of(letter.packet()).map(|record| record.errors));
                letter.release().await?;
            }
            let back = redrive(&mut dead, &AnyQueue::open(&url, "orders").await?, 10).await?;
            println!("redriven: {}", back.moved);
            work(&url, 1, 4).await // now it has a price
        }
    }
}
