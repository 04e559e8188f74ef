//! Three of five sign a contract, one of them legal, each in a process of its own that is killed:
//! `cargo run --features sqlite --example approvals`, or with `--features sqlite,redis` and `REDIS_URL=redis://localhost` over a Redis.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]
use convoke::transport::Sqlite;
use convoke::{Durable, DurableError, RoundDatabase, prelude::*};
use serde::{Deserialize, Serialize};
use std::{env, error::Error, fs, path::Path, process, process::Command, time::Duration};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Approved {
    by: String,
}

const BOARD: [&str; 5] = ["legal", "finance", "sales", "works", "chair"];

/// The same in every process: the rules stand in the database, and the predicate is known by its name.
async fn approvals(db: &impl RoundDatabase) -> Result<Durable<Approved>, DurableError> {
    let three = Release::when_named("three", 1, |signed| signed.kept("legal") && signed.weight() >= 3);
    Broker::new(Duration::from_secs(2 * 24 * 60 * 60)).expects(BOARD).release(three).durable(db, "approvals").await
}

async fn run(db: impl RoundDatabase, folder: &Path) -> Result<(), Box<dyn Error>> {
    let approvals = approvals(&db).await?;
    if let Some(name) = env::args().nth(1) {
        let member = Emitter::join(&approvals, &*name).await?;
        let round = member.emit_for("contract 7", Approved { by: name.clone() }).committed().await?;
        println!("{name} has signed, in round {round}");
        std::future::pending::<()>().await; // until it is killed
    }
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let act = Consumer::new(move |round: Resolved<Approved>| drop(heard.send(round)));
    let _act = Consumer::join(&approvals, act.named("sign")).await?;
    for name in ["finance", "legal", "chair"] {
        let mut member = Command::new(env::current_exe()?).arg(name).arg(folder).spawn()?;
        actix::clock::sleep(Duration::from_millis(500)).await;
        member.kill().and(member.wait())?; // as `kill -9` does
    }
    let round = hears.recv().await.ok_or("nobody hears")?;
    println!("{}: {:?}", round.key().map(ToString::to_string).unwrap_or_default(), round.payloads());
    Ok(fs::remove_dir_all(folder)?)
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(2).map_or_else(|| env::temp_dir().join(process::id().to_string()), Into::into);
    fs::create_dir_all(&folder)?;
    #[cfg(feature = "redis")]
    if let Ok(url) = env::var("REDIS_URL") {
        return run(convoke::transport::Redis::rounds(url).await?, &folder).await;
    }
    run(Sqlite::open(folder.join("contracts.db")).await?, &folder).await
}
