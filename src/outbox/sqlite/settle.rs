//! What is dead, what is parked behind it, and how both come back.
//!
//! `bury: ready → dead`, `park: ready → parked, while its key has a dead row`, `redrive, discard → ready`

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row};

use super::rows::SqliteRows;
use super::take::{age, packet};
use crate::Uuid;
use crate::outbox::{Dead, FirstDead};
use crate::sql::sqlite::{now, written};
use crate::transport::TransportError;

/// A relay that has lost a lane changes nothing in it.
const BURY: &str = "UPDATE convoke_outbox SET state = 1, reason = dead.value ->> 1 FROM json_each(?1) AS dead \
    WHERE position = dead.value ->> 0 AND state = 0 AND EXISTS (SELECT 1 FROM convoke_outbox_lane AS l \
        WHERE l.outbox = convoke_outbox.outbox AND l.lane = convoke_outbox.lane AND l.relay = ?2)";
const PARK: &str = "UPDATE convoke_outbox SET state = 2 \
    WHERE position IN (SELECT value FROM json_each(?1)) AND state = 0 \
    AND EXISTS (SELECT 1 FROM convoke_outbox_lane AS l \
        WHERE l.outbox = convoke_outbox.outbox AND l.lane = convoke_outbox.lane AND l.relay = ?2) \
    AND EXISTS (SELECT 1 FROM convoke_outbox AS dead \
        WHERE dead.outbox = convoke_outbox.outbox AND dead.state = 1 AND dead.state <> 0 AND dead.key = convoke_outbox.key \
            AND dead.position < convoke_outbox.position)";
const NOT_PARKED: &str = "SELECT position FROM convoke_outbox AS o \
    WHERE position IN (SELECT value FROM json_each(?1)) AND state = 0 \
    AND NOT EXISTS (SELECT 1 FROM convoke_outbox AS dead \
        WHERE dead.outbox = o.outbox AND dead.state = 1 AND dead.state <> 0 AND dead.key = o.key \
            AND dead.position < o.position)";
const DEAD_KEYS: &str = "SELECT key, min(position) FROM convoke_outbox WHERE outbox = ?1 AND state = 1 AND state <> 0 \
    AND key IS NOT NULL AND lane IN (SELECT value FROM json_each(?2)) GROUP BY key LIMIT ?3";
const FIRST_DEAD: &str = "SELECT key, first FROM (SELECT o.key AS key, (SELECT min(dead.position) FROM convoke_outbox AS dead \
        WHERE dead.outbox = o.outbox AND dead.state = 1 AND dead.state <> 0 AND dead.key = o.key) AS first \
    FROM json_each(?1) AS asked CROSS JOIN convoke_outbox AS o ON o.position = asked.value WHERE o.key IS NOT NULL) \
    WHERE first IS NOT NULL";
const DEAD: &str = "SELECT position, published, reason, \
    (SELECT count(*) FROM convoke_outbox AS p \
        WHERE p.outbox = o.outbox AND p.state = 2 AND p.state <> 0 AND p.key = o.key AND p.position > o.position), \
    packet, topic, key, attributes, body \
    FROM convoke_outbox AS o WHERE outbox = ?1 AND state = 1 AND position > ?2 ORDER BY position LIMIT ?3";
/// What has a key may be behind another dead row: it is parked until that is looked at.
const REVIVE: &str = "UPDATE convoke_outbox SET state = iif(key IS NULL, 0, 2), reason = NULL \
    WHERE state = 1 AND position IN ( \
        SELECT position FROM convoke_outbox WHERE outbox = ?1 AND state = 1 AND position BETWEEN ?2 AND ?3 \
        ORDER BY position LIMIT ?4 \
    ) RETURNING position, key";
const DISCARD: &str = "DELETE FROM convoke_outbox WHERE position = ?1 AND outbox = ?2 AND state = 1 RETURNING key";
/// What is behind another dead row of its key stays.
const UNPARK: &str = "UPDATE convoke_outbox SET state = 0 WHERE outbox = ?1 AND state = 2 AND state <> 0 AND key = ?2 \
    AND position < coalesce((SELECT min(dead.position) FROM convoke_outbox AS dead \
        WHERE dead.outbox = ?1 AND dead.state = 1 AND dead.state <> 0 AND dead.key = ?2), 9223372036854775807)";

pub(super) async fn dead_keys(rows: &SqliteRows, lanes: &[u16], most: usize) -> Result<FirstDead, TransportError> {
    let lanes: Vec<i64> = lanes.iter().copied().map(i64::from).collect();
    let query = sqlx::query_as(DEAD_KEYS).bind(rows.id()).bind(written(&lanes)).bind(limit(most));
    let mut reader = rows.read().await?;
    query.fetch_all(&mut *reader).await.map_err(|error| rows.error(&error))
}

