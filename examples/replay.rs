//! What has happened, in order, and again from the beginning: `cargo run --features sqlite --example replay`.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::Sqlite;
use convoke::{Edition, Position, Project, Recorded, StoreError, nothing_since, prelude::*};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, SqliteConnection};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "seats/taken", entity = "Seat", entity_id = seat)]
struct SeatTaken {
    seat: u32,
    by: String,
}

/// How many seats each guest has: rows that follow from the events alone.
struct Guests;

impl Project<SqliteConnection> for Guests {
    async fn prepare(&self, tx: &mut SqliteConnection, edition: Edition) -> Handled {
        let create = format!("CREATE TABLE {} (guest TEXT PRIMARY KEY, seats INTEGER)", edition.table("guests"));
        sqlx::query(AssertSqlSafe(create)).execute(tx).await?;
        Ok(())
    }

    async fn apply(&self, tx: &mut SqliteConnection, record: &Recorded, edition: Edition) -> Handled {
        let add = "VALUES (?1, 1) ON CONFLICT (guest) DO UPDATE SET seats = seats + 1";
        let add = format!("INSERT INTO {} {add}", edition.table("guests"));
        sqlx::query(AssertSqlSafe(add)).bind(record.event::<SeatTaken>()?.by).execute(tx).await?;
        Ok(())
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Sqlite::open(std::env::temp_dir().join(format!("convoke-seats-{}.db", std::process::id()))).await?;
    let seats = db.store("seats").await?;
    for (seat, by) in [(1, "Ada"), (2, "Ada"), (3, "Grace"), (1, "Linus")] {
        // Nobody may have taken it: of two who try at the same time, one is told.
        let free = nothing_since(Position::START).about("Seat", seat);
        match seats.append(SeatTaken { seat, by: by.into() }).when(free).await {
            Ok(position) => println!("{position}: {by} has seat {seat}"),
            Err(StoreError::Conflict { position, .. }) => println!("seat {seat} was taken at {position}"),
            Err(error) => return Err(error.into()),
        }
    }
    let guests = db.projection("guests", seats.read("seats/*"), Guests).await?;
    guests.catch_up().await?;
    let edition = guests.rebuild().await?; // from the first event, beside the rows that are there
    let rows = format!("SELECT guest, seats FROM {} ORDER BY guest", edition.table("guests"));
    let rows: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(rows)).fetch_all(db.pool()).await?;
    println!("{rows:?}");

    let bus = EventBus::default();
    let _mail = bus.on((|seat: &SeatTaken| println!("a mail to {}", seat.by)).unless_replayed())?;
    let _log = bus.on(|seat: &SeatTaken| println!("once more: seat {}", seat.seat))?;
    println!("{} events were told again", seats.replay("seats/*").to(&bus).await?.told);
    Ok(())
}
