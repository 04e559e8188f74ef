//! A table as one writes it by hand: no keys, no lanes, no letters, one relay. It reads the first 1,000, hands them over in one
//! pipeline, and deletes them.

use std::time::{Duration, Instant};

use convoke::transport::Packet;
use redis::aio::MultiplexedConnection;
use redis::{Client, pipe};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use super::{PAUSE, Place, Reader, start};
use crate::harness::Failure;
use crate::transports::contestant::{Message, batches};
use crate::transports::drain::Drained;

const BATCH: i64 = 1_000;

/// How long it rests when there is nothing: what a look costs decides.
const REST: [Duration; 2] = [Duration::from_micros(200), Duration::from_millis(1)];

enum Table {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

struct ByHand {
    table: Table,
    name: String,
    server: MultiplexedConnection,
}

/// What is read of a row.
struct Taken {
    id: i64,
    packet: String,
    topic: String,
    attributes: String,
    body: Vec<u8>,
}

impl ByHand {
    async fn open(place: &Place<'_>) -> Result<Self, Failure> {
        let server = Client::open(place.redis)?.get_multiplexed_async_connection().await?;
        let columns = "packet text NOT NULL, topic text NOT NULL, attributes text";
        let table = if place.database == "sqlite" {
            let file = format!("sqlite:{}-{}?mode=rwc", place.url, place.name);
            let mut connection = SqliteConnection::connect(&file).await?;
            let table = format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; \
                 CREATE TABLE IF NOT EXISTS {} (id INTEGER PRIMARY KEY, {columns}, body BLOB NOT NULL)",
                place.name
            );
            sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut connection).await?;
            Table::Sqlite(connection)
        } else {
            let mut connection = PgConnection::connect(place.url).await?;
            let table = format!(
                "CREATE TABLE IF NOT EXISTS {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {columns}, body bytea NOT NULL)",
                place.name
            );
            sqlx::raw_sql(AssertSqlSafe(table)).execute(&mut connection).await?;
            Table::Postgres(connection)
        };
        Ok(Self { table, name: place.name.clone(), server })
    }

    async fn publish(&mut self, packets: Vec<Packet>) -> Result<(), Failure> {
        let attributes = |packet: &Packet| {
            let names = ["entityName", "eventName", "publisherName"];
            serde_json::to_string(&names.map(|name| (name, packet.attributes.text(name).unwrap_or_default())))
        };
        let name = &self.name;
        match &mut self.table {
            Table::Sqlite(connection) => {
                let insert = format!("INSERT INTO {name} (packet, topic, attributes, body) VALUES (?1, ?2, ?3, ?4)");
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                for packet in packets {
                    let texts = attributes(&packet)?;
                    let query = sqlx::query(AssertSqlSafe(insert.clone())).bind(packet.id).bind(packet.topic);
                    query.bind(texts).bind(packet.body).execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
            }
            Table::Postgres(connection) => {
                let insert = format!(
                    "INSERT INTO {name} (packet, topic, attributes, body) \
                     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])"
                );
                let texts: Result<Vec<_>, _> = packets.iter().map(attributes).collect();
                let (mut ids, mut topics, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
                for packet in packets {
                    ids.push(packet.id);
                    topics.push(packet.topic);
                    bodies.push(packet.body);
                }
                let mut transaction = connection.begin().await?;
                let query = sqlx::query(AssertSqlSafe(insert)).bind(ids).bind(topics).bind(texts?).bind(bodies);
                query.execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }

    /// Hands over what is there, and returns how many that were.
    async fn hand_over(&mut self) -> Result<usize, Failure> {
        let select = format!("SELECT id, packet, topic, attributes, body FROM {} ORDER BY id LIMIT {BATCH}", self.name);
        let taken: Result<Vec<Taken>, sqlx::Error> = match &mut self.table {
            Table::Sqlite(connection) => {
                let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(connection).await?;
                rows.iter().map(taken).collect()
            }
            Table::Postgres(connection) => {
                let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(connection).await?;
                rows.iter().map(taken).collect()
            }
        };
        let taken = taken?;
        if taken.is_empty() {
            return Ok(0);
        }
        let mut pipeline = pipe();
        for row in &taken {
            let add = pipeline.cmd("XADD").arg(&self.name).arg("*").arg("id").arg(&row.packet);
            add.arg("body").arg(&row.body).arg("topic").arg(&row.topic);
            let names: Vec<(String, String)> = serde_json::from_str(&row.attributes)?;
            for (name, value) in &names {
                add.arg(name).arg(value);
            }
            add.ignore();
        }
        pipeline.query_async::<()>(&mut self.server).await?;
        let ids: Vec<i64> = taken.iter().map(|row| row.id).collect();
        match &mut self.table {
            Table::Sqlite(connection) => {
                let delete = format!("DELETE FROM {} WHERE id IN (SELECT value FROM json_each(?1))", self.name);
                let ids = serde_json::to_string(&ids)?;
                sqlx::query(AssertSqlSafe(delete)).bind(ids).execute(connection).await?;
            }
            Table::Postgres(connection) => {
                let delete = format!("DELETE FROM {} WHERE id = ANY ($1)", self.name);
                sqlx::query(AssertSqlSafe(delete)).bind(ids).execute(connection).await?;
            }
        }
        Ok(taken.len())
    }
}

fn taken<R: Row>(row: &R) -> Result<Taken, sqlx::Error>
where
    usize: sqlx::ColumnIndex<R>,
    i64: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    String: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
    Vec<u8>: sqlx::Type<R::Database> + for<'r> sqlx::Decode<'r, R::Database>,
{
    Ok(Taken {
        id: row.try_get(0)?,
        packet: row.try_get(1)?,
        topic: row.try_get(2)?,
        attributes: row.try_get(3)?,
        body: row.try_get(4)?,
    })
}

pub(super) async fn relay(place: &Place<'_>, count: usize) -> Result<Drained, Failure> {
    let (mut table, mut reader, message) = (ByHand::open(place).await?, Reader::open(place).await?, Message::new());
    for size in batches(count, 100) {
        table.publish(message.packets(size)).await?;
    }
    let start = start();
    let mut done = 0;
    while done < count {
        done += table.hand_over().await?;
    }
    reader.all(count, start).await
}

/// Returns the seconds from each commit until a reader has the event.
pub(super) async fn times(place: &Place<'_>, count: usize) -> Result<Vec<f64>, Failure> {
    let (mut table, mut reader, message) = (ByHand::open(place).await?, Reader::open(place).await?, Message::new());
    let (mut relay, rest) = (ByHand::open(place).await?, REST[usize::from(place.database != "sqlite")]);
    let relay = actix::spawn(async move {
        loop {
            match relay.hand_over().await {
                Ok(0) => tokio::time::sleep(rest).await,
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
    });
    let mut times = Vec::new();
    for _ in 0..count {
        tokio::time::sleep(PAUSE).await;
        table.publish(message.packets(1)).await?;
        let committed = Instant::now();
        reader.next().await?;
        times.push(committed.elapsed().as_secs_f64());
    }
    relay.abort();
    Ok(times)
}
