//! A file of SQLite with what is no queue: jobs, durable rounds, a store. All that chance or a clock would draw is set, so that it is
//! the same each time.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use convoke::prelude::*;
use convoke::schema::Document;
use convoke::transport::{Source, Sqlite, SqliteDatabase};
use convoke::{Task, TaskFailed, TaskTerms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::checkout;
use crate::filled::with;

/// The number of the first job.
pub(crate) const FIRST: i64 = 1_767_323_045_000_001;

const HOUR: i64 = 3600;

/// Until when what has ended is kept, in milliseconds since 1970: longer than anybody tries this.
const KEPT: i64 = 4_102_444_800_000;

#[derive(Serialize, Deserialize)]
struct SendReceipt {
    order: u64,
    email: String,
}

impl Task for SendReceipt {
    type Succeeds = convoke::AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "SendReceipt";
    const TERMS: TaskTerms = TaskTerms::new().attempts(5);
}

#[derive(Serialize, Deserialize)]
struct SumUp {
    month: u32,
}

impl Task for SumUp {
    type Succeeds = convoke::AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "SumUp";
    const TERMS: TaskTerms = TaskTerms::new().attempts(3);
}

/// What the next version of the shop says of an order.
#[derive(Debug, Event, JsonSchema, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
    total: u32,
    currency: String,
}

async fn run(db: &SqliteDatabase, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(db.pool()).await.unwrap();
}

/// In seconds since 1970.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Fills `kept.db` of a folder, puts a file of an older release beside it as `old.db`, and a document of the next version of the shop.
pub(crate) fn keep(folder: &Path) {
    let document = Document::builder("shop", "2").publishes::<OrderPlaced>().build().unwrap();
    document.save(folder.join("shop-2.asyncapi.json")).unwrap();
    let old = checkout().join("tests/transports/sqlite/releases/0.1.0.db");
    if old.is_file() {
        fs::copy(old, folder.join("old.db")).unwrap();
    }
    with(async || {
        let db = Sqlite::open(folder.join("kept.db")).await.unwrap();
        jobs(&db).await;
        rounds(&db).await;
        records(&db).await;
    });
}

/// One runs, two wait, one is due later, two have failed, one was cancelled, one is done.
async fn jobs(db: &SqliteDatabase) {
    let tasks = db.tasks().await.unwrap();
    let receipt = |order| SendReceipt { order, email: "ada@example.org".into() };
    let _ = tasks.enqueue(SumUp { month: 1 }).await.unwrap();
    for order in 2..=7 {
        let _ = tasks.enqueue(receipt(order)).await.unwrap();
    }
    let _ = tasks.enqueue(SumUp { month: 8 }).await.unwrap();
    let (ago, later) = ((now() - 3 * HOUR) * 1000 - 60_000, (now() + 47 * HOUR) * 1000 + 60_000);
    let all: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM convoke_job ORDER BY id").fetch_all(db.pool()).await.unwrap();
    let changes = [
        format!("state = 3, due = {ago}, attempt = 1, at = {later}, note = 'page 3 of 4', fraction = 0.75"),
        format!("due = {ago}, rank = {ago}"),
        format!("due = {ago}, rank = {ago} + 1, attempt = 2, cancelled = 1, text = 'the server of mail is away'"),
        format!("state = 2, due = {later}, at = {later}"),
        format!("state = 5, due = {ago}, attempt = 5, at = {KEPT}, text = 'the address is none: ada@example'"),
        format!("state = 5, due = {ago}, attempt = 5, at = {KEPT} + 1, text = 'the server of mail is away'"),
        format!("state = 6, due = {ago}, attempt = 1, at = {KEPT}, text = 'cancelled'"),
        format!("state = 4, due = {ago}, attempt = 1, at = {KEPT}, text = '{{\"total\":40}}'"),
    ];
    for (place, (id, change)) in all.iter().zip(changes).enumerate() {
        let number = FIRST + i64::try_from(place).unwrap();
        run(db, &format!("UPDATE convoke_job SET id = {number}, {change} WHERE id = {id}")).await;
    }
    run(db, &format!("INSERT INTO convoke_job_step (job, name, result) VALUES ({FIRST}, 'read', '{{\"rows\":1200}}')"))
        .await;
}

/// Of `approvals` one waits for two, one for one, and one is over; `payments` may be aborted by the chair alone.
async fn rounds(db: &SqliteDatabase) {
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    let approvals =
        Broker::<String>::new(days(2)).expects(["legal", "finance", "chair"]).durable(db, "approvals").await.unwrap();
    let payments = Broker::<String>::new(days(2)).expects(["bank", "buyer"]).durable(db, "payments");
    let payments = payments.aborted_by(["chair"]).await.unwrap();
    let legal = Emitter::join(&approvals, "legal").await.unwrap();
    let finance = Emitter::join(&approvals, "finance").await.unwrap();
    let chair = Emitter::join(&approvals, "chair").await.unwrap();
    let yes = || "yes, says ada@example.org".to_owned();
    legal.emit_for(5, yes()).committed().await.unwrap();
    finance.emit_for(5, yes()).committed().await.unwrap();
    assert!(chair.emit_for(5, yes()).await.unwrap().is_resolved());
    legal.emit_for(7, yes()).committed().await.unwrap();
    legal.emit_for("order-8", yes()).committed().await.unwrap();
    finance.emit_for("order-8", yes()).committed().await.unwrap();
    let bank = Emitter::join(&payments, "bank").await.unwrap();
    bank.emit_for(7, yes()).committed().await.unwrap();
    let (opened, due) = ((now() - 3 * HOUR - 60) * 1_000_000, (now() + 45 * HOUR + 60) * 1_000_000);
    run(db, &format!("UPDATE convoke_round SET opened_at = {opened}, due_at = {due}, look_at = {due} WHERE state = 0"))
        .await;
    run(db, &format!("UPDATE convoke_round_row SET at = {opened} + 1000000")).await;
}

/// Twelve orders, of which each third is a note.
async fn records(db: &SqliteDatabase) {
    db.store("orders").await.unwrap();
    run(db, "UPDATE convoke_store SET tag = 1545538107").await;
    let orders = db.store("orders").await.unwrap();
    for number in 1..=12_u64 {
        let topic = if number % 3 == 0 { "notes/taken" } else { "orders/placed" };
        orders.append_json(topic, json!({"id": number})).await.unwrap();
    }
    // A queue is there once somebody has heard it.
    let mut audit = db.queue("audit").await.unwrap();
    audit.open(1).await.unwrap();
    audit.close().await.unwrap();
}
