//! How does an event get into a transaction of diesel?
//!
//! `DATABASE_URL=postgres://localhost/shop cargo run -p convoke-example-diesel`

#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::error::Error;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, Postgres};
use convoke::{Route, SqlValue, Statement, Worker};
use diesel::result::Error as DieselError;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bytea, Nullable, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: i64,
}

/// Runs the statement of an event within the transaction of a connection.
async fn publish(connection: &mut AsyncPgConnection, statement: Statement) -> Result<(), DieselError> {
    let mut query = sql_query(statement.sql).into_boxed();
    for value in statement.values {
        query = match value {
            SqlValue::Text(text) => query.bind::<Nullable<Text>, _>(text),
            SqlValue::Integer(number) => query.bind::<BigInt, _>(number),
            SqlValue::Bytes(bytes) => query.bind::<Bytea, _>(bytes),
            other => return Err(DieselError::SerializationError(format!("another type: {other:?}").into())),
        };
    }
    query.execute(connection).await.map(drop)
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://localhost".into());
    let db = Postgres::connect(&*url).await?;
    db.migrate().await?;
    let (outbox, bus, queue) = (db.outbox("Shop").await?, EventBus::default(), Memory::queue("orders"));
    let _relay = outbox.relay(Route::new("Shop/*", queue.clone())).supervised(&bus).await?;
    let _bill = bus.on(|order: &OrderPlaced| println!("order {} came", order.id))?;
    let worker = Worker::new(queue, &bus).start().await?;

    let mut connection = AsyncPgConnection::establish(&url).await?;
    connection.batch_execute("CREATE TEMPORARY TABLE orders (id BIGINT)").await?;
    for id in 1..=3 {
        let event = outbox.statement(OrderPlaced { id })?;
        let sold = connection.transaction(async |connection| {
            sql_query("INSERT INTO orders (id) VALUES ($1)").bind::<BigInt, _>(id).execute(connection).await?;
            publish(connection, event).await?;
            if id == 2 { Err(DieselError::RollbackTransaction) } else { Ok(()) } // of the second nothing comes
        });
        sold.await.or_else(|error| if id == 2 { Ok(()) } else { Err(error) })?;
    }
    while worker.report().done < 2 {
        actix::clock::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
