//! How packets get into the table: as few statements as that takes, in one transaction.
//!
//! `Postgres::publish → Parcel → Batcher → insert_all → convoke_publish_1 → convoke_delivery`

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres};
use tokio::time::Instant;

use super::builder::FOREVER;
use super::queue::Core;
use crate::sql::postgres::{BEGIN, COMMITTED, Failed, is_text, late};
use crate::sql::{Parcel, first_together, wanted, write_attributes};
use crate::transport::{Packet, TransportError};

/// A packet as a row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    packet: String,
    topic: String,
    key: Option<String>,
    rank: i16,
    /// In ms.
    delay: f64,
    attributes: Option<String>,
    is_text: bool,
    body: Vec<u8>,
}

impl Row {
    pub(crate) fn of(packet: &Packet) -> Self {
        Self {
            packet: packet.id.clone(),
            topic: packet.topic.clone(),
            key: packet.key.clone(),
            rank: i16::from(u8::MAX - packet.priority),
            delay: millis(packet.delay),
            attributes: write_attributes(&packet.attributes),
            is_text: is_text(&packet.body),
            body: packet.body.clone(),
        }
    }
}

/// A time in ms, of which a century is the longest.
pub(super) fn millis(time: Duration) -> f64 {
    time.min(FOREVER).as_secs_f64() * 1000.0
}

/// Publishes parcels, in their order, and returns a result for each.
pub(super) async fn insert_all(core: Arc<Core>, mut parcels: Vec<Parcel<Row>>) -> Vec<Result<(), TransportError>> {
    let mut results = Vec::with_capacity(parcels.len());
    while !parcels.is_empty() {
        let mut together = first_together(&mut parcels);
        let wanted = wanted(&mut together);
        let result = insert(&core, together).await;
        let late = || Err(late(&core.at, core.publish_deadline));
        results.extend(wanted.into_iter().map(|wanted| if wanted { result.clone() } else { late() }));
    }
    results
}

async fn insert(core: &Core, parcels: Vec<Parcel<Row>>) -> Result<(), TransportError> {
    let (Some(last), alone) = (parcels.iter().map(|parcel| parcel.until).max(), parcels.iter().any(|it| it.alone))
    else {
        return Ok(());
    };
    let deadline = last.saturating_duration_since(Instant::now());
    let count = parcels.iter().map(|parcel| parcel.rows.len()).sum();
    let group = alone.then_some(core.group.as_str());
    let call = Call::new(core.database.schema(), &core.queue, group, core.deduplicate.filter(|_| !alone));
    let columns = Arc::new(Columns::of(parcels.into_iter().flat_map(|parcel| parcel.rows)));
    if let Some(lease) = core.own.take(&core.database, &core.at).await {
        let (call, columns) = (call.clone(), columns.clone());
        let said = lease.say(&core.at, deadline, move |connection| {
            Box::pin(async move { call.query(COMMITTED, &columns).fetch_all(connection).await })
        });
        if let Some(said) = said.await {
            said?;
            core.database.bells().ring(&core.queue, count);
            return Ok(());
        }
    }
    core.database
        .in_time(&core.at, deadline, |connection| {
            let (call, columns) = (call.clone(), columns.clone());
            Box::pin(async move {
                // What has parameters needs more than one message, between which a pooler must not take the server away.
                let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
                call.publish(&mut transaction, &columns).await.map_err(Failed::undone)?;
                Ok(transaction.commit().await?)
            })
        })
        .await?;
    core.database.bells().ring(&core.queue, count);
    Ok(())
}

/// Into which queue, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    sql: String,
    queue: String,
    group: Option<String>,
    window: Option<f64>,
}

impl Call {
    pub(crate) fn new(schema: &str, queue: &str, group: Option<&str>, window: Option<Duration>) -> Self {
        Self {
            sql: format!("SELECT {schema}.convoke_publish_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) WHERE "),
            queue: queue.to_owned(),
            group: group.map(str::to_owned),
            window: window.map(millis),
        }
    }

    /// Inserts them within the transaction of this connection.
    pub(crate) async fn publish(&self, connection: &mut PgConnection, columns: &Columns) -> Result<(), sqlx::Error> {
        let is_kept = connection.cached_statements_size() > 0;
        let query = self.query("true", columns).persistent(is_kept);
        query.execute(connection).await.map(drop)
    }

    /// Inserts them if this holds, and returns a row then.
    fn query<'q>(&'q self, holds: &str, columns: &'q Columns) -> Query<'q, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(format!("{}{holds}", self.sql)));
        let query = query.bind(&self.queue).bind(&self.group).bind(self.window);
        let query = query.bind(&columns.packets).bind(&columns.topics).bind(&columns.keys).bind(&columns.ranks);
        let query = query.bind(&columns.delays).bind(&columns.attributes).bind(&columns.are_texts);
        query.bind(&columns.bodies)
    }
}

/// Rows as columns: one array is one value of a statement.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    packets: Vec<String>,
    topics: Vec<String>,
    keys: Vec<Option<String>>,
    ranks: Vec<i16>,
    delays: Vec<f64>,
    attributes: Vec<Option<String>>,
    are_texts: Vec<bool>,
    bodies: Vec<Vec<u8>>,
}

impl Columns {
    pub(crate) fn of(rows: impl Iterator<Item = Row>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            columns.packets.push(row.packet);
            columns.topics.push(row.topic);
            columns.keys.push(row.key);
            columns.ranks.push(row.rank);
            columns.delays.push(row.delay);
            columns.attributes.push(row.attributes);
            columns.are_texts.push(row.is_text);
            columns.bodies.push(row.body);
        }
        columns
    }
}
