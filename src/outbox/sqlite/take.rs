//! How a relay reads on: what has left is deleted, and the first rows that are ready are read.
//!
//! `done, lanes → DELETE; SELECT → Taken`

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqlSafeStr, SqlStr, Sqlite, SqliteConnection};

use super::rows::SqliteRows;
use crate::outbox::{LANES, OutboxFigures, Taken};
use crate::sql::read_attributes;
use crate::sql::sqlite::{Joined, joined_columns, now, written};
use crate::transport::{Packet, TransportError};

const DELETE: &str = "DELETE FROM convoke_outbox WHERE position IN (SELECT value FROM json_each(?1)) AND state = 0";

/// For each number of lanes: what only reads.
static TAKES: LazyLock<Vec<SqlStr>> = LazyLock::new(|| {
    let sql = |lanes| AssertSqlSafe(take_sql(lanes)).into_sql_str();
    (0..=usize::from(LANES)).map(sql).collect()
});

/// The same behind what deletes: one request, because each costs as much as many rows.
static DELETES: LazyLock<Vec<SqlStr>> = LazyLock::new(|| {
    let sql = |lanes| AssertSqlSafe(format!("{DELETE}; {}", take_sql(lanes))).into_sql_str();
    (0..=usize::from(LANES)).map(sql).collect()
});

/// The lanes are merged, so that nothing is sorted, and rows that stand on one page leave it together: one that is written for
/// a row of each lane costs as much as all of its rows. Then as many as are not too large. `?2` is the outbox, `?3` how many,
/// `?4` how many bytes, and the lanes are behind that.
fn take_sql(lanes: usize) -> String {
    let lane = |lane: usize| {
        format!(
            "SELECT position, length(body) AS size FROM convoke_outbox WHERE outbox = ?2 AND lane = ?{} AND state = 0",
            lane + 5
        )
    };
    let all: Vec<_> = (0..lanes.max(1)).map(lane).collect();
    format!(
        "SELECT {} FROM (SELECT position, size, sum(size) OVER (ROWS UNBOUNDED PRECEDING) AS total FROM \
         ({} ORDER BY position LIMIT ?3)) AS first \
         CROSS JOIN convoke_outbox AS m ON m.position = first.position WHERE total <= ?4 OR total = size",
        joined_columns("m.position", "m.lane, m.published, m.packet, m.topic, m.key, m.attributes"),
        all.join(" UNION ALL ")
    )
}

/// Those that are large, one by one.
const LARGE: &str = "SELECT o.position, o.lane, o.published, o.packet, o.topic, o.key, o.attributes, o.body \
    FROM json_each(?1) AS large CROSS JOIN convoke_outbox AS o ON o.position = large.value";

pub(super) async fn take(
    rows: &SqliteRows,
    done: &[i64],
    lanes: &[u16],
    most: usize,
    bytes: usize,
) -> Result<Vec<Taken>, TransportError> {
    let all = if done.is_empty() { &TAKES } else { &DELETES };
    let Some(sql) = all.get(lanes.len()) else { return Ok(Vec::new()) };
    let sql = if lanes.is_empty() { DELETE.into_sql_str() } else { sql.clone() };
    let mut query = sqlx::query(sql).bind(written(done));
    if !lanes.is_empty() {
        query = query.bind(rows.id()).bind(i64::try_from(most).unwrap_or(i64::MAX));
        query = query.bind(i64::try_from(bytes).unwrap_or(i64::MAX));
        for lane in lanes {
            query = query.bind(i64::from(*lane));
        }
    }
    if lanes.is_empty() {
        rows.write(async |connection| query.execute(connection).await).await?;
        return Ok(Vec::new());
    }
    let (joined, larger) = match done {
        [] => {
            let mut reader = rows.glance().await?;
            let there = first_ones(query, &mut reader.connection).await;
            rows.store.verified(there).map_err(|error| rows.error(&error))?
        }
        _ => rows.write(async |connection| first_ones(query, connection).await).await?,
    };
    let now = now();
    let larger: Result<Vec<Taken>, sqlx::Error> = larger.into_iter().map(|row| read(row, now)).collect();
    let mut taken = larger.map_err(|error| rows.error(&error))?;
    taken.extend(joined.small.into_iter().map(|(position, columns, body)| of_columns(position, columns, body, now)));
    taken.sort_unstable_by_key(|row| row.position);
    Ok(taken)
}

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

async fn first_ones(
    query: Query,
    connection: &mut SqliteConnection,
) -> Result<(Joined<Columns>, Vec<SqliteRow>), sqlx::Error> {
    let joined = Joined::read(&query.fetch_one(&mut *connection).await?)?;
    let larger = match joined.large.as_slice() {
        [] => Vec::new(),
        large => sqlx::query(LARGE).bind(written(large)).fetch_all(connection).await?,
    };
    Ok((joined, larger))
}

/// What stands beside a position and a body.
type Columns = (u16, i64, String, String, Option<String>, Option<String>);

