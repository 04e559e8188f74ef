//! A user and the job that registers him are there, or neither: `cargo run --features sqlite --example tasks`.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::{Sqlite, SqliteDatabase};
use convoke::{Attempt, Fault, JobId, TaskQueue, Tasks, Tx, prelude::*};
use serde::{Deserialize, Serialize};
use std::{env, fs, process, sync::Arc, time::Duration};

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 5, timeout = "30s", first_wait = "10ms", unique(id))]
struct RegisterUser {
    id: i64,
}

#[derive(Event, Serialize, Deserialize)]
struct UserRegistered {
    name: String,
}

/// What a web handler does before it answers 202.
async fn sign_up(db: &SqliteDatabase, tasks: &TaskQueue<SqliteDatabase>, name: &str) -> Result<JobId, Failure> {
    let mut tx = db.begin().await?;
    let user = sqlx::query("INSERT INTO users (name) VALUES (?1)").bind(name).execute(&mut *tx).await?;
    let job = tasks.enqueue(RegisterUser { id: user.last_insert_rowid() }).within(&mut tx).await?;
    tx.commit().await?; // the user and his job, or neither
    Ok(job.id())
}

/// What it writes, its event and the end of the job are one transaction. The first attempt fails, to show that there is another.
async fn register(task: Arc<RegisterUser>, of: Attempt, mut tx: Tx<SqliteDatabase>) -> Result<UserRegistered, Fault> {
    println!("attempt {} to register {}", of.number(), task.id);
    let tx = tx.begin().await?;
    let update = sqlx::query_as("UPDATE users SET registered = registered + 1 WHERE id = ?1 RETURNING name");
    let (name,) = update.bind(task.id).fetch_one(&mut *tx).await?;
    if of.number() == 1 {
        return Err(Fault::new("the registry is busy")); // and nothing was written
    }
    Ok(UserRegistered { name })
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = env::temp_dir().join(format!("convoke-users-{}", process::id()));
    fs::create_dir(&folder)?;
    let db = Sqlite::open(folder.join("users.db")).await?;
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, registered INT DEFAULT 0)")
        .execute(db.pool())
        .await?;
    let (bus, (heard, mut hears)) = (EventBus::default(), tokio::sync::mpsc::unbounded_channel());
    let _welcome = bus.on(move |user: &UserRegistered| drop(heard.send(format!("welcome, {}", user.name))))?;
    let tasks = Tasks::new(&db, &bus).on(register)?.await?;
    let job = tasks.job(sign_up(&db, &tasks, "Ada").await?);
    println!("{}", hears.recv().await.unwrap_or_default());
    println!("{}", job.wait(Duration::from_secs(10)).await?.map(|job| job.to_string()).unwrap_or_default());
    let (times,): (i64,) = sqlx::query_as("SELECT registered FROM users").fetch_one(db.pool()).await?;
    println!("registered {times} time");
    tasks.stop().await;
    Ok(fs::remove_dir_all(folder)?)
}
