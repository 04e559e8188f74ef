//! How soon a queue that is idle hands on what is published: from the call that publishes until the delivery, beside a table
//! by hand of which one is told as soon as may be.
//!
//! ```text
//! ours      publish ──> receive, of another handle          PostgreSQL: told by NOTIFY; SQLite: within the process
//! by hand   INSERT, NOTIFY ──> LISTEN, UPDATE … RETURNING, DELETE
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::transport::{Publisher, Source};
#[cfg(feature = "postgres")]
use sqlx::PgConnection;
#[cfg(feature = "sqlite")]
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::contestant::Message;
use crate::harness::Failure;

/// Of how many the time is taken, and how long it is idle before each.
const TIMED: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_secs(10);

/// Returns the seconds that each took. What comes is told by the second.
async fn times<F: Future<Output = Result<(), Failure>>>(
    mut publish: impl FnMut() -> F,
    mut came: mpsc::UnboundedReceiver<Instant>,
) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        sleep(PAUSE).await;
        let start = Instant::now();
        publish().await?;
        let end =
            timeout(DEADLINE, came.recv()).await.map_err(|_| "nothing has come")?.ok_or("its reader has failed")?;
        times.push(end.duration_since(start).as_secs_f64());
    }
    Ok(times)
}

pub(super) async fn ours(publisher: impl Publisher, mut source: impl Source) -> Result<Vec<f64>, Failure> {
    source.open(1).await?;
    let (tell, came) = mpsc::unbounded_channel();
    let reader = actix::spawn(async move {
        while let Ok(deliveries) = source.receive(1).await {
            for delivery in deliveries {
                let _ = tell.send(Instant::now());
                let _ = delivery.ack().await;
            }
        }
    });
    let (message, publisher) = (Message::new(), Arc::new(publisher));
    let publish = || {
        let (packets, publisher) = (message.packets(1), publisher.clone());
        async move {
            for taken in publisher.publish(&packets).await {
                taken?;
            }
            Ok(())
        }
    };
    let times = times(publish, came).await;
    reader.abort();
    times
}

#[cfg(feature = "sqlite")]
pub(crate) async fn sqlite(file: &str) -> Result<Vec<f64>, Failure> {
    let options = SqliteConnectOptions::new().filename(format!("{file}-idle")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    let mut writer = SqliteConnection::connect_with(&options).await?;
    let table =
        "CREATE TABLE idle (id INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL) STRICT";
    sqlx::raw_sql(table).execute(&mut writer).await?;
    let mut reader = SqliteConnection::connect_with(&options).await?;
    let (tell, came) = mpsc::unbounded_channel();
    let bell = Arc::new(tokio::sync::Notify::new());
    let task = actix::spawn({
        let bell = bell.clone();
        async move {
            loop {
                bell.notified().await;
                let lend =
                    "UPDATE idle SET state = 1 WHERE id IN (SELECT id FROM idle WHERE state = 0 LIMIT 1) RETURNING id";
                let Ok(id) = sqlx::query_scalar::<_, i64>(lend).fetch_one(&mut reader).await else { return };
                let _ = tell.send(Instant::now());
                let done = sqlx::query("DELETE FROM idle WHERE id = ?1").bind(id).execute(&mut reader).await;
                if done.is_err() {
                    return;
                }
            }
        }
    });
    let (message, writer) = (Message::new(), Arc::new(tokio::sync::Mutex::new(writer)));
    let publish = || {
        let (packet, writer, bell) = (message.packets(1).remove(0), writer.clone(), bell.clone());
        async move {
            let insert = sqlx::query("INSERT INTO idle (body) VALUES (?1)").bind(packet.body);
            insert.execute(&mut *writer.lock().await).await?;
            bell.notify_one();
            Ok(())
        }
    };
    let times = times(publish, came).await;
    task.abort();
    times
}

#[cfg(feature = "postgres")]
pub(crate) async fn postgres(url: &str) -> Result<Vec<f64>, Failure> {
    let mut writer = PgConnection::connect(url).await?;
    let name = format!("idle_{}", std::process::id());
    let table = format!(
        "DROP TABLE IF EXISTS {name}; CREATE TABLE {name} \
         (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL DEFAULT 0, body bytea NOT NULL)"
    );
    sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut writer).await?;
    let mut reader = PgConnection::connect(url).await?;
    let mut listener = sqlx::postgres::PgListener::connect(url).await?;
    listener.listen(&name).await?;
    let (tell, came) = mpsc::unbounded_channel();
    let lend = format!(
        "UPDATE {name} SET state = 1 WHERE id = (SELECT id FROM {name} WHERE state = 0 ORDER BY id LIMIT 1 \
         FOR NO KEY UPDATE SKIP LOCKED) RETURNING id"
    );
    let delete = format!("DELETE FROM {name} WHERE id = $1");
    let task = actix::spawn(async move {
        while listener.recv().await.is_ok() {
            let lent = sqlx::query_scalar::<_, i64>(AssertSqlSafe(lend.clone())).fetch_one(&mut reader).await;
            let Ok(id) = lent else { return };
            let _ = tell.send(Instant::now());
            if sqlx::query(AssertSqlSafe(delete.clone())).bind(id).execute(&mut reader).await.is_err() {
                return;
            }
        }
    });
    let (message, writer) = (Message::new(), Arc::new(tokio::sync::Mutex::new(writer)));
    let insert = format!(
        "WITH one AS (INSERT INTO {name} (body) VALUES ($1) RETURNING id) SELECT pg_notify('{name}', '') FROM one"
    );
    let publish = || {
        let (packet, writer, insert) = (message.packets(1).remove(0), writer.clone(), insert.clone());
        async move {
            let insert = sqlx::query(AssertSqlSafe(insert)).bind(packet.body);
            insert.execute(&mut *writer.lock().await).await?;
            Ok(())
        }
    };
    let times = times(publish, came).await;
    task.abort();
    times
}
