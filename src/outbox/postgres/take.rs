//! What is to leave: rows as packets, after what has left is deleted.
//!
//! `take (done, lanes) → convoke_outbox_take_1 → Taken`, `dead → Dead`

use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::outbox::PostgresOutbox;
use super::starts;
use crate::outbox::{Dead, Taken};
use crate::sql::postgres::{Form, array, body_of, describe, quoted};
use crate::sql::read_attributes;
use crate::transport::{Packet, TransportError};

pub(super) async fn take(
    outbox: &PostgresOutbox,
    done: &[i64],
    lanes: &[u16],
    most: usize,
    bytes: usize,
) -> Result<Vec<Taken>, TransportError> {
    let (schema, id, name) = (outbox.database.schema(), quoted(&outbox.id()), quoted(&outbox.outbox));
    let look = outbox.starts.begin(lanes);
    let (lanes, starts) = (array(lanes.iter()), array(look.starts.iter()));
    let most = if lanes == "{}" { 0 } else { i32::try_from(most).unwrap_or(i32::MAX) };
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    // In one order, so that two that delete the same do not wait for each other.
    let mut done = done.to_vec();
    done.sort_unstable();
    let done = array(done.iter());
    // A simple query is one message, and its rows are texts.
    let sql = format!(
        "SET LOCAL bytea_output = {}; SELECT * FROM {schema}.convoke_outbox_take_1\
         ({id}, {name}, '{done}', '{lanes}', '{starts}', {most}, {bytes})",
        outbox.form().name()
    );
    let mut rows = outbox.rows(&sql).await?;
    let took = rows.pop().map_or(Ok(0.0), |last| last.try_get(2)).map(millis);
    let took = took.map_err(|error| describe(&outbox.at, &error))?;
    let taken =
        rows.iter().map(taken_of).collect::<Result<Vec<_>, _>>().map_err(|error| describe(&outbox.at, &error))?;
    let are_bytes = |row: &&PgRow| matches!(row.try_get::<Option<&str>, _>(8), Ok(None));
    if rows.iter().any(|row| are_bytes(&row)) {
        let bytes = rows.iter().zip(&taken).filter(|(row, _)| are_bytes(row));
        outbox.set_form(Form::of(bytes.map(|(_, taken)| taken.packet.body.as_slice())));
    }
    if most > 0 {
        outbox.starts.end(&look, &taken, took);
        starts::after(outbox, took).await;
    }
    Ok(taken)
}

fn taken_of(row: &PgRow) -> Result<Taken, sqlx::Error> {
    Ok(Taken {
        position: row.try_get(0)?,
        lane: row.try_get::<i16, _>(1)?.try_into().unwrap_or_default(),
        age: millis(row.try_get(2)?),
        packet: match row.try_get::<Option<&str>, _>(8)? {
            Some(text) => with_body(row, 3, text.as_bytes().to_vec())?,
            None => packet_of(row, 3)?,
        },
    })
}

/// Reads the columns of a packet, which begin at this one.
fn packet_of(row: &PgRow, first: usize) -> Result<Packet, sqlx::Error> {
    with_body(row, first, body_of(row, first + 4)?)
}

fn with_body(row: &PgRow, first: usize, body: Vec<u8>) -> Result<Packet, sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(first)?, body);
    packet.topic = row.try_get(first + 1)?;
    packet.key = row.try_get(first + 2)?;
    packet.attributes = read_attributes(row.try_get(first + 3)?);
    Ok(packet)
}

/// A time that the server has measured in ms.
pub(super) fn millis(time: f64) -> Duration {
    Duration::try_from_secs_f64(time / 1000.0).unwrap_or_default()
}

pub(super) async fn dead(outbox: &PostgresOutbox, after: i64, most: usize) -> Result<Vec<Dead>, TransportError> {
    let (schema, name) = (outbox.database.schema(), quoted(&outbox.outbox));
    let sql = format!(
        "SET LOCAL bytea_output = hex; SET LOCAL enable_seqscan = off; \
         SELECT d.position, coalesce(d.reason, ''), extract(epoch FROM clock_timestamp() - d.created)::float8 * 1000, \
             (SELECT count(*) FROM {schema}.convoke_outbox AS behind WHERE behind.outbox = d.outbox AND behind.state = 2 \
                 AND behind.key_hash = d.key_hash AND behind.key = d.key AND behind.position > d.position), \
             d.packet, d.topic, d.key, d.attributes, d.body \
         FROM {schema}.convoke_outbox AS d WHERE d.outbox = {name} AND d.state = 1 AND d.position > {after} \
         ORDER BY d.position LIMIT {most}"
    );
    let rows = outbox.rows(&sql).await?;
    rows.iter().map(dead_of).collect::<Result<_, _>>().map_err(|error| describe(&outbox.at, &error))
}

fn dead_of(row: &PgRow) -> Result<Dead, sqlx::Error> {
    Ok(Dead {
        position: row.try_get(0)?,
        reason: row.try_get(1)?,
        age: millis(row.try_get(2)?),
        parked: row.try_get::<i64, _>(3)?.try_into().unwrap_or_default(),
        packet: packet_of(row, 4)?,
    })
}
