//! How does an event get into a transaction of tokio-postgres?
//!
//! `DATABASE_URL=postgres://localhost/shop cargo run -p convoke-example-tokio-postgres`

#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::error::Error;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, Postgres};
use convoke::{Route, SqlValue, Statement, Worker};
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Transaction};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: i64,
}

/// Runs the statement of an event within a transaction.
async fn publish(tx: &Transaction<'_>, statement: &Statement) -> Result<(), Box<dyn Error>> {
    let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
    for value in &statement.values {
        values.push(match value {
            SqlValue::Text(text) => text,
            SqlValue::Integer(number) => number,
            SqlValue::Bytes(bytes) => bytes,
            other => return Err(format!("a value of another type: {other:?}").into()),
        });
    }
    tx.execute(&*statement.sql, &values).await?;
    Ok(())
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

    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    actix::spawn(connection);
    client.batch_execute("CREATE TEMPORARY TABLE orders (id BIGINT)").await?;
    for id in 1..=3 {
        let tx = client.transaction().await?;
        tx.execute("INSERT INTO orders (id) VALUES ($1)", &[&id]).await?;
        publish(&tx, &outbox.statement(OrderPlaced { id })?).await?;
        if id == 2 { tx.rollback().await? } else { tx.commit().await? } // of the second nothing is there, and nothing comes
    }
    while worker.report().done < 2 {
        actix::clock::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