fn of_columns(
    position: i64,
    (lane, published, name, topic, key, attributes): Columns,
    body: Vec<u8>,
    now: i64,
) -> Taken {
    let mut packet = Packet::new(name, body);
    packet.topic = topic;
    packet.key = key;
    packet.attributes = read_attributes(attributes.as_deref());
    Taken { position, lane, age: age(published, now), packet }
}

fn read(row: SqliteRow, now: i64) -> Result<Taken, sqlx::Error> {
    let lane: i64 = row.try_get(1)?;
    Ok(Taken {
        position: row.try_get(0)?,
        lane: lane.try_into().unwrap_or_default(),
        age: age(row.try_get(2)?, now),
        packet: packet(&row, 3)?,
    })
}

/// The packet of a row, from this column on.
pub(super) fn packet(row: &SqliteRow, from: usize) -> Result<Packet, sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(from)?, row.try_get::<Vec<u8>, _>(from + 4)?);
    packet.topic = row.try_get(from + 1)?;
    packet.key = row.try_get(from + 2)?;
    packet.attributes = read_attributes(row.try_get(from + 3)?);
    Ok(packet)
}

pub(super) fn age(published: i64, now: i64) -> Duration {
    Duration::from_millis(now.saturating_sub(published).try_into().unwrap_or_default())
}

const FIGURES: &str = "SELECT \
    (SELECT count(*) FROM (SELECT 1 FROM convoke_outbox WHERE outbox = ?1 AND state = 0 LIMIT ?2)), \
    (SELECT count(*) FROM (SELECT 1 FROM convoke_outbox WHERE outbox = ?1 AND state = 1 LIMIT ?2)), \
    (SELECT count(*) FROM (SELECT 1 FROM convoke_outbox WHERE outbox = ?1 AND state = 2 AND state <> 0 LIMIT ?2)), \
    (SELECT published FROM convoke_outbox WHERE position = (SELECT min( \
        (SELECT position FROM convoke_outbox WHERE outbox = ?1 AND lane = value AND state = 0 ORDER BY position LIMIT 1) \
    ) FROM json_each(?3)))";

pub(super) async fn figures(rows: &SqliteRows, most: u64) -> Result<OutboxFigures, TransportError> {
    let lanes: Vec<i64> = (0..i64::from(LANES)).collect();
    let query = sqlx::query_as::<_, (i64, i64, i64, Option<i64>)>(FIGURES)
        .bind(rows.id())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(written(&lanes));
    let mut reader = rows.read().await?;
    let (ready, dead, parked, oldest) = query.fetch_one(&mut *reader).await.map_err(|error| rows.error(&error))?;
    let count = |count: i64| count.try_into().unwrap_or_default();
    let now = now();
    Ok(OutboxFigures {
        ready: count(ready),
        dead: count(dead),
        parked: count(parked),
        oldest: oldest.map(|published| age(published, now)),
    })
}

/// Every statement of this file.
#[cfg(test)]
pub(super) fn all() -> Vec<String> {
    [DELETE, LARGE, FIGURES].into_iter().map(str::to_owned).chain((1..=usize::from(LANES)).map(take_sql)).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;
    use crate::sql::sqlite::{hundreds_of_steps, prepare};

    #[actix_rt::test]
    async fn what_is_counted_takes_no_more_with_more_rows() {
        const MOST: i64 = 10_000;
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let connection = &mut connection;
        prepare(connection).await.unwrap();
        sqlx::query("INSERT INTO convoke_outbox_name VALUES (1, 'Shop')").execute(&mut *connection).await.unwrap();
        let fill = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
            INSERT INTO convoke_outbox (outbox, lane, published, packet, topic, key, body) \
            SELECT 1, n % 16, n, n, '', 'key ' || n, x'' FROM number";
        let lanes: Vec<i64> = (0..i64::from(LANES)).collect();
        let mut found = Vec::new();
        for more in [2, 4] {
            sqlx::query(fill).bind(more * MOST).execute(&mut *connection).await.unwrap();
            for (state, figures) in [
                (0, (MOST, 0, 0, Some(1))),
                (1, (0, MOST, 0, None)),
                (2, (0, 0, MOST, None)),
                (0, (MOST, 0, 0, Some(1))),
            ] {
                let all = sqlx::query("UPDATE convoke_outbox SET state = ?1").bind(state);
                all.execute(&mut *connection).await.unwrap();
                let ask = sqlx::query_as::<_, (i64, i64, i64, Option<i64>)>(FIGURES).bind(1).bind(MOST);
                let ask = ask.bind(written(&lanes));
                let (said, steps) = hundreds_of_steps(connection, async |c| ask.fetch_one(c).await.unwrap()).await;
                assert_eq!(said, figures, "{state}");
                found.push(steps);
            }
        }
        let (few, many) = found.split_at(found.len() / 2);
        assert!(few.iter().zip(many).all(|(few, many)| *few > 0 && many <= &(few + 2)), "{found:?}");
    }
}
