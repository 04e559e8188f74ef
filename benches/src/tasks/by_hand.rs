//! The floor: SQL as one writes it by hand for the same client. A job is a row of four columns; a hundred of them are lent by one
//! statement, and end by one transaction, with an event for each in a table as an outbox has it. No keys, no lanes, no times, no
//! attempts that are tried again, one worker.
//!
//! ```text
//! UPDATE … LIMIT 100 ──> the payload is read, an event is made ──> DELETE, INSERT of the events, in one transaction
//! ```

use std::time::Instant;

use convoke::codec::{Codec, Wire};
use convoke::transport::Packet;
use convoke::{Envelope, Metadata};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::Drained;
use super::ours::Noop;
use super::place::{Place, SQLITE};
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::transports::contestant::batches;

const BATCH: usize = 100;

const SQLITE_TABLES: &str = "\
    CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, attempt INTEGER NOT NULL, payload TEXT NOT NULL) STRICT; \
    CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, packet TEXT NOT NULL, topic TEXT NOT NULL, attributes TEXT, body BLOB NOT NULL) STRICT";
const POSTGRES_TABLES: &str = "\
    CREATE TABLE IF NOT EXISTS job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state smallint NOT NULL, attempt integer NOT NULL, \
        payload text NOT NULL); \
    CREATE TABLE IF NOT EXISTS event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, packet text NOT NULL, topic text NOT NULL, \
        attributes text, body bytea NOT NULL)";

// In SQLite each row is handed from one thread to another, so they are fetched as one. A payload has no line break.
const SQLITE_LEND: &str = "UPDATE job SET state = 1, attempt = attempt + 1 WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT ?1); \
    SELECT coalesce(group_concat(id, ','), ''), coalesce(group_concat(payload, char(10)), '') \
    FROM (SELECT id, payload FROM job WHERE state = 1 ORDER BY id LIMIT ?1)";
const POSTGRES_LEND: &str = "UPDATE job SET state = 1, attempt = attempt + 1 \
    WHERE id = ANY (ARRAY(SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING id, payload";
const POSTGRES_END: &str = "WITH ended AS (DELETE FROM job WHERE id = ANY ($1) AND state = 1) \
    INSERT INTO event (packet, topic, attributes, body) SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::bytea[])";

/// A job that was lent.
type Lent = (i64, String);

/// Enqueues so many.
pub(super) async fn fill(place: &Place<'_>, count: usize) -> Result<(), Failure> {
    let payload = serde_json::to_string(&Noop::new())?;
    if place.database == SQLITE {
        let mut connection = sqlite(&place.url).await?;
        let insert = "INSERT INTO job (state, attempt, payload) SELECT 0, 0, value FROM json_each(?1)";
        for size in batches(count, 500) {
            let payloads = serde_json::to_string(&vec![&payload; size])?;
            sqlx::query(insert).bind(payloads).execute(&mut connection).await?;
        }
        return Ok(connection.close().await?);
    }
    let mut connection = postgres(&place.url).await?;
    let insert = "INSERT INTO job (state, attempt, payload) SELECT 0, 0, unnest($1::text[])";
    for size in batches(count, 500) {
        sqlx::query(insert).bind(vec![payload.clone(); size]).execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// Does all of them, at this address of the database.
pub(super) async fn drain(place: &Place<'_>, url: &str, count: usize) -> Result<Drained, Failure> {
    let mut done = 0;
    let begin = || (Instant::now(), process_cpu_time(), place.server_cpu());
    let (start, cpu, server) = if place.database == SQLITE {
        let mut connection = sqlite(url).await?;
        let begun = begin();
        while done < count {
            done += sqlite_batch(&mut connection).await?;
        }
        begun
    } else {
        let mut connection = postgres(url).await?;
        let begun = begin();
        while done < count {
            done += postgres_batch(&mut connection).await?;
        }
        begun
    };
    let (wall, cpu) = (start.elapsed(), process_cpu_time() - cpu);
    let server = place.server_cpu().zip(server).map(|(now, before)| now.saturating_sub(before));
    Ok(Drained { wall, cpu, server })
}

async fn sqlite(file: &str) -> Result<SqliteConnection, Failure> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Normal);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql(SQLITE_TABLES).execute(&mut connection).await?;
    Ok(connection)
}

async fn postgres(url: &str) -> Result<PgConnection, Failure> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("SET client_min_messages = warning").execute(&mut connection).await?;
    sqlx::raw_sql(POSTGRES_TABLES).execute(&mut connection).await?;
    Ok(connection)
}

async fn sqlite_batch(connection: &mut SqliteConnection) -> Result<usize, Failure> {
    let lend = sqlx::query_as::<_, (String, String)>(SQLITE_LEND).bind(BATCH as i64);
    let (ids, payloads) = lend.fetch_one(&mut *connection).await?;
    let lent: Result<Vec<Lent>, _> = ids
        .split(',')
        .zip(payloads.split('\n'))
        .map(|(id, payload)| Ok::<_, Failure>((id.parse()?, payload.into())))
        .collect();
    let lent = lent?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let delete = "DELETE FROM job WHERE id IN (SELECT value FROM json_each(?1)) AND state = 1";
    sqlx::query(delete).bind(format!("[{ids}]")).execute(&mut *transaction).await?;
    let rows = vec!["(?, ?, ?, ?)"; lent.len()].join(", ");
    let insert = format!("INSERT INTO event (packet, topic, attributes, body) VALUES {rows}");
    let mut insert = sqlx::query(AssertSqlSafe(insert));
    for job in &lent {
        let (packet, attributes) = event(job)?;
        insert = insert.bind(packet.id).bind(packet.topic).bind(attributes).bind(packet.body);
    }
    insert.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(lent.len())
}

async fn postgres_batch(connection: &mut PgConnection) -> Result<usize, Failure> {
    let lend = sqlx::query_as::<_, Lent>(POSTGRES_LEND).bind(BATCH as i64);
    let lent = lend.fetch_all(&mut *connection).await?;
    let (mut ids, mut packets, mut topics, mut texts, mut bodies) = (vec![], vec![], vec![], vec![], vec![]);
    for job in &lent {
        let (packet, attributes) = event(job)?;
        ids.push(job.0);
        packets.push(packet.id);
        topics.push(packet.topic);
        texts.push(attributes);
        bodies.push(packet.body);
    }
    let end = sqlx::query(POSTGRES_END).bind(ids).bind(packets).bind(topics).bind(texts).bind(bodies);
    end.execute(&mut *connection).await?;
    Ok(lent.len())
}

/// Reads the payload, and makes the event that tells that the job is done.
fn event((id, payload): &Lent) -> Result<(Packet, String), Failure> {
    std::hint::black_box(serde_json::from_str::<Noop>(payload)?);
    let mut metadata = Metadata::new("NoopDone");
    metadata.publisher = "Bench".into();
    metadata.entity = "Noop".into();
    let packet = Wire.write(&Envelope::new(metadata, json!({ "id": id })));
    let names = ["entityName", "eventName", "publisherName"];
    let attributes = names.map(|name| (name, packet.attributes.text(name).unwrap_or_default()));
    let attributes = serde_json::to_string(&attributes)?;
    Ok((packet, attributes))
}
