//! A trip is booked, and then paid: one round opens the next, and what was kept is undone in reverse when that one is cancelled, though a
//! process dies in the middle: `cargo run --features sqlite --example saga`, or with `,postgres` and behind it `-- postgres://…`.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::Sqlite;
use convoke::{Durable, RoundDatabase, prelude::*};
use std::{env, error::Error, process, process::Command, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn is_child() -> bool {
    env::args().nth(2).is_some()
}

/// Undoes what was kept, the last first. It comes again where a process has died: so each of them has to bear being undone twice.
fn undo(booked: &Outcome<String>) {
    for kept in booked.payloads().iter().rev() {
        println!("{kept} is given back");
        if is_child() {
            process::exit(9); // with the others not yet undone
        }
    }
}

async fn run<D: RoundDatabase>(db: D, place: &str) -> Result<(), Box<dyn Error>> {
    if !is_child() {
        Command::new(env::current_exe()?).args([place, "dies"]).status()?;
        println!("its process has died");
    }
    let booking: Durable<String> = Broker::new(DAY).expects(["flight", "hotel", "car"]).durable(&db, "booking").await?;
    let payment: Durable<String> = Broker::new(DAY).expects(["card"]).durable(&db, "payment").await?;
    let (pay, booked, (told, mut ended)) = (payment.clone(), booking.clone(), tokio::sync::mpsc::unbounded_channel());
    let next = Consumer::new(async move |trip: Outcome<String>| {
        let Some(key) = trip.key().cloned().filter(|_| trip.is_resolved()) else { return Ok(undo(&trip)) };
        if pay.history(key.clone(), 1).await?.is_empty() {
            pay.open(key).await?; // told again, it finds the round that it has opened
        }
        Ok::<_, Failure>(())
    });
    let settle = Consumer::new(async move |paid: Outcome<String>| {
        if let (Some(key), Some(why)) = (paid.key().cloned(), paid.cause()) {
            println!("trip {key} is not paid: {why}");
            undo(&booked.outcome_for(key).await?);
        }
        Ok::<_, Failure>(told.send(())?)
    });
    let _next = Consumer::join(&booking, next.named("next")).await?;
    let _settle = Consumer::join(&payment, settle.named("settle")).await?;
    if is_child() {
        for part in ["flight", "hotel", "car"] {
            Emitter::join(&booking, part).await?.emit_for(7, format!("the {part}")).committed().await?;
        }
        while payment.why(7).await?.is_none() {
            actix::clock::sleep(Duration::from_millis(20)).await; // until it is asked for
        }
        Emitter::join(&payment, "card").await?.veto_for(7, "it has expired").await?;
    }
    ended.recv().await.ok_or_else(|| "nobody hears".into())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::temp_dir().join(format!("convoke-saga-{}.db", process::id())).display().to_string();
    let place = env::args().nth(1).unwrap_or(file);
    #[cfg(feature = "postgres")]
    if place.starts_with("postgres") {
        let db = convoke::transport::Postgres::connect(&place).await?;
        db.migrate().await?;
        return run(db, &place).await;
    }
    run(Sqlite::open(&place).await?, &place).await
}
