//! What stands in a transaction of the application: events as rows, and the lock of their keys.
//!
//! `publish → is there a transaction, to sqlx and to the server? → convoke_outbox_1 → rows that nobody sees before the commit`

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};

use super::outbox::PostgresOutbox;
use crate::outbox::{Keeping, SqlValue, Statement, lane_of};
use crate::sql::postgres::{WITHIN, describe, is_text, is_within, late};
use crate::sql::write_attributes;
use crate::transport::{ErrorKind, Packet, TransportError};

/// How long the server waits for a key, unless `lock_timeout` is set: `convoke_outbox_1` says it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Inserts packets in their order.
pub(super) async fn insert(
    outbox: &PostgresOutbox,
    packets: Vec<Packet>,
    connection: &mut PgConnection,
) -> Result<(), TransportError> {
    if packets.is_empty() {
        return Ok(());
    }
    if !connection.is_in_transaction() {
        return Err(no_transaction(&outbox.at));
    }
    // Longer than the server waits for a key: what it still does when nobody listens any more may be committed.
    let deadline = outbox.database.deadline().saturating_add(PATIENCE);
    let inserted = tokio::time::timeout(deadline, async {
        let columns = Columns::of(packets);
        if write(outbox, &columns, WITHIN, connection).await? {
            return Ok(true);
        }
        Ok(is_within(connection).await? && write(outbox, &columns, "true", connection).await?)
    });
    match inserted.await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(no_transaction(&outbox.at)),
        Ok(Err(error)) => Err(describe_within(&outbox.at, &error)),
        Err(_) => Err(late(&outbox.at, deadline)),
    }
}

fn no_transaction(at: &Arc<str>) -> TransportError {
    let text = "there is no transaction, so the event would not be there by what else it writes: begin one, as by \
        `db.begin()`, and publish before its commit";
    TransportError::new(ErrorKind::Refused, at.clone(), text)
}

/// Writes rows if this holds, and says whether it did.
async fn write(
    outbox: &PostgresOutbox,
    columns: &Columns,
    holds: &str,
    connection: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let schema = outbox.database.schema();
    let sql = format!("SELECT {schema}.convoke_outbox_1($1, $2, $3, $4, $5, $6, $7, $8, $9) WHERE {holds}");
    // A statement with a name stays on the server for as long as its connection, so only a pool that keeps some gets another.
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(connection.cached_statements_size() > 0);
    let query = columns.bind(query.bind(outbox.id().to_string()).bind(outbox.outbox.to_string()));
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

/// Events on their way into an outbox by a statement that does something else too.
pub(crate) struct Insertion {
    database: String,
    outbox: String,
    columns: Columns,
}

impl Insertion {
    /// `None` where the outbox is not in a PostgreSQL.
    pub(crate) fn of(outbox: &dyn Keeping<PgConnection>, packets: Vec<Packet>) -> Option<Self> {
        let outbox = outbox.known()?.downcast_ref::<PostgresOutbox>()?;
        let (database, outbox) = (outbox.id().to_string(), outbox.outbox.to_string());
        Some(Self { database, outbox, columns: Columns::of(packets) })
    }

    /// How many values `convoke_outbox_1` takes.
    pub(crate) const VALUES: usize = 9;

    /// Binds what `convoke_outbox_1` takes.
    pub(crate) fn bind<'q>(&'q self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        self.columns.bind(query.bind(&self.database).bind(&self.outbox))
    }

    /// Says that they are there.
    pub(crate) fn ring(outbox: &dyn Keeping<PgConnection>) {
        if let Some(outbox) = outbox.known().and_then(|known| known.downcast_ref::<PostgresOutbox>()) {
            outbox.ring();
        }
    }
}

/// What went wrong in a transaction that is not ours, which only its owner can begin again.
fn describe_within(at: &Arc<str>, error: &sqlx::Error) -> TransportError {
    let code = error.as_database_error().and_then(|error| error.code());
    let (kind, text) = match code.as_deref() {
        Some("42883" | "42P01" | "3F000") => (
            ErrorKind::Missing,
            "the transaction is of a database that has no outbox: begin it in the outbox's own, or call `migrate()` there",
        ),
        Some("40P01") => (
            ErrorKind::Unreachable,
            "two transactions waited for the keys of each other, and the server has undone this one: begin it again; \
             `publish_all` locks several keys in one order",
        ),
        Some("55P03") => (
            ErrorKind::Unreachable,
            "another transaction that is still open has published an event with the same key, and was waited for: end it \
             sooner, roll this one back, and try again",
        ),
        Some("40001") => {
            (ErrorKind::Unreachable, "the server has undone the transaction for the sake of another: begin it again")
        }
        _ => return describe(at, error),
    };
    TransportError::new(kind, at.clone(), text)
}

/// Packets as columns: one array is one value of a statement.
#[derive(Default)]
struct Columns {
    lanes: Vec<i16>,
    packets: Vec<String>,
    topics: Vec<String>,
    keys: Vec<Option<String>>,
    attributes: Vec<Option<String>>,
    bodies: Vec<Vec<u8>>,
    are_texts: Vec<bool>,
}

impl Columns {
    fn of(packets: Vec<Packet>) -> Self {
        let mut columns = Self::default();
        for packet in packets.into_iter().map(kept) {
            columns.lanes.push(lane(&packet));
            columns.packets.push(packet.id);
            columns.topics.push(packet.topic);
            columns.attributes.push(write_attributes(&packet.attributes));
            columns.keys.push(packet.key);
            columns.are_texts.push(is_text(&packet.body));
            columns.bodies.push(packet.body);
        }
        columns
    }

    fn bind<'q>(&'q self, query: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        let query = query.bind(&self.lanes).bind(&self.packets).bind(&self.topics).bind(&self.keys);
        query.bind(&self.attributes).bind(&self.bodies).bind(&self.are_texts)
    }
}

/// PostgreSQL keeps no text with a character of the code 0: in a key it is the sign for it. Before its lane is known, for what has one
/// key is in one.
fn kept(packet: Packet) -> Packet {
    match packet.key {
        Some(key) if key.contains('\0') => Packet { key: Some(key.replace('\0', "\u{2400}")), ..packet },
        _ => packet,
    }
}

fn lane(packet: &Packet) -> i16 {
    i16::try_from(lane_of(packet.key.as_deref())).unwrap_or_default()
}

/// The text of the statement for a client that is not ours: its values are of types that every client has.
pub(super) fn sql(schema: &str) -> String {
    format!(
        "SELECT {schema}.convoke_outbox_1($1::text, $2::text, ARRAY[$3::bigint]::smallint[], ARRAY[$4::text], ARRAY[$5::text], \
         ARRAY[$6::text], ARRAY[$7::text], ARRAY[$8::bytea])"
    )
}

/// The statement for a client that is not ours.
pub(super) fn statement(outbox: &PostgresOutbox, packet: Packet) -> Statement {
    let packet = kept(packet);
    let values = vec![
        SqlValue::Text(Some(outbox.id().to_string())),
        SqlValue::Text(Some(outbox.outbox.to_string())),
        SqlValue::Integer(lane(&packet).into()),
        SqlValue::Text(Some(packet.id)),
        SqlValue::Text(Some(packet.topic)),
        SqlValue::Text(packet.key),
        SqlValue::Text(write_attributes(&packet.attributes)),
        SqlValue::Bytes(packet.body),
    ];
    Statement::new(Cow::Owned(sql(outbox.database.schema())), values)
}
