//! SQLite: ours, and a queue as one writes it by hand, in one table, over the same client.

use convoke::transport::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};

use super::contestant::{Contestant, Future, Message, Ours, batches, decode};
use crate::harness::Failure;

/// How many rows one statement inserts.
const ROWS: usize = 64;

pub(super) async fn ours(file: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let queue = Sqlite::queue(name).at(file).await?;
    Ok(Box::new(Ours::open(queue.clone(), queue, batch).await?))
}

pub(super) async fn bare(file: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let options = SqliteConnectOptions::new().filename(format!("{file}.{name}")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let table = "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL DEFAULT 0, \
                 until INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, packet TEXT NOT NULL, \
                 topic TEXT NOT NULL, attributes TEXT, body BLOB NOT NULL) STRICT; \
                 CREATE INDEX message_next ON message (state, id)";
    sqlx::raw_sql(table).execute(&mut connection).await?;
    let insert = format!(
        "INSERT INTO message (packet, topic, attributes, body) VALUES {}",
        vec!["(?, ?, ?, ?)"; ROWS].join(", ")
    );
    Ok(Box::new(Bare { connection, insert, batch }))
}

struct Bare {
    connection: SqliteConnection,
    insert: String,
    batch: usize,
}

impl Contestant for Bare {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for size in batches(count, self.batch) {
                let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
                for rows in batches(size, ROWS) {
                    let one = "INSERT INTO message (packet, topic, attributes, body) VALUES (?, ?, ?, ?)";
                    let statements = if rows == ROWS { 1 } else { rows };
                    for _ in 0..statements {
                        let sql = if rows == ROWS {
                            sqlx::AssertSqlSafe(self.insert.clone())
                        } else {
                            sqlx::AssertSqlSafe(one.to_owned())
                        };
                        let mut insert = sqlx::query(sql);
                        for packet in message.packets(if rows == ROWS { ROWS } else { 1 }) {
                            let names = ["entityName", "eventName", "publisherName"];
                            let texts = names.map(|name| (name, packet.attributes.text(name).unwrap_or_default()));
                            let attributes = serde_json::to_string(&texts)?;
                            insert = insert.bind(packet.id).bind(packet.topic).bind(attributes).bind(packet.body);
                        }
                        insert.execute(&mut *transaction).await?;
                    }
                }
                transaction.commit().await?;
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        Box::pin(async move {
            let mut done = 0;
            while done < count {
                let lend = "UPDATE message SET state = 1, until = ?1, attempt = attempt + 1 WHERE id IN \
                            (SELECT id FROM message WHERE state = 0 ORDER BY id LIMIT ?2) \
                            RETURNING id, packet, topic, attributes, body";
                let lent =
                    sqlx::query(lend).bind(1_i64).bind(self.batch as i64).fetch_all(&mut self.connection).await?;
                let mut ids = Vec::with_capacity(lent.len());
                for row in &lent {
                    decode(row.try_get::<&[u8], _>(4)?)?;
                    let _attributes: Vec<(String, String)> = serde_json::from_str(row.try_get(3)?)?;
                    ids.push(row.try_get::<i64, _>(0)?);
                }
                let delete = "DELETE FROM message WHERE id IN (SELECT value FROM json_each(?1))";
                sqlx::query(delete).bind(serde_json::to_string(&ids)?).execute(&mut self.connection).await?;
                done += ids.len();
            }
            Ok(())
        })
    }
}
