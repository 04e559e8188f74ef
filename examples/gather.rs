//! A task fans out to twenty jobs and goes on when sixteen are done, though a worker is killed in the middle:
//! `cargo run --features sqlite --example gather`, or with `--features sqlite,postgres` and `DATABASE_URL` over a PostgreSQL.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::Sqlite;
use convoke::{AtLeast, BatchOutcome, Fault, TaskDatabase, TaskQueue, Tasks, Tx, prelude::*};
use serde::{Deserialize, Serialize};
use std::{env, error::Error, process, process::Command, sync::Arc, time::Duration};

#[derive(Task, Serialize, Deserialize)]
struct Crawl(u32);

#[derive(Task, Serialize, Deserialize)]
struct Fetch(u32);

#[derive(Task, Serialize, Deserialize)]
struct Report {}

/// The jobs, and what goes on behind them, commit with the end of this one: all of them, or nothing.
async fn crawl<D: TaskDatabase>(crawl: Arc<Crawl>, mut tx: Tx<D>, tasks: TaskQueue<D>) -> Result<(), Fault> {
    let pages = (1..=crawl.0).map(Fetch);
    tasks.together(pages).when(AtLeast(16)).then(Report {}).within(tx.begin().await?).await?;
    Ok(())
}

async fn fetch(fetch: Arc<Fetch>) -> Result<(), Fault> {
    actix::clock::sleep(Duration::from_millis(500)).await;
    if fetch.0 == 7 { Err(Fault::new("it is torn").permanent()) } else { Ok(()) }
}

async fn run<D: TaskDatabase>(db: D, queue: TaskQueue<D>, file: &str) -> Result<(), Box<dyn Error>> {
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let report = async move |_: Arc<Report>, pages: BatchOutcome| drop(told.send(pages));
    let tasks = Tasks::new(&db, &EventBus::default()).concurrency(4).lease(Duration::from_secs(3));
    let tasks = tasks.on(crawl::<D>)?.on(fetch)?.on(report)?;
    if env::args().nth(1).is_some() {
        return Ok(tasks.run_until(shutdown_signal()).await.map(drop)?); // until it is killed
    }
    let _ = queue.enqueue(Crawl(20)).await?;
    let mut worker = Command::new(env::current_exe()?).arg(file).spawn()?;
    actix::clock::sleep(Duration::from_millis(1200)).await;
    worker.kill().and(worker.wait())?; // as `kill -9` does
    let tasks = tasks.await?;
    let pages = hears.recv().await.ok_or("nobody hears")?;
    println!("goes on with {} of {} pages: {}", pages.succeeded().count(), pages.jobs().len(), pages.state());
    tasks.stop().await;
    Ok(())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::temp_dir().join(format!("convoke-gather-{}.db", process::id())).display().to_string();
    let file = env::args().nth(1).unwrap_or(file);
    #[cfg(feature = "postgres")]
    if let Ok(url) = env::var("DATABASE_URL") {
        let db = convoke::transport::Postgres::connect(&url).await?;
        return run(db.clone(), db.tasks().await?, &file).await;
    }
    let db = Sqlite::open(&file).await?;
    run(db.clone(), db.tasks().await?, &file).await
}
