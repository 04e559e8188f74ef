//! An order that was answered survives `kill -9`: `cargo run --features sqlite --example survive`.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::{Sqlite, SqliteDatabase, SqliteInbox};
use convoke::{Outbox, Services, prelude::*};
use serde::{Deserialize, Serialize};
use std::{env, process::Command, sync::Arc, time::Duration};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: i64,
}

/// What a web handler does before it answers 202: the order and its event are both there, or neither.
async fn place(db: &SqliteDatabase, outbox: &Outbox<SqliteDatabase>) -> Result<i64, Failure> {
    let mut tx = db.begin().await?;
    let id = sqlx::query("INSERT INTO orders (billed) VALUES (0)").execute(&mut *tx).await?.last_insert_rowid();
    outbox.publish(&mut tx, OrderPlaced { id }).await?;
    tx.commit().await?;
    Ok(id)
}

/// However often the event comes, the order is billed once: the mark and the bill are one transaction.
async fn bill(order: Arc<OrderPlaced>, event: Metadata, on: Inject<(SqliteDatabase, SqliteInbox)>) -> Handled {
    let mut tx = on.0.begin().await?;
    if on.1.mark_in(&mut tx, &event.identity()).await? {
        sqlx::query("UPDATE orders SET billed = billed + 1 WHERE id = ?1").bind(order.id).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Sqlite::open(env::temp_dir().join("convoke-shop.db")).await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, billed INT)").execute(db.pool()).await?;
    let (outbox, queue) = (db.outbox("Shop").await?, db.queue("orders").await?);
    if env::args().nth(1).as_deref() == Some("shop") {
        loop {
            println!("202: order {}", place(&db, &outbox).await?);
            actix::clock::sleep(Duration::from_millis(2)).await;
        }
    }
    let bus = EventBus::builder().provide((db.clone(), db.inbox("billing").await?)).build();
    let _bill = bus.on(bill)?;
    let relay = outbox.relay(Route::new("Shop/*", queue.clone())); // what was committed leaves by this
    let services = Services::new(&bus).add(relay).add(Worker::new(queue, &bus)).await?;
    for _ in 0..3 {
        let mut shop = Command::new(env::current_exe()?).arg("shop").spawn()?;
        actix::clock::sleep(Duration::from_millis(500)).await;
        shop.kill().and(shop.wait())?; // as `kill -9` does
    }
    let (left, mut orders) = ("SELECT count(*), coalesce(sum(billed <> 1), 0) FROM orders", (0_i64, 1_i64));
    while orders.1 > 0 {
        actix::clock::sleep(Duration::from_millis(10)).await;
        orders = sqlx::query_as(left).fetch_one(db.pool()).await?;
    }
    println!("{} orders were placed, and each of them is billed once", orders.0);
    services.shutdown().await;
    Ok(())
}
