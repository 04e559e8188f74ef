//! SQLite: ours; the bare client, which says by itself what ours says to the same tables; and a table as one writes it by
//! hand, which knows no groups, keys, priorities, delays and leases.

use convoke::transport::{Packet, Source, Sqlite};
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
    // Makes the tables and the group.
    let mut queue = Sqlite::queue(name).at(file).await?;
    Source::open(&mut queue, batch).await?;
    let options =
        SqliteConnectOptions::new().filename(file).synchronous(SqliteSynchronous::Normal).row_buffer_size(512);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let lane = sqlx::query_scalar("SELECT id FROM convoke_lane WHERE queue = ?1");
    let lane = lane.bind(name).fetch_one(&mut connection).await?;
    let insert =
        "INSERT INTO convoke_message (queue, lane, packet, topic, key, priority, due, attributes, body) VALUES ";
    let rows = |count| format!("{insert}{}", vec!["(?, NULL, ?, ?, NULL, 0, 0, ?, ?)"; count].join(", "));
    Ok(Box::new(Bare { connection, queue: name.to_owned(), lane, inserts: [rows(1), rows(ROWS)], batch }))
}

/// The same calls to the same tables.
struct Bare {
    connection: SqliteConnection,
    queue: String,
    lane: i64,
    /// Of one row, and of as many as go together.
    inserts: [String; 2],
    batch: usize,
}

impl Contestant for Bare {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for rows in batches(count, self.batch.min(ROWS)) {
                let (statements, together) = if rows == ROWS { (1, ROWS) } else { (rows, 1) };
                for _ in 0..statements {
                    let sql = &self.inserts[usize::from(together == ROWS)];
                    let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
                    for packet in message.packets(together) {
                        insert = insert.bind(self.queue.clone()).bind(packet.id.clone()).bind(packet.topic.clone());
                        insert = insert.bind(attributes(&packet)?).bind(packet.body);
                    }
                    insert.execute(&mut self.connection).await?;
                }
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        const LEND: &str = "UPDATE convoke_delivery SET state = 0, sort = rank WHERE id IN ( \
                SELECT * FROM (SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 1 AND sort <= ?2 LIMIT 500) \
                UNION ALL \
                SELECT * FROM (SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 2 AND sort <= ?2 LIMIT 500)); \
            UPDATE convoke_delivery SET state = 2, sort = ?3, ticket = ?5, attempt = attempt + 1, lent = lent + 1 \
                WHERE id IN (SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 0 ORDER BY sort, id LIMIT ?4); \
            SELECT d.id, d.lent, d.attempt, m.packet, m.topic, m.key, m.priority, m.attributes, m.body \
                FROM convoke_delivery AS d CROSS JOIN convoke_message AS m ON m.id = d.message \
                WHERE d.lane = ?1 AND d.state = 2 AND d.sort = ?3 AND d.ticket = ?5 ORDER BY d.rank, d.id";
        const ACK: &str = "DELETE FROM convoke_delivery WHERE id IN (SELECT value ->> 0 FROM json_each(?1)) \
            AND (SELECT count(*) FROM json_each(?1) AS ask CROSS JOIN convoke_delivery AS d ON d.id = ask.value ->> 0 \
                WHERE d.lent = ask.value ->> 1) = ?2";
        Box::pin(async move {
            let (mut done, mut ticket) = (0, 0_i64);
            while done < count {
                let most = self.batch.min(count - done) as i64;
                ticket += 1;
                // The date of the loan is far away: nobody else is there.
                let lend = sqlx::query(LEND).bind(self.lane).bind(1_i64).bind(i64::MAX).bind(most).bind(ticket);
                let lent = lend.fetch_all(&mut self.connection).await?;
                let mut loans = Vec::with_capacity(lent.len());
                for row in &lent {
                    decode(row.try_get::<&[u8], _>(8)?)?;
                    let _attributes: Vec<(String, String)> = serde_json::from_str(row.try_get(7)?)?;
                    loans.push([row.try_get::<i64, _>(0)?, row.try_get(1)?]);
                }
                let asks = serde_json::to_string(&loans)?;
                let ack = sqlx::query(ACK).bind(asks).bind(loans.len() as i64).execute(&mut self.connection).await?;
                if ack.rows_affected() != loans.len() as u64 {
                    return Err("a delivery was not ours".into());
                }
                done += loans.len();
            }
            Ok(())
        })
    }
}

fn attributes(packet: &Packet) -> Result<String, Failure> {
    let names = ["entityName", "eventName", "publisherName"];
    let texts = names.map(|name| (name, packet.attributes.text(name).unwrap_or_default()));
    Ok(serde_json::to_string(&texts)?)
}

pub(super) async fn by_hand(file: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let options = SqliteConnectOptions::new().filename(format!("{file}.{name}-by-hand")).create_if_missing(true);
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
    Ok(Box::new(ByHand { connection, insert, batch }))
}

/// One table, which has what this needs and no more.
struct ByHand {
    connection: SqliteConnection,
    insert: String,
    batch: usize,
}

impl Contestant for ByHand {
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
                            let attributes = attributes(&packet)?;
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
