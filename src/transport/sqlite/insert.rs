//! How packets get into the file: as few statements as that takes, in one transaction.
//!
//! `Sqlite::publish → Parcel → Batcher → insert → convoke_message → (trigger) → convoke_delivery`

use std::sync::{Arc, LazyLock};

use sqlx::{AssertSqlSafe, Connection, SqlSafeStr, SqlStr, SqliteConnection};

use super::queue::Core;
use crate::sql::sqlite::{after, describe, late, now};
use crate::sql::{Parcel, first_together, wanted, write_attributes};
use crate::transport::{Packet, TransportError};

/// How many rows one statement inserts: few sizes, so that each is prepared once.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// How many ids that are too old to matter go with each publish that de-duplicates.
const PRUNED: i64 = 100;

static INSERTS: LazyLock<[SqlStr; 4]> = LazyLock::new(|| SIZES.map(insert_sql));

/// The statement for so many rows. Its parameters have no numbers, for each that has one is looked for among all of them.
fn insert_sql(rows: usize) -> SqlStr {
    let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
    let columns = "queue, lane, packet, topic, key, priority, due, attributes, body";
    let sql = format!("INSERT INTO convoke_message ({columns}) VALUES {values}");
    AssertSqlSafe(sql).into_sql_str()
}

/// A packet as a row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    packet: String,
    topic: String,
    key: Option<String>,
    priority: u8,
    due: i64,
    attributes: Option<String>,
    body: Vec<u8>,
}

impl Row {
    pub(crate) fn of(packet: &Packet, now: i64) -> Self {
        Self {
            due: if packet.delay.is_zero() { 0 } else { after(now, packet.delay) },
            attributes: write_attributes(&packet.attributes),
            packet: packet.id.clone(),
            topic: packet.topic.clone(),
            key: packet.key.clone(),
            priority: packet.priority,
            body: packet.body.clone(),
        }
    }
}

/// Publishes parcels, in their order, and returns a result for each.
pub(super) async fn insert_all(core: Arc<Core>, mut parcels: Vec<Parcel<Row>>) -> Vec<Result<(), TransportError>> {
    let mut results = Vec::with_capacity(parcels.len());
    while !parcels.is_empty() {
        results.extend(insert_some(&core, first_together(&mut parcels)).await);
    }
    results
}

async fn insert_some(core: &Core, mut parcels: Vec<Parcel<Row>>) -> Vec<Result<(), TransportError>> {
    let count = parcels.len();
    let mut writer = match core.store.write().await {
        Ok(writer) => writer,
        Err(error) => return vec![Err(describe(&core.at, &error)); count],
    };
    let wanted = wanted(&mut parcels);
    // What was written into a file that is no longer at its path is not confirmed.
    let inserted = core.store.verified(insert(core, &mut writer.connection, parcels).await);
    drop(writer);
    let result = match inserted {
        Ok(rows) => {
            core.store.hub.ring(&core.queue, rows);
            Ok(())
        }
        Err(error) => Err(describe(&core.at, &error)),
    };
    let late = || Err(late(&core.at, core.publish_deadline));
    wanted.into_iter().map(|wanted| if wanted { result.clone() } else { late() }).collect()
}

