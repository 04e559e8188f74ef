//! Ours: an outbox of either database, and its relay.

use std::time::Instant;

use convoke::prelude::*;
use convoke::transport::{Postgres, PostgresDatabase, Redis, Sqlite, SqliteDatabase};
use convoke::{Outbox, RelayService, ServiceHandle};
use serde::{Deserialize, Serialize};

use super::{PAUSE, Place, Reader, start};
use crate::harness::Failure;
use crate::transports::contestant::batches;
use crate::transports::drain::Drained;

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered")]
struct UserRegistered {
    text: String,
}

fn registered() -> UserRegistered {
    // As JSON it is 1 KiB.
    UserRegistered { text: "x".repeat(1024 - 11) }
}

enum Database {
    Sqlite(SqliteDatabase, Outbox<SqliteDatabase>),
    Postgres(PostgresDatabase, Outbox<PostgresDatabase>),
}

impl Database {
    async fn open(place: &Place<'_>) -> Result<Self, Failure> {
        if place.database == "sqlite" {
            let db = Sqlite::open(format!("{}-{}", place.url, place.name)).await?;
            let outbox = db.outbox(&place.name).await?;
            return Ok(Self::Sqlite(db, outbox));
        }
        let db = Postgres::connect(place.url).await?;
        db.migrate().await?;
        let outbox = db.outbox(&place.name).await?;
        Ok(Self::Postgres(db, outbox))
    }

    async fn publish(&self, count: usize) -> Result<(), Failure> {
        let events = (0..count).map(|_| registered());
        match self {
            Self::Sqlite(db, outbox) => {
                let mut transaction = db.begin().await?;
                outbox.publish_all(&mut transaction, events).await?;
                transaction.commit().await?;
            }
            Self::Postgres(db, outbox) => {
                let mut transaction = db.begin().await?;
                outbox.publish_all(&mut transaction, events).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    async fn relay(&self, place: &Place<'_>) -> Result<ServiceHandle<RelayService>, Failure> {
        let stream = Redis::stream(&place.name).at(place.redis).create_if_missing().await?;
        let (route, bus) = (Route::new("**", stream), EventBus::default());
        Ok(match self {
            Self::Sqlite(_, outbox) => outbox.relay(route).supervised(&bus).await?,
            Self::Postgres(_, outbox) => outbox.relay(route).supervised(&bus).await?,
        })
    }
}

pub(super) async fn relay(place: &Place<'_>, count: usize) -> Result<Drained, Failure> {
    let (database, mut reader) = (Database::open(place).await?, Reader::open(place).await?);
    for size in batches(count, 100) {
        database.publish(size).await?;
    }
    let start = start();
    let relay = database.relay(place).await?;
    let drained = reader.all(count, start).await;
    relay.stop().await;
    drained
}

/// Returns the seconds from each commit until a reader has the event.
pub(super) async fn times(place: &Place<'_>, count: usize) -> Result<Vec<f64>, Failure> {
    let (database, mut reader) = (Database::open(place).await?, Reader::open(place).await?);
    let relay = database.relay(place).await?;
    let mut times = Vec::new();
    for _ in 0..count {
        tokio::time::sleep(PAUSE).await;
        database.publish(1).await?;
        let committed = Instant::now();
        reader.next().await?;
        times.push(committed.elapsed().as_secs_f64());
    }
    relay.stop().await;
    Ok(times)
}
