//! A trip is booked, then paid: one round opens the next, and when that is cancelled, what was kept is undone in reverse, though a process
//! dies in the middle: `cargo run --features sqlite --example saga`; with `postgres` and `DATABASE_URL`, or `redis` and `REDIS_URL`, there.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::Sqlite;
use convoke::{Durable, RoundDatabase, prelude::*};
use std::{env, error::Error, process, process::Command, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Undoes what was kept, the last first. Where a process has died it begins again: each of them has to bear being undone twice.
fn undo(booked: &Outcome<String>) {
    for kept in booked.payloads().iter().rev() {
        println!("{kept} is given back");
        if env::args().nth(1).is_some() {
            process::exit(9); // with the others not yet undone
        }
    }
}

async fn run(db: impl RoundDatabase, trip: &str) -> Result<(), Box<dyn Error>> {
    let is_child = env::args().nth(1).is_some();
    if !is_child {
        Command::new(env::current_exe()?).arg(trip).status()?;
        println!("its process has died");
    }
    let booking: Durable<String> = Broker::new(DAY).expects(["flight", "hotel", "car"]).durable(&db, "booking").await?;
    let payment: Durable<String> = Broker::new(DAY).expects(["card"]).durable(&db, "payment").await?;
    let (pay, booked, (told, mut ended)) = (payment.clone(), booking.clone(), tokio::sync::mpsc::unbounded_channel());
    let next = Consumer::new(async move |trip: Outcome<String>| {
        match trip.key().cloned() {
            Some(key) if trip.is_resolved() => {
                if pay.history(key.clone(), 1).await?.is_empty() {
                    pay.open(key).await?; // told again, it finds the round that it has opened
                }
            }
            _ => undo(&trip),
        }
        Ok::<_, Failure>(())
    });
    let settle = Consumer::new(async move |paid: Outcome<String>| {
        if let (Some(key), Some(why)) = (paid.key().cloned(), paid.cause()) {
            println!("the trip is not paid: {why}");
            undo(&booked.outcome_for(key).await?);
        }
        told.send(())?;
        Ok::<_, Failure>(())
    });
    let _next = Consumer::join(&booking, next.named("next")).await?;
    let _settle = Consumer::join(&payment, settle.named("settle")).await?;
    if is_child {
        for part in ["flight", "hotel", "car"] {
            Emitter::join(&booking, part).await?.emit_for(trip, format!("the {part}")).committed().await?;
        }
        while payment.why(trip).await?.is_none() {
            actix::clock::sleep(Duration::from_millis(20)).await; // until it is asked for
        }
        Emitter::join(&payment, "card").await?.veto_for(trip, "it has expired").await?;
    }
    ended.recv().await.ok_or_else(|| "nobody hears".into())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::temp_dir().join(format!("convoke-saga-{}.db", process::id())).display().to_string();
    let file = env::args().nth(1).unwrap_or(file);
    #[cfg(feature = "postgres")]
    if let Ok(url) = env::var("DATABASE_URL") {
        return run(convoke::transport::Postgres::connect(&url).await?, &file).await;
    }
    #[cfg(feature = "redis")]
    if let Ok(url) = env::var("REDIS_URL") {
        return run(convoke::transport::Redis::rounds(url).await?, &file).await;
    }
    run(Sqlite::open(&file).await?, &file).await
}