async fn insert(
    core: &Core,
    connection: &mut SqliteConnection,
    parcels: Vec<Parcel<Row>>,
) -> Result<usize, sqlx::Error> {
    let rows: usize = parcels.iter().map(|parcel| parcel.rows.len()).sum();
    let alone = parcels.iter().any(|parcel| parcel.alone);
    // One statement is a transaction by itself.
    if SIZES.contains(&rows) && !alone && core.deduplicate.is_none() {
        let rows_of_all = parcels.into_iter().flat_map(|parcel| parcel.rows).collect();
        insert_rows(connection, &core.queue, None, rows_of_all).await?;
        return Ok(rows);
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for parcel in parcels {
        if parcel.alone {
            let lane = register(&mut transaction, &core.queue, &core.group).await?;
            insert_rows(&mut transaction, &core.queue, Some(lane), parcel.rows).await?;
        } else {
            let rows = match core.deduplicate {
                Some(window) => fresh(&mut transaction, &core.queue, after(now(), window), parcel.rows).await?,
                None => parcel.rows,
            };
            insert_rows(&mut transaction, &core.queue, None, rows).await?;
        }
    }
    transaction.commit().await?;
    Ok(rows)
}

/// Inserts into all lanes of a queue, or into one alone.
pub(crate) async fn insert_rows(
    connection: &mut SqliteConnection,
    queue: &str,
    lane: Option<i64>,
    rows: Vec<Row>,
) -> Result<(), sqlx::Error> {
    let mut rows = rows.into_iter();
    for (size, sql) in SIZES.iter().zip(INSERTS.iter()) {
        while rows.len() >= *size {
            let mut query = sqlx::query(sql.clone());
            for row in rows.by_ref().take(*size) {
                query = query
                    .bind(queue.to_owned())
                    .bind(lane)
                    .bind(row.packet)
                    .bind(row.topic)
                    .bind(row.key)
                    .bind(row.priority)
                    .bind(row.due);
                query = query.bind(row.attributes).bind(row.body);
            }
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Leaves those whose id was not there a moment ago, and writes down that it is now.
async fn fresh(
    connection: &mut SqliteConnection,
    queue: &str,
    until: i64,
    rows: Vec<Row>,
) -> Result<Vec<Row>, sqlx::Error> {
    let now = now();
    let mut left = Vec::with_capacity(rows.len());
    for row in rows {
        // Who has no id is nobody's twin.
        if row.packet.is_empty() || take(connection, queue, &row.packet, until, now).await? {
            left.push(row);
        }
    }
    let prune = "DELETE FROM convoke_taken WHERE (queue, packet) IN \
        (SELECT queue, packet FROM convoke_taken WHERE until <= ?1 LIMIT ?2)";
    sqlx::query(prune).bind(now).bind(PRUNED).execute(connection).await?;
    Ok(left)
}

async fn take(
    connection: &mut SqliteConnection,
    queue: &str,
    packet: &str,
    until: i64,
    now: i64,
) -> Result<bool, sqlx::Error> {
    let take = "INSERT INTO convoke_taken (queue, packet, until) VALUES (?1, ?2, ?3) \
        ON CONFLICT (queue, packet) DO UPDATE SET until = excluded.until WHERE until <= ?4";
    let query = sqlx::query(take).bind(queue.to_owned()).bind(packet.to_owned()).bind(until).bind(now);
    Ok(query.execute(connection).await?.rows_affected() > 0)
}

/// Returns the lane of a group, and makes it if it is not there. It has to be called within a transaction.
///
/// What was published before there was any group waits for the first that comes.
pub(super) async fn register(connection: &mut SqliteConnection, queue: &str, group: &str) -> Result<i64, sqlx::Error> {
    let make = "UPDATE convoke_lane SET grp = ?2, implicit = 0 WHERE queue = ?1 AND implicit = 1;
        INSERT INTO convoke_lane (queue, grp, implicit) VALUES (?1, ?2, 0) ON CONFLICT (queue, grp) DO NOTHING";
    if let Some(lane) = lane_of(connection, queue, group, false).await? {
        return Ok(lane);
    }
    sqlx::query(make).bind(queue.to_owned()).bind(group.to_owned()).execute(&mut *connection).await?;
    lane_of(connection, queue, group, false).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Returns the lane of a group; an implicit one only if those count.
pub(crate) async fn lane_of(
    connection: &mut SqliteConnection,
    queue: &str,
    group: &str,
    implicit: bool,
) -> Result<Option<i64>, sqlx::Error> {
    let find = "SELECT id FROM convoke_lane WHERE queue = ?1 AND grp = ?2 AND implicit <= ?3";
    let query = sqlx::query_scalar(find).bind(queue.to_owned()).bind(group.to_owned()).bind(implicit);
    query.fetch_optional(connection).await
}
