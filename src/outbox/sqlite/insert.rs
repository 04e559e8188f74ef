//! How events get into the file: as few statements as that takes, in the transaction of the application.
//!
//! `Outbox::publish → insert → convoke_outbox`, `→ statement → another client`

use std::sync::LazyLock;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr, SqliteConnection};

use super::rows::SqliteRows;
use crate::outbox::lane_of;
use crate::outbox::{SqlValue, Statement};
use crate::sql::sqlite::now;
use crate::sql::write_attributes;
use crate::transport::{ErrorKind, Packet, TransportError};

/// How many rows one statement inserts: few sizes, so that each is prepared once.
const SIZES: [usize; 4] = [64, 16, 4, 1];

static INSERTS: LazyLock<[SqlStr; 4]> = LazyLock::new(|| SIZES.map(insert_sql));

const STATEMENT: &str = "INSERT INTO convoke_outbox (outbox, lane, published, packet, topic, key, attributes, body) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// What the trigger says that knows no such outbox.
const ELSEWHERE: &str = "convoke_outbox: ";

fn insert_sql(rows: usize) -> SqlStr {
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
    let columns = "outbox, lane, published, packet, topic, key, attributes, body";
    AssertSqlSafe(format!("INSERT INTO convoke_outbox ({columns}) VALUES {values}")).into_sql_str()
}

pub(super) async fn insert(
    rows: &SqliteRows,
    packets: Vec<Packet>,
    connection: &mut SqliteConnection,
) -> Result<(), TransportError> {
    let is_open = rows.store.is_in_transaction(connection).await.map_err(|error| rows.error(&error))?;
    if !is_open {
        let text = "there is no transaction on this connection, and the event would be there by itself: begin one with \
            `db.begin()`, and commit it behind the event";
        return Err(TransportError::new(ErrorKind::Refused, rows.at.clone(), text));
    }
    let inserted = async {
        rows.store.check()?;
        rows.follow(&mut *connection).await?;
        insert_rows(rows.id(), packets, connection).await
    };
    let inserted = rows.store.verified(inserted.await);
    inserted.map_err(|error| match &error {
        sqlx::Error::Database(said) if said.message().starts_with(ELSEWHERE) => {
            let text = "the transaction is of another database, in which this outbox is not: begin it with `begin()` of the \
                database that the outbox is from";
            TransportError::new(ErrorKind::Missing, rows.at.clone(), text)
        }
        error => rows.error(error),
    })?;
    // Before the commit: whoever looks does so again.
    rows.ring();
    Ok(())
}

async fn insert_rows(id: i64, packets: Vec<Packet>, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (now, mut packets) = (now(), packets.into_iter());
    for (size, sql) in SIZES.iter().zip(INSERTS.iter()) {
        while packets.len() >= *size {
            let mut query = sqlx::query(sql.clone());
            for packet in packets.by_ref().take(*size) {
                let lane = i64::from(lane_of(packet.key.as_deref()));
                let attributes = write_attributes(&packet.attributes);
                query = query.bind(id).bind(lane).bind(now).bind(packet.id).bind(packet.topic).bind(packet.key);
                query = query.bind(attributes).bind(packet.body);
            }
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

pub(super) fn statement(id: i64, packet: Packet) -> Statement {
    let lane = lane_of(packet.key.as_deref());
    let values = vec![
        SqlValue::Integer(id),
        SqlValue::Integer(lane.into()),
        SqlValue::Integer(now()),
        SqlValue::Text(Some(packet.id)),
        SqlValue::Text(Some(packet.topic)),
        SqlValue::Text(packet.key),
        SqlValue::Text(write_attributes(&packet.attributes)),
        SqlValue::Bytes(packet.body),
    ];
    Statement::new(STATEMENT, values)
}

/// Returns the id of an outbox in this file.
pub(super) async fn find(connection: &mut SqliteConnection, name: &str) -> Result<Option<i64>, sqlx::Error> {
    let find = sqlx::query_scalar("SELECT id FROM convoke_outbox_name WHERE name = ?1").bind(name.to_owned());
    find.fetch_optional(connection).await
}

/// Makes an outbox in this file, by the id that it had or by a new one, and returns its id. One that is there keeps its own.
pub(super) async fn make(connection: &mut SqliteConnection, name: &str, id: i64) -> Result<i64, sqlx::Error> {
    let new = i64::try_from(crate::__private::random() >> 1).unwrap_or_default().max(1);
    let id = if id == 0 { new } else { id };
    let make = "INSERT INTO convoke_outbox_name (id, name) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    sqlx::query(make).bind(id).bind(name.to_owned()).execute(&mut *connection).await?;
    find(connection, name).await?.ok_or(sqlx::Error::RowNotFound)
}