pub(super) async fn first_dead(rows: &SqliteRows, positions: &[i64]) -> Result<FirstDead, TransportError> {
    let query = sqlx::query_as(FIRST_DEAD).bind(written(positions));
    let mut reader = rows.read().await?;
    query.fetch_all(&mut *reader).await.map_err(|error| rows.error(&error))
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

pub(super) async fn bury(rows: &SqliteRows, relay: Uuid, dead: &[(i64, String)]) -> Result<(), TransportError> {
    // Positions and texts can always be written.
    let dead = serde_json::to_string(dead).unwrap_or_default();
    let query = sqlx::query(BURY).bind(dead).bind(rows.known_as(relay));
    rows.write(async |connection| query.execute(connection).await).await?;
    Ok(())
}

pub(super) async fn park(rows: &SqliteRows, relay: Uuid, positions: &[i64]) -> Result<Vec<i64>, TransportError> {
    let positions = written(positions);
    rows.write(async |connection| {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(PARK).bind(positions.clone()).bind(rows.known_as(relay)).execute(&mut *transaction).await?;
        let not_parked = sqlx::query_scalar(NOT_PARKED).bind(positions).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(not_parked)
    })
    .await
}

pub(super) async fn dead(rows: &SqliteRows, after: i64, most: usize) -> Result<Vec<Dead>, TransportError> {
    let query = sqlx::query(DEAD).bind(rows.id()).bind(after).bind(limit(most));
    let mut reader = rows.read().await?;
    let there = query.fetch_all(&mut *reader).await.map_err(|error| rows.error(&error))?;
    let now = now();
    let dead: Result<Vec<Dead>, sqlx::Error> = there.iter().map(|row| read(row, now)).collect();
    dead.map_err(|error| rows.error(&error))
}

fn read(row: &SqliteRow, now: i64) -> Result<Dead, sqlx::Error> {
    Ok(Dead {
        position: row.try_get(0)?,
        age: age(row.try_get(1)?, now),
        reason: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
        parked: row.try_get::<i64, _>(3)?.try_into().unwrap_or_default(),
        packet: packet(row, 4)?,
    })
}

pub(super) async fn redrive(rows: &SqliteRows, from: i64, to: i64, most: usize) -> Result<Vec<i64>, TransportError> {
    let id = rows.id();
    let redriven = rows.write(async |connection| {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let revive = sqlx::query_as::<_, (i64, Option<String>)>(REVIVE).bind(id).bind(from).bind(to).bind(limit(most));
        let dead = revive.fetch_all(&mut *transaction).await?;
        let (mut positions, keys): (Vec<_>, Vec<_>) = dead.into_iter().unzip();
        for key in keys.into_iter().flatten().collect::<BTreeSet<_>>() {
            sqlx::query(UNPARK).bind(id).bind(key).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        positions.sort_unstable();
        Ok(positions)
    });
    redriven.await
}

pub(super) async fn discard(rows: &SqliteRows, position: i64) -> Result<bool, TransportError> {
    let id = rows.id();
    let discarded = rows.write(async |connection| {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let discard = sqlx::query_scalar::<_, Option<String>>(DISCARD).bind(position).bind(id);
        let Some(key) = discard.fetch_optional(&mut *transaction).await? else { return Ok(false) };
        if let Some(key) = key {
            sqlx::query(UNPARK).bind(id).bind(key).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(true)
    });
    discarded.await
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, SqliteConnection};

    use super::*;
    use crate::outbox::sqlite::{lanes, take};
    use crate::sql::sqlite::prepare;

    #[actix_rt::test]
    async fn nothing_that_is_done_for_a_row_reads_a_whole_table_or_sorts_one() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let of_takes = take::all();
        let of_settling = [BURY, PARK, NOT_PARKED, DEAD_KEYS, FIRST_DEAD, DEAD, REVIVE, DISCARD, UNPARK];
        let all = of_takes.iter().map(String::as_str).chain(of_settling).chain(lanes::ALL_OF_THEM);
        for sql in all {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
            let plan: String = rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect();
            assert!(plan.contains("SEARCH"), "{sql}\n{plan}");
            for line in plan.lines() {
                let of_table = ["convoke_", "dead ", "o ", "p ", "l "]
                    .iter()
                    .any(|name| format!("{line} ").contains(&format!("SCAN {name}")));
                // What is given as a list is short, and is called `dead` where it is buried.
                let of_list = line.contains("VIRTUAL TABLE");
                assert!(!of_table || of_list, "it reads a whole table: {line}\n{sql}\n{plan}");
                assert!(!line.contains("TEMP B-TREE"), "it sorts: {line}\n{sql}\n{plan}");
            }
        }
    }
}
